//! Errors of transports.

use std::io;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no response, which determines whether the request is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection was established, so the request was not sent. It can always be retried.
    Connect,
    /// The server is not trusted, because its certificate is not valid. The request was not sent, and
    /// is not retried.
    Untrusted,
    /// There was no response in time. The server may have acted on the request, so it is retried only
    /// if it is idempotent.
    Timeout,
    /// The connection broke. Otherwise the same as [`Timeout`](Self::Timeout).
    Interrupted,
    /// The request is invalid. It was not sent, and is not retried.
    Request,
}

/// Why a [`Transport`](crate::Transport) has no response, or why the body of a response ended early.
///
/// ```
/// use acs_recording::{TransportError, TransportErrorKind};
///
/// let error = TransportError::new(TransportErrorKind::Connect, "connection refused");
/// assert_eq!(error.kind(), TransportErrorKind::Connect);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    kind: TransportErrorKind,
    message: String,
    source: Option<BoxError>,
    proxy: Option<UsedProxy>,
}

/// The proxy that a request went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedProxy {
    /// The setting or variable that names it.
    pub(crate) named_by: &'static str,
    /// Its host and port.
    pub(crate) authority: String,
}

impl TransportError {
    /// An error with a message that says what happened, without the URL.
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            proxy: None,
        }
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn with_proxy(mut self, proxy: UsedProxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    pub(crate) fn proxy(&self) -> Option<&UsedProxy> {
        self.proxy.as_ref()
    }
}

impl From<io::Error> for TransportError {
    /// An error while a body is read or a request is sent.
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => TransportErrorKind::Timeout,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable => {
                TransportErrorKind::Connect
            }
            _ => TransportErrorKind::Interrupted,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
