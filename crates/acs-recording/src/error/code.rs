//! The service's error codes that have to do with calls and recordings.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $advice:literal;)*) => {
        /// A code of the service, by name.
        ///
        /// The service documents several hundred; these are the ones that recording a call meets.
        /// [`Error::code`](super::Error::code) has the text of any other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ServiceCode {
            $($(#[$doc])* $name,)*
        }

        impl ServiceCode {
            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as the service writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The code with this text.
            pub fn find(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What to do about it, in a few words.
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

codes! {
    /// The token's kind of identity is not accepted.
    UnsupportedIdentity = "7500", "use an application, managed identity or user of the resource's tenant";
    /// The token is not valid.
    InvalidToken = "7501", "check the credential and the token's scope";
    /// The resource does not accept Entra ID.
    AccessNotEnabled = "7502", "enable Entra ID for the resource, or use an access key";
    /// The identity lacks a role.
    InsufficientPermissions = "7504", "give the identity a role on the resource that allows it";
    /// The identity that the request names is not of this resource.
    SourceIdentityMismatch = "7507", "use an identity that was made with this resource";
    /// The signature does not match the request.
    HmacValidationFailed = "7509", "check that the access key belongs to this endpoint and was not regenerated";
    /// The resource's managed identity was not accepted.
    ManagedIdentityFailed = "7510", "enable the managed identity and give it its role";
    /// Calls with Teams may not be recorded by this resource.
    TeamsInteropNotAllowed = "7605", "allow recording for this resource in the Teams tenant";
    /// The media options do not fit together.
    InvalidMediaMode = "8500", "choose one of the four combinations of `Media`";
    /// The call is not connected yet.
    CallNotEstablished = "8501", "wait until the call is connected";
    /// Too many requests for calls.
    CallThrottled = "8516", "send fewer requests, or wait";
    /// Two requests for one thing at the same time.
    Conflict = "8519", "send one request after the other";
    /// The service does not support the operation here.
    NotSupported = "8520", "this call does not offer the operation";
    /// The recording, call or participant is not there, or not any more.
    NotFound = "8522", "it was stopped, its call is over, or the id is not of this resource";
    /// A value in the request is wrong.
    InvalidArgument = "8523", "check the values that the message names";
    /// The token in the server call id is not valid.
    InvalidJoinToken = "8526", "the server call id is not one that the service gave out";
    /// The server call id does not lead to a call.
    InvalidJoinIdentity = "8527", "the server call id is not one that the service gave out";
    /// The call is over.
    CallTerminated = "8528", "nothing of it can be recorded any more";
    /// The resource used up its calls of the month.
    MonthlyLimitReached = "8529", "ask for a higher limit";
    /// The resource has as many calls as it may.
    ActiveCallsLimitReached = "8530", "end calls, or ask for a higher limit";
    /// The call has a recording.
    DuplicateRecording = "8553", "stop the other recording first, or use its id";
    /// The format does not fit the other options.
    WrongFormat = "8557", "choose one of the four combinations of `Media`";
    /// The call is being recorded.
    RecordingInProgress = "8559", "stop the other recording first, or use its id";
    /// The recording mode is not supported.
    UnsupportedRecordingMode = "8562", "choose one of the four combinations of `Media`";
    /// The recording does something else at the moment.
    RecordingOperationConflict = "8571", "send one request after the other";
    /// The recording can be neither paused nor resumed now.
    PauseResumeNotAllowed = "8573", "ask for its state first";
    /// Something that the request relies on is not so.
    PreconditionFailed = "8583", "ask for the state of the call first";
    /// The call is not in a state for this.
    InvalidCallState = "8585", "ask for the state of the call first";
    /// Too many requests for recordings.
    RecordThrottled = "8589", "send fewer requests, or wait";
    /// The service failed without saying why.
    InternalError = "9999", "try again later, and tell support the request id";
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
            assert_eq!(ServiceCode::find(code.as_str()), Some(*code));
            assert!(!code.advice().is_empty());
        }
        assert_eq!(ServiceCode::find("Denied"), None);
    }
}
