//! Webhooks under load: 64 concurrent deliveries, together with slow clients.
//!
//! One server is the axum router with a spool, the other is `acs-recording events listen`. Each is
//! a separate process. The short runs are ordinary tests. The full runs take five minutes each, or
//! the number of seconds in `ACS_LOAD_SECONDS`:
//!
//! ```text
//! cargo test -p acs-recording-cli --release --test load -- \
//!     --ignored --nocapture --test-threads 1 full
//! ```
//!
//! They print the number of deliveries and their response times, and the memory and open files of
//! the server at the beginning, in the middle and at the end.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a failing test may panic, and the long ones report their results"
)]

#[path = "cli/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, StoredRecording, SyntheticRecording};
use acs_recording::RecordingClient;
use acs_recording::spool::Spool;
use acs_recording::webhook::{Authenticator, Webhook};
use program::{Program, Running, event, spawn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const CONCURRENCY: usize = 64;
/// The number of slow clients of each kind.
const SLOW: usize = 24;
/// The delivery timeout of Event Grid.
const TIMEOUT: Duration = Duration::from_secs(30);
const SECRET: &str = "0123456789abcdef";
/// One in this number of deliveries contains a recording.
const RECORDINGS: u64 = 100;
/// The environment variable with the folder of the server process.
const FOLDER: &str = "ACS_LOAD_FOLDER";
/// The two runs do not overlap, because each would slow down the other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn short_router() {
    router(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_listener() {
    listener(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn full_router() {
    router(full()).await.assert_flat();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn full_listener() {
    listener(full()).await.assert_flat();
}

fn full() -> Duration {
    let seconds = std::env::var("ACS_LOAD_SECONDS");
    Duration::from_secs(seconds.map_or(300, |text| text.parse().unwrap()))
}

/// The documented server: `axum::serve`, a webhook, a spool, and a worker that downloads.
async fn router(time: Duration) -> Watch {
    let _alone = ALONE.lock().await;
    let acs = Emulator::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "server"]);
    command.env(FOLDER, folder.path());
    command.env("ACS_CONNECTION_STRING", acs.connection_string());
    let (mut server, out) = Server::start(&mut command);
    let drain = std::thread::spawn(move || BufReader::new(out).lines().count());
    let (load, watch) = run("router", &acs, &server, time).await;
    load.assert_saved(&folder.path().join("rec")).await;
    // Every event is one file, in any folder of the spool.
    let spool = folder.path().join("spool");
    let kept = ["pending", "done", "noted"].map(|name| count(&spool.join(name)));
    let kept: usize = kept.iter().sum();
    assert_eq!(kept, load.ids.len(), "events in the spool");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drain.join().unwrap();
    watch
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only as a process of its own"]
async fn server() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let connection_string = std::env::var("ACS_CONNECTION_STRING").unwrap();
    let client = RecordingClient::from_connection_string(&connection_string).unwrap();
    let spool = Spool::open(folder.join("spool")).await.unwrap();
    let webhook =
        Webhook::builder(Authenticator::query_secret("code", SECRET).unwrap()).build(spool.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!(
        "listening on http://{}/events",
        listener.local_addr().unwrap()
    );
    // Events arrive as fast as the disk can write them. Pending events are on disk, with an entry
    // in memory, so a worker with four concurrent events would fall behind, and memory would grow.
    let worker = spool.download_to(&client, folder.join("rec"));
    let worker = worker.delete_after().concurrency(32);
    tokio::select! {
        served = axum::serve(listener, webhook.router::<()>("/events")) => served.unwrap(),
        () = worker.run() => {}
    }
}

/// The program, which prints every event, downloads the recordings and deletes them.
async fn listener(time: Duration) -> Watch {
    let _alone = ALONE.lock().await;
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--download-to", "rec"];
    let mut command = program.command(&[&listen[..], &["--delete-after"]].concat());
    command.env("ACS_WEBHOOK_SECRET", SECRET);
    let (server, out) = Server::start(&mut command);
    let printed = std::thread::spawn(move || printed_ids(out));
    let (load, watch) = run("listener", &acs, &server, time).await;
    load.assert_saved(&program.dir.path().join("rec")).await;
    program::interrupt(&server.child);
    let printed = printed.join().unwrap();
    let missing: Vec<_> = load.ids.difference(&printed).collect();
    assert!(
        missing.is_empty(),
        "acknowledged but not printed: {missing:?}"
    );
    watch
}

/// The ids of all events printed as lines of JSON.
fn printed_ids(out: ChildStdout) -> HashSet<String> {
    let mut ids = HashSet::new();
    for line in BufReader::new(out).lines() {
        // Lines about downloads are not JSON.
        if let Ok(Value::Object(event)) = serde_json::from_str(&line.unwrap()) {
            ids.extend(event["id"].as_str().map(str::to_owned));
        }
    }
    ids
}

struct Server {
    child: Running,
    url: String,
}

impl Server {
    fn start(command: &mut Command) -> (Self, ChildStdout) {
        let mut child = spawn(command);
        let out = child.stdout.take().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        // Other output helps to diagnose a failure.
        std::thread::spawn(move || {
            let others = lines.map_while(Result::ok);
            let others = others.filter(|line| line != "deleted from the service");
            for (number, line) in others.enumerate() {
                if number < 10 {
                    eprintln!("server: {line}");
                }
            }
        });
        (Self { child, url }, out)
    }

    fn address(&self) -> &str {
        let rest = self.url.strip_prefix("http://").unwrap();
        rest.strip_suffix("/events").unwrap()
    }
}

/// The delivered events and recordings.
struct Load {
    ids: HashSet<String>,
    recordings: Vec<StoredRecording>,
}

impl Load {
    /// Waits until every recording is complete on disk.
    async fn assert_saved(&self, folder: &Path) {
        assert!(!self.recordings.is_empty());
        let end = Instant::now() + Duration::from_secs(2 * 60);
        for recording in &self.recordings {
            let chunk = &recording.chunks()[0];
            let path = folder.join(format!("{}.000.wav", chunk.document_id()));
            while !path.exists() {
                assert!(
                    Instant::now() < end,
                    "{} was not downloaded",
                    path.display()
                );
                sleep(Duration::from_millis(50)).await;
            }
            let file = std::fs::read(&path).unwrap();
            let mut stored = Vec::new();
            while (stored.len() as u64) < chunk.len() {
                stored.extend(chunk.read(stored.len() as u64, 1 << 20));
            }
            assert!(file == stored, "{} is not correct", path.display());
        }
    }
}

/// Delivers events for some time, observes the server meanwhile, and prints the results.
async fn run(name: &str, acs: &Emulator, server: &Server, time: Duration) -> (Load, Watch) {
    let slow = SlowClients::start(server.address());
    let watching = tokio::spawn(Watch::new(server.child.id(), time));
    let end = Instant::now() + time;
    let number = AtomicU64::new(0);
    let deliveries = (0..CONCURRENCY).map(|worker| deliver(acs, &server.url, end, worker, &number));
    let all = futures_util::future::join_all(deliveries).await;
    let watch = watching.await.unwrap();
    let closed = slow.stop();

    let mut load = Load {
        ids: HashSet::new(),
        recordings: Vec::new(),
    };
    let (mut times, mut failures) = (Vec::new(), Vec::new());
    for one in all {
        load.ids.extend(one.ids);
        load.recordings.extend(one.recordings);
        times.extend(one.times);
        failures.extend(one.failures);
    }
    times.sort_unstable();
    let at = |thousandths: usize| times[(times.len() - 1) * thousandths / 1000];
    println!(
        "{name}, {time:?}, {} concurrent deliveries, {} slow clients, disconnected {closed} times",
        CONCURRENCY,
        4 * SLOW,
    );
    println!(
        "  {} deliveries with {} events and {} recordings, {:.0}/s, {} failed",
        times.len(),
        load.ids.len(),
        load.recordings.len(),
        times.len() as f64 / time.as_secs_f64(),
        failures.len(),
    );
    let [half, most, nearly, last] = [500, 950, 990, 1000].map(at);
    println!(
        "  response times {half:.1?} (p50), {most:.1?} (p95), {nearly:.1?} (p99), {last:.1?} (max)"
    );
    println!("  {watch}");
    assert!(
        failures.is_empty(),
        "{:?}",
        &failures[..failures.len().min(5)]
    );
    assert!(
        times.len() >= CONCURRENCY,
        "each worker delivers at least once"
    );
    (load, watch)
}

#[derive(Default)]
struct Delivered {
    ids: Vec<String>,
    recordings: Vec<StoredRecording>,
    times: Vec<Duration>,
    failures: Vec<String>,
}

/// Delivers batches in turn, like Event Grid.
async fn deliver(
    acs: &Emulator,
    url: &str,
    end: Instant,
    worker: usize,
    number: &AtomicU64,
) -> Delivered {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
    let client = client.build().unwrap();
    let mut delivered = Delivered::default();
    // At least one delivery, however slow the machine is.
    while delivered.times.is_empty() && delivered.failures.is_empty() || Instant::now() < end {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let mut events = Vec::new();
        if number.is_multiple_of(RECORDINGS) {
            let recording = acs.add_recording(SyntheticRecording::new(20_000).seed(number));
            let mut announcement = event(&recording);
            let id = recording.recording_id();
            announcement[0]["id"] = id.into();
            announcement[0]["subject"] = format!("/recording/recordingId/{id}").into();
            events.push(announcement[0].take());
            delivered.recordings.push(recording);
        }
        for index in 0..=number % 3 {
            events.push(json!({
                "id": format!("{number}-{index}"),
                "topic": "/subscriptions/s",
                "subject": "/load",
                "eventType": "Contoso.Load",
                "eventTime": "2025-07-01T12:00:00Z",
                "data": {"worker": worker, "text": "x".repeat(300)},
            }));
        }
        let ids = events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned());
        let ids: Vec<_> = ids.collect();
        let begun = Instant::now();
        let request = client.post(format!("{url}?code={SECRET}"));
        let request = request.header("aeg-event-type", "Notification");
        match request.json(&events).send().await {
            Ok(response) if response.status() == 200 => {
                delivered.times.push(begun.elapsed());
                delivered.ids.extend(ids);
            }
            Ok(response) => delivered.failures.push(response.status().to_string()),
            Err(error) => delivered.failures.push(format!("{error:?}")),
        }
    }
    delivered
}

/// Slow clients, which reconnect when they are disconnected.
struct SlowClients {
    tasks: JoinSet<()>,
    closed: Arc<AtomicU64>,
}

impl SlowClients {
    fn start(address: &str) -> Self {
        const HEAD: &str = "POST /events?code=0123456789abcdef HTTP/1.1\r\nhost: x\r\n\
            content-type: application/json\r\ncontent-length: ";
        let closed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        // The text that they send first, and the byte that they send repeatedly afterwards.
        let kinds = [
            // An idle connection.
            (String::new(), None),
            // Endless headers.
            ("POST /events HTTP/1.1\r\nx: ".to_owned(), Some(b'x')),
            // An endless body, with the valid secret.
            (format!("{HEAD}100000\r\n\r\n["), Some(b' ')),
            // A complete delivery without events, and then nothing.
            (format!("{HEAD}2\r\n\r\n[]"), None),
        ];
        for number in 0..4 * SLOW {
            let (text, drip) = kinds[number % kinds.len()].clone();
            let (address, closed) = (address.to_owned(), Arc::clone(&closed));
            tasks.spawn(async move {
                loop {
                    if slow(&address, &text, drip).await.is_err() {
                        sleep(Duration::from_millis(200)).await;
                    }
                    closed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { tasks, closed }
    }

    fn stop(mut self) -> u64 {
        self.tasks.abort_all();
        self.closed.load(Ordering::Relaxed)
    }
}

/// One connection of a slow client, until the server closes it.
async fn slow(address: &str, text: &str, drip: Option<u8>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut response = [0; 1024];
    loop {
        match timeout(Duration::from_millis(300), stream.read(&mut response)).await {
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
            Err(_) => {
                if let Some(byte) = drip {
                    stream.write_all(&[byte]).await?;
                }
            }
        }
    }
}

/// The resources of a process, at three times.
struct Watch([Usage; 3]);

#[derive(Clone, Copy)]
struct Usage {
    /// In MiB.
    memory: f64,
    files: usize,
}

impl Watch {
    async fn new(pid: u32, time: Duration) -> Self {
        // By then, all connections are open and caches are filled.
        sleep(time / 5).await;
        let begin = Usage::now(pid);
        sleep(time * 2 / 5).await;
        let middle = Usage::now(pid);
        sleep(time * 7 / 20).await;
        Self([begin, middle, Usage::now(pid)])
    }

    fn assert_flat(&self) {
        let [_, middle, end] = self.0;
        assert!(end.memory < middle.memory * 1.1 + 4.0, "{self}");
        assert!(end.files < middle.files + CONCURRENCY, "{self}");
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [begin, middle, end] = self.0;
        let [one, two, three] = [begin, middle, end].map(|usage| usage.memory);
        write!(f, "memory {one:.1}, {two:.1}, {three:.1} MiB; ")?;
        let [one, two, three] = [begin, middle, end].map(|usage| usage.files);
        write!(f, "open files {one}, {two}, {three}")
    }
}

impl Usage {
    fn now(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Self {
            memory: kibibytes.unwrap().parse::<f64>().unwrap() / 1024.0,
            files: count(Path::new(&format!("/proc/{pid}/fd"))),
        }
    }
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
