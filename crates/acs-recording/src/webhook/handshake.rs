//! The handshakes by which Event Grid verifies that a webhook accepts events.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::WebhookBuilder;
use crate::event::SubscriptionValidation;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// The response to `OPTIONS`, the handshake of `CloudEvents`, after it was authenticated. Consent is
/// in the headers.
///
/// The origin is not a credential: every client can send the header.
pub(super) fn options(settings: &WebhookBuilder, request: &Parts) -> Response<Bytes> {
    let headers = &request.headers;
    let mut response = empty(StatusCode::OK);
    let consent = response.headers_mut();
    consent.insert(ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    let Some(origin) = headers.get(REQUEST_ORIGIN) else {
        return response;
    };
    let allowed = origin
        .to_str()
        .is_ok_and(|origin| settings.origins.contains(&origin.to_ascii_lowercase()));
    if !allowed {
        tracing::warn!(
            ?origin,
            "a handshake was rejected: its origin is not allowed"
        );
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    consent.insert(ALLOWED_ORIGIN, origin.clone());
    if headers.contains_key(REQUEST_RATE) {
        consent.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    response
}

/// The response to the validation event of the Event Grid schema. Its status must be 200.
pub(super) fn validation(event: &SubscriptionValidation) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(event.response_body()));
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
