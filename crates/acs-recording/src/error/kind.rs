//! The kinds of errors.

use std::fmt;

/// The kind of an error, by what a program can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that was passed is invalid: an endpoint, a connection string, an id, a URL. Nothing
    /// was sent. Fix the value.
    InvalidInput,
    /// The service did not accept the credential (401). Check the key, the endpoint and the clock.
    Authentication,
    /// The credential is valid, but does not allow the operation (403).
    PermissionDenied,
    /// The recording, call or content does not exist, or no longer exists (404). A stopped recording
    /// is not found.
    NotFound,
    /// The request contradicts the state of the call or recording (409, 412, or a 400 with a code
    /// that says so, such as a second recording of one call).
    Conflict,
    /// The service rejected the request as invalid (other 4xx).
    InvalidRequest,
    /// Too many requests (429). Try again after [`Error::retry_after`](crate::Error::retry_after).
    Throttled,
    /// The service failed (5xx). Try again later.
    Service,
    /// No response arrived in time. Whether the service acted on the request is unknown.
    Timeout,
    /// The service could not be reached, or the connection broke.
    Connection,
    /// The response is not a valid response to the request.
    InvalidResponse,
    /// Content arrived incomplete or altered; no file was left under its final name.
    CorruptContent,
    /// The service no longer keeps the content: it was recorded over 24 hours ago.
    ExpiredContent,
    /// The content was not ready in time, or was empty. Try again some minutes later.
    ContentNotReady,
    /// The content changed repeatedly during the download.
    ContentChanged,
    /// Credentials are not sent to a location, because its host is not one of the service's, or its
    /// path is not one of recorded content. Nothing was sent there.
    ForbiddenHost,
    /// The content is in the caller's own storage account, which requires other credentials.
    OwnStorage,
    /// The event announces no content: there is nothing to download.
    NothingToDownload,
    /// A local file could not be written or read.
    Io,
}

impl ErrorKind {
    /// A name for logs, metrics and JSON, such as `not-found`.
    ///
    /// It is in lower case with hyphens, and stays the same in later versions, unlike the text for
    /// people, which `Display` returns.
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
            Self::InvalidResponse => "invalid response",
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

#[cfg(test)]
mod tests {
    use super::*;

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
