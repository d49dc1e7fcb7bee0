//! How Event Grid asks whether a webhook wants events.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::WebhookBuilder;
use super::authenticator::Verdict;
use crate::event::SubscriptionValidation;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// The answer to `OPTIONS`, the handshake of `CloudEvents`. Consent is in the headers.
///
/// The origin is no credential, only a name that anybody can write. So the secret is asked for, where
/// one is set, and every delivery is checked all the same.
pub(super) fn options(settings: &WebhookBuilder, request: &Parts) -> Response<Bytes> {
    if let Some(Verdict::Refuse(reason)) = settings.check.handshake_verdict(request) {
        tracing::warn!(reason, "a handshake was refused");
        return empty(StatusCode::UNAUTHORIZED);
    }
    let headers = &request.headers;
    let mut response = empty(StatusCode::OK);
    let answer = response.headers_mut();
    answer.insert(ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    let Some(origin) = headers.get(REQUEST_ORIGIN) else {
        return response;
    };
    let allowed = origin
        .to_str()
        .is_ok_and(|origin| settings.origins.contains(&origin.to_ascii_lowercase()));
    if !allowed {
        tracing::warn!(
            ?origin,
            "a handshake was refused: its origin is not allowed"
        );
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    answer.insert(ALLOWED_ORIGIN, origin.clone());
    if headers.contains_key(REQUEST_RATE) {
        answer.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    response
}

/// The answer to the validation event of the Event Grid schema; it must be 200.
pub(super) fn validation(question: &SubscriptionValidation) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(question.response_body()));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
