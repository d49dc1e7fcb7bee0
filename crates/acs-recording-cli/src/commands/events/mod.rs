//! `events parse` and `events listen`.

mod handler;
mod listen;
mod local;
mod serve;

use std::collections::BTreeMap;
use std::path::PathBuf;

use acs_recording::{Event, EventSchema, Events};
use base64::Engine as _;
use clap::{Args, Subcommand};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::event_files::read;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::text::{compact_json, json_object};

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
\"server_call_id\", \"call_connection_id\", \"known\", \"attributes\", \"data\"}; data is as it came,
digit for digit. Data that is no JSON is in data_base64, and data is null then.
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
    stop: crate::stop::Stop,
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
            Ok(event) => out.json_text(&event_json(&event))?,
            Err(error) => {
                let failure = Failure::usage(error.to_string()).of_file(&options.file);
                if let Some(earlier) = bad.replace(failure) {
                    out.failure(&earlier);
                }
            }
        }
    }
    bad.map_or(Ok(()), Err)
}

/// An event as one object, with data and attributes as they came.
fn event_json(event: &Event) -> String {
    const OWN: [&str; 6] = [
        "schema",
        "recording_id",
        "server_call_id",
        "call_connection_id",
        "known",
        "data_base64",
    ];
    let mut attributes = BTreeMap::new();
    for (name, value) in event.attributes() {
        match (name, serde_json::from_str(value)) {
            // Printed events may be parsed again.
            ("attributes", Ok(earlier)) => {
                let earlier: BTreeMap<String, Box<RawValue>> = earlier;
                let earlier = earlier.into_iter();
                attributes.extend(earlier.map(|(name, value)| (name, compact_json(value.get()))));
            }
            _ if OWN.contains(&name) => {}
            _ => {
                attributes.insert(name.to_owned(), compact_json(value));
            }
        }
    }
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| (name.as_str(), value.clone()));
    let schema = match event.schema {
        EventSchema::EventGrid => "event-grid",
        EventSchema::CloudEvents => "cloud-events",
        _ => "other",
    };
    let known = acs_recording::EventPayload::KNOWN_TYPES.contains(&event.event_type.as_str());
    let members: [(&str, Value); 10] = [
        ("id", json!(event.id)),
        ("type", json!(event.event_type)),
        ("time", json!(event.time.map(|time| time.to_string()))),
        ("schema", json!(schema)),
        ("source", json!(event.source)),
        ("subject", json!(event.subject)),
        ("recording_id", json!(event.recording_id())),
        ("server_call_id", json!(event.server_call_id())),
        ("call_connection_id", json!(event.call_connection_id())),
        ("known", json!(known)),
    ];
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    members.push(("attributes", json_object(attributes)));
    members.push(("data", compact_json(event.raw_data())));
    if let Some(binary) = event.binary_data().filter(|_| event.raw_data() == "null") {
        let binary = base64::engine::general_purpose::STANDARD.encode(binary);
        members.push(("data_base64", json!(binary).to_string()));
    }
    json_object(members)
}
