//! The service's error codes for calls and recordings.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// An error code of the service.
        ///
        /// The service documents several hundred codes. These concern calls and recordings.
        /// [`Error::code`](super::Error::code) has the text of any code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ServiceCode {
            $($(#[$doc])* $name,)*
        }

        #[allow(unreachable_patterns, reason = "a code with two meanings is found by its status")]
        impl ServiceCode {
            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as the service writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The code with this text, in a response with this status. One code has two meanings,
            /// which the status distinguishes.
            pub fn find(status: u16, code: &str) -> Option<Self> {
                match (status, code) {
                    (405, "8522") => Some(Self::MissingConfiguration),
                    $((_, $code) => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The token's kind of identity is not accepted.
    UnsupportedIdentity = "7500";
    /// The token is not valid.
    InvalidToken = "7501";
    /// The resource does not accept Entra ID.
    AccessNotEnabled = "7502";
    /// The identity lacks a role.
    InsufficientPermissions = "7504";
    /// The identity that the request names is not of this resource.
    SourceIdentityMismatch = "7507";
    /// The signature does not match the request.
    HmacValidationFailed = "7509";
    /// The resource's managed identity was not accepted.
    ManagedIdentityFailed = "7510";
    /// This resource is not allowed to record calls with Teams.
    TeamsInteropNotAllowed = "7605";
    /// The media options cannot be combined.
    InvalidMediaMode = "8500";
    /// The call is not connected yet.
    CallNotEstablished = "8501";
    /// Too many requests for calls.
    CallThrottled = "8516";
    /// Another request for the same resource is being processed.
    Conflict = "8519";
    /// The operation is not supported for this call or recording.
    NotSupported = "8520";
    /// The recording, call or participant does not exist, or no longer exists.
    NotFound = "8522";
    /// The resource or the call lacks a configuration: the same code with status 405.
    MissingConfiguration = "8522";
    /// A value in the request is invalid.
    InvalidArgument = "8523";
    /// The token in the server call id is not valid.
    InvalidJoinToken = "8526";
    /// The server call id does not lead to a call.
    InvalidJoinIdentity = "8527";
    /// The call is over.
    CallTerminated = "8528";
    /// The resource has reached its monthly limit of calls.
    MonthlyLimitReached = "8529";
    /// The resource has reached its limit of active calls.
    ActiveCallsLimitReached = "8530";
    /// The call already has a recording.
    DuplicateRecording = "8553";
    /// The format cannot be combined with the other media options.
    WrongFormat = "8557";
    /// The call is being recorded.
    RecordingInProgress = "8559";
    /// The recording mode is not supported.
    UnsupportedRecordingMode = "8562";
    /// Another operation on the recording is in progress.
    RecordingOperationConflict = "8571";
    /// The recording can be neither paused nor resumed now.
    PauseResumeNotAllowed = "8573";
    /// A precondition of the request is not met.
    PreconditionFailed = "8583";
    /// The state of the call does not allow the operation.
    InvalidCallState = "8585";
    /// Too many requests for recordings.
    RecordThrottled = "8589";
    /// The service failed without giving a reason.
    InternalError = "9999";
}

impl fmt::Display for ServiceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_their_text() {
        for code in ServiceCode::ALL {
            let status = match code {
                ServiceCode::MissingConfiguration => 405,
                _ => 404,
            };
            assert_eq!(ServiceCode::find(status, code.as_str()), Some(*code));
        }
        assert_eq!(ServiceCode::find(401, "Denied"), None);
    }
}
