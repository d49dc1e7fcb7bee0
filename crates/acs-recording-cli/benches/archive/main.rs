//! What an archive costs: time with more workers, memory, CPU time and requests.
//!
//! ```text
//! export ACS_TEST_PACKAGES=$PWD/target/test-packages    # of `cargo xtask test`, for Azurite
//! cargo bench -p acs-recording-cli --bench archive -- scaling
//! cargo bench -p acs-recording-cli --bench archive -- requests
//! cargo bench -p acs-recording-cli --bench archive -- memory
//! cargo bench -p acs-recording-cli --bench archive -- cpu
//! ```
//!
//! - `scaling`: 48 recordings of 8 MB that arrive at 4 MB/s each, with 1, 2 and 4 worker processes that
//!   archive two at a time.
//! - `requests`: how many requests a small recording takes, by kind, from the queue to the receipt and
//!   the removal of the message. Two runs of different lengths cancel the requests of the worker's start.
//! - `memory`: the peak resident size of the program with 1 and with 4 recordings of 1 GiB at a time.
//! - `cpu`: CPU time for 1 GiB, compared with a bare program that streams one response of `reqwest` into
//!   a multipart upload of `object_store`, with parts of the same size and without a checksum. The runs
//!   alternate, and the figures are medians.
//!
//! Without a name, all of them run. `memory` and `cpu` upload to a blob service in this process that
//! discards media, and need no Azurite. All of it is plain HTTP: with TLS, both programs take more CPU
//! time, so the ratio would be smaller. Memory and CPU time are read from `/proc`, so they need Linux.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that fails ends"
)]

mod bare;
mod process;
mod requests;
mod scaling;
#[path = "../../../acs-recording/tests/common/signature.rs"]
mod signature;
mod sink;

use acs_emulator::{Emulator, StoredRecording, SyntheticRecording};
use process::Usage;
use serde_json::json;
use sink::Sink;

const GIB: u64 = 1024 * 1024 * 1024;
const NAMES: [&str; 4] = ["scaling", "requests", "memory", "cpu"];
/// Runs of each program.
const ROUNDS: usize = 5;

fn main() {
    if bare::is_wanted() {
        return bare::main();
    }
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let Some(unknown) = wanted.iter().find(|one| !NAMES.contains(&one.as_str())) {
        println!(
            "{unknown} is not a measurement; give any of {}",
            NAMES.join(", ")
        );
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    if is_wanted("scaling") {
        runtime.block_on(scaling::run());
    }
    if is_wanted("requests") {
        runtime.block_on(requests::run());
    }
    if is_wanted("memory") {
        runtime.block_on(memory());
    }
    if is_wanted("cpu") {
        runtime.block_on(cpu());
    }
}

async fn memory() {
    println!("memory            at most       its own      time");
    for count in [1, 4] {
        let usage = put(count).await;
        println!(
            "{count} of 1 GiB    {:>8.1} MiB  {:>8.1} MiB  {:>6.1} s",
            usage.peak_mib(),
            usage.own_mib(),
            usage.elapsed.as_secs_f64()
        );
    }
}

async fn cpu() {
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(put(1).await.cpu_seconds());
        others.push(bare().await.cpu_seconds());
    }
    let (ours, others) = (median(ours), median(others));
    println!(
        "CPU time for 1 GiB: {ours:.2} s, bare program {others:.2} s, {:.2} times",
        ours / others
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Archives this many recordings of 1 GiB at the same time, without a queue.
async fn put(count: usize) -> Usage {
    let acs = Emulator::start().await.unwrap();
    let recordings: Vec<_> = (0..count)
        .map(|_| acs.add_recording(SyntheticRecording::new(GIB)))
        .collect();
    let events: Vec<_> = recordings.iter().map(event).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.json");
    std::fs::write(&file, json!(events).to_string()).unwrap();
    let sink = Sink::start().await;
    let mut command = process::program(&acs);
    command.args(["archive", "put", "--to", &sink.container(), "--event"]);
    command.arg(file);
    command.env("AZURE_STORAGE_ACCOUNT_KEY", Sink::KEY);
    process::measure(command).await
}

/// The bare program with one recording of 1 GiB.
async fn bare() -> Usage {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(GIB));
    let sink = Sink::start().await;
    let location = recording.chunks()[0].content_location();
    process::measure(bare::command(&acs, location, &sink)).await
}

/// The event of a recording.
fn event(stored: &StoredRecording) -> serde_json::Value {
    let chunk = &stored.chunks()[0];
    let (document, id) = (chunk.document_id(), stored.recording_id());
    json!({
        "id": format!("event-{document}"),
        "topic": "/subscriptions/s",
        "subject": format!("/recording/call/c/serverCallId/abc/recordingId/{id}"),
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2026-01-01T00:00:00Z",
        "dataVersion": "1.0",
        "data": {
            "recordingStorageInfo": {"recordingChunks": [{
                "documentId": document,
                "index": 0,
                "contentLocation": chunk.content_location(),
                "metadataLocation": chunk.metadata_location(),
                "deleteLocation": chunk.delete_location(),
            }]},
            "recordingFormatType": "Wav",
        },
    })
}
