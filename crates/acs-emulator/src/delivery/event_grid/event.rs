//! Event Grid events of the resource, in both schemas.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::Fault;
use crate::service::clock::text;
use crate::service::ids;

pub(crate) const FILE_STATUS_UPDATED: &str = "Microsoft.Communication.RecordingFileStatusUpdated";

/// The types of the events that the emulator sends.
#[cfg(feature = "cli")]
pub(crate) const KINDS: [&str; 6] = [
    "Microsoft.Communication.IncomingCall",
    "Microsoft.Communication.CallStarted",
    "Microsoft.Communication.CallEnded",
    "Microsoft.Communication.CallParticipantAdded",
    "Microsoft.Communication.CallParticipantRemoved",
    FILE_STATUS_UPDATED,
];

/// An event, independent of the schema that it is sent in.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) data: Value,
    pub(crate) data_version: &'static str,
    pub(crate) time: Timestamp,
    /// The call that the event is about, if any.
    pub(crate) call: Option<Uuid>,
    /// The recording that the event is about, if any.
    pub(crate) recording: Option<String>,
}

/// An event that is queued for one subscription.
#[derive(Clone, Debug)]
pub(crate) struct QueuedEvent {
    pub(crate) event: Arc<Event>,
    /// The fault to apply to it.
    pub(crate) fault: Option<Arc<Fault>>,
    /// The id of the delivery.
    pub(crate) delivery: u64,
}

impl Event {
    pub(crate) fn new(kind: &'static str, subject: String, data: Value, time: Timestamp) -> Self {
        Self {
            id: ids::random_id(),
            kind,
            subject,
            data,
            data_version: "1.0",
            time,
            call: None,
            recording: None,
        }
    }

    pub(super) fn about_call(mut self, id: Uuid) -> Self {
        self.call = Some(id);
        self
    }

    pub(super) fn about_recording(mut self, id: &str) -> Self {
        self.recording = Some(id.to_owned());
        self
    }

    pub(crate) fn in_event_grid_schema(&self, resource: Uuid) -> Value {
        json!({
            "id": self.id,
            "topic": topic(resource),
            "subject": self.subject,
            "data": self.data,
            "eventType": self.kind,
            "dataVersion": self.data_version,
            "metadataVersion": "1",
            "eventTime": text(self.time),
        })
    }

    pub(crate) fn as_cloud_event(&self, resource: Uuid) -> Value {
        json!({
            "id": self.id,
            "source": topic(resource),
            "subject": self.subject,
            "data": self.data,
            "type": self.kind,
            "time": text(self.time),
            "specversion": "1.0",
        })
    }
}

fn topic(resource: Uuid) -> String {
    format!(
        "/subscriptions/{resource}/resourcegroups/acs-emulator/providers/microsoft.communication/communicationservices/acs-emulator",
    )
}
