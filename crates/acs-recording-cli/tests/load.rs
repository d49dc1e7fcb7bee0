//! Webhooks under load: 64 deliveries at once, with slow clients beside them.
//!
//! Once the router of axum with a spool behind it, and once the program's `events listen`, each a
//! process of its own. The short runs are tests like any other. The full ones take five minutes
//! each, or as many seconds as `ACS_LOAD_SECONDS` says:
//!
//! ```text
//! cargo test -p acs-recording-cli --release --test load -- \
//!     --ignored --nocapture --test-threads 1 full
//! ```
//!
//! They print how many deliveries were answered and how long that took, and the memory and the open
//! files of the server at the beginning, in the middle and at the end.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails, and the long ones say how it went"
)]

#[path = "cli/program.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod program;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, LargeRecording, StoredRecording};
use acs_recording::RecordingClient;
use acs_recording::spool::Spool;
use acs_recording::webhook::{Authenticator, Webhook};
use program::{Program, Running, event, spawn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const AT_ONCE: usize = 64;
/// Of each kind.
const SLOW: usize = 24;
/// Event Grid waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "0123456789abcdef";
/// One delivery of so many tells of a recording.
const RECORDINGS: u64 = 100;
/// Where a server that is this program keeps its files.
const FOLDER: &str = "ACS_LOAD_FOLDER";
/// Both would be slower with the other beside it.
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
    // Every event is one file, wherever it is by now.
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
        Webhook::builder(Authenticator::secret("code", SECRET).unwrap()).build(spool.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!(
        "listening on http://{}/events",
        listener.local_addr().unwrap()
    );
    // Events come as fast as the disk takes them. What waits is on disk and known in memory, so a
    // worker that takes four at a time would fall behind, and memory would grow with what waits.
    let worker = spool.download_to(&client, folder.join("rec"));
    let worker = worker.delete_after().concurrency(32);
    tokio::select! {
        served = axum::serve(listener, webhook.router::<()>("/events")) => served.unwrap(),
        () = worker.run() => {}
    }
}

/// The program, which prints every event, and downloads and deletes recordings.
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
        "acknowledged, and not printed: {missing:?}"
    );
    watch
}

/// The ids of all events that were printed as lines of JSON.
fn printed_ids(out: ChildStdout) -> HashSet<String> {
    let mut ids = HashSet::new();
    for line in BufReader::new(out).lines() {
        // Lines about downloads are text.
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
        // Whatever else it says is for somebody who looks at a failure.
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

/// What was delivered.
struct Load {
    ids: HashSet<String>,
    recordings: Vec<StoredRecording>,
}

impl Load {
    /// Waits until every recording is on disk as the service had it.
    async fn assert_saved(&self, folder: &Path) {
        assert!(!self.recordings.is_empty());
        let end = Instant::now() + Duration::from_secs(2 * 60);
        for recording in &self.recordings {
            let chunk = &recording.chunks()[0];
            let path = folder.join(format!("{}.000.wav", chunk.document_id()));
            while !path.exists() {
                assert!(Instant::now() < end, "{} never came", path.display());
                sleep(Duration::from_millis(50)).await;
            }
            let file = std::fs::read(&path).unwrap();
            let mut stored = Vec::new();
            while (stored.len() as u64) < chunk.len() {
                stored.extend(chunk.read(stored.len() as u64, 1 << 20));
            }
            assert!(file == stored, "{} is not right", path.display());
        }
    }
}

/// Delivers for some time, watches the server meanwhile, and says how it went.
async fn run(name: &str, acs: &Emulator, server: &Server, time: Duration) -> (Load, Watch) {
    let slow = SlowClients::start(server.address());
    let watching = tokio::spawn(Watch::new(server.child.id(), time));
    let end = Instant::now() + time;
    let number = AtomicU64::new(0);
    let deliveries = (0..AT_ONCE).map(|worker| deliver(acs, &server.url, end, worker, &number));
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
        "{name}, {time:?}, {} deliveries at a time, {} slow clients that were sent away {closed} times",
        AT_ONCE,
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
        "  answered after {half:.1?} (p50), {most:.1?} (p95), {nearly:.1?} (p99), {last:.1?} (max)"
    );
    println!("  {watch}");
    assert!(
        failures.is_empty(),
        "{:?}",
        &failures[..failures.len().min(5)]
    );
    assert!(times.len() >= AT_ONCE, "each worker delivers at least once");
    (load, watch)
}

#[derive(Default)]
struct Delivered {
    ids: Vec<String>,
    recordings: Vec<StoredRecording>,
    times: Vec<Duration>,
    failures: Vec<String>,
}

/// Delivers one batch after the other, as Event Grid does.
async fn deliver(
    acs: &Emulator,
    url: &str,
    end: Instant,
    worker: usize,
    number: &AtomicU64,
) -> Delivered {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let client = client.build().unwrap();
    let mut delivered = Delivered::default();
    // At least one delivery, however slow the machine is.
    while delivered.times.is_empty() && delivered.failures.is_empty() || Instant::now() < end {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let mut events = Vec::new();
        if number.is_multiple_of(RECORDINGS) {
            let recording = acs.add_recording(LargeRecording::new(20_000).seed(number));
            let mut told = event(&recording);
            let id = recording.recording_id();
            told[0]["id"] = id.into();
            told[0]["subject"] = format!("/recording/recordingId/{id}").into();
            events.push(told[0].take());
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

/// Clients that take as long as they are let, and come back when they are sent away.
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
        // What they send at once, and what they send byte by byte.
        let kinds = [
            // Half open.
            (String::new(), None),
            // Its headers never end.
            ("POST /events HTTP/1.1\r\nx: ".to_owned(), Some(b'x')),
            // Nor does its body, although it knows the secret.
            (format!("{HEAD}100000\r\n\r\n["), Some(b' ')),
            // A whole delivery, of no event, and then nothing.
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
    let mut answer = [0; 1024];
    loop {
        match timeout(Duration::from_millis(300), stream.read(&mut answer)).await {
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

/// What a process has, at three times.
struct Watch([Has; 3]);

#[derive(Clone, Copy)]
struct Has {
    /// In MiB.
    memory: f64,
    files: usize,
}

impl Watch {
    async fn new(pid: u32, time: Duration) -> Self {
        // Every connection is there by then, and what is cached has come.
        sleep(time / 5).await;
        let begin = Has::now(pid);
        sleep(time * 2 / 5).await;
        let middle = Has::now(pid);
        sleep(time * 7 / 20).await;
        Self([begin, middle, Has::now(pid)])
    }

    fn assert_flat(&self) {
        let [_, middle, end] = self.0;
        assert!(end.memory < middle.memory * 1.1 + 4.0, "{self}");
        assert!(end.files < middle.files + AT_ONCE, "{self}");
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [begin, middle, end] = self.0;
        let [one, two, three] = [begin, middle, end].map(|has| has.memory);
        write!(f, "memory {one:.1}, {two:.1}, {three:.1} MiB; ")?;
        let [one, two, three] = [begin, middle, end].map(|has| has.files);
        write!(f, "open files {one}, {two}, {three}")
    }
}

impl Has {
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
