//! The service's error codes that have to do with calls and recordings.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// A code of the service, by name.
        ///
        /// The service documents several hundred; these are the ones that recording a call meets.
        /// [`Error::code`](super::Error::code) has the text of any other.
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

            /// The code with this text, in an answer with this status: one code means two things.
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
    /// Calls with Teams may not be recorded by this resource.
    TeamsInteropNotAllowed = "7605";
    /// The media options do not fit together.
    InvalidMediaMode = "8500";
    /// The call is not connected yet.
    CallNotEstablished = "8501";
    /// Too many requests for calls.
    CallThrottled = "8516";
    /// Two requests for one thing at the same time.
    Conflict = "8519";
    /// The service does not support the operation here.
    NotSupported = "8520";
    /// The recording, call or participant is not there, or not any more.
    NotFound = "8522";
    /// The same code with 405: the resource or the call lacks a configuration. Nothing is over.
    MissingConfiguration = "8522";
    /// A value in the request is wrong.
    InvalidArgument = "8523";
    /// The token in the server call id is not valid.
    InvalidJoinToken = "8526";
    /// The server call id does not lead to a call.
    InvalidJoinIdentity = "8527";
    /// The call is over.
    CallTerminated = "8528";
    /// The resource used up its calls of the month.
    MonthlyLimitReached = "8529";
    /// The resource has as many calls as it may.
    ActiveCallsLimitReached = "8530";
    /// The call has a recording.
    DuplicateRecording = "8553";
    /// The format does not fit the other options.
    WrongFormat = "8557";
    /// The call is being recorded.
    RecordingInProgress = "8559";
    /// The recording mode is not supported.
    UnsupportedRecordingMode = "8562";
    /// The recording does something else at the moment.
    RecordingOperationConflict = "8571";
    /// The recording can be neither paused nor resumed now.
    PauseResumeNotAllowed = "8573";
    /// Something that the request relies on is not so.
    PreconditionFailed = "8583";
    /// The call is not in a state for this.
    InvalidCallState = "8585";
    /// Too many requests for recordings.
    RecordThrottled = "8589";
    /// The service failed without saying why.
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
