//! A storage server over real HTTP, with the behaviors that a test gives it.

#![allow(dead_code, reason = "each test uses a part")]

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{ContentUrl, ExponentialBackoff, RecordingClientBuilder, RetryPolicyExt as _};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the server does with one request.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "behaviors can be combined")]
pub struct Behavior {
    /// Responds with this status only.
    pub status: Option<u16>,
    /// Ignores `Range`.
    pub ignores_range: bool,
    /// Responds with 400 to any `Range`.
    pub refuses_range: bool,
    /// Responds with this status to any `Range`.
    pub range_status: Option<u16>,
    /// Sends the entity tag only with the complete content.
    pub tags_whole_only: bool,
    /// Responds with status 200 to a range, with `Content-Range`.
    pub says_200: bool,
    /// Sends the body in chunks, without a length.
    pub hides_length: bool,
    /// Closes the connection after this many bytes.
    pub cut_after: Option<usize>,
    /// Sends nothing more after this many bytes.
    pub stall_after: Option<usize>,
    /// The entity tag.
    pub tag: Option<&'static str>,
    /// Bytes per second.
    pub rate: Option<f64>,
    /// Additional headers.
    pub headers: Vec<(&'static str, String)>,
    /// Other content to serve.
    pub content: Option<Bytes>,
}

/// Serves one object, and records the requests.
pub struct Storage {
    pub url: String,
    /// The range of every request.
    pub requests: Arc<Mutex<Vec<Option<String>>>>,
    /// The number of bytes sent.
    pub sent: Arc<AtomicU64>,
    pub most_at_once: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

type Behaviors = dyn Fn(usize, Option<&str>) -> Behavior + Send + Sync;

impl Storage {
    /// `behaviors` returns the behavior by the number and the range of a request.
    pub async fn start(
        content: Bytes,
        behaviors: impl Fn(usize, Option<&str>) -> Behavior + Send + Sync + 'static,
    ) -> Self {
        let behaviors: Arc<Behaviors> = Arc::new(behaviors);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicU64::new(0));
        let active = Arc::new(AtomicUsize::new(0));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let (log, counter, most) = (
            Arc::clone(&requests),
            Arc::clone(&sent),
            Arc::clone(&most_at_once),
        );
        let handler = move |request: Request| {
            let range = header(&request, "range");
            let number = {
                let mut log = log.lock().unwrap();
                log.push(range.clone());
                log.len() - 1
            };
            let behavior = behaviors(number, range.as_deref());
            let content = behavior.content.clone().unwrap_or_else(|| content.clone());
            let active = Active::new(&active, &most);
            let if_range = header(&request, "if-range");
            let response = respond(
                &behavior,
                &content,
                range,
                if_range.as_deref(),
                &counter,
                active,
            );
            async move { Ok::<_, Infallible>(response) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handler);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            requests,
            sent,
            most_at_once,
            task,
        }
    }

    pub fn location(&self) -> ContentUrl {
        format!("{}/v1/objects/o/content/audiowav", self.url)
            .parse()
            .unwrap()
    }

    /// The same location with a query.
    pub fn location_with(&self, query: &str) -> ContentUrl {
        format!("{}?{query}", String::from(self.location()))
            .parse()
            .unwrap()
    }

    pub fn client(&self) -> RecordingClientBuilder {
        crate::common::client(&self.url).retry_policy(
            ExponentialBackoff::default()
                .initial_delay(Duration::from_millis(1))
                .with_attempt_limit(5),
        )
    }

    pub fn ranges(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Random content.
pub fn content(length: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes.into()
}

struct Active(Arc<AtomicUsize>);

impl Active {
    fn new(count: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    Some(request.headers().get(name)?.to_str().unwrap().to_owned())
}

fn respond(
    behavior: &Behavior,
    content: &Bytes,
    range: Option<String>,
    if_range: Option<&str>,
    counter: &Arc<AtomicU64>,
    active: Active,
) -> Response {
    let mut response = Response::builder();
    for (name, value) in &behavior.headers {
        response = response.header(*name, value);
    }
    if let Some(status) = behavior.status {
        return response.status(status).body(Body::empty()).unwrap();
    }
    if behavior.refuses_range && range.is_some() {
        return response.status(400).body(Body::empty()).unwrap();
    }
    if let Some(status) = behavior.range_status.filter(|_| range.is_some()) {
        return response.status(status).body(Body::empty()).unwrap();
    }
    let range = range.filter(|_| !behavior.ignores_range);
    let range = range.filter(|_| if_range.is_none() || if_range == behavior.tag);
    let (mut start, mut end, total) = (0, content.len(), content.len());
    let mut status = 200;
    if let Some(range) = range {
        let (first, last) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        start = first.parse().unwrap();
        if let Ok(last) = last.parse::<usize>() {
            end = end.min(last + 1);
        }
        if start >= total {
            let response = response
                .status(416)
                .header("content-range", format!("bytes */{total}"));
            return response.body(Body::empty()).unwrap();
        }
        status = if behavior.says_200 { 200 } else { 206 };
        response = response.header(
            "content-range",
            format!("bytes {start}-{}/{total}", end - 1),
        );
    }
    if let Some(tag) = behavior
        .tag
        .filter(|_| status == 200 || !behavior.tags_whole_only)
    {
        response = response.header("etag", tag);
    }
    if !behavior.hides_length {
        response = response.header("content-length", end - start);
    }
    let flow = Flow {
        rest: content.slice(start..end),
        sent: 0,
        behavior: behavior.clone(),
        counter: Arc::clone(counter),
        started: tokio::time::Instant::now(),
        _active: active,
    };
    let body = Body::from_stream(stream::unfold(flow, Flow::step));
    response.status(status).body(body).unwrap()
}

struct Flow {
    rest: Bytes,
    sent: usize,
    behavior: Behavior,
    counter: Arc<AtomicU64>,
    started: tokio::time::Instant,
    _active: Active,
}

impl Flow {
    async fn step(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let mut size = self.rest.len().min(64 * 1024);
        if let Some(rate) = self.behavior.rate {
            size = size.min(16 * 1024);
            let due = Duration::from_secs_f64(self.sent as f64 / rate);
            tokio::time::sleep_until(self.started + due).await;
        }
        if self
            .behavior
            .stall_after
            .is_some_and(|after| after <= self.sent)
        {
            std::future::pending::<()>().await;
        }
        if let Some(after) = self.behavior.cut_after {
            if after <= self.sent {
                // Delays the end, so that the written bytes arrive first.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Some((Err(io::Error::other("cut")), self));
            }
            size = size.min(after - self.sent);
        }
        if let Some(after) = self.behavior.stall_after {
            size = size.min(after - self.sent);
        }
        if self.rest.is_empty() {
            return None;
        }
        let piece = self.rest.split_to(size);
        self.sent += size;
        self.counter.fetch_add(size as u64, Ordering::Relaxed);
        Some((Ok(piece), self))
    }
}

/// The digest header of content.
pub fn announced(bytes: &[u8]) -> (&'static str, String) {
    let hash = BASE64_STANDARD.encode(Sha256::digest(bytes));
    ("repr-digest", format!("sha-256=:{hash}:"))
}

/// The names in a folder.
pub fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The SHA-256 in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Downloads to a file on four connections, and checks it.
pub async fn expect_whole(
    bytes: &Bytes,
    behaviors: impl Fn(usize, Option<&str>) -> Behavior + Send + Sync + 'static,
) -> Storage {
    let storage = Storage::start(bytes.clone(), behaviors).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = storage
        .client()
        .build()
        .unwrap()
        .download(&storage.location())
        .read_timeout(Duration::from_millis(300))
        .to_file(&path)
        .connections(4)
        .sha256()
        .await
        .unwrap();
    assert_eq!(saved.bytes, bytes.len() as u64);
    assert_eq!(saved.sha256.unwrap().to_string(), hex(bytes));
    assert!(
        std::fs::read(&path).unwrap() == *bytes,
        "the file has other content"
    );
    assert_eq!(names(folder.path()), ["a.wav"]);
    storage
}

/// Serves objects by their paths, and records the requests.
pub struct Objects {
    pub url: String,
    state: Arc<Mutex<ObjectsState>>,
    task: JoinHandle<()>,
}

/// Status, headers and body.
type ObjectResponse = (u16, Vec<(&'static str, String)>, Bytes);

#[derive(Default)]
struct ObjectsState {
    responses: std::collections::BTreeMap<String, ObjectResponse>,
    requests: Vec<String>,
}

impl Objects {
    /// A server without objects.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(ObjectsState::default()));
        let shared = Arc::clone(&state);
        let handler = move |request: Request| {
            let mut state = shared.lock().unwrap();
            let (method, path) = (
                request.method().to_string(),
                request.uri().path().to_owned(),
            );
            state.requests.push(format!("{method} {path}"));
            let known = state.responses.get(&format!("{method} {path}")).cloned();
            let known = known.or_else(|| state.responses.get(&path).cloned());
            if method == "DELETE" && known.as_ref().is_none_or(|(status, ..)| *status < 300) {
                state.responses.retain(|known, _| !known.starts_with(&path));
            }
            let (status, headers, body) = known.unwrap_or((404, Vec::new(), Bytes::new()));
            let mut response = Response::builder()
                .status(status)
                .header("content-length", body.len());
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let response = response.body(Body::from(body)).unwrap();
            async move { Ok::<_, Infallible>(response) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handler);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state, task }
    }

    /// Sets the response to a path, or to `METHOD PATH`.
    pub fn put(&self, path: &str, status: u16, body: impl Into<Bytes>) {
        self.put_with(path, status, Vec::new(), body);
    }

    pub fn put_with(
        &self,
        path: &str,
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Bytes>,
    ) {
        let response = (status, headers, body.into());
        let mut state = self.state.lock().unwrap();
        state.responses.insert(path.to_owned(), response);
    }

    /// Whether the object exists.
    pub fn has(&self, path: &str) -> bool {
        self.state.lock().unwrap().responses.contains_key(path)
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    pub fn client(&self) -> RecordingClientBuilder {
        crate::common::client(&self.url).retry_policy(
            ExponentialBackoff::default()
                .initial_delay(Duration::from_millis(1))
                .with_attempt_limit(5),
        )
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.task.abort();
    }
}
