//! A proxy that loses, delays or replaces the responses of a service.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What a rule does to a request.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// The service handles the request, but the connection is closed instead of sending the
    /// response.
    Lose,
    /// The proxy responds; the service does not receive the request.
    Respond(StatusCode),
    /// The response is delayed.
    Delay(Duration),
}

/// A rule for requests with a given method whose path and query contain a given text.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Method,
    target: String,
    action: Action,
    times: usize,
}

impl Rule {
    /// Closes the connection after the service has handled the request.
    pub fn lose_response(method: Method, target: &str) -> Self {
        Self::new(method, target, Action::Lose)
    }

    /// Responds with this status. The service does not receive the request.
    ///
    /// # Panics
    /// If `status` is not a valid status.
    pub fn respond(method: Method, target: &str, status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self::new(method, target, Action::Respond(status))
    }

    /// Delays the response of the service by this time.
    pub fn delay(method: Method, target: &str, delay: Duration) -> Self {
        Self::new(method, target, Action::Delay(delay))
    }

    fn new(method: Method, target: &str, action: Action) -> Self {
        Self {
            method,
            target: target.to_owned(),
            action,
            times: 1,
        }
    }

    /// The number of requests that the rule applies to. The default is one.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

/// An HTTP proxy on loopback in front of one service. It runs until the runtime stops.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The origin of the proxy, such as `http://127.0.0.1:PORT`.
    origin: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    upstream: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<(Method, String)>>,
}

impl Proxy {
    /// Starts a proxy in front of the service at the origin of this URL.
    pub async fn start(service: &str) -> Self {
        let upstream = url::Url::parse(service).unwrap().origin();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            upstream: upstream.ascii_serialization(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            rules: Mutex::default(),
            requests: Mutex::default(),
        });
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { origin, state }
    }

    /// Replaces the origin of a URL with that of the proxy.
    pub fn through(&self, url: &str) -> String {
        url.replacen(&self.state.upstream, &self.origin, 1)
    }

    /// Adds a rule. The first matching rule is used.
    pub fn add(&self, rule: Rule) {
        self.state.rules.lock().unwrap().push(rule);
    }

    /// The method, the path and the query of all requests so far.
    pub fn requests(&self) -> Vec<(Method, String)> {
        self.state.requests.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| forward(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // The connection ends with an error when a response is lost.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn forward(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let target = request.uri().to_string();
    let method = request.method().clone();
    let action = {
        let mut rules = state.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && rule.method == method && target.contains(&rule.target));
        rule.map(|rule| {
            rule.times -= 1;
            rule.action
        })
    };
    state
        .requests
        .lock()
        .unwrap()
        .push((method.clone(), target.clone()));
    if let Some(Action::Respond(status)) = action {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut headers = parts.headers;
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let is_head = method == Method::HEAD;
    let forwarded = state
        .client
        .request(method, format!("{}{target}", state.upstream))
        .headers(headers)
        .body(body);
    let received = forwarded.send().await.map_err(io::Error::other)?;
    let mut response = Response::builder().status(received.status());
    for (name, value) in received.headers() {
        // The response to HEAD has the length of a body that it has not.
        let is_length = *name == CONTENT_LENGTH && !is_head;
        if *name != TRANSFER_ENCODING && *name != CONNECTION && !is_length {
            response = response.header(name, value);
        }
    }
    let body = received.bytes().await.map_err(io::Error::other)?;
    match action {
        Some(Action::Lose) => return Err(io::Error::other("the response is lost on purpose")),
        Some(Action::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Action::Respond(_)) | None => {}
    }
    response.body(Full::new(body)).map_err(io::Error::other)
}
