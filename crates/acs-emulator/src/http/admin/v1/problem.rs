//! Errors of the admin API: problems as in RFC 9457, with a hint.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::service::error::ServiceError;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the description lists all of them")]
pub(crate) enum Code {
    InvalidRequest,
    UnsupportedMediaType,
    Forbidden,
    Unauthorized,
    NotFound,
    Conflict,
    InvalidUrl,
    HandshakeFailed,
    NotSupported,
    TooLarge,
    Internal,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::InvalidUrl | Self::NotSupported => StatusCode::BAD_REQUEST,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::HandshakeFailed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn usual_hint(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::UnsupportedMediaType | Self::NotSupported => {
                "See /api/v1/openapi.json for what the operation accepts."
            }
            Self::Forbidden | Self::Unauthorized => "Use the page of the emulator, or a program.",
            Self::NotFound => "It may have been removed. List the objects again.",
            Self::Conflict => "Read the object to see its state.",
            Self::InvalidUrl => {
                "Use an https URL, or an http URL on loopback, or start with --allow-http-webhooks."
            }
            Self::HandshakeFailed => "Check that the webhook is running and answers the handshake.",
            Self::TooLarge => "Send less in one request.",
            Self::Internal => "See the log of the emulator.",
        }
    }
}

/// An error of the admin API.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    hint: String,
    pointer: Option<String>,
}

impl Problem {
    /// `detail` says what went wrong, and with what.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: code.usual_hint().to_owned(),
            pointer: None,
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    /// `what` begins the sentence, such as "The call".
    pub(crate) fn not_found(what: &str, hint: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} does not exist.")).hint(hint)
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The JSON pointer of the invalid member of the request body.
    #[allow(dead_code, reason = "for operations that change something")]
    pub(crate) fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::InvalidArgument(detail)
            | ServiceError::Format(detail)
            | ServiceError::Mode(detail) => Self::invalid(detail),
            ServiceError::CallbackUri(detail) => Self::new(Code::InvalidUrl, detail),
            ServiceError::JoinIdentity => Self::invalid("This is not the id of a call."),
            ServiceError::CallNotFound => Self::new(Code::NotFound, "The call does not exist."),
            ServiceError::ParticipantNotFound => {
                Self::new(Code::NotFound, "The participant is not in the call.")
            }
            ServiceError::RecordingNotFound => {
                Self::new(Code::NotFound, "The recording does not exist or has ended.")
            }
            ServiceError::NotEstablished => {
                Self::new(Code::Conflict, "The call is not connected yet.")
                    .hint("Advance the clock until the call is connected.")
            }
            ServiceError::Terminated => Self::new(Code::Conflict, "The call has ended."),
            ServiceError::Duplicate => {
                Self::new(Code::Conflict, "The call is already being recorded.")
            }
            ServiceError::OperationNotFound | ServiceError::Method => {
                Self::new(Code::NotFound, "The operation does not exist.")
            }
            ServiceError::NotEmulated(what) => {
                Self::new(Code::NotSupported, format!("{what} is not emulated."))
            }
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    detail: &'a str,
    hint: &'a str,
    pointer: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = Body {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code,
            detail: &self.detail,
            hint: &self.hint,
            pointer: self.pointer.as_deref(),
        };
        // Strings and numbers can always be serialised.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
