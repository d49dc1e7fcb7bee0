//! A signing client.

use std::time::{Duration, SystemTime};

use acs_emulator::{Clock, Emulator};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub(crate) const VERSION: &str = "api-version=2026-03-12";

/// An emulator with a manual clock.
pub(crate) async fn emulator() -> Emulator {
    Emulator::builder()
        .clock(Clock::manual())
        .start()
        .await
        .unwrap()
}

/// The response to a request.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Asserts the status and the code of an error in the service's format.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/json; charset=utf-8"
        );
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }

    /// Asserts a response without a body.
    #[track_caller]
    pub(crate) fn assert_empty(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.body.is_empty(), "{self:?}");
    }
}

/// A request whose signature can be valid or invalid.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    endpoint: String,
    /// Path and query as they are sent.
    path: String,
    pub(crate) signed_path: String,
    pub(crate) signed_host: String,
    pub(crate) key: Vec<u8>,
    pub(crate) date: SystemTime,
    body: Vec<u8>,
    pub(crate) signed_body: Vec<u8>,
    headers: HeaderMap,
}

impl Request {
    /// A request for a calling operation. The API version is added.
    pub(crate) fn new(acs: &Emulator, method: Method, path: &str) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        Self::plain(acs, method, &format!("{path}{separator}{VERSION}"))
    }

    /// A request for content at a location from an event.
    pub(crate) fn content(acs: &Emulator, method: Method, location: &str) -> Self {
        let path = location.strip_prefix(acs.endpoint()).unwrap();
        let request = Self::plain(acs, method, path);
        let host = request.signed_host.clone();
        let mut request = request.header("x-ms-host", &host);
        request.signed_path = path.split('?').next().unwrap().to_owned();
        request
    }

    /// A request for exactly this path.
    pub(crate) fn plain(acs: &Emulator, method: Method, path: &str) -> Self {
        Self {
            method,
            endpoint: acs.endpoint().to_owned(),
            path: path.to_owned(),
            signed_path: path.to_owned(),
            signed_host: acs.endpoint().strip_prefix("http://").unwrap().to_owned(),
            key: STANDARD.decode(acs.access_key()).unwrap(),
            date: SystemTime::now(),
            body: Vec::new(),
            signed_body: Vec::new(),
            headers: HeaderMap::new(),
        }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string().into_bytes())
            .header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.signed_body.clone_from(&body);
        self.body = body;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) async fn send(self) -> Response {
        self.signed().send_unsigned().await
    }

    /// The request with its signature.
    pub(crate) fn signed(self) -> Self {
        let date = httpdate::fmt_http_date(self.date);
        let hash = STANDARD.encode(Sha256::digest(&self.signed_body));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        let text = format!(
            "{}\n{}\n{date};{};{hash}",
            self.method, self.signed_path, self.signed_host
        );
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let authorization = format!(
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
        );
        self.header("x-ms-date", &date)
            .header("x-ms-content-sha256", &hash)
            .header("authorization", &authorization)
    }

    pub(crate) async fn send_unsigned(self) -> Response {
        let response = self.try_send().await.unwrap();
        Response {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }
}

impl Request {
    /// Sends the request as it is. Does not follow redirects or wait for the body.
    pub(crate) async fn try_send(self) -> reqwest::Result<reqwest::Response> {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
            .request(self.method, format!("{}{}", self.endpoint, self.path))
            .headers(self.headers)
            .body(self.body)
            .send()
            .await
    }
}

pub(crate) async fn get(acs: &Emulator, path: &str) -> Response {
    Request::new(acs, Method::GET, path).send().await
}

pub(crate) async fn delete(acs: &Emulator, path: &str) -> Response {
    Request::new(acs, Method::DELETE, path).send().await
}

pub(crate) async fn post(acs: &Emulator, path: &str, body: &Value) -> Response {
    Request::new(acs, Method::POST, path)
        .json(body)
        .send()
        .await
}

/// A POST without a body, such as for pausing.
pub(crate) async fn post_empty(acs: &Emulator, path: &str) -> Response {
    Request::new(acs, Method::POST, path).send().await
}

/// Starts a recording, waits until it is active, and returns its id.
pub(crate) async fn start(acs: &Emulator, body: &Value) -> String {
    let response = post(acs, "/calling/recordings", body).await;
    assert!(response.status.is_success(), "{response:?}");
    acs.clock().advance(Duration::from_millis(200));
    response.json()["recordingId"].as_str().unwrap().to_owned()
}
