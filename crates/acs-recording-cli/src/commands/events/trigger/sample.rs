//! One event, in both schemas.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::types::{is_callback, short};
use super::data;
use super::ids::{Content, Ids};
use crate::webhook_sender::Schema;

/// An event, independent of its schema.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) id: String,
    pub(super) event_type: &'static str,
    source: String,
    subject: String,
    time: Timestamp,
    pub(super) data: Value,
}

impl Sample {
    pub(super) fn new(event_type: &'static str, ids: &Ids, content: &Content) -> Self {
        let now = Timestamp::now();
        // The recording has just ended.
        let start = now.checked_sub(1.minute()).unwrap_or(now);
        Self {
            id: Uuid::new_v4().to_string(),
            event_type,
            source: source(event_type, ids),
            subject: subject(event_type, ids),
            time: now,
            data: data::data(short(event_type), ids, content, start),
        }
    }

    /// The envelope with the data.
    pub(super) fn to_json(&self, schema: Schema) -> Value {
        let time = self.time.to_string();
        match schema {
            Schema::EventGrid => json!({
                "id": self.id,
                "topic": self.source,
                "subject": self.subject,
                "data": self.data,
                "eventType": self.event_type,
                "dataVersion": "1.0",
                "metadataVersion": "1",
                "eventTime": time,
            }),
            Schema::CloudEvents => {
                let mut event = json!({
                    "id": self.id,
                    "source": self.source,
                    "subject": self.subject,
                    "data": self.data,
                    "type": self.event_type,
                    "time": time,
                    "specversion": "1.0",
                });
                if is_callback(self.event_type) {
                    event["datacontenttype"] = "application/json".into();
                }
                event
            }
        }
    }
}

fn source(event_type: &str, ids: &Ids) -> String {
    if is_callback(event_type) {
        return format!("calling/callConnections/{}", ids.call_connection_id);
    }
    format!(
        "/subscriptions/{}/resourcegroups/acs-recording/providers/microsoft.communication/communicationservices/acs-recording",
        ids.resource
    )
}

fn subject(event_type: &str, ids: &Ids) -> String {
    let call = &ids.server_call_id;
    let [from, to] = &ids.participants;
    match short(event_type) {
        "RecordingFileStatusUpdated" => format!(
            "/recording/call/{}/serverCallId/{call}/recordingId/{}",
            ids.correlation_id, ids.recording_id
        ),
        "IncomingCall" => format!("/caller/{from}/recipient/{to}"),
        "CallStarted" => format!("call/{call}/startedBy/{from}"),
        "CallEnded" => format!("call/{call}"),
        "CallParticipantAdded" | "CallParticipantRemoved" => {
            format!("call/{call}/participant/{to}")
        }
        _ if is_callback(event_type) => source(event_type, ids),
        _ => String::new(),
    }
}
