//! The middleware of all requests: authentication, and the headers that every response has.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acs_call_automation::Client;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;

use super::repeatability::{RepeatabilityStore, fingerprint, request_id};
use super::request_log::{RequestNotes, scheme};
use super::response::{CHAIN_ID, error_response};
use crate::activity::{Authentication, Denial, Verdict};
use crate::auth::Auth;
use crate::auth::authorities::Scheme;
use crate::auth::hmac::{self, Denied, Signed};
use crate::auth::keys::AccessKey;
use crate::service::ids;

/// The maximum size of a request body. Real requests are much smaller.
const MAX_BODY: usize = 1024 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const SUPPORTED_VERSIONS: HeaderName = HeaderName::from_static("api-supported-versions");
const SKYPE_CLIENT: HeaderName = HeaderName::from_static("x-microsoft-skype-client");
const CLIENT_VERSION: HeaderName = HeaderName::from_static("x-ms-client-version");
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");

/// The API versions that the service lists in addition to the one of the specification.
pub(super) const OTHER_VERSIONS: &str = "2023-06-15-preview, 2024-01-22-preview, 2024-06-15-preview, \
     2024-11-15-preview, 2025-03-30-preview, 2025-08-15-preview";

/// The middleware of the calling operations.
pub(super) async fn calling(
    State(auth): State<Arc<Auth>>,
    State(repeatability): State<Arc<RepeatabilityStore>>,
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
        Ok(body) => calling_within(&auth, &repeatability, parts, body, next).await,
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };

    let headers = response.headers_mut();
    for (name, value) in echoed {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    let versions = format!("{OTHER_VERSIONS}, {}", Client::API_VERSION);
    if let Ok(versions) = HeaderValue::try_from(versions) {
        headers.insert(SUPPORTED_VERSIONS, versions);
    }
    if !headers.contains_key(CHAIN_ID)
        && let Ok(chain) = HeaderValue::try_from(ids::random_id())
    {
        headers.insert(CHAIN_ID, chain);
    }
    response
}

async fn calling_within(
    auth: &Auth,
    repeatability: &RepeatabilityStore,
    parts: Parts,
    body: Bytes,
    next: Next,
) -> Response {
    let notes = RequestNotes::of(&parts.extensions);
    if let Err(denied) = noted(&notes, &parts, authenticate(auth, &parts, &body)) {
        let (code, message) = (denied.code(), denied.to_string());
        return error_response(StatusCode::UNAUTHORIZED, code, message, None);
    }
    if let Some(scheme) = parts.extensions.get::<Scheme>() {
        auth.authorities.learn(text(&parts, &HOST), *scheme);
    }
    let query = parts.uri.query().unwrap_or_default();
    let versioned = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "api-version" && !value.is_empty());
    if !versioned {
        return error_response(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The query parameter 'api-version' is missing.".to_owned(),
            None,
        );
    }
    let repeatable = if parts.method == Method::POST {
        request_id(&parts.headers)
    } else {
        Ok(None)
    };
    match repeatable {
        Err(error) => error.into_response(),
        Ok(None) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Some(id)) => {
            let fingerprint = fingerprint(&parts, &body);
            let performed = AtomicBool::new(false);
            let perform = async {
                performed.store(true, Ordering::Relaxed);
                next.run(Request::from_parts(parts, Body::from(body))).await
            };
            let response = repeatability.once(id, fingerprint, perform).await;
            notes.edit().repeated = !performed.load(Ordering::Relaxed);
            response
        }
    }
}

/// Notes the outcome of authentication for the log of requests.
fn noted(
    notes: &RequestNotes,
    parts: &Parts,
    outcome: Result<Option<AccessKey>, Box<Denial>>,
) -> Result<(), Denied> {
    let (verdict, outcome) = match outcome {
        Ok(key) => (Verdict::Accepted(key), Ok(())),
        Err(denial) => {
            let reason = denial.reason;
            (Verdict::Denied(denial), Err(reason))
        }
    };
    notes.edit().authentication = Some(Authentication {
        scheme: scheme(&parts.headers),
        verdict,
    });
    outcome
}

/// A denial that needs no further details.
fn denied<T>(reason: Denied) -> Result<T, Box<Denial>> {
    Err(Box::new(Denial {
        reason,
        string_to_sign: None,
        skew: None,
    }))
}

/// Checks a signature and returns its key.
fn check(
    auth: &Auth,
    signed: Signed<'_>,
    now: Timestamp,
) -> Result<Option<AccessKey>, Box<Denial>> {
    match hmac::check(signed, &auth.keys.both(), now) {
        Ok(0) => Ok(Some(AccessKey::Primary)),
        Ok(_) => Ok(Some(AccessKey::Secondary)),
        Err(reason) => Err(Box::new(Denial {
            reason,
            string_to_sign: match reason {
                Denied::Signature => signed.string_to_sign(),
                _ => None,
            },
            skew: signed.skew(now),
        })),
    }
}

fn authenticate(auth: &Auth, parts: &Parts, body: &[u8]) -> Result<Option<AccessKey>, Box<Denial>> {
    let now = auth.server_time();
    if let Some(token) = bearer(parts) {
        return if auth.tokens.accepts(token, now) {
            Ok(None)
        } else {
            denied(Denied::Token)
        };
    }
    let signed = Signed {
        verb: parts.method.as_str(),
        path: path_and_query(parts),
        host: text(parts, &HOST),
        headers: &parts.headers,
        body,
    };
    check(auth, signed, now)
}

/// The middleware of stored content. Signatures are for the host of the resource, whichever host
/// serves the content. Errors have no body.
pub(super) async fn content(
    State(auth): State<Arc<Auth>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let notes = RequestNotes::of(&parts.extensions);
    if noted(&notes, &parts, authenticate_content(&auth, &parts, &body)).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn authenticate_content(
    auth: &Auth,
    parts: &Parts,
    body: &[u8],
) -> Result<Option<AccessKey>, Box<Denial>> {
    let now = auth.server_time();
    let forms = content_forms(auth, parts);
    if let Some(token) = bearer(parts) {
        // A token is not bound to a host, so the request must name the resource.
        let named_host = parts.headers.contains_key(RESOURCE_HOST) && !forms.is_empty();
        return if named_host && auth.tokens.accepts(token, now) {
            Ok(None)
        } else {
            denied(Denied::Token)
        };
    }
    let mut outcome = denied(Denied::Host);
    for (host, path) in forms {
        let signed = Signed {
            verb: parts.method.as_str(),
            path,
            host: &host,
            headers: &parts.headers,
            body,
        };
        outcome = check(auth, signed, now);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// The combinations of host and path that the signature of a content request may cover. The
/// official clients differ:
///
/// - .NET and JavaScript send the host with its port in `x-ms-host`, and do not sign the query.
/// - Python signs the host with its port, sends it without the port, and signs the query.
/// - Java sends the host of the resource in `Host` only, without a port, and does not sign the
///   query.
fn content_forms<'a>(auth: &Auth, parts: &'a Parts) -> Vec<(Cow<'a, str>, &'a str)> {
    let path = parts.uri.path();
    if parts.headers.contains_key(RESOURCE_HOST) {
        let named_host = text(parts, &RESOURCE_HOST);
        let whole = auth
            .authorities
            .is_resource(named_host)
            .then_some((Cow::Borrowed(named_host), path));
        let named = auth.authorities.of_name(named_host);
        let query = path_and_query(parts);
        let named = named.into_iter().map(|host| (Cow::Owned(host), query));
        whole.into_iter().chain(named).collect()
    } else {
        let host = text(parts, &HOST);
        let is_named = !auth.authorities.of_name(host).is_empty();
        let named = is_named.then_some((Cow::Borrowed(host), path));
        named.into_iter().collect()
    }
}

fn path_and_query(parts: &Parts) -> &str {
    let target = parts.uri.path_and_query();
    target.map_or("/", |target| target.as_str())
}

fn bearer(parts: &Parts) -> Option<&str> {
    text(parts, &AUTHORIZATION).strip_prefix("Bearer ")
}

fn text<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
