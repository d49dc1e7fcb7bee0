//! How long a command takes, compared with the smallest program that does the same.
//!
//! ```text
//! cargo bench -p acs-recording-cli --bench startup
//! ```
//!
//! A server in another process responds to starts. Two programs run alternately, many times, each for
//! one start of a recording: `acs-recording start`, and a program that sends one signed request with
//! bare reqwest, which is this one. `acs-recording --version`, which sends no request, shows what a
//! process costs by itself. The figures are medians.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails ends"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::routing::post;
use uuid::Uuid;

#[path = "../../acs-recording/tests/common/signature.rs"]
mod signature;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CALL: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM";
const RESPONSE: &str = r#"{"recordingId":"rid","recordingState":"inactive","recordingKind":"azureCommunicationServices"}"#;
/// Which program this is; without it, the one that measures.
const ROLE: &str = "ACS_RECORDING_STARTUP_ROLE";
const URL: &str = "ACS_RECORDING_STARTUP_URL";
const ROUNDS: usize = 101;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("server") => runtime.block_on(serve()),
        Ok("minimal") => runtime.block_on(start()),
        _ => measure(),
    }
}

async fn serve() {
    let json = [("content-type", "application/json")];
    let router = Router::new().route("/calling/recordings", post(async move || (json, RESPONSE)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// The smallest program for this one request.
async fn start() {
    let url = std::env::var(URL).unwrap();
    let path = "/calling/recordings?api-version=2026-03-12";
    let body = format!(
        r#"{{"callLocator":{{"kind":"serverCallLocator","serverCallId":"{CALL}"}},"recordingChannelType":"mixed","recordingContentType":"audioVideo","recordingFormatType":"mp4"}}"#
    );
    let host = url.trim_start_matches("http://");
    let signed = signature::sign(KEY, "POST", path, host, SystemTime::now(), body.as_bytes());
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{url}{path}"))
        .header("content-type", "application/json")
        .header("x-ms-date", signed.date)
        .header("x-ms-content-sha256", signed.content_hash)
        .header("authorization", signed.authorization)
        .header("repeatability-request-id", Uuid::new_v4().to_string())
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success());
    let body = response.bytes().await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    println!("{}", body["recordingId"].as_str().unwrap());
}

fn measure() {
    let this = std::env::current_exe().unwrap();
    let mut server = Command::new(&this)
        .env(ROLE, "server")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let url = url.trim();

    let program = env!("CARGO_BIN_EXE_acs-recording");
    let mut ours = Command::new(program);
    let text = format!("endpoint={url};accesskey={KEY}");
    ours.env("ACS_CONNECTION_STRING", text)
        .env_remove("RUST_LOG")
        .args(["start", "--server-call-id", CALL]);
    let mut minimal = Command::new(&this);
    minimal.env(ROLE, "minimal").env(URL, url);
    let mut nothing = Command::new(program);
    nothing.arg("--version");

    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| [run(&mut ours), run(&mut minimal), run(&mut nothing)])
        .collect();
    server.kill().unwrap();
    server.wait().unwrap();
    let time = |index: usize| median(rounds.iter().map(|round| round[index].as_secs_f64() * 1e3));
    let size = std::fs::metadata(program).unwrap().len() / 1024;
    println!("one start, from process to process, median of {ROUNDS}:");
    println!("  acs-recording start      {:5.2} ms", time(0));
    println!("  minimal reqwest program  {:5.2} ms", time(1));
    println!("  acs-recording --version  {:5.2} ms", time(2));
    let ratio = rounds
        .iter()
        .map(|round| round[0].as_secs_f64() / round[1].as_secs_f64());
    println!("  start takes {:.2} of minimal's time", median(ratio));
    println!("acs-recording has {size} KiB");
}

fn run(command: &mut Command) -> Duration {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let took = started.elapsed();
    assert!(output.status.success(), "{output:?}");
    took
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
