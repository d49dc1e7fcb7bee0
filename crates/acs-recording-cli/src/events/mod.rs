//! `events parse` and `events listen`.

mod handler;
mod listen;
mod local;
mod serve;

use std::path::PathBuf;

use acs_recording::{Event, EventSchema, Events};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::content::read;
use crate::failure::Failure;
use crate::output::Output;

/// Reads events of Event Grid and callbacks, or waits for them
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    Parse(Parse),
    Listen(Box<listen::Listen>),
}

/// Prints one line of JSON for each event in a file
///
/// It takes one event or an array of them, in the Event Grid schema or as CloudEvents, and several
/// of these after each other. Events are also found in base64, in messages of Queue Storage, Service
/// Bus and Event Grid namespaces as `az` prints them, in invocations of Azure Functions and in
/// dead-letter files. Files may be in UTF-8 or UTF-16.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording events parse event.json | jq .data.recordingStorageInfo
  az storage message peek --queue-name recordings … | acs-recording events parse

JSON, whatever --output says: {\"id\", \"type\", \"time\", \"schema\", \"source\", \"subject\", \"recording_id\",
\"server_call_id\", \"call_connection_id\", \"known\", \"attributes\", \"data\"}; data is as it came.
attributes has the other members of the event, and properties of the message that it came in, such
as lockToken or dequeueCount. An event that cannot be read is an error at the end (exit code 2) and
takes no other with it.")]
pub(crate) struct Parse {
    /// The file, or `-` for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

pub(crate) async fn run(
    command: EventsCommand,
    global: &Global,
    out: &Output,
    stop: crate::Stop,
) -> Result<(), Failure> {
    match command {
        EventsCommand::Parse(options) => parse(&options, out).await,
        EventsCommand::Listen(options) => Box::pin(listen::run(*options, global, out, stop)).await,
    }
}

async fn parse(options: &Parse, out: &Output) -> Result<(), Failure> {
    let body = read(&options.file).await?;
    let mut bad = None;
    for event in Events::parse(&body) {
        match event {
            Ok(event) => out.json(&event_json(&event))?,
            Err(error) => {
                if let Some(earlier) = bad.replace(Failure::usage(error.to_string())) {
                    out.failure(&earlier);
                }
            }
        }
    }
    bad.map_or(Ok(()), Err)
}

/// An event as one object.
fn event_json(event: &Event) -> Value {
    const OWN: [&str; 5] = [
        "schema",
        "recording_id",
        "server_call_id",
        "call_connection_id",
        "known",
    ];
    let mut attributes = serde_json::Map::new();
    for (name, value) in event.attributes() {
        match (name, serde_json::from_str(value)) {
            // Printed events may be parsed again.
            ("attributes", Ok(Value::Object(earlier))) => attributes.extend(earlier),
            (name, Ok(value)) if !OWN.contains(&name) => {
                attributes.insert(name.to_owned(), value);
            }
            _ => {}
        }
    }
    json!({
        "id": event.id,
        "type": event.event_type,
        "time": event.time.map(|time| time.to_string()),
        "schema": match event.schema {
            EventSchema::EventGrid => "event-grid",
            EventSchema::CloudEvents => "cloud-events",
            _ => "other",
        },
        "source": event.source,
        "subject": event.subject,
        "recording_id": event.recording_id(),
        "server_call_id": event.server_call_id(),
        "call_connection_id": event.call_connection_id(),
        "known": acs_recording::EventKind::KNOWN_TYPES.contains(&event.event_type.as_str()),
        "attributes": attributes,
        "data": serde_json::from_str::<Value>(event.data()).ok(),
    })
}
