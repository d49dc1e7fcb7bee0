//! `events parse`, `events listen`, `events trigger` and `events replay`.

mod event_json;
mod handler;
mod listen;
mod options;
mod recipient;
mod replay;
mod trigger;
mod types;

use std::path::PathBuf;

use acs_recording::Events;
use clap::{Args, Subcommand};

use self::event_json::event_json;
use crate::event_files::read;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;

/// Reads, receives and sends events of Event Grid and Call Automation
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    Parse(Parse),
    Listen(Box<options::Listen>),
    Trigger(Box<trigger::Trigger>),
    Replay(Box<replay::Replay>),
}

/// Prints one line of JSON for each event in a file
///
/// The file has one or more events, or arrays of events, in the Event Grid schema or as CloudEvents.
/// Base64, messages of Queue Storage, Service Bus and Event Grid namespaces as `az` prints them,
/// invocations of Azure Functions and dead-letter files are recognized. The encoding is UTF-8 or
/// UTF-16.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording events parse event.json | jq .data.recordingStorageInfo
  az storage message peek --queue-name recordings … | acs-recording events parse

JSON, regardless of --output: {\"id\", \"type\", \"time\", \"schema\", \"source\", \"subject\",
\"recording_id\", \"server_call_id\", \"call_connection_id\", \"known\", \"attributes\", \"data\"}; data is
unchanged, digit for digit. Data that is not JSON is in data_base64, and data is null. attributes
has the other members of the event, and properties of its message, such as lockToken or
dequeueCount. An event that cannot be read is an error at the end (exit code 2) and does not
affect the others.")]
pub(crate) struct Parse {
    /// File with events, or `-` for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

impl EventsCommand {
    /// The hint after Ctrl-C or SIGTERM.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Trigger(_) => "the events of the last request may have been delivered",
            Self::Replay(_) => {
                "the lines above say what was delivered; --after ID resumes behind an event"
            }
            Self::Parse(_) | Self::Listen(_) => "nothing was changed",
        }
    }
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
        EventsCommand::Trigger(options) => Box::pin(trigger::run(*options, global, out)).await,
        EventsCommand::Replay(options) => Box::pin(replay::run(*options, global, out)).await,
    }
}

async fn parse(options: &Parse, out: &Output) -> Result<(), Failure> {
    let body = read(&options.file).await?;
    let mut bad = None;
    for event in Events::parse(&body) {
        match event {
            Ok(event) => out.json_text(&event_json(&event))?,
            Err(error) => {
                let failure = Failure::usage(error.to_string()).with_path(&options.file);
                if let Some(earlier) = bad.replace(failure) {
                    out.failure(&earlier);
                }
            }
        }
    }
    bad.map_or(Ok(()), Err)
}
