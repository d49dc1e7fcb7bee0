//! Who may use the admin interface.

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, HeaderName, ORIGIN, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::service::url_policy::USER_AGENT as OWN_USER_AGENT;

/// Accepts requests from programs on this machine. Refuses web pages, which may be open in a browser,
/// and the emulator itself, which sends requests to URLs that clients choose.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    match rejection_reason(request.headers()) {
        Some(reason) => {
            tracing::warn!(reason, "request to the admin interface refused");
            (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response()
        }
        None => next.run(request).await,
    }
}

/// The reason to refuse a request with these headers, if any.
fn rejection_reason(headers: &HeaderMap) -> Option<&'static str> {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(USER_AGENT).is_some_and(|agent| agent.split(' ').any(|one| one == OWN_USER_AGENT)) {
        return Some("the emulator must not send events or files to its own admin interface");
    }
    // The page of the emulator has the same origin as the interface.
    let is_own = |origin: &str| {
        let host = origin.strip_prefix("http://");
        host.is_some_and(|host| text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)))
    };
    if headers
        .get(ORIGIN)
        .is_some_and(|origin| !origin.to_str().is_ok_and(is_own))
        || text(SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "none" | "same-origin"))
    {
        return Some("web pages must not use the admin interface");
    }
    // A web page can map a host name of its own to a loopback address (DNS rebinding).
    if !text(HOST).is_some_and(is_loopback) {
        return Some("the Host header must be localhost or a loopback address");
    }
    None
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}
