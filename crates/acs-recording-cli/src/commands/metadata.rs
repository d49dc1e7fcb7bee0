//! `metadata show`.

use std::fmt::Write as _;
use std::path::PathBuf;

use acs_recording::RecordingMetadata;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::metadata_document::{is_empty, milliseconds, read};
use crate::output::Output;
use crate::text::{clock, one_line};

/// Reads metadata documents of recordings
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Prints a metadata document: start, duration, format, and the participant of each channel
    #[command(after_help = "\
Example:
  acs-recording metadata show recordings/0-weu-d1-….000.json

JSON: {\"call_id\", \"document_id\", \"chunk_index\", \"start\", \"duration_ms\", \"content\", \"channel\",
\"format\", \"participants\": [{\"id\", \"channel\"}], \"pauses\": [{\"start\", \"duration_ms\"}]}; a member
is null if the document does not have it.")]
    Show {
        /// Metadata document, as `download` saves it
        file: PathBuf,
    },
}

pub(crate) fn run(command: &MetadataCommand, out: &Output) -> Result<(), Failure> {
    let MetadataCommand::Show { file } = command;
    let document = read(file)?;
    let text = if is_empty(&document) {
        "the document is empty".to_owned()
    } else {
        text(&document)
    };
    out.result(text.trim_end(), &to_json(&document))
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
