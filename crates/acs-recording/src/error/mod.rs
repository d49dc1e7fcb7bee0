//! The one error of this crate.

mod code;
mod detail;
mod disposition;
mod hint;
mod response;

use std::fmt;
use std::time::Duration;

pub use code::ServiceCode;
pub use disposition::Disposition;
pub use hint::Hint;
pub(crate) use response::{
    from_failure, from_response, kind_of_status, read_error_body, retry_after,
};

use crate::transport::{Trace, Tries};
use detail::Detail;

/// The result of everything that talks to the service.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, by what a program can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client was given something that cannot be right: an endpoint, a connection string, an
    /// id, a URL. Nothing was sent. Fix the value.
    InvalidInput,
    /// The service did not accept the credential (401). Authenticator key, endpoint and clock.
    Authentication,
    /// The credential is good, but not for this (403).
    PermissionDenied,
    /// The recording, call or content does not exist, or does not any more (404). A stopped
    /// recording is no longer found.
    NotFound,
    /// The request contradicts the state of the call or recording (409, 412, or a 400 with a code
    /// that says so, such as a second recording of one call).
    Conflict,
    /// The service refused the request as wrong (other 4xx).
    InvalidRequest,
    /// Too many requests (429). Try again after [`Error::retry_after`].
    Throttled,
    /// The service failed (5xx). Try again later.
    Service,
    /// No answer within the time limit. Whether the service acted on the request is unknown.
    Timeout,
    /// The service could not be reached, or the connection broke.
    Connection,
    /// The service answered something that is not an answer to the request.
    InvalidResponse,
    /// Content came in incomplete or altered; no file was left under its final name.
    CorruptContent,
    /// The service no longer keeps the content: it was recorded over 24 hours ago.
    ExpiredContent,
    /// The content was not there within the limit, or was empty. Try again some minutes later.
    ContentNotReady,
    /// Each time, the content changed while it was downloaded.
    ContentChanged,
    /// A location leads to a place that gets no credentials: another host than the service's, or
    /// a path that is not one of recorded content. Nothing was sent there.
    ForbiddenHost,
    /// The content is in a storage account of the caller's own, which takes other credentials.
    OwnStorage,
    /// The event announces no content: there is nothing to download.
    NothingToDownload,
    /// A local file could not be written or read.
    Io,
}

impl ErrorKind {
    /// A name for programs, such as `not-found`: in logs, metrics and JSON.
    ///
    /// It is in lower case with hyphens, and stays the same in later versions, other than the text
    /// for people, which `Display` gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Authentication => "authentication",
            Self::PermissionDenied => "permission-denied",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::InvalidRequest => "invalid-request",
            Self::Throttled => "throttled",
            Self::Service => "service",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::InvalidResponse => "invalid-response",
            Self::CorruptContent => "corrupt-content",
            Self::ExpiredContent => "expired-content",
            Self::ContentNotReady => "content-not-ready",
            Self::ContentChanged => "content-changed",
            Self::ForbiddenHost => "forbidden-host",
            Self::OwnStorage => "own-storage",
            Self::NothingToDownload => "nothing-to-download",
            Self::Io => "io",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::Authentication => "not authenticated",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::InvalidRequest => "invalid request",
            Self::Throttled => "too many requests",
            Self::Service => "the service failed",
            Self::Timeout => "timed out",
            Self::Connection => "connection failed",
            Self::InvalidResponse => "unexpected answer",
            Self::CorruptContent => "corrupt content",
            Self::ExpiredContent => "expired content",
            Self::ContentNotReady => "content not ready",
            Self::ContentChanged => "content changed",
            Self::ForbiddenHost => "forbidden host",
            Self::OwnStorage => "own storage",
            Self::NothingToDownload => "nothing to download",
            Self::Io => "I/O error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Why an operation failed: what happened, to what, and what to do.
///
/// [`kind`](Self::kind) is for programs to match; `Display` is one line for people and contains no
/// secret. Errors of the service carry its [`status`](Self::status), [`code`](Self::code) and
/// [`request_id`](Self::request_id), which support asks for.
///
/// ```
/// use acs_recording::{Error, ErrorKind};
///
/// fn is_over(error: &Error) -> bool {
///     error.kind() == ErrorKind::NotFound
/// }
///
/// // Tests of your own code can make errors, too.
/// let error = Error::new(ErrorKind::NotFound, "recording r1").with_code("8522");
/// assert!(is_over(&error));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    status: Option<u16>,
    detail: Detail,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    tries: Tries,
    /// Whether the same request may succeed later, where the kind does not tell.
    retryable: Option<bool>,
    hint: Option<Hint>,
    source: Option<BoxError>,
}

impl Error {
    /// Makes an error; the message says what happened and to what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            status: None,
            detail: Detail::default(),
            request_id: None,
            retry_after: None,
            tries: Tries::default(),
            retryable: None,
            hint: None,
            source: None,
        }))
    }

    /// Adds the HTTP status of the service's answer.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the service's error code.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.detail.code = Some(code.into());
        self
    }

    /// Adds the id under which the service knows the request.
    pub fn with_request_id(mut self, id: impl fmt::Display) -> Self {
        self.0.request_id = Some(id.to_string());
        self
    }

    /// Adds how long the service asks to wait.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    fn with_detail(mut self, detail: Detail) -> Self {
        self.0.detail = detail;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.tries.attempts = attempts;
        self
    }

    pub(crate) fn with_trace(mut self, trace: &Trace) -> Self {
        self.0.tries = trace.tries;
        // Request ids are visible ASCII.
        match trace.request_id.to_str() {
            Ok(id) => self.with_request_id(id),
            Err(_) => self,
        }
    }

    /// Sets whether the same request may succeed later, where the kind does not decide it.
    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Whether the service may have acted on the request although its response was lost.
    pub(crate) fn may_have_acted(&self) -> bool {
        self.0.tries.may_have_acted
    }

    /// Changes the kind.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Adds what to do about it.
    pub(crate) fn with_hint(mut self, hint: Hint) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// Appends a note to the message.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        self.0.message = format!("{}; {note}", self.0.message);
        self
    }

    /// Prefixes the message with its subject, such as a recording.
    pub(crate) fn with_context(mut self, subject: &str) -> Self {
        self.0.message = format!("{subject}: {}", self.0.message);
        self
    }

    /// Adds the operation that failed, unless there is one already.
    pub(crate) fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// What went wrong, by what a program can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it, where that is known, for programs that say it in their own words.
    /// `Display` says it, too.
    pub fn hint(&self) -> Option<Hint> {
        self.0.hint
    }

    /// What happened and to what, without what to do about it and without the request's id.
    pub fn summary(&self) -> String {
        match self.0.operation {
            Some(operation) => format!("{operation}: {}", self.0.message),
            None => self.0.message.clone(),
        }
    }

    /// The HTTP status, if the service answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's error code, such as `8522`, if its answer had one.
    ///
    /// For calls and recordings it is what the service's documents call the sub-code; their code
    /// is the [`status`](Self::status).
    pub fn code(&self) -> Option<&str> {
        self.0.detail.code.as_deref()
    }

    /// The code of the error behind this one, if the answer had one and it is another.
    pub fn inner_error_code(&self) -> Option<&str> {
        self.0.detail.inner_error_code.as_deref()
    }

    /// The service's error code by name, if it has one; else that of its sub-code.
    pub fn service_code(&self) -> Option<ServiceCode> {
        let status = self.status().unwrap_or_default();
        let codes = [self.code(), self.inner_error_code()];
        let mut codes = codes.into_iter().flatten();
        codes.find_map(|code| ServiceCode::find(status, code))
    }

    /// What the service said, in its own words and shortened to one line of 1,000 characters.
    pub fn service_message(&self) -> Option<&str> {
        Some(self.0.detail.message.as_str()).filter(|message| !message.is_empty())
    }

    /// What the service says that the error is about, as a rule a path.
    pub fn target(&self) -> Option<&str> {
        self.0.detail.target.as_deref()
    }

    /// The `x-ms-client-request-id` of the request, for correlation with the service's logs.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How often the request was sent; 0 when it was not sent at all.
    pub fn attempts(&self) -> u32 {
        self.0.tries.attempts
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        // What a server cannot do at all.
        if matches!(self.0.status, Some(501 | 505)) {
            return false;
        }
        if let Some(retryable) = self.0.retryable {
            return retryable;
        }
        match self.0.kind {
            ErrorKind::Throttled
            | ErrorKind::Service
            | ErrorKind::Timeout
            | ErrorKind::Connection
            | ErrorKind::CorruptContent
            | ErrorKind::ContentNotReady
            | ErrorKind::ContentChanged => true,
            _ => self.0.status == Some(408),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}", inner.message)?;
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        if let Some(id) = &inner.request_id {
            write!(f, " [request {id}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("operation", &inner.operation)
            .field("status", &inner.status)
            .field("code", &inner.detail.code)
            .field("inner_error_code", &inner.detail.inner_error_code)
            .field("target", &inner.detail.target)
            .field("request_id", &inner.request_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.tries.attempts)
            .field("hint", &inner.hint)
            .field("source", &inner.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    /// Programs compare them: none of these may ever change.
    const NAMES: &[(ErrorKind, &str)] = &[
        (ErrorKind::InvalidInput, "invalid-input"),
        (ErrorKind::Authentication, "authentication"),
        (ErrorKind::PermissionDenied, "permission-denied"),
        (ErrorKind::NotFound, "not-found"),
        (ErrorKind::Conflict, "conflict"),
        (ErrorKind::InvalidRequest, "invalid-request"),
        (ErrorKind::Throttled, "throttled"),
        (ErrorKind::Service, "service"),
        (ErrorKind::Timeout, "timeout"),
        (ErrorKind::Connection, "connection"),
        (ErrorKind::InvalidResponse, "invalid-response"),
        (ErrorKind::CorruptContent, "corrupt-content"),
        (ErrorKind::ExpiredContent, "expired-content"),
        (ErrorKind::ContentNotReady, "content-not-ready"),
        (ErrorKind::ContentChanged, "content-changed"),
        (ErrorKind::ForbiddenHost, "forbidden-host"),
        (ErrorKind::OwnStorage, "own-storage"),
        (ErrorKind::NothingToDownload, "nothing-to-download"),
        (ErrorKind::Io, "io"),
    ];

    #[test]
    fn names_never_change() {
        for (index, (kind, name)) in NAMES.iter().enumerate() {
            assert_eq!(kind.name(), *name);
            assert_eq!(*kind as usize, index, "a kind without a name here");
        }
        assert_eq!(NAMES.len(), ErrorKind::Io as usize + 1);
    }
}
