//! What to do about an error, as a value that programs can express in their own words.

use std::fmt;
use std::time::Duration;

use super::code::ServiceCode;
use super::kind::ErrorKind;

/// What to do about an error. `Display` is for users of the library.
///
/// Programs with options and commands of their own can match it, and name those instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// Set this machine's clock, which differs from the service's by this much.
    SetClock(Duration),
    /// Check the access key, or the role of the identity.
    CheckCredential,
    /// Check the access key.
    CheckAccessKey,
    /// Check the token and its scope.
    CheckToken,
    /// Use another kind of identity.
    UseSupportedIdentity,
    /// Allow Entra ID for the resource, or use an access key.
    EnableEntra,
    /// Give the identity a role.
    AssignRole,
    /// Use an identity of this resource.
    UseResourceIdentity,
    /// Set up the resource's managed identity.
    SetUpManagedIdentity,
    /// Allow recording in the Teams tenant.
    AllowInTeamsTenant,
    /// Choose media that the service supports.
    ChooseMedia,
    /// Wait until the call is connected.
    WaitUntilConnected,
    /// Send fewer requests.
    SlowDown,
    /// Send one request at a time.
    SendInTurn,
    /// This call does not offer the operation.
    NotOffered,
    /// The recording or call may be over, or belong to another resource.
    MayBeOver,
    /// Check how the resource is configured for the operation.
    CheckConfiguration,
    /// Check the values that the message names.
    CheckValues,
    /// Check the server call id.
    CheckServerCallId,
    /// The call is over, and with it everything that could be recorded.
    CallIsOver,
    /// Request a higher limit.
    RaiseLimit,
    /// End calls, or request a higher limit.
    EndCalls,
    /// Stop the other recording, or use it.
    StopOtherRecording,
    /// Get the state of the recording.
    CheckRecordingState,
    /// Get the state of the call.
    CheckCallState,
    /// Try again later.
    TryLater,
    /// The content was deleted, or is older than the service keeps it.
    ContentIsGone,
    /// A gateway or proxy responded instead of the service.
    CheckGateway,
    /// Authenticate to the proxy.
    AuthenticateToProxy,
    /// Check the proxy that this variable of the environment names.
    CheckProxy(&'static str),
    /// Check the endpoint and the network.
    CheckNetwork,
    /// Check the endpoint, or trust the authority of its certificate.
    AddRootCertificate,
    /// Use the credentials of the storage account.
    UseStorageCredentials,
    /// Check where the location comes from.
    CheckLocation,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetClock(skew) => {
                return write!(
                    f,
                    "this machine's clock differs from the service's by {} s, and at most 300 s are \
                     accepted: set the clock",
                    skew.as_secs()
                );
            }
            Self::CheckProxy(variable) => {
                return write!(f, "check the proxy that {variable} names");
            }
            Self::CheckCredential => {
                "check that the access key belongs to this endpoint and was not regenerated, or \
                 with Entra ID that the identity has a role for this resource"
            }
            Self::CheckAccessKey => {
                "check that the access key belongs to this endpoint and was not regenerated"
            }
            Self::CheckToken => "check the credential and the token's scope",
            Self::UseSupportedIdentity => {
                "use an application, managed identity or user of the resource's tenant"
            }
            Self::EnableEntra => "enable Entra ID for the resource, or use an access key",
            Self::AssignRole => "give the identity a role on the resource that allows it",
            Self::UseResourceIdentity => "use an identity that was created with this resource",
            Self::SetUpManagedIdentity => "enable the managed identity and give it its role",
            Self::AllowInTeamsTenant => "allow recording for this resource in the Teams tenant",
            Self::ChooseMedia => "choose one of the four combinations of `Media`",
            Self::WaitUntilConnected => "wait until the call is connected",
            Self::SlowDown => "send fewer requests, or wait",
            Self::SendInTurn => "send one request at a time",
            Self::NotOffered => "this call does not offer the operation",
            Self::MayBeOver => {
                "it was stopped, its call is over, or the id is not of this resource"
            }
            Self::CheckConfiguration => {
                "check how the resource and the call are configured for this operation"
            }
            Self::CheckValues => "check the values that the message names",
            Self::CheckServerCallId => {
                "the service did not issue this server call id"
            }
            Self::CallIsOver => "it can no longer be recorded",
            Self::RaiseLimit => "request a higher limit",
            Self::EndCalls => "end calls, or request a higher limit",
            Self::StopOtherRecording => "stop the other recording first, or use its id",
            Self::CheckRecordingState => "get its state first",
            Self::CheckCallState => "get the state of the call first",
            Self::TryLater => "try again later, and give support the request id",
            Self::ContentIsGone => {
                "content is kept for 24 hours, unless it was deleted before"
            }
            Self::CheckGateway => {
                "check the endpoint, and the gateways and proxies on the way to the service"
            }
            Self::AuthenticateToProxy => {
                "add the user name and password to the URL of the proxy"
            }
            Self::CheckNetwork => "check the endpoint and the network",
            Self::AddRootCertificate => "check the endpoint, or add its root certificate",
            Self::UseStorageCredentials => "read it with that account's credentials",
            Self::CheckLocation => "check where the location comes from",
        })
    }
}

/// The hint for a code, which may depend on the status.
struct Row {
    /// The statuses of responses with this code. Empty for any.
    statuses: &'static [u16],
    code: ServiceCode,
    hint: Hint,
}

const fn row(statuses: &'static [u16], code: ServiceCode, hint: Hint) -> Row {
    Row {
        statuses,
        code,
        hint,
    }
}

/// The hints by status and code. With another status, a code has an undocumented meaning, and a hint
/// would be a guess.
const ADVICE: &[Row] = {
    use ServiceCode as Code;
    &[
        row(
            &[401, 403],
            Code::UnsupportedIdentity,
            Hint::UseSupportedIdentity,
        ),
        row(&[401, 403], Code::InvalidToken, Hint::CheckToken),
        row(&[401, 403], Code::AccessNotEnabled, Hint::EnableEntra),
        row(&[401, 403], Code::InsufficientPermissions, Hint::AssignRole),
        row(
            &[401, 403],
            Code::SourceIdentityMismatch,
            Hint::UseResourceIdentity,
        ),
        row(
            &[401, 403],
            Code::HmacValidationFailed,
            Hint::CheckAccessKey,
        ),
        row(
            &[401, 403],
            Code::ManagedIdentityFailed,
            Hint::SetUpManagedIdentity,
        ),
        row(
            &[403],
            Code::TeamsInteropNotAllowed,
            Hint::AllowInTeamsTenant,
        ),
        row(&[400], Code::InvalidMediaMode, Hint::ChooseMedia),
        row(&[400], Code::CallNotEstablished, Hint::WaitUntilConnected),
        row(&[], Code::CallThrottled, Hint::SlowDown),
        row(&[409], Code::Conflict, Hint::SendInTurn),
        row(&[405], Code::NotSupported, Hint::NotOffered),
        row(&[404], Code::NotFound, Hint::MayBeOver),
        row(&[405], Code::MissingConfiguration, Hint::CheckConfiguration),
        row(&[400], Code::InvalidArgument, Hint::CheckValues),
        row(&[400], Code::InvalidJoinToken, Hint::CheckServerCallId),
        row(&[400], Code::InvalidJoinIdentity, Hint::CheckServerCallId),
        row(&[400, 404], Code::CallTerminated, Hint::CallIsOver),
        row(&[], Code::MonthlyLimitReached, Hint::RaiseLimit),
        row(&[], Code::ActiveCallsLimitReached, Hint::EndCalls),
        row(&[], Code::DuplicateRecording, Hint::StopOtherRecording),
        row(&[], Code::WrongFormat, Hint::ChooseMedia),
        row(&[], Code::RecordingInProgress, Hint::StopOtherRecording),
        row(&[], Code::UnsupportedRecordingMode, Hint::ChooseMedia),
        row(&[], Code::RecordingOperationConflict, Hint::SendInTurn),
        row(&[], Code::PauseResumeNotAllowed, Hint::CheckRecordingState),
        row(&[], Code::PreconditionFailed, Hint::CheckCallState),
        row(&[], Code::InvalidCallState, Hint::CheckCallState),
        row(&[], Code::RecordThrottled, Hint::SlowDown),
        row(&[500], Code::InternalError, Hint::TryLater),
    ]
};

/// What to do about a response of the service, by its status and code, or else by the status alone.
pub(super) fn advice(status: u16, code: Option<ServiceCode>, kind: ErrorKind) -> Option<Hint> {
    if let Some(code) = code {
        let row = ADVICE.iter().find(|row| {
            row.code == code && (row.statuses.is_empty() || row.statuses.contains(&status))
        });
        return row.map(|row| row.hint);
    }
    match kind {
        ErrorKind::Authentication => Some(Hint::CheckCredential),
        ErrorKind::Throttled => Some(Hint::SlowDown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_advice() {
        for code in ServiceCode::ALL {
            let rows = ADVICE.iter().filter(|row| row.code == *code);
            assert_eq!(rows.count(), 1, "{code:?}");
        }
    }

    #[test]
    fn advice_goes_by_status_and_code_together() {
        let advice = |status, code| {
            advice(
                status,
                ServiceCode::find(status, code),
                ErrorKind::InvalidRequest,
            )
        };
        assert_eq!(advice(404, "8522"), Some(Hint::MayBeOver));
        assert_eq!(advice(405, "8522"), Some(Hint::CheckConfiguration));
        assert_eq!(advice(400, "8522"), None);
        assert_eq!(advice(405, "8520"), Some(Hint::NotOffered));
        assert_eq!(advice(403, "8520"), None);
        assert_eq!(advice(400, "8559"), Some(Hint::StopOtherRecording));
        assert_eq!(advice(500, "7504"), None);
    }
}
