//! What every request passes: authentication, and the headers that every answer has.

use std::sync::Arc;

use acs_call_automation::{Client, ClientInfo as _};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{answer, repeat};
use crate::auth::{self, Signed};
use crate::ids;
use crate::state::Shared;

/// Requests are small documents; nothing comes near this.
const MAX_BODY: usize = 1024 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const SUPPORTED_VERSIONS: HeaderName = HeaderName::from_static("api-supported-versions");
const SKYPE_CLIENT: HeaderName = HeaderName::from_static("x-microsoft-skype-client");
const CLIENT_VERSION: HeaderName = HeaderName::from_static("x-ms-client-version");
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");

/// Versions of the interface that the service lists beside the one of our description.
const OTHER_VERSIONS: &str = "2023-06-15-preview, 2024-01-22-preview, 2024-06-15-preview, \
     2024-11-15-preview, 2025-03-30-preview, 2025-08-15-preview";

/// The gate of the calling operations.
pub(super) async fn calling(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let echoed = [
        (CLIENT_REQUEST_ID, CLIENT_REQUEST_ID),
        (SKYPE_CLIENT, USER_AGENT),
        (CLIENT_VERSION, USER_AGENT),
    ]
    .map(|(name, source)| (name, parts.headers.get(source).cloned()));

    let mut response = match to_bytes(body, MAX_BODY).await {
        Ok(body) => calling_within(&shared, parts, body, next).await,
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };

    let headers = response.headers_mut();
    for (name, value) in echoed {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    let versions = format!("{OTHER_VERSIONS}, {}", Client::api_version());
    if let Ok(versions) = HeaderValue::try_from(versions) {
        headers.insert(SUPPORTED_VERSIONS, versions);
    }
    if !headers.contains_key(answer::CHAIN_ID)
        && let Ok(chain) = HeaderValue::try_from(ids::guid())
    {
        headers.insert(answer::CHAIN_ID, chain);
    }
    response
}

async fn calling_within(shared: &Shared, parts: Parts, body: Bytes, next: Next) -> Response {
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let signed = Signed {
        verb: parts.method.as_str(),
        path,
        host: text(&parts, &http::header::HOST),
        headers: &parts.headers,
        body: &body,
    };
    if let Err(denied) = auth::check(signed, &shared.key, shared.server_time()) {
        tracing::debug!(%denied, path, "request denied");
        return answer::error(StatusCode::UNAUTHORIZED, "Denied", denied.to_string(), None);
    }
    let query = parts.uri.query().unwrap_or_default();
    let versioned = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "api-version" && !value.is_empty());
    if !versioned {
        return answer::error(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The query parameter 'api-version' is missing.".to_owned(),
            None,
        );
    }
    let repeatable = if parts.method == Method::POST {
        repeat::request_id(&parts.headers)
    } else {
        Ok(None)
    };
    match repeatable {
        Err(refusal) => refusal.into_response(),
        Ok(None) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Some(id)) => {
            let fingerprint = repeat::fingerprint(&parts, &body);
            let perform = next.run(Request::from_parts(parts, Body::from(body)));
            shared.repeats.once(id, fingerprint, perform).await
        }
    }
}

/// The gate of stored content. Signatures are for the resource's host, whichever host stores the
/// content, and leave the query out. Refusals have no body.
pub(super) async fn content(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let host = text(&parts, &RESOURCE_HOST);
    let signed = Signed {
        verb: parts.method.as_str(),
        path: parts.uri.path(),
        host,
        headers: &parts.headers,
        body: &body,
    };
    if !host.eq_ignore_ascii_case(&shared.authority) {
        tracing::debug!(host, "x-ms-host does not name the resource");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Err(denied) = auth::check(signed, &shared.key, shared.server_time()) {
        tracing::debug!(%denied, path = parts.uri.path(), "request for content denied");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn text<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
