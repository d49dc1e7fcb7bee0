//! Reading events, compared with plain serde: `cargo bench -p acs-recording --bench events`.
//!
//! The baselines parse the same bytes with `serde_json::from_slice`. *Strings* has structs in which
//! every value is a `String`, which is the least that a program can do to have the values. *Types* has
//! structs with the types of this crate: parsed URLs, timestamps and enums. *Raw*, for an event of an
//! unknown type, has strings in the envelope and a copy of the data.
//!
//! Contenders run in turns, and rates are compared within each round. A ratio above 1 means that this
//! crate is faster. No ratio is printed, and the program fails, if something disturbed the run.
//!
//! ```text
//! cargo bench -p acs-recording --bench events -- --only batch    # one of the workloads
//! cargo bench -p acs-recording --bench events -- --profile crate batch    # a loop for a profiler
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

mod common;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use acs_recording::{EventPayload, Events, RecordingChunk};
use common::{Ratio, Watch, median, print_machine};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(20);
const PROFILED: usize = 20_000;

/// Reads a body, and returns the number of events in it.
type Read = fn(&[u8]) -> usize;

const CONTENDERS: [(&str, Read); 4] = [
    ("crate", ours),
    ("strings", strings),
    ("types", types),
    ("raw", raw),
];

struct Workload {
    name: &'static str,
    events: usize,
    body: String,
    /// The baselines that can read it.
    baselines: &'static [&'static str],
}

fn workloads() -> [Workload; 4] {
    let one = event();
    let unknown = one.replace("RecordingFileStatusUpdated", "SomethingOfTomorrow");
    // A quotation mark is missing in the middle.
    let malformed = one.replace(r#""recordingStartTime""#, "\"recordingStartTime");
    let all = &["strings", "types"];
    [
        ("batch", 100, batch(&one, 100), all as &'static [_]),
        ("one", 1, batch(&one, 1), all),
        ("unknown", 1, batch(&unknown, 1), &["raw"]),
        ("malformed", 1, batch(&malformed, 1), all),
    ]
    .map(|(name, events, body, baselines)| Workload {
        name,
        events,
        body,
        baselines,
    })
}

/// An event as Event Grid sends it, without whitespace.
fn event() -> String {
    let one = include_str!("../tests/fixtures/events/event-grid/RecordingFileStatusUpdated.json");
    let one = one.trim().trim_start_matches('[').trim_end_matches(']');
    let one: String = one.lines().map(str::trim).collect();
    one.replace("\": ", "\":")
}

fn batch(one: &str, events: usize) -> String {
    format!("[{}]", vec![one; events].join(","))
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let Some(at) = arguments.iter().position(|it| *it == "--profile") {
        profile(arguments[at + 1], arguments[at + 2]);
        return ExitCode::SUCCESS;
    }
    let only = arguments.iter().position(|it| *it == "--only");
    let only = only.map(|at| arguments[at + 1]);
    print_machine(&["serde_json", "serde", "url", "jiff"]);
    let mut is_undisturbed = true;
    for workload in workloads() {
        if only.is_none_or(|only| only == workload.name) {
            is_undisturbed &= compare(&workload);
        }
    }
    if is_undisturbed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one contender for a fixed number of events.
fn profile(contender: &str, workload: &str) {
    let (_, read) = CONTENDERS
        .iter()
        .find(|(name, _)| *name == contender)
        .unwrap();
    let workloads = workloads();
    let workload = workloads.iter().find(|it| it.name == workload).unwrap();
    for _ in 0..PROFILED / workload.events {
        black_box(read(black_box(workload.body.as_bytes())));
    }
    println!("{PROFILED} events");
}

fn compare(workload: &Workload) -> bool {
    println!("{}: {} bytes", workload.name, workload.body.len());
    let contenders: Vec<_> = CONTENDERS
        .into_iter()
        .filter(|(name, _)| *name == "crate" || workload.baselines.contains(name))
        .collect();
    let watch = Watch::start();
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..ROUNDS {
        // In a different order each time.
        for step in 0..contenders.len() {
            let index = (round + step) % contenders.len();
            samples[index].push(rate(contenders[index].1, workload));
        }
    }
    let disturbance = watch.disturbance();
    let mut is_undisturbed = true;
    for (index, (name, _)) in contenders.iter().enumerate() {
        let rate = median(samples[index].iter().copied());
        print!("  {name:8} {rate:9.0} events/s");
        if index > 0 {
            let pairs = samples[0]
                .iter()
                .copied()
                .zip(samples[index].iter().copied());
            let ratio = Ratio::of(pairs, disturbance.clone());
            is_undisturbed &= matches!(ratio, Ratio::Measured { .. });
            print!("; crate: {ratio}");
        }
        println!();
    }
    is_undisturbed
}

/// Events per second.
fn rate(read: Read, workload: &Workload) -> f64 {
    let (started, mut events) = (Instant::now(), 0);
    while started.elapsed() < ROUND {
        for _ in 0..10 {
            black_box(read(black_box(workload.body.as_bytes())));
            events += workload.events;
        }
    }
    events as f64 / started.elapsed().as_secs_f64()
}

/// Uses what a program needs: where the files are.
fn ours(body: &[u8]) -> usize {
    let mut read = 0;
    for event in Events::parse(body) {
        match event {
            Ok(event) => {
                if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
                    black_box(&file.chunks);
                }
                black_box(event);
                read += 1;
            }
            Err(error) => {
                black_box(error);
            }
        }
    }
    read
}

fn strings(body: &[u8]) -> usize {
    let events: serde_json::Result<Vec<Envelope<StringData>>> = serde_json::from_slice(body);
    black_box(events).map_or(0, |events| events.len())
}

fn raw(body: &[u8]) -> usize {
    let events: serde_json::Result<Vec<Envelope<Box<RawValue>>>> = serde_json::from_slice(body);
    black_box(events).map_or(0, |events| events.len())
}

fn types(body: &[u8]) -> usize {
    let events: serde_json::Result<Vec<TypedEnvelope>> = serde_json::from_slice(body);
    black_box(events).map_or(0, |events| events.len())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct Envelope<T> {
    id: String,
    topic: String,
    subject: String,
    data: T,
    event_type: String,
    data_version: String,
    metadata_version: String,
    event_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct StringData {
    recording_storage_info: StorageInfo<StringChunk>,
    recording_start_time: String,
    recording_duration_ms: u64,
    session_end_reason: String,
    recording_content_type: String,
    recording_channel_type: String,
    recording_format_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct StorageInfo<T> {
    recording_chunks: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct StringChunk {
    document_id: String,
    index: u64,
    end_reason: String,
    content_location: String,
    metadata_location: String,
    delete_location: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct TypedEnvelope {
    id: String,
    topic: String,
    subject: String,
    data: TypedData,
    event_type: String,
    data_version: String,
    metadata_version: String,
    event_time: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct TypedData {
    recording_storage_info: StorageInfo<RecordingChunk>,
    recording_start_time: Timestamp,
    recording_duration_ms: u64,
    session_end_reason: String,
    recording_content_type: acs_recording::models::RecordingContentType,
    recording_channel_type: acs_recording::models::RecordingChannelType,
    recording_format_type: acs_recording::models::RecordingFormatType,
}
