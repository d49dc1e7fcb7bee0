//! The overhead of the client over bare requests.
//!
//! ```text
//! cargo bench -p acs-recording --bench requests
//! cargo bench -p acs-recording --bench requests -- start            # only the start of a program
//! cargo bench -p acs-recording --bench requests -- --profile crate  # 2,000 pairs, for a profiler
//! ```
//!
//! A server in another process responds to start and stop requests, over TLS. The client sends them, in
//! turns with two bare reqwest loops that send the same requests and read the responses. One loop replays
//! requests that were built and signed beforehand; the other dates, signs and builds each request,
//! like hand-written code. There are many short rounds, and rates are compared within each round. The
//! results are medians. A ratio above 1 means that this crate is faster. No ratio is printed, and the
//! program fails, if something disturbed the run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

mod common;

use std::future::Future;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use acs_recording::{Media, RecordingClient, ServerCallId};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use common::tls::{self, ROLE, SERVER, Server};
use common::{Ratio, Watch, children_cpu, median, own_cpu, print_machine};
use uuid::Uuid;

#[path = "../tests/common/signature.rs"]
mod signature;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CALL: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM";
const RESPONSE: &str = r#"{"recordingId":"rid","recordingState":"inactive","recordingKind":"azureCommunicationServices"}"#;
const ROUNDS: usize = 42;
const STARTS: usize = 40;
const PROFILED: usize = 2000;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let role = std::env::var(ROLE).unwrap_or_default();
    match *role.split(' ').collect::<Vec<_>>() {
        [SERVER] => runtime.block_on(tls::serve(router())),
        ["first", contender, url] => runtime.block_on(first_response(contender, url)),
        _ => return run(&runtime),
    }
    ExitCode::SUCCESS
}

fn run(runtime: &tokio::runtime::Runtime) -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = Server::start();
    if let Some(at) = arguments.iter().position(|it| *it == "--profile") {
        runtime.block_on(profile(arguments[at + 1], &server));
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let mut names = arguments
            .iter()
            .filter(|it| !it.starts_with('-'))
            .peekable();
        names.peek().is_none() || names.any(|one| *one == name)
    };
    print_machine(&["reqwest", "hyper", "rustls", "tokio"]);
    let mut is_undisturbed = true;
    if wanted("pairs") {
        for concurrency in [1, 32] {
            is_undisturbed &= runtime.block_on(compare(&server, concurrency));
        }
    }
    if wanted("start") {
        is_undisturbed &= compare_starts(&server);
    }
    if is_undisturbed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn router() -> Router {
    let json = [("content-type", "application/json")];
    Router::new()
        .route("/calling/recordings", post(async move || (json, RESPONSE)))
        .route(
            "/calling/recordings/rid",
            delete(async || StatusCode::NO_CONTENT),
        )
}

/// Sends the same requests as this crate, in both ways.
struct Bare {
    http: reqwest::Client,
    url: String,
    body: String,
    replayed: [reqwest::Request; 2],
}

impl Bare {
    fn new(http: reqwest::Client, url: &str) -> Self {
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
    let host = url.trim_start_matches("https://");
    let headers = signature::sign(KEY, method, path, host, SystemTime::now(), body.as_bytes());
    http.request(method.parse().unwrap(), format!("{url}{path}"))
        .header("x-ms-date", headers.date)
        .header("x-ms-content-sha256", headers.content_hash)
        .header("authorization", headers.authorization)
        .header("x-ms-client-request-id", Uuid::new_v4().to_string())
}

fn client(server: &Server) -> RecordingClient {
    let text = format!("endpoint={};accesskey={KEY}", server.https);
    RecordingClient::builder(text.parse().unwrap())
        .add_root_certificate(&server.certificate())
        .unwrap()
        .build()
        .unwrap()
}

fn bare(server: &Server) -> Bare {
    let roots = reqwest::Certificate::from_pem_bundle(&server.certificate()).unwrap();
    let http = reqwest::Client::builder()
        .user_agent("bare")
        .http1_only()
        .tls_certs_merge(roots)
        .build()
        .unwrap();
    Bare::new(http, &server.https)
}

async fn start_and_stop(client: RecordingClient, call: ServerCallId) {
    let recording = client.start(call).media(Media::mixed_wav()).await.unwrap();
    recording.stop().await.unwrap();
}

/// Sends a fixed number of pairs, one after another.
async fn profile(contender: &str, server: &Server) {
    if contender == "crate" {
        let (client, call) = (client(server), ServerCallId::new(CALL).unwrap());
        for _ in 0..PROFILED {
            start_and_stop(client.clone(), call.clone()).await;
        }
    } else {
        let bare = bare(server);
        for _ in 0..PROFILED {
            if contender == "signs" {
                bare.sign().await;
            } else {
                bare.replay().await;
            }
        }
    }
    println!("{PROFILED} pairs");
}

async fn compare(server: &Server, concurrency: usize) -> bool {
    let client = client(server);
    let bare = Arc::new(bare(server));
    let call = ServerCallId::new(CALL).unwrap();
    let watch = Watch::start();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut samples = [Sample::default(); 3];
        // In a different order each time, because the order affects the results.
        for step in 0..3 {
            let contender = (round + step) % 3;
            let bare = Arc::clone(&bare);
            samples[contender] = match contender {
                0 => {
                    let (client, call) = (client.clone(), call.clone());
                    measure(concurrency, move || {
                        start_and_stop(client.clone(), call.clone())
                    })
                    .await
                }
                1 => {
                    let operation = move || {
                        let bare = Arc::clone(&bare);
                        async move { bare.sign().await }
                    };
                    measure(concurrency, operation).await
                }
                _ => {
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
    print_contenders(
        &[
            "this crate",
            "bare reqwest that signs",
            "bare reqwest that replays",
        ],
        &rounds,
        watch.disturbance().as_deref(),
    )
}

/// Prints the medians of all contenders, and the ratios of the first one to the others.
fn print_contenders<const N: usize>(
    names: &[&str; N],
    rounds: &[[Sample; N]],
    disturbance: Option<&str>,
) -> bool {
    let mut is_undisturbed = true;
    for (index, name) in names.iter().enumerate() {
        print!(
            "  {name:26} {:7.0}/s, {:6.0} µs of CPU",
            median(rounds.iter().map(|round| round[index].rate)),
            rounds.iter().map(|round| round[index].cpu).sum::<f64>() / rounds.len() as f64,
        );
        if index > 0 {
            let pairs = rounds
                .iter()
                .map(|round| (round[0].rate, round[index].rate));
            let ratio = Ratio::of(pairs, disturbance.map(str::to_owned));
            is_undisturbed &= matches!(ratio, Ratio::Measured { .. });
            print!("; this crate: {ratio}");
        }
        println!();
    }
    is_undisturbed
}

/// A program that sends one request, with the roots of the system.
async fn first_response(contender: &str, url: &str) {
    if contender == "crate" {
        let text = format!("endpoint={url};accesskey={KEY}");
        let client = RecordingClient::from_connection_string(&text).unwrap();
        let call = ServerCallId::new(CALL).unwrap();
        client.start(call).media(Media::mixed_wav()).await.unwrap();
    } else {
        let http = reqwest::Client::builder().http1_only().build().unwrap();
        let bare = Bare::new(http, url);
        bare.send(start(&bare.http, url, &bare.body)).await;
    }
}

/// Compares the time from the start of a process to its first response.
fn compare_starts(server: &Server) -> bool {
    // In addition to the roots of the system, which are read as usual.
    let bundle = tempfile::NamedTempFile::new().unwrap();
    let mut roots = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    roots.extend(server.certificate());
    std::fs::write(bundle.path(), roots).unwrap();
    let watch = Watch::start();
    let mut rounds = Vec::new();
    for round in 0..STARTS {
        let mut samples = [Sample::default(); 2];
        for step in 0..2 {
            let contender = (round + step) % 2;
            let name = ["crate", "bare"][contender];
            let mut command = server.client(&format!("first {name} {}", server.https));
            command.env("SSL_CERT_FILE", bundle.path());
            command.env("SSL_CERT_DIR", "/etc/ssl/certs");
            let (started, cpu) = (Instant::now(), children_cpu());
            assert!(command.status().unwrap().success());
            samples[contender] = Sample {
                rate: 1.0 / started.elapsed().as_secs_f64(),
                cpu: (children_cpu() - cpu) * 1e6,
            };
        }
        rounds.push(samples);
    }
    println!("from the start of a process to its first response:");
    print_contenders(
        &["this crate", "bare reqwest"],
        &rounds,
        watch.disturbance().as_deref(),
    )
}

/// Operations per second, and CPU time per operation in microseconds.
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
    let (started, cpu) = (Instant::now(), own_cpu());
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
        cpu: (own_cpu() - cpu) * 1e6 / f64::from(done),
    }
}
