//! Errors of the service, independent of HTTP.

/// The reason why the service refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServiceError {
    /// The request is contradictory or violates a rule.
    InvalidArgument(String),
    /// A callback URL that the service does not send to.
    CallbackUri(String),
    /// The text does not have the format of a call id.
    JoinIdentity,
    /// The call or connection does not exist or has ended.
    CallNotFound,
    /// The participant does not exist.
    ParticipantNotFound,
    /// The recording does not exist or has ended.
    RecordingNotFound,
    /// The call is not connected yet.
    NotEstablished,
    /// The call has ended.
    Terminated,
    /// The call is already being recorded.
    Duplicate,
    /// The file format does not match content and channels.
    Format(String),
    /// This combination of content and channels cannot be recorded.
    Mode(String),
    /// The service has no such operation.
    OperationNotFound,
    /// The service has operations at this path, but not with this method.
    Method,
    /// The service supports this, but the emulator does not.
    NotEmulated(String),
}

impl ServiceError {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::InvalidArgument(message.into())
    }
}
