//! The error type of this crate.

mod code;
mod detail;
mod disposition;
mod headers;
mod hint;
mod kind;
mod request;
mod response;

use std::fmt;
use std::time::Duration;

pub use code::ServiceCode;
pub use disposition::Disposition;
pub(crate) use headers::retry_after;
pub use hint::Hint;
pub use kind::ErrorKind;
pub(crate) use request::{Attempts, RequestInfo, RetryAfterTooLong};
pub(crate) use response::{from_failure, from_response, kind_of_status};

use detail::Detail;

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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
/// // Your own tests can create errors, too.
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
    chain_id: Option<String>,
    correlation_vector: Option<String>,
    recording_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: Attempts,
    /// Whether the same request may succeed later, if the kind does not determine it.
    retryable: Option<bool>,
    hint: Option<Hint>,
    source: Option<BoxError>,
}

impl Error {
    /// An error with a message that says what happened and to what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            status: None,
            detail: Detail::default(),
            request_id: None,
            chain_id: None,
            correlation_vector: None,
            recording_id: None,
            retry_after: None,
            attempts: Attempts::default(),
            retryable: None,
            hint: None,
            source: None,
        }))
    }

    /// Adds the HTTP status of the response.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the service's error code.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.detail.code = Some(code.into());
        self
    }

    /// Adds the `x-ms-client-request-id` of the request.
    pub fn with_request_id(mut self, id: impl fmt::Display) -> Self {
        self.0.request_id = Some(id.to_string());
        self
    }

    /// Adds the id of the recording that the operation is about.
    pub fn with_recording_id(mut self, id: impl fmt::Display) -> Self {
        self.0.recording_id = Some(id.to_string());
        self
    }

    /// Adds the delay that the service requests before the next attempt.
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
        self.0.attempts.count = attempts;
        self
    }

    pub(crate) fn with_request_info(mut self, info: &RequestInfo) -> Self {
        self.0.attempts = info.attempts;
        self.0.recording_id.clone_from(&info.recording_id);
        // Request ids are visible ASCII.
        match info.client_request_id.to_str() {
            Ok(id) => self.with_request_id(id),
            Err(_) => self,
        }
    }

    fn with_chain_id(mut self, id: Option<&str>) -> Self {
        self.0.chain_id = id.map(str::to_owned);
        self
    }

    fn with_correlation_vector(mut self, vector: Option<&str>) -> Self {
        self.0.correlation_vector = vector.map(str::to_owned);
        self
    }

    /// Sets whether the same request may succeed later, regardless of the kind.
    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Whether the service may have acted on the request although its response was lost.
    pub(crate) fn may_have_acted(&self) -> bool {
        self.0.attempts.may_have_acted
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

    /// The kind of the error, by what a program can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it, if that is known. `Display` includes it.
    pub fn hint(&self) -> Option<Hint> {
        self.0.hint
    }

    /// What happened and to what: the text of `Display` without the hint and the request id.
    pub fn summary(&self) -> String {
        match self.0.operation {
            Some(operation) => format!("{operation}: {}", self.0.message),
            None => self.0.message.clone(),
        }
    }

    /// The HTTP status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's error code, such as `8522`, if its response had one.
    ///
    /// For calls and recordings it is what the service's documentation calls the sub-code; what it
    /// calls the code is the [`status`](Self::status).
    pub fn code(&self) -> Option<&str> {
        self.0.detail.code.as_deref()
    }

    /// The code of the innermost error of the response, if it has one that differs from
    /// [`code`](Self::code).
    pub fn inner_error_code(&self) -> Option<&str> {
        self.0.detail.inner_error_code.as_deref()
    }

    /// The service's error code by name: that of [`code`](Self::code), or else of
    /// [`inner_error_code`](Self::inner_error_code).
    pub fn service_code(&self) -> Option<ServiceCode> {
        let status = self.status().unwrap_or_default();
        let codes = [self.code(), self.inner_error_code()];
        let mut codes = codes.into_iter().flatten();
        codes.find_map(|code| ServiceCode::find(status, code))
    }

    /// The message of the service, shortened to one line of 1,000 characters.
    pub fn service_message(&self) -> Option<&str> {
        Some(self.0.detail.message.as_str()).filter(|message| !message.is_empty())
    }

    /// The subject of the error according to the service, usually a path.
    pub fn target(&self) -> Option<&str> {
        self.0.detail.target.as_deref()
    }

    /// The `x-ms-client-request-id` of the request, for correlation with the service's logs.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The `X-Microsoft-Skype-Chain-ID` of the response, which support asks for. It identifies a
    /// call and its requests within the service.
    pub fn chain_id(&self) -> Option<&str> {
        self.0.chain_id.as_deref()
    }

    /// The `MS-CV` of the response, which support asks for. It identifies a request within
    /// the storage of recordings.
    pub fn correlation_vector(&self) -> Option<&str> {
        self.0.correlation_vector.as_deref()
    }

    /// The id of the recording that the operation is about, if it is known.
    pub fn recording_id(&self) -> Option<&str> {
        self.0.recording_id.as_deref()
    }

    /// The delay that the service requests before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The number of attempts. It is 0 if the request was not sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts.count
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        // The server does not support the request at all.
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
            .field("chain_id", &inner.chain_id)
            .field("correlation_vector", &inner.correlation_vector)
            .field("recording_id", &inner.recording_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts.count)
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
