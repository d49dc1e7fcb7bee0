//! Who may use the admin interface.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, LOCATION,
    ORIGIN, SET_COOKIE, TRANSFER_ENCODING, USER_AGENT, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::v1::problem::{Code, Problem};
use crate::auth::admin_token::AdminToken;
use crate::runtime::Site;
use crate::service::url_policy::USER_AGENT as OWN_USER_AGENT;

/// The cookie that `/?token=` sets.
const TOKEN_COOKIE: &str = "acs-emulator-admin";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Accepts programs, and the page that the emulator serves. Refuses other web pages, which may be
/// open in a browser, and the emulator itself, which sends requests to URLs that clients choose.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// The names that the `Host` header may have, in addition to loopback.
    hosts: Arc<[String]>,
    /// Whether the `Host` header may have any IP address, because the interface is not on loopback.
    any_address: bool,
    /// The token that requests need, if any.
    token: Option<AdminToken>,
}

impl Gate {
    pub(crate) fn new(site: &Site) -> Self {
        let names = site.admin_hosts.iter().chain(&site.host_names);
        Self {
            hosts: names
                .filter_map(|name| Some(HostPort::parse(name)?.name))
                .collect(),
            any_address: site.admin.is_some_and(|admin| !admin.ip().is_loopback()),
            token: site.admin_token.clone(),
        }
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let path = request.uri().path();
        let agent = only(headers, &USER_AGENT).unwrap_or_default();
        if agent.split(' ').any(|one| one == OWN_USER_AGENT) {
            return Err(Refusal::OwnRequest);
        }
        // These reveal nothing, and supervisors use names of their own.
        if matches!(path, "/health" | "/ready") {
            return Ok(());
        }
        let host = self.host(request)?;
        check_origin(request, &host)?;
        check_media_type(request)?;
        let is_page = path == "/" || path.starts_with("/page/");
        match &self.token {
            Some(token) if !is_page && !has_token(headers, token) => Err(Refusal::Token),
            _ => Ok(()),
        }
    }

    /// The host of the request. A web page can map a host name of its own to this address (DNS
    /// rebinding), so only known names are accepted.
    fn host(&self, request: &Request) -> Result<HostPort, Refusal> {
        let mut named = request.headers().get_all(HOST).iter();
        let header = match (named.next(), named.next()) {
            (Some(host), None) => Some(host.to_str().map_err(|_| Refusal::Host)?),
            (None, _) => None,
            (Some(_), Some(_)) => return Err(Refusal::Host),
        };
        let uri = request.uri().authority().map(Authority::as_str);
        let mut found = None;
        for text in [header, uri].into_iter().flatten() {
            let host = HostPort::parse(text).filter(|host| self.allows(host));
            found = Some(host.ok_or(Refusal::Host)?);
        }
        found.ok_or(Refusal::Host)
    }

    fn allows(&self, host: &HostPort) -> bool {
        let is_address = |address: IpAddr| self.any_address || address.to_canonical().is_loopback();
        host.address().is_some_and(is_address)
            || host.name == "localhost"
            || self.hosts.contains(&host.name)
    }

    /// The response to `/?token=`, with which a browser gets the cookie.
    fn sign_in(&self, request: &Request) -> Option<Response> {
        let token = self.token.as_ref()?;
        let query = request.uri().query()?;
        if request.method() != Method::GET || request.uri().path() != "/" {
            return None;
        }
        let (_, given) =
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token")?;
        if !token.is(&given) {
            return Some(Refusal::Token.into());
        }
        let cookie = format!(
            "{TOKEN_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
            token.text()
        );
        let headers = [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())];
        Some((StatusCode::SEE_OTHER, headers).into_response())
    }
}

/// The middleware of the admin interface.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let mut response = match gate.check(&request) {
        Err(refusal) => {
            let (method, path) = (request.method().as_str(), request.uri().path());
            tracing::warn!(method, path, reason = %refusal, "request to the admin interface refused");
            refusal.into()
        }
        Ok(()) => match gate.sign_in(&request) {
            Some(response) => response,
            None => next.run(request).await,
        },
    };
    // Other web pages cannot load it, not even as an image or a sound.
    let headers = response.headers_mut();
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses web pages of other origins.
fn check_origin(request: &Request, host: &HostPort) -> Result<(), Refusal> {
    let headers = request.headers();
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(HostPort::of_origin);
        origin.is_some_and(|origin| origin == *host)
    };
    if !headers.get_all(ORIGIN).iter().all(is_own) {
        return Err(Refusal::Origin);
    }
    let own_site = |site: &HeaderValue| site == "same-origin" || site == "none";
    if headers.get_all(SEC_FETCH_SITE).iter().all(own_site) {
        return Ok(());
    }
    // A link to the page.
    let opens_page = request.method() == Method::GET
        && request.uri().path() == "/"
        && headers
            .get(SEC_FETCH_MODE)
            .is_some_and(|mode| mode == "navigate");
    if opens_page {
        Ok(())
    } else {
        Err(Refusal::Origin)
    }
}

/// Refuses bodies that forms of other web pages can send: text, form data, or no type at all.
fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if reads || !(has_body || headers.contains_key(CONTENT_TYPE)) {
        return Ok(());
    }
    let given = only(headers, &CONTENT_TYPE).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if ["application/json", "application/yaml"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        Ok(())
    } else {
        Err(Refusal::MediaType)
    }
}

fn has_token(headers: &HeaderMap, token: &AdminToken) -> bool {
    let bearer = only(headers, &AUTHORIZATION).and_then(|text| {
        let (scheme, given) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
    });
    let cookies = headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    bearer.is_some_and(|given| token.is(given))
        || cookies.any(|(name, given)| name == TOKEN_COOKIE && token.is(given))
}

/// The value of a header that is sent once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// A host, and its port unless it is the default one. Names are in lower case and have no dot at the
/// end; IPv6 addresses have no brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPort {
    name: String,
    port: Option<u16>,
}

impl HostPort {
    fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if text.contains('@') {
            return None;
        }
        let host = authority.host();
        let port = text.get(host.len()..)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        let name = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']')?,
            None => host.strip_suffix('.').unwrap_or(host),
        };
        let name = match name.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => name.to_ascii_lowercase(),
        };
        (!name.is_empty()).then_some(Self {
            name,
            port: port.filter(|port| !matches!(port, 80 | 443)),
        })
    }

    /// The host of an origin, such as `http://127.0.0.1:10012`. A proxy may add TLS.
    fn of_origin(origin: &str) -> Option<Self> {
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))?;
        Self::parse(host)
    }

    fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    OwnRequest,
    Host,
    Origin,
    MediaType,
    Token,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnRequest => {
                "The emulator must not send events or files to its own admin interface."
            }
            Self::Host => "The Host header names a host that is not allowed.",
            Self::Origin => "Web pages of other origins must not use the admin interface.",
            Self::MediaType => "The content type is neither application/json nor application/yaml.",
            Self::Token => "The token of the admin interface is missing or wrong.",
        })
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let (code, hint) = match refusal {
            Refusal::OwnRequest => (
                Code::Forbidden,
                "Choose another address for webhooks, callbacks and containers.",
            ),
            Refusal::Host => (
                Code::Forbidden,
                "Use localhost or the address of the emulator, or start it with \
                 --admin-allowed-host NAME.",
            ),
            Refusal::Origin => (
                Code::Forbidden,
                "Use the page of the emulator, or a program.",
            ),
            Refusal::MediaType => (
                Code::UnsupportedMediaType,
                "Send the header Content-Type: application/json.",
            ),
            Refusal::Token => (
                Code::Unauthorized,
                "Send the header Authorization: Bearer with the admin_token of the ready line, or \
                 open /?token= with it in a browser.",
            ),
        };
        let mut response = Problem::new(code, refusal.to_string())
            .hint(hint)
            .into_response();
        if refusal == Refusal::Token {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn gate(any_address: bool, token: Option<&str>) -> Gate {
        Gate {
            hosts: ["acs".to_owned()].into(),
            any_address,
            token: token.and_then(AdminToken::parse),
        }
    }

    fn request(line: &str, headers: &[(&str, &str)]) -> Request {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn outcome(gate: &Gate, line: &str, headers: &[(&str, &str)]) -> Option<Refusal> {
        gate.check(&request(line, headers)).err()
    }

    #[test]
    fn only_known_hosts_are_accepted() {
        for (host, on_loopback, elsewhere) in [
            ("127.0.0.1:10012", true, true),
            ("127.0.0.1", true, true),
            ("127.8.0.1.:1", true, true),
            ("localhost", true, true),
            ("LOCALHOST:1", true, true),
            ("localhost.:10012", true, true),
            ("[::1]:10012", true, true),
            ("[0:0:0:0:0:0:0:1]", true, true),
            ("[::ffff:127.0.0.1]:1", true, true),
            ("acs:10012", true, true),
            ("ACS.", true, true),
            ("10.0.0.5:10012", false, true),
            ("[2001:db8::1]", false, true),
            ("evil.example", false, false),
            ("evil.example:10012", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("a.localhost", false, false),
            ("evil.acs", false, false),
            ("evil@localhost", false, false),
            ("localhost@evil.example", false, false),
            ("localhost:evil", false, false),
            ("localhost:", false, false),
            ("localhost..", false, false),
            ("[::1", false, false),
            ("", false, false),
        ] {
            for (any_address, expected) in [(false, on_loopback), (true, elsewhere)] {
                let got = outcome(&gate(any_address, None), "GET /api", &[("host", host)]);
                let expected = (!expected).then_some(Refusal::Host);
                assert_eq!(got, expected, "{host} {any_address}");
            }
        }
        let gate = gate(false, None);
        assert_eq!(outcome(&gate, "GET /api", &[]), Some(Refusal::Host));
        let both = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(outcome(&gate, "GET /api", &both), Some(Refusal::Host));
        for (uri, expected) in [
            ("GET http://localhost/api", None),
            ("GET http://evil.example/api", Some(Refusal::Host)),
        ] {
            assert_eq!(outcome(&gate, uri, &[]), expected, "{uri}");
            assert_eq!(outcome(&gate, uri, &[("host", "localhost")]), expected);
        }
        assert_eq!(outcome(&gate, "GET /ready", &[("host", "acs.svc")]), None);
    }

    #[test]
    fn only_the_own_page_is_accepted() {
        let gate = gate(false, None);
        let with = |line: &str, headers: &[(&str, &str)]| {
            let host = [("host", "localhost:10012")];
            outcome(&gate, line, &[&host, headers].concat())
        };
        for line in ["GET /api", "POST /api", "DELETE /api", "OPTIONS /api"] {
            for (name, value, accepted) in [
                ("origin", "http://localhost:10012", true),
                ("origin", "http://LOCALHOST:10012", true),
                ("origin", "https://localhost:10012", true),
                ("origin", "http://127.0.0.1:10012", false),
                ("origin", "http://localhost:3000", false),
                ("origin", "http://localhost", false),
                ("origin", "https://evil.example", false),
                ("origin", "http://localhost:10012.evil.example", false),
                ("origin", "chrome-extension://localhost:10012", false),
                ("origin", "null", false),
                ("origin", "", false),
                ("sec-fetch-site", "same-origin", true),
                ("sec-fetch-site", "none", true),
                ("sec-fetch-site", "same-site", false),
                ("sec-fetch-site", "cross-site", false),
            ] {
                let expected = (!accepted).then_some(Refusal::Origin);
                assert_eq!(with(line, &[(name, value)]), expected, "{line} {value}");
            }
        }
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert_eq!(with("GET /", &link), None);
        assert_eq!(with("GET /api", &link), Some(Refusal::Origin));
        assert_eq!(with("POST /", &link), Some(Refusal::Origin));
        let own = [("user-agent", "acs-emulator")];
        assert_eq!(with("GET /api", &own), Some(Refusal::OwnRequest));
        assert_eq!(with("GET /ready", &own), Some(Refusal::OwnRequest));
    }

    #[test]
    fn forms_cannot_send_bodies() {
        let gate = gate(false, None);
        let with = |line: &str, headers: &[(&str, &str)]| {
            let host = [("host", "localhost")];
            outcome(&gate, line, &[&host, headers].concat())
        };
        for media_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/yaml",
        ] {
            let headers = [("content-type", media_type), ("content-length", "2")];
            assert_eq!(with("POST /api", &headers), None, "{media_type}");
        }
        for media_type in [
            "text/plain",
            "text/plain; x=application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
            "application/jsonp",
            "",
        ] {
            for length in ["0", "2"] {
                let headers = [("content-type", media_type), ("content-length", length)];
                let expected = Some(Refusal::MediaType);
                assert_eq!(with("POST /api", &headers), expected, "{media_type}");
            }
        }
        for headers in [("content-length", "2"), ("transfer-encoding", "chunked")] {
            assert_eq!(with("POST /api", &[headers]), Some(Refusal::MediaType));
        }
        assert_eq!(with("POST /api", &[]), None);
        assert_eq!(with("POST /api", &[("content-length", "0")]), None);
        assert_eq!(with("DELETE /api", &[]), None);
    }

    #[test]
    fn a_token_is_required_for_everything_but_the_page_and_health() {
        let gate = gate(true, Some("secret"));
        let with = |line: &str, headers: &[(&str, &str)]| {
            let host = [("host", "10.0.0.5")];
            outcome(&gate, line, &[&host, headers].concat())
        };
        for line in ["GET /", "GET /page/app.js", "GET /health", "GET /ready"] {
            assert_eq!(with(line, &[]), None, "{line}");
        }
        for headers in [
            ("authorization", "Bearer secret"),
            ("authorization", "bearer  secret"),
            ("cookie", "acs-emulator-admin=secret"),
            ("cookie", "a=b; acs-emulator-admin=secret; c=d"),
        ] {
            assert_eq!(with("GET /api/v1/info", &[headers]), None, "{headers:?}");
        }
        for headers in [
            ("authorization", "Bearer secrets"),
            ("authorization", "Basic secret"),
            ("authorization", "secret"),
            ("cookie", "acs-emulator-admin=x"),
            ("cookie", "other=secret"),
            ("x", "secret"),
        ] {
            for path in ["/api/v1/info", "/admin/keys", "/else"] {
                let got = with(&format!("GET {path}"), &[headers]);
                assert_eq!(got, Some(Refusal::Token), "{headers:?} {path}");
            }
        }
    }

    #[test]
    fn opening_the_page_with_the_token_sets_the_cookie() {
        let gate = gate(true, Some("secret"));
        let open = |line: &str| gate.sign_in(&request(line, &[("host", "10.0.0.5")]));
        let response = open("GET /?token=secret").unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[LOCATION], "/");
        assert_eq!(
            response.headers()[SET_COOKIE],
            "acs-emulator-admin=secret; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            open("GET /?token=x").unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
        assert!(open("GET /").is_none());
        assert!(open("POST /?token=secret").is_none());
        assert!(open("GET /api?token=secret").is_none());
    }
}
