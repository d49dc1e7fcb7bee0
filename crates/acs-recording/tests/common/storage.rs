//! A storage server over real HTTP, with the habits that a test gives it.

#![allow(dead_code, reason = "each test uses its part")]

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
#[allow(
    clippy::struct_excessive_bools,
    reason = "habits come in any combination"
)]
pub struct Habit {
    /// Answers with this and nothing else.
    pub status: Option<u16>,
    /// Does not see `Range`.
    pub ignores_range: bool,
    /// Answers 400 to any `Range`.
    pub refuses_range: bool,
    /// Answers with this to any `Range`.
    pub range_status: Option<u16>,
    /// Tells the entity tag with the whole content alone.
    pub tags_whole_only: bool,
    /// Answers 200 to a range, with `Content-Range`.
    pub says_200: bool,
    /// Sends the body in chunks, without a length.
    pub hides_length: bool,
    /// Ends the connection after so many bytes.
    pub cut_after: Option<usize>,
    /// Sends nothing more after so many bytes.
    pub stall_after: Option<usize>,
    /// The entity tag.
    pub tag: Option<&'static str>,
    /// Bytes per second.
    pub rate: Option<f64>,
    /// What else it says.
    pub headers: Vec<(&'static str, String)>,
    /// Serves this instead.
    pub content: Option<Bytes>,
}

/// Serves one object, and notes who asks for what.
pub struct Storage {
    pub url: String,
    /// The range of every request.
    pub requests: Arc<Mutex<Vec<Option<String>>>>,
    /// Bytes that were handed to the network.
    pub sent: Arc<AtomicU64>,
    pub most_at_once: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

type Habits = dyn Fn(usize, Option<&str>) -> Habit + Send + Sync;

impl Storage {
    /// `habits` tells what to do by a request's number and its range.
    pub async fn start(
        content: Bytes,
        habits: impl Fn(usize, Option<&str>) -> Habit + Send + Sync + 'static,
    ) -> Self {
        let habits: Arc<Habits> = Arc::new(habits);
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
            let habit = habits(number, range.as_deref());
            let content = habit.content.clone().unwrap_or_else(|| content.clone());
            let active = Active::new(&active, &most);
            let if_range = header(&request, "if-range");
            let answer = answer(
                &habit,
                &content,
                range,
                if_range.as_deref(),
                &counter,
                active,
            );
            async move { Ok::<_, Infallible>(answer) }
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

    /// The same place with a query.
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

/// Content that is nowhere the same.
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

fn answer(
    habit: &Habit,
    content: &Bytes,
    range: Option<String>,
    if_range: Option<&str>,
    counter: &Arc<AtomicU64>,
    active: Active,
) -> Response {
    let mut response = Response::builder();
    for (name, value) in &habit.headers {
        response = response.header(*name, value);
    }
    if let Some(status) = habit.status {
        return response.status(status).body(Body::empty()).unwrap();
    }
    if habit.refuses_range && range.is_some() {
        return response.status(400).body(Body::empty()).unwrap();
    }
    if let Some(status) = habit.range_status.filter(|_| range.is_some()) {
        return response.status(status).body(Body::empty()).unwrap();
    }
    let range = range.filter(|_| !habit.ignores_range);
    let range = range.filter(|_| if_range.is_none() || if_range == habit.tag);
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
        status = if habit.says_200 { 200 } else { 206 };
        response = response.header(
            "content-range",
            format!("bytes {start}-{}/{total}", end - 1),
        );
    }
    if let Some(tag) = habit
        .tag
        .filter(|_| status == 200 || !habit.tags_whole_only)
    {
        response = response.header("etag", tag);
    }
    if !habit.hides_length {
        response = response.header("content-length", end - start);
    }
    let flow = Flow {
        rest: content.slice(start..end),
        sent: 0,
        habit: habit.clone(),
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
    habit: Habit,
    counter: Arc<AtomicU64>,
    started: tokio::time::Instant,
    _active: Active,
}

impl Flow {
    async fn step(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let mut size = self.rest.len().min(64 * 1024);
        if let Some(rate) = self.habit.rate {
            size = size.min(16 * 1024);
            let due = Duration::from_secs_f64(self.sent as f64 / rate);
            tokio::time::sleep_until(self.started + due).await;
        }
        if self
            .habit
            .stall_after
            .is_some_and(|after| after <= self.sent)
        {
            std::future::pending::<()>().await;
        }
        if let Some(after) = self.habit.cut_after {
            if after <= self.sent {
                // What was written before should get there first.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Some((Err(io::Error::other("cut")), self));
            }
            size = size.min(after - self.sent);
        }
        if let Some(after) = self.habit.stall_after {
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

/// The header that announces the SHA-256 of content.
pub fn announced(bytes: &[u8]) -> (&'static str, String) {
    let hash = BASE64_STANDARD.encode(Sha256::digest(bytes));
    ("repr-digest", format!("sha-256=:{hash}:"))
}

/// What a folder has in it.
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

/// Downloads to a file, on four connections, and checks that it is right.
pub async fn expect_whole(
    bytes: &Bytes,
    habits: impl Fn(usize, Option<&str>) -> Habit + Send + Sync + 'static,
) -> Storage {
    let storage = Storage::start(bytes.clone(), habits).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = storage
        .client()
        .build()
        .unwrap()
        .download(&storage.location())
        .connections(4)
        .read_timeout(Duration::from_millis(300))
        .sha256()
        .to_file(&path)
        .await
        .unwrap();
    assert_eq!(saved.bytes, bytes.len() as u64);
    assert_eq!(saved.sha256.unwrap().to_string(), hex(bytes));
    assert!(
        std::fs::read(&path).unwrap() == *bytes,
        "the file is another"
    );
    assert_eq!(names(folder.path()), ["a.wav"]);
    storage
}

/// Serves objects by their paths, and notes who asks for what.
pub struct Objects {
    pub url: String,
    state: Arc<Mutex<ObjectsState>>,
    task: JoinHandle<()>,
}

/// Status, headers and body.
type ObjectAnswer = (u16, Vec<(&'static str, String)>, Bytes);

#[derive(Default)]
struct ObjectsState {
    answers: std::collections::BTreeMap<String, ObjectAnswer>,
    requests: Vec<String>,
}

impl Objects {
    /// Serves nothing at first.
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
            let known = state.answers.get(&format!("{method} {path}")).cloned();
            let known = known.or_else(|| state.answers.get(&path).cloned());
            if method == "DELETE" && known.as_ref().is_none_or(|(status, ..)| *status < 300) {
                state.answers.retain(|known, _| !known.starts_with(&path));
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

    /// Answers requests for a path, or for `METHOD PATH`, from now on.
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
        let answer = (status, headers, body.into());
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path.to_owned(), answer);
    }

    /// Whether something is there.
    pub fn has(&self, path: &str) -> bool {
        self.state.lock().unwrap().answers.contains_key(path)
    }

    /// What was asked for since the last time.
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
