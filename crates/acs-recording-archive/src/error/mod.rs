//! The error of this crate.

mod cause;
mod recording;
mod store;

use std::fmt;
use std::time::Duration;

pub(crate) use cause::{connection_failure, is_untrusted, root_cause};
pub(crate) use store::{from_store, is_missing_object};

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, by what a program can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is invalid: a URL, a layout, a connection string. Nothing was sent. Fix the value.
    InvalidInput,
    /// The queue, the store or the recording service rejected the credential (401, or 403 from the
    /// queue for a wrong signature).
    Authentication,
    /// The credential is valid and lacks a permission (403).
    PermissionDenied,
    /// The queue, container or bucket does not exist. Create it.
    NotFound,
    /// Too many requests (429 or 503). Try again after [`Error::retry_after`].
    Throttled,
    /// A service failed or could not be reached, or did not respond in time. Try again later.
    Unavailable,
    /// Another receiver holds the message, or it no longer exists. Do not touch it again.
    LeaseLost,
    /// A message holds no event that can be read, or the event lacks what an archive needs.
    InvalidEvent,
    /// The event announces no content. There is nothing to archive.
    NothingToArchive,
    /// A location leads to a host that gets no credentials. Nothing was sent there.
    ForbiddenHost,
    /// The service no longer keeps the content.
    ExpiredContent,
    /// The service does not find the content: it was deleted.
    ContentNotFound,
    /// The recording is in a storage account of the caller's own.
    OwnStorage,
    /// Content arrived incomplete or altered, or is not what its receipt says.
    CorruptContent,
    /// The archive holds other content under the same name.
    Conflict,
    /// A response cannot be understood, or a service rejected the request as invalid.
    InvalidResponse,
    /// A local file could not be written or read.
    Io,
}

impl ErrorKind {
    /// Every kind, for tables of metrics and exit codes.
    pub const ALL: &'static [Self] = &[
        Self::InvalidInput,
        Self::Authentication,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Throttled,
        Self::Unavailable,
        Self::LeaseLost,
        Self::InvalidEvent,
        Self::NothingToArchive,
        Self::ForbiddenHost,
        Self::ExpiredContent,
        Self::ContentNotFound,
        Self::OwnStorage,
        Self::CorruptContent,
        Self::Conflict,
        Self::InvalidResponse,
        Self::Io,
    ];

    /// A name for programs, such as `lease-lost`: in logs, metrics and JSON. It stays the same in
    /// later versions.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Authentication => "authentication",
            Self::PermissionDenied => "permission-denied",
            Self::NotFound => "not-found",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::LeaseLost => "lease-lost",
            Self::InvalidEvent => "invalid-event",
            Self::NothingToArchive => "nothing-to-archive",
            Self::ForbiddenHost => "forbidden-host",
            Self::ExpiredContent => "expired-content",
            Self::ContentNotFound => "content-not-found",
            Self::OwnStorage => "own-storage",
            Self::CorruptContent => "corrupt-content",
            Self::Conflict => "conflict",
            Self::InvalidResponse => "invalid-response",
            Self::Io => "io",
        }
    }

    /// Whether it is about the environment, such as a store that cannot be reached, and not about
    /// one chunk: every other chunk would fail as well.
    pub(crate) fn is_environmental(self) -> bool {
        matches!(
            self,
            Self::Authentication
                | Self::PermissionDenied
                | Self::NotFound
                | Self::Throttled
                | Self::Unavailable
                | Self::Io
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why an operation of the archive failed.
///
/// [`kind`](Self::kind) is for programs to match. `Display` is one line for people: what happened,
/// to what, and what to do. It holds no secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

impl Error {
    /// An error with a message that says what happened, to what, and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retry_after: None,
            source: None,
        }))
    }

    /// Adds the cause. Its `Display` must hold no secret and be short: logs print the whole chain.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds how long the service asks to wait.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Puts what it is about in front of the message, such as an object.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// What went wrong, by what a program can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long the service asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same operation may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::CorruptContent
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
