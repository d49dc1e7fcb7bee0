//! Applies faults to requests and responses.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, IF_RANGE, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

mod body;

use self::body::{Flow, broken};
use super::request_log::RequestNotes;
use super::response::error_response;
use crate::faults::{Applied, ConnectionFault, Fault, Faults, Operation};
use crate::tasks::Tasks;

/// The middleware that applies faults.
pub(crate) async fn apply(
    State(faults): State<Faults>,
    State(tasks): State<Tasks>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let operation = Operation::of(request.method(), path);
    let Some(Applied { id, fault }) = faults.next_for(operation, path) else {
        return next.run(request).await;
    };
    let notes = RequestNotes::of(request.extensions());
    {
        let mut notes = notes.edit();
        notes.fault = Some(id);
        notes.is_lost = fault.loss.is_some();
    }
    let has_error_body = path.starts_with("/calling/");
    if let Some(delay) = fault.delay_ms {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(delay)) => {}
            () = tasks.stopped() => {}
        }
    }
    if fault.status.is_some() || fault.loss.is_some() {
        if fault.performed {
            next.run(request).await;
        }
        let mut response = match (fault.loss, fault.status) {
            (Some(ConnectionFault::Silence), _) => {
                tasks.stopped().await;
                broken()
            }
            (Some(ConnectionFault::Disconnect), _) => broken(),
            (None, status) => injected_error(&fault, status.unwrap_or_default(), has_error_body),
        };
        add_headers(&fault, response.headers_mut());
        return response;
    }
    if fault.ignore_range {
        request.headers_mut().remove(RANGE);
    }
    if let Some(tag) = &fault.etag
        && let Some(failed) = check_conditions(tag, request.headers_mut())
    {
        return failed;
    }
    let response = next.run(request).await;
    alter_response(&fault, response)
}

fn injected_error(fault: &Fault, status: u16, has_body: bool) -> Response {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !has_body {
        return status.into_response();
    }
    let usual = if status == StatusCode::TOO_MANY_REQUESTS {
        "8589"
    } else {
        "9999"
    };
    let code = fault.code.as_deref().unwrap_or(usual);
    error_response(status, code, "An injected fault.".to_owned(), None)
}

/// Evaluates conditional headers against the entity tag of a fault. The content itself has no
/// entity tag.
fn check_conditions(tag: &str, headers: &mut HeaderMap) -> Option<Response> {
    let differs = |value: &HeaderValue| value.as_bytes() != tag.as_bytes();
    if headers.get(IF_MATCH).is_some_and(differs) {
        return Some(StatusCode::PRECONDITION_FAILED.into_response());
    }
    if headers.get(IF_RANGE).is_some_and(differs) {
        headers.remove(RANGE);
    }
    None
}

/// Applies a fault to the response of an operation.
fn alter_response(fault: &Fault, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    if let Some(tag) = &fault.etag
        && parts.status.is_success()
    {
        insert(headers, ETAG, tag);
    }
    match fault.content_range.as_deref() {
        Some("") => drop(headers.remove(CONTENT_RANGE)),
        Some(range) => insert(headers, CONTENT_RANGE, range),
        None => {}
    }
    add_headers(fault, headers);

    let flow = Flow::new(fault);
    if flow.is_plain() {
        return Response::from_parts(parts, body);
    }
    // A streamed body has no known length, so the header must state it.
    let stated = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    let length = body.size_hint().exact().or_else(stated);
    let length = match fault.shorten_to {
        Some(limit) => Some(length.map_or(limit, |length| length.min(limit))),
        None => length,
    };
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::from_stream(flow.over(body)))
}

fn add_headers(fault: &Fault, headers: &mut HeaderMap) {
    if let Some(delay) = &fault.retry_after {
        insert(headers, RETRY_AFTER, delay);
    }
    for (name, value) in &fault.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            insert(headers, name, value);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(error) => tracing::warn!(%name, %error, "invalid header of a fault ignored"),
    }
}
