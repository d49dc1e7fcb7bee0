//! How fast downloads are, and how much memory they take, beside a bare reqwest program and aria2.
//!
//! ```text
//! cargo bench -p acs-recording --bench download
//! ```
//!
//! A server in another process sends content of any size. Every download is a process of its own,
//! whose CPU time and peak memory the kernel tells. `aria2c` takes part if it is installed (Debian:
//! `apt-get install aria2`). `ACS_BENCH_LARGE=8192` adds a download of so many MiB for its memory.
//! Of several rounds the fastest counts.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on ends, and its numbers are small"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use acs_recording::RecordingClient;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segments, Request};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ROLE: &str = "ACS_BENCH_ROLE";
const PIECE: usize = 64 * 1024;
/// Of the limited server: bytes per second and connection, and time to the first byte.
const RATE: f64 = 25e6;
const LATENCY: Duration = Duration::from_millis(40);
const ROUNDS: usize = 3;
const MIB: u64 = 1024 * 1024;

fn main() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("server") => runtime.block_on(serve()),
        Ok(role) => {
            let role: Vec<_> = role.split(' ').collect();
            runtime.block_on(download(&role));
            println!("{}", usage());
        }
        Err(_) => compare(),
    }
}

fn compare() {
    let (mut server, url) = start_server();
    println!("one stream, 1 GiB, no limit:");
    let free = format!("{url}/free/{}", 1024 * MIB);
    report("bare reqwest", || Some(role("bare", &free, 1)));
    report("acs-recording", || Some(role("ours", &free, 1)));
    println!("256 MiB, 25 MB/s per connection, 40 ms to the first byte:");
    let limited = format!("{url}/limited/{}", 256 * MIB);
    report("bare reqwest", || Some(role("bare", &limited, 1)));
    report("aria2c -x8 -s8 -k1M", || aria2(&limited));
    report("acs-recording", || Some(role("ours", &limited, 0)));
    report("acs-recording, 16", || Some(role("ours", &limited, 16)));
    println!("memory, with settings by default:");
    let large = std::env::var("ACS_BENCH_LARGE").map(|mib| mib.parse::<u64>().unwrap());
    for mib in [64, 1024].into_iter().chain(large) {
        let url = format!("{url}/free/{}", mib * MIB);
        report(&format!("{mib} MiB"), || Some(role("ours", &url, 0)));
    }
    server.kill().unwrap();
}

/// Runs it several times in a new folder, and prints the fastest.
fn report(name: &str, run: impl Fn() -> Option<Command>) {
    let mut best: Option<(f64, String)> = None;
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut command) = run() else {
            println!("  {name:20} is not installed");
            return;
        };
        let started = Instant::now();
        let output = command.current_dir(folder.path()).output().unwrap();
        let took = started.elapsed().as_secs_f64();
        assert!(output.status.success(), "{name}");
        if best.as_ref().is_none_or(|(fastest, _)| took < *fastest) {
            let said = String::from_utf8_lossy(&output.stdout);
            let usage = said
                .lines()
                .rfind(|line| line.contains("CPU"))
                .unwrap_or_default();
            best = Some((took, usage.to_owned()));
        }
    }
    let (took, usage) = best.unwrap();
    println!("  {name:20} {took:6.2} s {usage}");
    std::io::stdout().flush().unwrap();
}

fn role(kind: &str, url: &str, connections: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, format!("{kind} {url} {connections}"));
    command
}

fn aria2(url: &str) -> Option<Command> {
    Command::new("aria2c").arg("--version").output().ok()?;
    let mut command = Command::new("aria2c");
    command.args([
        "-q",
        "-x8",
        "-s8",
        "-k1M",
        "--file-allocation=none",
        "-o",
        "out",
        url,
    ]);
    Some(command)
}

async fn download(role: &[&str]) {
    let (url, connections) = (role[1], role[2].parse().unwrap());
    if role[0] == "bare" {
        return bare(url).await;
    }
    let endpoint = url.split("/free").next().unwrap();
    let endpoint = endpoint.split("/limited").next().unwrap();
    let text = format!("endpoint={endpoint};accesskey={KEY}");
    let client = RecordingClient::from_connection_string(&text).unwrap();
    let mut download = client.download(&url.parse().unwrap());
    if connections > 0 {
        download = download.connections(connections);
    }
    download.to_file("out").await.unwrap();
}

/// The least that can be done: no retry, no resume, no check.
async fn bare(url: &str) {
    use tokio::io::AsyncWriteExt as _;
    let mut body = reqwest::get(url).await.unwrap().bytes_stream();
    let mut file = tokio::fs::File::create(Path::new("out")).await.unwrap();
    while let Some(bytes) = body.next().await {
        file.write_all(&bytes.unwrap()).await.unwrap();
    }
    file.flush().await.unwrap();
}

/// CPU time and peak memory of this process, where the kernel tells.
fn usage() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = ticks.split(' ').skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let peak = peak.unwrap_or_default() / 1024.0;
    format!("{:5.2} s CPU, {peak:5.1} MiB peak", ticks / 100.0)
}

fn start_server() -> (Child, String) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env(ROLE, "server")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    (server, line.trim().to_owned())
}

async fn serve() {
    let router = Router::new().route(
        "/{kind}/{length}",
        get(
            async |Segments((kind, length)): Segments<(String, u64)>, request: Request| {
                let limit = kind == "limited";
                if limit {
                    tokio::time::sleep(LATENCY).await;
                }
                answer(length, &request, limit)
            },
        ),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

fn answer(total: u64, request: &Request, limit: bool) -> Response {
    let range = request
        .headers()
        .get("range")
        .and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (mut start, mut end) = (0, total);
    let mut response = Response::builder().header("accept-ranges", "bytes");
    if let Some((first, last)) = range {
        start = first.parse().unwrap();
        end = last
            .parse()
            .map_or(total, |last: u64| (last + 1).min(total));
        let range = format!("bytes {start}-{}/{total}", end - 1);
        response = response.status(206).header("content-range", range);
    }
    let piece = Bytes::from(vec![0x2a; PIECE]);
    let begun = tokio::time::Instant::now();
    let body = stream::unfold(start, move |at| {
        let size = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = piece.slice(..size);
        async move {
            if limit {
                let due = Duration::from_secs_f64((at - start) as f64 / RATE);
                tokio::time::sleep_until(begun + due).await;
            }
            (size > 0).then_some((Ok::<_, std::io::Error>(piece), at + size as u64))
        }
    });
    let response = response.header("content-length", end - start);
    response.body(Body::from_stream(body)).unwrap()
}
