//! Events of the service: what Event Grid posts to a webhook.

mod envelope;
mod file;
mod subject;
mod validation;

use std::fmt;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub use envelope::{Events, InvalidEvent};
pub use file::{RecordingChunk, RecordingFileStatusUpdated};
pub use validation::SubscriptionValidation;

/// One event: its envelope, its data typed by kind, and the data as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The event's id. Deliveries repeat: the same id and source is the same event.
    pub id: String,
    /// What sent it: the resource's path in Azure (`topic` in the Event Grid schema).
    pub source: Option<String>,
    /// What it is about, as a path.
    pub subject: Option<String>,
    /// The type, such as `Microsoft.Communication.RecordingFileStatusUpdated`.
    pub event_type: String,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// In which of the two schemas it came.
    pub schema: EventSchema,
    kind: EventKind,
    data: Box<RawValue>,
}

/// The form of an event's envelope, which the Event Grid subscription determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventSchema {
    /// Event Grid's own.
    EventGrid,
    /// `CloudEvents` 1.0.
    CloudEvents,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The files of a recording can be downloaded.
    RecordingFileStatusUpdated(RecordingFileStatusUpdated),
    /// Event Grid asks whether the webhook wants its events; answer with
    /// [`SubscriptionValidation::response_body`].
    SubscriptionValidation(SubscriptionValidation),
    /// An event of a type that this version does not know; see [`Event::event_type`] and
    /// [`Event::data`].
    Unknown,
}

impl Event {
    /// What happened.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// What happened, without the envelope.
    pub fn into_kind(self) -> EventKind {
        self.kind
    }

    /// The data as JSON text, exactly as it came; `null` if the event has none.
    pub fn data(&self) -> &str {
        self.data.get()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event_type, self.id)
    }
}
