//! `events trigger`: posts events as the service does, without any call.

mod changes;
mod data;
mod ids;
mod sample;
mod token;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use acs_recording::{CallConnectionId, EventPayload, RecordingId, ServerCallId};
use clap::Args;
use clap::builder::PossibleValue;
use serde_json::{Value, json};
use url::Url;

use self::changes::Change;
use self::ids::{Content, Ids};
use self::sample::Sample;
use self::token::{Issuer, TokenOptions};
use super::recipient::{Destination, Recipient};
use super::types::{is_callback, known, short};
use crate::client::cloud;
use crate::event_files::read;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::text::shortened;
use crate::webhook_sender::{Delivery, DeliveryKind, Schema};

const VALIDATION: &str = "SubscriptionValidationEvent";

const EXAMPLES: &str = "\
Examples:
  acs-recording events trigger RecordingFileStatusUpdated --to http://127.0.0.1:8080/events
  acs-recording events trigger IncomingCall --schema cloud-events --to 'https://app.example/events?code=…'
  acs-recording events trigger RecordingStateChanged --set data.state=inactive --to https://app.example/calls
  acs-recording events trigger RecordingFileStatusUpdated --queue recordings    # of Azurite, with
                         # ACS_QUEUE_CONNECTION_STRING=UseDevelopmentStorage=true
  acs-recording events trigger CallEnded --count 20 --batch 10 --print > events.json
  acs-recording events trigger RecordingFileStatusUpdated --token-audience api://app \\
    --to http://127.0.0.1:8080/events    # for `events listen --entra-authority http://127.0.0.1:8089 …`

--print writes one line of JSON for each request: its body.

JSON: {\"id\", \"type\", \"recording_id\", \"status\", \"delivered\", \"attempts\"} for each event. The
command stops at the first request that is not accepted; the exit code is that of its status: 3 for
401 and 403, 4 for 404, 5 without a response, 7 for 429 and 5xx, and 1 for others.";

/// Sends events to a webhook or a queue as the service does, without any call
///
/// Events of Event Grid are posted with its headers, after the handshake of their schema. Events of
/// Call Automation are posted as callbacks: arrays of CloudEvents without a handshake. With --schema,
/// these also go through Event Grid. All ids are new, in the formats of the service. A queue gets one
/// message for each event, in base64.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\nTypes: {}.", names()))]
pub(crate) struct Trigger {
    /// Type of the events, with or without `Microsoft.Communication.` or `Microsoft.EventGrid.`
    #[arg(value_name = "TYPE", ignore_case = true, hide_possible_values = true, value_parser = types())]
    event_type: String,

    #[command(flatten)]
    recipient: Recipient,

    /// Writes the bodies of the requests to standard output and sends nothing
    #[arg(long, conflicts_with_all = ["to", "no_handshake", "token_audience"])]
    print: bool,

    /// Schema in which Event Grid delivers [default: event-grid]
    #[arg(long, value_enum, value_name = "SCHEMA")]
    schema: Option<Schema>,

    /// Does not perform the handshake first
    #[arg(long)]
    no_handshake: bool,

    /// Number of events
    #[arg(long, value_name = "N", default_value = "1")]
    count: NonZeroUsize,

    /// Number of events in one request
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZeroUsize,

    /// File with the data to send instead, a JSON object, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Sets a member of each event, such as data.recordingFormatType=Wav; can be repeated
    ///
    /// A value that is not JSON is text. Numbers select items of arrays:
    /// data.recordingStorageInfo.recordingChunks.0.contentLocation=URL.
    #[arg(long = "set", value_name = "MEMBER=VALUE")]
    changes: Vec<Change>,

    /// Recording that the events are about [default: a new id for each event]
    #[arg(long, value_name = "ID")]
    recording_id: Option<RecordingId>,

    /// Call that the events are about [default: a new id for each event]
    #[arg(long, value_name = "ID")]
    server_call_id: Option<ServerCallId>,

    /// Call connection that the events are about [default: a new id for each event]
    #[arg(long, value_name = "ID")]
    call_connection_id: Option<CallConnectionId>,

    /// Origin of the locations of files
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://eu-storage.asm.skype.com"
    )]
    content_origin: Url,

    /// Number of files that RecordingFileStatusUpdated announces
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(0..=1000))]
    chunks: u16,

    #[command(flatten)]
    token: TokenOptions,
}

/// The short names of all known types.
fn names() -> String {
    let types = EventPayload::KNOWN_TYPES.iter();
    types.map(|name| short(name)).collect::<Vec<_>>().join(", ")
}

/// The short names of all known types, which completions and errors show.
fn types() -> Vec<PossibleValue> {
    let types = EventPayload::KNOWN_TYPES.iter();
    types
        .map(|name| PossibleValue::new(short(name)).alias(*name))
        .collect()
}

/// The events of one request.
struct Request {
    events: Vec<Value>,
    kind: DeliveryKind,
}

pub(super) async fn run(options: Trigger, global: &Global, out: &Output) -> Result<(), Failure> {
    // The parser accepts known types only.
    let event_type = known(&options.event_type)
        .ok_or_else(|| Failure::usage(format!("`{}` is not known", options.event_type)))?;
    let requests = options.requests(event_type).await?;
    if options.print {
        for request in requests {
            out.json_text(&request.delivery(None).body())?;
        }
        return Ok(());
    }
    let cloud = cloud(global)?;
    let to = options.recipient.open(cloud, global)?;
    let issuer = options.token.issue(cloud).await?;
    let token = || issuer.as_ref().map(Issuer::token);
    let schema = options.schema.unwrap_or(Schema::EventGrid);
    if short(event_type) == VALIDATION && to.is_webhook() {
        to.handshake(Schema::EventGrid, token()).await?;
        let json = json!({"type": event_type, "status": 200, "delivered": true, "attempts": 1});
        return out.result(&format!("validated {to}"), &json);
    }
    let by_event_grid = !is_callback(event_type) || options.schema.is_some();
    if by_event_grid && !options.no_handshake {
        to.handshake(schema, token()).await?;
    }
    for request in requests {
        send(&to, &request, token(), out).await?;
    }
    Ok(())
}

async fn send(
    to: &Destination,
    request: &Request,
    token: Option<String>,
    out: &Output,
) -> Result<(), Failure> {
    let posted = to.send(&request.delivery(token)).await;
    let status = match &posted {
        Ok(status) => *status,
        Err(failure) => failure.status(),
    };
    for event in &request.events {
        // The envelope may have been changed by --set.
        let member = |name: &str| event.get(name).and_then(Value::as_str);
        let event_type = member("eventType").or(member("type")).unwrap_or_default();
        let id = member("id").unwrap_or_default();
        let recording = acs_recording::Events::parse(event.to_string().as_bytes())
            .find_map(|event| event.ok()?.recording_id());
        let outcome = if posted.is_ok() {
            "delivered"
        } else {
            "rejected"
        };
        let json = json!({
            "id": id,
            "type": event_type,
            "recording_id": recording,
            "status": status,
            "delivered": posted.is_ok(),
            "attempts": 1,
        });
        let about = recording.map(|id| format!(", recording {}", shortened(id.as_str())));
        let about = about.unwrap_or_default();
        out.result(
            &format!("{outcome} {} {id}{about}", short(event_type)),
            &json,
        )?;
    }
    posted.map(drop).map_err(|failure| failure.context(to))
}

impl Trigger {
    /// Everything that is to be sent.
    async fn requests(&self, event_type: &'static str) -> Result<Vec<Request>, Failure> {
        let data = match &self.data {
            Some(path) => Some(data_of(path, &read(path).await?)?),
            None => None,
        };
        let content = Content {
            origin: self.content_origin.clone(),
            chunks: self.chunks.into(),
        };
        let is_callback = is_callback(event_type) && self.schema.is_none();
        let schema = match self.schema {
            _ if is_callback => Schema::CloudEvents,
            schema => schema.unwrap_or(Schema::EventGrid),
        };
        let kind = if is_callback {
            DeliveryKind::Callback
        } else {
            DeliveryKind::EventGrid {
                schema,
                is_batch: self.batch.get() > 1,
                event_type: match short(event_type) {
                    "SubscriptionDeletedEvent" => "SubscriptionDeletion",
                    VALIDATION => "SubscriptionValidation",
                    _ => "Notification",
                },
            }
        };
        let events = (0..self.count.get()).map(|_| {
            let mut sample = Sample::new(event_type, &self.ids(), &content);
            if let Some(data) = &data {
                sample.data = data.clone();
            }
            let mut event = sample.to_json(schema);
            for change in &self.changes {
                change
                    .apply(&mut event)
                    .map_err(|error| Failure::usage(error).context(&"--set"))?;
            }
            Ok(event)
        });
        let events = events.collect::<Result<Vec<_>, Failure>>()?;
        let batches = events.chunks(self.batch.get());
        Ok(batches
            .map(|events| Request {
                events: events.to_vec(),
                kind,
            })
            .collect())
    }

    fn ids(&self) -> Ids {
        let mut ids = Ids::new();
        if let Some(id) = &self.recording_id {
            ids.recording_id = id.to_string();
        }
        if let Some(id) = &self.server_call_id {
            ids.server_call_id = id.to_string();
        }
        if let Some(id) = &self.call_connection_id {
            ids.call_connection_id = id.to_string();
        }
        ids
    }
}

impl Request {
    fn delivery(&self, token: Option<String>) -> Delivery {
        let id = match &self.events[..] {
            [one] => one["id"].as_str().map(str::to_owned),
            _ => None,
        };
        Delivery {
            kind: self.kind,
            events: self.events.iter().map(Value::to_string).collect(),
            id,
            attempts: 0,
            token,
        }
    }
}

fn data_of(path: &std::path::Path, bytes: &[u8]) -> Result<Value, Failure> {
    let invalid =
        |error: &dyn std::fmt::Display| Failure::usage(error.to_string()).context_file(path);
    let text = acs_recording::text::decode(bytes).map_err(|error| invalid(&error))?;
    let data: Value = serde_json::from_str(&text).map_err(|error| invalid(&error))?;
    if data.is_object() {
        Ok(data)
    } else {
        Err(invalid(&"the data of an event is a JSON object"))
    }
}
