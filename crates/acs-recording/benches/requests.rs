//! The overhead of the client over bare requests.
//!
//! ```text
//! cargo bench -p acs-recording --bench requests
//! ```
//!
//! A server in another process responds to start and stop requests. The client sends them, in turns
//! with two bare reqwest loops that send the same requests and read the responses. One loop replays
//! requests that were built and signed beforehand; the other dates, signs and builds each request,
//! like hand-written code. There are many short rounds, and rates are compared within each round,
//! so that other load on the machine affects all three equally. The results are medians.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

use std::future::Future;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use acs_recording::{Media, RecordingClient, ServerCallId};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use uuid::Uuid;

#[path = "../tests/common/signature.rs"]
mod signature;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CALL: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM";
const RESPONSE: &str = r#"{"recordingId":"rid","recordingState":"inactive","recordingKind":"azureCommunicationServices"}"#;
const SERVER: &str = "ACS_RECORDING_BENCH_SERVER";
const ROUNDS: usize = 42;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::var_os(SERVER).is_some() {
        runtime.block_on(serve());
        return;
    }
    let (mut server, url) = start_server();
    for concurrency in [1, 32] {
        runtime.block_on(compare(&url, concurrency));
    }
    server.kill().unwrap();
}

async fn serve() {
    let json = [("content-type", "application/json")];
    let router = Router::new()
        .route("/calling/recordings", post(async move || (json, RESPONSE)))
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

/// The two requests of the bare loops.
struct Bare {
    http: reqwest::Client,
    url: String,
    body: String,
    replayed: [reqwest::Request; 2],
}

impl Bare {
    fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .user_agent("bare")
            .build()
            .unwrap();
        let body = format!(
            r#"{{"callLocator":{{"kind":"serverCallLocator","serverCallId":"{CALL}"}},"recordingChannelType":"mixed","recordingContentType":"audio","recordingFormatType":"wav"}}"#
        );
        let replayed = [start(&http, url, &body), stop(&http, url)];
        Self {
            http,
            url: url.to_owned(),
            body,
            replayed,
        }
    }

    async fn replay(&self) {
        for request in &self.replayed {
            self.send(request.try_clone().unwrap()).await;
        }
    }

    async fn sign(&self) {
        self.send(start(&self.http, &self.url, &self.body)).await;
        self.send(stop(&self.http, &self.url)).await;
    }

    async fn send(&self, request: reqwest::Request) {
        let response = self.http.execute(request).await.unwrap();
        assert!(response.status().is_success());
        black_box(response.bytes().await.unwrap());
    }
}

fn start(http: &reqwest::Client, url: &str, body: &str) -> reqwest::Request {
    let path = "/calling/recordings?api-version=2026-03-12";
    signed(http, "POST", url, path, body)
        .header("content-type", "application/json")
        .header("repeatability-request-id", Uuid::new_v4().to_string())
        .header(
            "repeatability-first-sent",
            httpdate::fmt_http_date(SystemTime::now()),
        )
        .body(body.to_owned())
        .build()
        .unwrap()
}

fn stop(http: &reqwest::Client, url: &str) -> reqwest::Request {
    let path = "/calling/recordings/rid?api-version=2026-03-12";
    signed(http, "DELETE", url, path, "").build().unwrap()
}

fn signed(
    http: &reqwest::Client,
    method: &str,
    url: &str,
    path: &str,
    body: &str,
) -> reqwest::RequestBuilder {
    let host = url.trim_start_matches("http://");
    let headers = signature::sign(KEY, method, path, host, SystemTime::now(), body.as_bytes());
    http.request(method.parse().unwrap(), format!("{url}{path}"))
        .header("x-ms-date", headers.date)
        .header("x-ms-content-sha256", headers.content_hash)
        .header("authorization", headers.authorization)
        .header("x-ms-client-request-id", Uuid::new_v4().to_string())
}

async fn compare(url: &str, concurrency: usize) {
    let text = format!("endpoint={url};accesskey={KEY}");
    let client = RecordingClient::from_connection_string(&text).unwrap();
    let bare = Arc::new(Bare::new(url));
    let call = ServerCallId::new(CALL).unwrap();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut samples = [Sample::default(); 3];
        // In a different order each time, because the order affects the results.
        for step in 0..3 {
            let contender = (round + step) % 3;
            samples[contender] = match contender {
                0 => {
                    let (client, call) = (client.clone(), call.clone());
                    let operation = move || {
                        let start = client.start(call.clone()).media(Media::mixed_wav());
                        async move { start.await.unwrap().stop().await.unwrap() }
                    };
                    measure(concurrency, operation).await
                }
                1 => {
                    let bare = Arc::clone(&bare);
                    let operation = move || {
                        let bare = Arc::clone(&bare);
                        async move { bare.sign().await }
                    };
                    measure(concurrency, operation).await
                }
                _ => {
                    let bare = Arc::clone(&bare);
                    let operation = move || {
                        let bare = Arc::clone(&bare);
                        async move { bare.replay().await }
                    };
                    measure(concurrency, operation).await
                }
            };
        }
        rounds.push(samples);
    }
    println!("start and stop, {concurrency} concurrent:");
    for (what, index) in [
        ("this crate", 0),
        ("bare reqwest that signs", 1),
        ("bare reqwest that replays", 2),
    ] {
        println!(
            "  {what:26} {:6.0}/s, {:3.0} µs of CPU; this crate reaches {:.2} of this rate",
            median(&rounds, |round| round[index].rate),
            median(&rounds, |round| round[index].cpu),
            median(&rounds, |round| round[0].rate / round[index].rate),
        );
    }
}

fn median(rounds: &[[Sample; 3]], value: impl Fn(&[Sample; 3]) -> f64) -> f64 {
    let mut values: Vec<_> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Pairs of start and stop per second, and CPU time of this process per pair in microseconds.
#[derive(Clone, Copy, Default)]
struct Sample {
    rate: f64,
    cpu: f64,
}

async fn measure<F, Fut>(concurrency: usize, operation: F) -> Sample
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    const TIME: Duration = Duration::from_millis(150);
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

/// User and system time of this process, with a resolution of 0.01 s on Linux.
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
