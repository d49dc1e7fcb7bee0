//! How much the client adds to what the requests cost anyway.
//!
//! ```text
//! cargo bench -p acs-recording --bench requests
//! ```
//!
//! A server in another process answers starts and stops. The client does both; beside it, in turns,
//! a bare reqwest loop sends the same two requests, signed beforehand, and reads the answers.
//! Signing is measured by itself. Of several rounds the fastest counts.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on ends, and its numbers are small"
)]

use std::future::Future;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use acs_recording::{AccessKey, Media, RecordingClient, ServerCallId};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, post};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CALL: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM";
const ANSWER: &str = r#"{"recordingId":"rid","recordingState":"inactive","recordingKind":"azureCommunicationServices"}"#;
const SERVER: &str = "ACS_RECORDING_BENCH_SERVER";
const ROUNDS: usize = 7;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::var_os(SERVER).is_some() {
        runtime.block_on(serve());
        return;
    }
    signing();
    let (mut server, url) = start_server();
    for concurrency in [1, 32] {
        runtime.block_on(compare(&url, concurrency));
    }
    server.kill().unwrap();
}

async fn serve() {
    let json = [("content-type", "application/json")];
    let router = Router::new()
        .route("/calling/recordings", post(async move || (json, ANSWER)))
        .route(
            "/calling/recordings/rid",
            delete(async || StatusCode::NO_CONTENT),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

fn start_server() -> (Child, String) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env(SERVER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (server, line.trim().to_owned())
}

fn signing() {
    let key: AccessKey = KEY.parse().unwrap();
    let body = [b'x'; 500];
    let path = "/calling/recordings?api-version=2026-03-12";
    let now = SystemTime::now();
    let best = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..20_000 {
                black_box(key.sign_request("POST", path, "contoso.example", now, black_box(&body)));
            }
            started.elapsed() / 20_000
        })
        .min()
        .unwrap();
    println!(
        "signing: {:.0} requests/s (body of 500 bytes)",
        1.0 / best.as_secs_f64()
    );
}

/// The two requests, as the bare loop sends them.
struct Bare {
    http: reqwest::Client,
    start: reqwest::Request,
    stop: reqwest::Request,
}

impl Bare {
    fn new(url: &str) -> Self {
        let key: AccessKey = KEY.parse().unwrap();
        let http = reqwest::Client::builder()
            .user_agent("bare")
            .build()
            .unwrap();
        let host = url.trim_start_matches("http://");
        let body = format!(
            r#"{{"callLocator":{{"kind":"serverCallLocator","serverCallId":"{CALL}"}},"recordingChannelType":"mixed","recordingContentType":"audio","recordingFormatType":"wav"}}"#
        );
        let request = |method: &str, path: &str, body: &str| {
            let signed = key.sign_request(method, path, host, SystemTime::now(), body.as_bytes());
            let method = method.parse().unwrap();
            let mut request = http
                .request(method, format!("{url}{path}"))
                .header("x-ms-date", signed.date)
                .header("x-ms-content-sha256", signed.content_hash)
                .header("authorization", signed.authorization)
                .header(
                    "x-ms-client-request-id",
                    "29228d3e-040e-4656-a70e-890ab4e173e5",
                );
            if !body.is_empty() {
                request = request
                    .header("content-type", "application/json")
                    .header(
                        "repeatability-request-id",
                        "29228d3e-040e-4656-a70e-890ab4e173e5",
                    )
                    .header(
                        "repeatability-first-sent",
                        httpdate::fmt_http_date(SystemTime::now()),
                    )
                    .body(body.to_owned());
            }
            request.build().unwrap()
        };
        Self {
            start: request("POST", "/calling/recordings?api-version=2026-03-12", &body),
            stop: request(
                "DELETE",
                "/calling/recordings/rid?api-version=2026-03-12",
                "",
            ),
            http,
        }
    }

    async fn run(&self) {
        for request in [&self.start, &self.stop] {
            let request = request.try_clone().unwrap();
            let answer = self.http.execute(request).await.unwrap();
            assert!(answer.status().is_success());
            black_box(answer.bytes().await.unwrap());
        }
    }
}

async fn compare(url: &str, concurrency: usize) {
    let text = format!("endpoint={url};accesskey={KEY}");
    let client = RecordingClient::from_connection_string(&text).unwrap();
    let bare = Arc::new(Bare::new(url));
    let call = ServerCallId::new(CALL).unwrap();
    let (mut ours, mut theirs) = (Sample::default(), Sample::default());
    for _ in 0..ROUNDS {
        let (client, call, bare) = (client.clone(), call.clone(), Arc::clone(&bare));
        let theirs_now = measure(concurrency, move || {
            let bare = Arc::clone(&bare);
            async move { bare.run().await }
        });
        theirs.keep(theirs_now.await);
        let ours_now = measure(concurrency, move || {
            let start = client.start(call.clone()).media(Media::mixed_wav());
            async move { start.await.unwrap().stop().await.unwrap() }
        });
        ours.keep(ours_now.await);
    }
    println!(
        "start+stop, {concurrency:2} at once: {:6.0}/s at {:3.0} µs of CPU; bare reqwest {:6.0}/s \
         at {:3.0} µs; ratio of the rates {:.2}",
        ours.rate,
        ours.cpu,
        theirs.rate,
        theirs.cpu,
        ours.rate / theirs.rate,
    );
}

/// Pairs of start and stop per second, and microseconds of this process's CPU time for each.
#[derive(Clone, Copy, Default)]
struct Sample {
    rate: f64,
    cpu: f64,
}

impl Sample {
    fn keep(&mut self, other: Self) {
        if other.rate > self.rate {
            *self = other;
        }
    }
}

async fn measure<F, Fut>(concurrency: usize, operation: F) -> Sample
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    const TIME: Duration = Duration::from_millis(700);
    let (started, cpu) = (Instant::now(), cpu_time());
    let tasks: Vec<_> = (0..concurrency)
        .map(|_| {
            let operation = operation.clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while started.elapsed() < TIME {
                    operation().await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    Sample {
        rate: f64::from(done) / started.elapsed().as_secs_f64(),
        cpu: cpu_time().saturating_sub(cpu).as_micros() as f64 / f64::from(done),
    }
}

/// User and system time of this process, of which Linux counts hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}
