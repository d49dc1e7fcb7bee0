//! Without authentication, accepts programs of this machine, but not web pages in its browser.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{Method, Request, StatusCode};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request that came in at the address `here` is refused, if it is.
pub(super) fn refusal<B>(
    request: &Request<B>,
    here: SocketAddr,
) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    // A repeated header could be checked once and understood differently later.
    let text = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        Some(text.unwrap_or_default())
    };
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => text(&HOST),
    };
    let host = host.unwrap_or_default();
    // A foreign name can resolve to this machine (DNS rebinding).
    if !is_here(host, here.ip()) {
        let reason = "without authentication, the Host header must name this machine; set a \
                      secret, or use localhost";
        return Some((StatusCode::FORBIDDEN, reason));
    }
    let is_own = |origin: &str| origin.eq_ignore_ascii_case(&format!("http://{host}"));
    let is_foreign = text(&ORIGIN).is_some_and(|origin| !is_own(origin));
    let site = text(&SEC_FETCH_SITE);
    if is_foreign || site.is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        let reason = "without authentication, requests from web pages of other origins are rejected; set a \
                      secret";
        return Some((StatusCode::FORBIDDEN, reason));
    }
    // The webhook itself checks that the body is JSON.
    if request.method() == Method::POST && text(&CONTENT_TYPE).is_none_or(str::is_empty) {
        let reason = "without authentication, the Content-Type must be JSON";
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    None
}

/// Whether a host, with or without a port, is this machine.
fn is_here(host: &str, here: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address == here.to_canonical()
        }
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::post("/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let here = "192.168.1.5:8080".parse().unwrap();
        refusal(&request, here).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn only_programs_of_this_machine_may_post() {
        let json = ("content-type", "application/json");
        for (host, expected) in [
            ("localhost:8080", None),
            ("LOCALHOST", None),
            ("127.0.0.1:8080", None),
            ("127.5.5.5", None),
            ("[::1]:8080", None),
            ("192.168.1.5:8080", None),
            ("[::ffff:192.168.1.5]:8080", None),
            ("192.168.1.6:8080", Some(403)),
            ("evil.example:8080", Some(403)),
            ("localhost.evil.example", Some(403)),
            ("127.0.0.1.evil.example", Some(403)),
            ("localhost@evil.example", Some(403)),
            ("", Some(403)),
            ("x y", Some(403)),
        ] {
            assert_eq!(refused(&[("host", host), json]), expected, "{host:?}");
        }
        assert_eq!(refused(&[json]), Some(403));
    }

    #[test]
    fn no_header_is_there_twice() {
        let given = [
            ("host", "localhost:8080"),
            ("content-type", "application/json"),
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(refused(&given), None);
        for (name, value, expected) in [
            ("host", "evil.example", 403),
            ("host", "localhost:8080", 403),
            ("origin", "https://evil.example", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("content-type", "text/plain", 415),
        ] {
            let twice = [&given[..], &[(name, value)]].concat();
            assert_eq!(refused(&twice), Some(expected), "{name}");
        }
    }

    #[test]
    fn no_web_page_may_post() {
        let (host, json) = (
            ("host", "localhost:8080"),
            ("content-type", "application/json"),
        );
        for (name, value, expected) in [
            ("origin", "http://localhost:8080", None),
            ("origin", "http://localhost:3000", Some(403)),
            ("origin", "https://localhost:8080", Some(403)),
            ("origin", "https://evil.example", Some(403)),
            ("origin", "null", Some(403)),
            ("sec-fetch-site", "same-origin", None),
            ("sec-fetch-site", "none", None),
            ("sec-fetch-site", "cross-site", Some(403)),
            ("sec-fetch-site", "same-site", Some(403)),
        ] {
            assert_eq!(
                refused(&[host, json, (name, value)]),
                expected,
                "{name}: {value}"
            );
        }
        assert_eq!(refused(&[host]), Some(415));
    }
}
