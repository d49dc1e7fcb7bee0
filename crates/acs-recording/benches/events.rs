//! Parsing events, compared with a bare parse of the same bytes into equivalent structs: `cargo
//! bench -p acs-recording --bench events`.

use std::hint::black_box;

use acs_recording::{Events, RecordingChunk};
use divan::Bencher;
use divan::counter::BytesCount;
use jiff::Timestamp;
use serde::Deserialize;

fn main() {
    divan::main();
}

/// The body of an Event Grid delivery with this number of events.
fn body(events: usize) -> String {
    let one = include_str!("../tests/fixtures/events/event-grid/RecordingFileStatusUpdated.json");
    let one = one
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim();
    // Event Grid sends events without whitespace.
    let one: String = one.lines().map(str::trim).collect();
    format!("[{}]", vec![one.as_str(); events].join(","))
}

/// The envelope and the data with the same types, without the other work of the crate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct Bare {
    id: String,
    topic: String,
    subject: String,
    data: Data,
    event_type: String,
    data_version: String,
    metadata_version: String,
    event_time: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct Data {
    recording_storage_info: StorageInfo,
    recording_start_time: Timestamp,
    recording_duration_ms: u64,
    session_end_reason: String,
    recording_content_type: acs_recording::models::RecordingContentType,
    recording_channel_type: acs_recording::models::RecordingChannelType,
    recording_format_type: acs_recording::models::RecordingFormatType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the fields are only parsed")]
struct StorageInfo {
    recording_chunks: Vec<RecordingChunk>,
}

#[divan::bench(args = [1, 100], sample_count = 1000)]
fn events(bencher: Bencher<'_, '_>, count: usize) {
    let body = body(count);
    assert!(Events::parse(body.as_bytes()).all(|event| event.is_ok()));
    bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
        let events = Events::parse(black_box(body.as_bytes()));
        assert!(events.len() == count);
        events
    });
}

#[divan::bench(args = [1, 100], sample_count = 1000)]
fn bare(bencher: Bencher<'_, '_>, count: usize) {
    let body = body(count);
    bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
        let events: Result<Vec<Bare>, _> = serde_json::from_slice(black_box(body.as_bytes()));
        assert!(events.as_ref().is_ok_and(|events| events.len() == count));
        events
    });
}
