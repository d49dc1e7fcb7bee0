//! What one unit of work costs as there is more of it: the CPU time of one event in larger batches, of one
//! start and stop with more of them at once, and of 1 GiB in larger files.
//!
//! ```text
//! cargo bench -p acs-recording --bench growth
//! ACS_BENCH_LARGE=65536 cargo bench -p acs-recording --bench growth    # up to 64 GiB
//! ```
//!
//! It prints a table, and draws it in `benches/growth.svg`. The server is another process, with TLS.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

mod common;

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use acs_recording::{Events, Media, RecordingClient, ServerCallId};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use common::tls::{self, ROLE, SERVER, Server};
use common::{Watch, own_cpu, print_machine};
use futures_util::future::join_all;
use futures_util::stream;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CALL: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM";
const RESPONSE: &str = r#"{"recordingId":"rid","recordingState":"inactive","recordingKind":"azureCommunicationServices"}"#;
const PIECE: usize = 64 * 1024;
const MIB: u64 = 1024 * 1024;
/// The least CPU time to measure, because the kernel counts it in steps of 0.01 s.
const LEAST: f64 = 0.5;

/// One row of the table.
struct Series {
    name: &'static str,
    unit: &'static str,
    /// The amount, what to call it, and the cost of one unit.
    points: Vec<(f64, String, f64)>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::var(ROLE).as_deref() == Ok(SERVER) {
        runtime.block_on(tls::serve(router()));
        return ExitCode::SUCCESS;
    }
    print_machine(&["reqwest", "rustls", "serde_json"]);
    let server = Server::start();
    let watch = Watch::start();
    let all = [
        events(),
        runtime.block_on(pairs(&server)),
        runtime.block_on(files(&server)),
    ];
    for series in &all {
        print!("{}, {}:", series.name, series.unit);
        for (_, amount, cost) in &series.points {
            print!("  {amount}: {cost:.2}");
        }
        println!();
    }
    if let Some(reason) = watch.disturbance() {
        println!("not drawn: {reason}");
        return ExitCode::FAILURE;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/growth.svg");
    std::fs::write(path, draw(&all)).unwrap();
    println!("drawn in {path}");
    ExitCode::SUCCESS
}

/// The CPU time of repeated work in seconds, and how often it was done.
fn repeat(mut work: impl FnMut()) -> (f64, f64) {
    let (cpu, mut times) = (own_cpu(), 0.0);
    loop {
        work();
        times += 1.0;
        let spent = own_cpu() - cpu;
        if spent >= LEAST {
            return (spent, times);
        }
    }
}

fn events() -> Series {
    let one = include_str!("../tests/fixtures/events/event-grid/RecordingFileStatusUpdated.json");
    let one = one.trim().trim_start_matches('[').trim_end_matches(']');
    let one: String = one.lines().map(str::trim).collect();
    let points = [1_usize, 10, 100, 1000, 10_000].map(|count| {
        let body = format!("[{}]", vec![one.as_str(); count].join(","));
        let (cpu, times) = repeat(|| {
            let events = Events::parse(black_box(body.as_bytes()));
            assert_eq!(black_box(events).len(), count);
        });
        let cost = cpu * 1e6 / (times * count as f64);
        (count as f64, count.to_string(), cost)
    });
    Series {
        name: "events per batch",
        unit: "µs of CPU per event",
        points: points.into(),
    }
}

fn client(server: &Server) -> RecordingClient {
    let text = format!("endpoint={};accesskey={KEY}", server.https);
    RecordingClient::builder(text.parse().unwrap())
        .add_root_certificate(&server.certificate())
        .unwrap()
        .build()
        .unwrap()
}

async fn pairs(server: &Server) -> Series {
    let call = ServerCallId::new(CALL).unwrap();
    let mut points = Vec::new();
    for concurrent in [1_usize, 10, 100, 1000] {
        let client = client(server);
        let (mut done, mut cpu) = (0, own_cpu());
        let mut started = Instant::now();
        let mut is_warm = false;
        loop {
            let pairs = (0..concurrent).map(|_| {
                let start = client.start(call.clone()).media(Media::mixed_wav());
                tokio::spawn(async move { start.await.unwrap().stop().await.unwrap() })
            });
            for pair in join_all(pairs).await {
                pair.unwrap();
            }
            if !is_warm {
                // Connections are open now.
                (is_warm, done, cpu, started) = (true, 0, own_cpu(), Instant::now());
                continue;
            }
            done += concurrent;
            if own_cpu() - cpu >= LEAST || started.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
        let cost = (own_cpu() - cpu) * 1e6 / done as f64;
        points.push((concurrent as f64, concurrent.to_string(), cost));
    }
    Series {
        name: "starts and stops at once",
        unit: "µs of CPU per pair",
        points,
    }
}

async fn files(server: &Server) -> Series {
    let largest = std::env::var("ACS_BENCH_LARGE").map_or(1024, |mib| mib.parse().unwrap());
    let client = client(server);
    let mut points = Vec::new();
    for mib in [1_u64, 16, 256, 1024, 4096, 16_384, 65_536] {
        if mib > largest {
            break;
        }
        let location = format!("{}/v1/objects/o-{}/content/video", server.https, mib * MIB);
        let location = location.parse().unwrap();
        let (cpu, mut received) = (own_cpu(), 0);
        while own_cpu() - cpu < LEAST {
            let folder = tempfile::tempdir().unwrap();
            let download = client.download(&location).to_file(folder.path().join("a"));
            received += download.await.unwrap().bytes;
        }
        let gib = received as f64 / (1024 * MIB) as f64;
        let amount = if mib < 1024 {
            format!("{mib} MiB")
        } else {
            format!("{} GiB", mib / 1024)
        };
        points.push((mib as f64, amount, (own_cpu() - cpu) / gib));
    }
    Series {
        name: "size of a file",
        unit: "s of CPU per GiB",
        points,
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
        .route("/v1/objects/{id}/content/video", get(content))
}

/// Content of the length in the id, or a range of it.
async fn content(Path(id): Path<String>, headers: HeaderMap) -> Response {
    let total: u64 = id.split_once('-').unwrap().1.parse().unwrap();
    let range = headers.get("range").map(|range| range.to_str().unwrap());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (mut start, mut end) = (0, total);
    let mut response = Response::builder()
        .header("accept-ranges", "bytes")
        .header("etag", "\"1\"");
    if let Some((first, last)) = range {
        start = first.parse().unwrap();
        end = last
            .parse()
            .map_or(total, |last: u64| (last + 1).min(total));
        let range = format!("bytes {start}-{}/{total}", end - 1);
        response = response.status(206).header("content-range", range);
    }
    let piece = Bytes::from(vec![0x2a; PIECE]);
    let body = stream::unfold(start, move |at| {
        let size = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = piece.slice(..size);
        async move { (size > 0).then_some((Ok::<_, std::io::Error>(piece), at + size as u64)) }
    });
    let response = response.header("content-length", end - start);
    response.body(Body::from_stream(body)).unwrap()
}

/// One chart per series: the amount in powers of ten, and the cost of one unit from zero.
fn draw(all: &[Series]) -> String {
    const WIDTH: f64 = 320.0;
    const HEIGHT: f64 = 180.0;
    const MARGIN: f64 = 40.0;
    let total = WIDTH * all.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total} {}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n",
        HEIGHT + 2.0 * MARGIN
    );
    for (index, series) in all.iter().enumerate() {
        let left = WIDTH * index as f64 + MARGIN;
        let width = WIDTH - 2.0 * MARGIN;
        let costs = series.points.iter().map(|(_, _, cost)| *cost);
        let most = costs.fold(0.0, f64::max) * 1.2;
        let first = series
            .points
            .first()
            .map_or(1.0, |(amount, ..)| *amount)
            .log10();
        let last = series
            .points
            .last()
            .map_or(1.0, |(amount, ..)| *amount)
            .log10();
        let span = (last - first).max(1.0);
        let place = |amount: f64, cost: f64| {
            let x = left + width * (amount.log10() - first) / span;
            (x, MARGIN + HEIGHT * (1.0 - cost / most))
        };
        let bottom = MARGIN + HEIGHT;
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{}: {}</text>\n<path \
             d=\"M{left} {MARGIN}V{bottom}h{width}\" fill=\"none\" stroke=\"gray\"/>",
            series.name, series.unit
        );
        let line: Vec<_> = series
            .points
            .iter()
            .map(|(amount, _, cost)| place(*amount, *cost))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"steelblue\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (amount, name, cost) in &series.points {
            let (x, y) = place(*amount, *cost);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"steelblue\"/>\n<text \
                 x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{cost:.2}</text>\n<text \
                 x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                y - 8.0,
                bottom + 16.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
