//! Responses: bodies, headers, and errors in the service's format.

use acs_call_automation::types::{CommunicationError, CommunicationErrorResponse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::activity::ErrorBody;
use crate::service::error::ServiceError;

pub(super) const CHAIN_ID: HeaderName = HeaderName::from_static("x-microsoft-skype-chain-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(CONTENT_TYPE, JSON)], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot serialise a response");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Sets the header that associates a response with its call.
pub(super) fn with_chain_id(call: Uuid, mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::try_from(call.to_string()) {
        response.headers_mut().insert(CHAIN_ID, value);
    }
    response
}

/// An error in the service's format.
pub(super) fn error_response(
    status: StatusCode,
    code: &str,
    message: String,
    target: Option<String>,
) -> Response {
    let for_log = ErrorBody {
        code: code.to_owned(),
        message: message.clone(),
    };
    let mut error = CommunicationError::new(code, message);
    error.target = target;
    let mut response = json(status, &CommunicationErrorResponse::new(error));
    response.extensions_mut().insert(for_log);
    response
}

/// An error with its target.
pub(super) struct ErrorWithTarget {
    pub(super) error: ServiceError,
    pub(super) target: String,
}

impl IntoResponse for ErrorWithTarget {
    fn into_response(self) -> Response {
        respond(self.error, Some(self.target))
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        respond(self, None)
    }
}

fn respond(error: ServiceError, target: Option<String>) -> Response {
    use StatusCode as S;
    let (status, code, message) = match error {
        ServiceError::InvalidArgument(message) => (S::BAD_REQUEST, "8523", message),
        ServiceError::CallbackUri(message) => (S::BAD_REQUEST, "BadRequest", message),
        ServiceError::JoinIdentity => (
            S::BAD_REQUEST,
            "8527",
            "Invalid join identity: this is not the id of a call.".to_owned(),
        ),
        ServiceError::CallNotFound => (S::NOT_FOUND, "8522", "Call not found.".to_owned()),
        ServiceError::ParticipantNotFound => {
            (S::NOT_FOUND, "8522", "Participant not found.".to_owned())
        }
        ServiceError::RecordingNotFound => {
            (S::NOT_FOUND, "8522", "Recording not found.".to_owned())
        }
        ServiceError::NotEstablished => (
            S::BAD_REQUEST,
            "8501",
            "The call is not established yet.".to_owned(),
        ),
        ServiceError::Terminated => (S::BAD_REQUEST, "8528", "The call has ended.".to_owned()),
        ServiceError::Duplicate => (
            S::BAD_REQUEST,
            "8559",
            "The call is already being recorded.".to_owned(),
        ),
        ServiceError::Format(message) => (S::BAD_REQUEST, "8557", message),
        ServiceError::Mode(message) => (S::BAD_REQUEST, "8562", message),
        ServiceError::OperationNotFound => (
            S::NOT_FOUND,
            "8522",
            "The operation does not exist.".to_owned(),
        ),
        ServiceError::Method => (
            S::METHOD_NOT_ALLOWED,
            "8520",
            "The method is not allowed for this path.".to_owned(),
        ),
        ServiceError::NotEmulated(what) => (
            S::NOT_IMPLEMENTED,
            "NotImplemented",
            format!("{what} is not emulated."),
        ),
    };
    error_response(status, code, message, target)
}

/// Parses a JSON body. Clients may send `null` for members that they do not set. A member that the
/// published API does not have is refused, unless it is empty: the caller expects an effect.
pub(super) fn json_body<T: DeserializeOwned + Serialize>(body: &Bytes) -> Result<T, ServiceError> {
    let invalid = |error| ServiceError::argument(format!("The body is invalid: {error}."));
    let mut value: Value = serde_json::from_slice(body).map_err(invalid)?;
    drop_nulls(&mut value);
    let parsed: T = serde_json::from_value(value.clone()).map_err(invalid)?;
    let known = serde_json::to_value(&parsed).map_err(invalid)?;
    match unknown_member(&value, &known) {
        Some(path) => Err(ServiceError::NotEmulated(format!("The member '{path}'"))),
        None => Ok(parsed),
    }
}

/// The path of a member that has a value in `given` and does not exist in `known`.
fn unknown_member(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            given
                .iter()
                .find_map(|(name, value)| match known.get(name) {
                    Some(known) => {
                        unknown_member(value, known).map(|rest| format!("{name}.{rest}"))
                    }
                    None => (!is_empty(value)).then(|| name.clone()),
                })
        }
        (Value::Array(given), Value::Array(known)) => given
            .iter()
            .zip(known)
            .find_map(|(given, known)| unknown_member(given, known)),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(members) => members.values().all(is_empty),
        Value::Array(items) => items.iter().all(is_empty),
        _ => false,
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acs_call_automation::types::StartCallRecordingRequest;

    #[test]
    fn optional_members_may_be_null() {
        let body = Bytes::from_static(
            br#"{"callLocator":null,"channelAffinity":null,"callConnectionId":"c","pauseOnStart":false}"#,
        );
        let request: StartCallRecordingRequest = json_body(&body).unwrap();
        assert_eq!(request.call_connection_id.as_deref(), Some("c"));
        assert!(request.call_locator.is_none() && request.channel_affinity.is_empty());
    }

    #[test]
    fn members_that_would_be_ignored_are_refused() {
        let parse =
            |body: &str| json_body::<StartCallRecordingRequest>(&Bytes::from(body.to_owned()));
        for (body, member) in [
            (
                r#"{"postProcessing":{"transcription":{"enableTranscription":true}}}"#,
                "'postProcessing'",
            ),
            (
                r#"{"callConnectionId":"c","recordingBitrate":7}"#,
                "'recordingBitrate'",
            ),
            (
                r#"{"callLocator":{"roomId":"7","region":"eu"}}"#,
                "'callLocator.region'",
            ),
            (
                r#"{"channelAffinity":[{"participant":{"rawId":"8:acs:a"},"gain":1}]}"#,
                "'channelAffinity.gain'",
            ),
        ] {
            match parse(body) {
                Err(ServiceError::NotEmulated(what)) => assert!(what.contains(member), "{what}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        for body in [
            r#"{"postProcessing":null,"channelAffinity":[]}"#,
            r#"{"future":{},"other":[],"more":false}"#,
        ] {
            assert!(parse(body).is_ok(), "{body}");
        }
    }

    #[test]
    fn invalid_bodies_are_refused() {
        for body in ["", "{", "[]", r#"{"callConnectionId":7}"#] {
            let got = json_body::<StartCallRecordingRequest>(&Bytes::from(body));
            assert!(
                matches!(got, Err(ServiceError::InvalidArgument(_))),
                "{body}"
            );
        }
    }
}
