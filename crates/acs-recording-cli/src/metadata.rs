//! `metadata show`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_recording::RecordingMetadata;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::text::{clock, one_line};

/// Documents with hundreds of participants have some dozens of kilobytes.
const LARGEST: u64 = 16 << 20;
/// By these a document is known that says nothing else.
const MEMBERS: [&str; 9] = [
    "resourceId",
    "callId",
    "chunkDocumentId",
    "chunkIndex",
    "chunkStartTime",
    "chunkDuration",
    "pauseResumeIntervals",
    "recordingInfo",
    "participants",
];

/// Reads the metadata document of a recording
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Prints what a metadata document says: when, how long, who is on which channel
    #[command(after_help = "\
Example:
  acs-recording metadata show recordings/0-weu-d1-….000.json

JSON: {\"call_id\", \"document_id\", \"chunk_index\", \"start\", \"duration_ms\", \"content\", \"channel\",
\"format\", \"participants\": [{\"id\", \"channel\"}], \"pauses\": [{\"start\", \"duration_ms\"}]}; what the
document does not say is null.")]
    Show {
        /// The document, as `download` saved it
        file: PathBuf,
    },
}

pub(crate) fn run(command: &MetadataCommand, out: &Output) -> Result<(), Failure> {
    let MetadataCommand::Show { file } = command;
    let document = read(file)?;
    let text = if is_empty(&document) {
        "the document says nothing of a recording".to_owned()
    } else {
        text(&document)
    };
    out.result(text.trim_end(), &to_json(&document))
}

/// Reads a document.
pub(crate) fn read(path: &Path) -> Result<RecordingMetadata, Failure> {
    let io = |error| Failure::file(path, &error);
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST {
        let error = io::Error::other("too large for a metadata document");
        return Err(Failure::corrupt(path, &error));
    }
    let document =
        RecordingMetadata::parse(&bytes).map_err(|error| Failure::corrupt(path, &error))?;
    if is_empty(&document) && is_other(&bytes) {
        let error = io::Error::other("not a metadata document of a recording");
        return Err(Failure::corrupt(path, &error));
    }
    Ok(document)
}

/// Whether JSON has members, and none of those of a metadata document.
fn is_other(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => {
            !members.is_empty() && !MEMBERS.iter().any(|name| members.contains_key(*name))
        }
        _ => true,
    }
}

/// Whether nothing is known of what a document says: all its members are optional.
pub(crate) fn is_empty(document: &RecordingMetadata) -> bool {
    RecordingMetadata::parse(b"{}").is_ok_and(|nothing| nothing == *document)
}

fn text(document: &RecordingMetadata) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<10} {}", one_line(&value));
        }
    };
    line("call", document.call_id.clone());
    line(
        "document",
        document.document_id.as_ref().map(ToString::to_string),
    );
    line("chunk", document.chunk_index.map(|index| index.to_string()));
    line("start", document.start.map(|start| start.to_string()));
    line("duration", document.duration.map(clock));
    let kind = [
        document.content.as_ref().map(ToString::to_string),
        document.channel.as_ref().map(ToString::to_string),
        document.format.as_ref().map(ToString::to_string),
    ];
    let kind: Vec<_> = kind.into_iter().flatten().collect();
    line(
        "media",
        Some(kind.join(", ")).filter(|kind| !kind.is_empty()),
    );
    for participant in &document.participants {
        let channel = participant.channel;
        let name = channel.map_or("who".to_owned(), |channel| format!("channel {channel}"));
        line(&name, Some(participant.id.to_string()));
    }
    for pause in &document.pauses {
        let start = pause.start.map(|start| start.to_string());
        let length = pause
            .duration
            .map(|length| format!("for {}", clock(length)));
        let parts: Vec<_> = [start, length].into_iter().flatten().collect();
        line("pause", Some(parts.join(" ")));
    }
    text
}

fn to_json(document: &RecordingMetadata) -> Value {
    let participants = document.participants.iter();
    let pauses = document.pauses.iter();
    json!({
        "call_id": document.call_id,
        "document_id": document.document_id,
        "chunk_index": document.chunk_index,
        "start": document.start.map(|start| start.to_string()),
        "duration_ms": document.duration.map(milliseconds),
        "content": document.content.as_ref().map(ToString::to_string),
        "channel": document.channel.as_ref().map(ToString::to_string),
        "format": document.format.as_ref().map(ToString::to_string),
        "participants": participants
            .map(|one| json!({"id": one.id, "channel": one.channel}))
            .collect::<Vec<_>>(),
        "pauses": pauses
            .map(|pause| json!({
                "start": pause.start.map(|start| start.to_string()),
                "duration_ms": pause.duration.map(milliseconds),
            }))
            .collect::<Vec<_>>(),
    })
}

/// JSON numbers need no more.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
