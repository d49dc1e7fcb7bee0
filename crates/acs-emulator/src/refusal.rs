//! What the service refuses, apart from how that looks in HTTP.

/// A reason of the service not to do what a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request contradicts itself or the rules.
    InvalidArgument(String),
    /// A callback address that the service does not post to.
    CallbackUri(String),
    /// The text is not the id of any call.
    JoinIdentity,
    /// There is no such call or connection, or it is over.
    CallNotFound,
    /// There is no such participant.
    ParticipantNotFound,
    /// There is no such recording, or it has ended.
    RecordingNotFound,
    /// The call has not connected yet.
    NotEstablished,
    /// The call is over.
    Terminated,
    /// The call is being recorded already.
    Duplicate,
    /// The file format does not go with content and channels.
    Format(String),
    /// No such recording can be made.
    Mode(String),
    /// The service has no such operation.
    OperationNotFound,
    /// The service has operations at this address, but not with this verb.
    Method,
    /// The service can do this, the emulator cannot.
    NotEmulated(String),
}

impl Refusal {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::InvalidArgument(message.into())
    }
}
