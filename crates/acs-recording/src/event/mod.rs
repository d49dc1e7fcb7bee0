//! Events of the service: what Event Grid and Call Automation post to a webhook.

mod binary;
mod call;
mod delivery;
mod dialog;
mod envelope;
mod file;
mod hidden;
mod party;
mod payload;
mod recording;
#[cfg(feature = "schemars")]
pub(crate) mod schemas;
mod serialize;
mod subject;
mod unwrap;
mod validation;
mod wire;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub use call::{
    CallDetails, CallEndReason, CallEnded, CallParticipantAdded, CallParticipantRemoved,
    CallStarted, IncomingCall,
};
pub use delivery::Delivery;
pub use dialog::DialogUpdate;
pub use envelope::{Events, InvalidEvent};
pub use file::{RecordingChunk, RecordingFileStatusUpdated};
pub use party::CallParty;
pub use payload::EventPayload;
pub use recording::RecordingStateChanged;
use subject::Subject;
#[cfg(feature = "webhook")]
pub(crate) use unwrap::Invocation;
pub use validation::{SubscriptionDeleted, SubscriptionValidation};

use self::hidden::Hidden;
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::ResultInformation;

/// One event: its envelope, its data typed by kind, and the data as it came.
///
/// `Debug` shows the kind. Of the data as it came, and of members without a field here, it shows no
/// values, because these may be secrets.
#[derive(Clone)]
#[non_exhaustive]
pub struct Event {
    /// The event's id. Deliveries repeat: the same id and source is the same event.
    ///
    /// An event of a known type that came without one gets `sha256-` and a hash of its contents.
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
    /// The schema's version: `specversion` or `metadataVersion`.
    pub version: Option<String>,
    /// The version of the data's form, in the Event Grid schema.
    pub data_version: Option<String>,
    /// What kind of content the data is, in `CloudEvents`.
    pub data_content_type: Option<String>,
    /// Where the data's form is described, in `CloudEvents`.
    pub data_schema: Option<String>,
    attributes: Vec<(String, Box<RawValue>)>,
    delivery: Option<Arc<Delivery>>,
    payload: EventPayload,
    data: Box<RawValue>,
    binary: Option<Vec<u8>>,
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

impl Event {
    /// What happened.
    pub fn payload(&self) -> &EventPayload {
        &self.payload
    }

    /// What happened, without the envelope.
    pub fn into_payload(self) -> EventPayload {
        self.payload
    }

    /// The data as JSON text, exactly as it came; `null` if the event has none.
    ///
    /// If the data of a known type came as text, this is the JSON in that text.
    pub fn raw_data(&self) -> &str {
        self.data.get()
    }

    /// The data as bytes, if the event has them in base64.
    pub fn binary_data(&self) -> Option<&[u8]> {
        self.binary.as_deref()
    }

    /// A member of the envelope that has no field here, as JSON text: an extension attribute, or
    /// what Event Grid adds to an event that it gave up to deliver, such as `deadLetterReason`.
    ///
    /// An event that came in a message has the message's properties here, unless it has a member
    /// of the same name: `messageId`, `dequeueCount`, `insertionTime`, `expirationTime`,
    /// `timeNextVisible` and `popReceipt` of Queue Storage; `lockToken` and `deliveryCount` of Event
    /// Grid namespaces and Service Bus; `messageId`, `sequenceNumber`, `enqueuedTime`,
    /// `deadLetterReason`, `deadLetterErrorDescription` and `deadLetterSource` of Service Bus. The
    /// names are these whichever way the message spells them.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All members that [`attribute`](Self::attribute) finds, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
    }

    /// How Event Grid delivered it; none without the headers of the
    /// [request](Events::from_request).
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_deref()
    }

    /// The recording, from the data or else from the subject.
    pub fn recording_id(&self) -> Option<RecordingId> {
        let known = self.payload.common().recording_id;
        lenient::parse(known.or_else(|| self.subject_ids().recording_id))
    }

    /// The call, from the data or else from the subject.
    pub fn server_call_id(&self) -> Option<ServerCallId> {
        let known = self.payload.common().server_call_id;
        lenient::parse(known.or_else(|| self.subject_ids().server_call_id))
    }

    /// The application's connection to the call, from the data or else from the subject.
    ///
    /// In events about recordings it is the recorder's own connection.
    pub fn call_connection_id(&self) -> Option<CallConnectionId> {
        let known = self.payload.common().call_connection_id;
        lenient::parse(known.or_else(|| self.subject_ids().call_connection_id))
    }

    /// What the application gave as operation context in the request that this is about.
    pub fn operation_context(&self) -> Option<&str> {
        self.payload.common().operation_context
    }

    /// The id of the call in logs, which all connections to it share.
    pub fn correlation_id(&self) -> Option<&str> {
        self.payload.common().correlation_id
    }

    /// The outcome of the operation, or the reason behind the event.
    pub fn result_information(&self) -> Option<&ResultInformation> {
        self.payload.common().result
    }

    /// How many bytes of text and data it holds as it came; its kind repeats part of them.
    pub(crate) fn size(&self) -> usize {
        let texts = [
            &self.source,
            &self.subject,
            &self.version,
            &self.data_version,
            &self.data_content_type,
            &self.data_schema,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let attributes: usize = self
            .attributes()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let data = self.raw_data().len() + self.binary.as_ref().map_or(0, Vec::len);
        self.id.len() + self.event_type.len() + texts + attributes + data
    }

    fn subject_ids(&self) -> Subject<'_> {
        Subject::parse(self.subject.as_deref().unwrap_or_default())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes: Vec<_> = self.attributes().map(|(name, _)| name).collect();
        let binary = self.binary_data().map(|bytes| Hidden(bytes.len()));
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("subject", &self.subject)
            .field("event_type", &self.event_type)
            .field("time", &self.time)
            .field("schema", &self.schema)
            .field("version", &self.version)
            .field("data_version", &self.data_version)
            .field("data_content_type", &self.data_content_type)
            .field(
                "data_schema",
                &self.data_schema.as_deref().map(without_query),
            )
            .field("attributes", &attributes)
            .field("delivery", &self.delivery)
            .field("payload", &self.payload)
            .field("data", &Hidden::text(self.raw_data()))
            .field("binary", &binary)
            .finish()
    }
}

/// An address as far as it holds no secret.
fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event_type, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn no_secret_is_shown() {
        let envelope = |event_type: &str, data: &str| {
            format!(
                r#"[{{"id": "1", "eventType": "{event_type}", "topic": "/t", "subject": "/s",
                    "eventTime": "2026-01-01T00:00:00Z", "lockToken": "s3cret", "data": {data}}}]"#
            )
        };
        for (event_type, data) in [
            (
                "Microsoft.Communication.IncomingCall",
                r#"{"incomingCallContext": "s3cret", "serverCallId": "shown"}"#,
            ),
            (
                "Microsoft.EventGrid.SubscriptionValidationEvent",
                r#"{"validationCode": "s3cret", "validationUrl": "https://a.example/s3cret?id=s3cret"}"#,
            ),
            (
                "Microsoft.Communication.RecordingFileStatusUpdated",
                r#"{"recordingStorageInfo": {"recordingChunks": [{"documentId": "shown", "index": 0,
                    "contentLocation": "https://a.example/v1/objects/shown?sig=s3cret",
                    "metadataLocation": "https://u:s3cret@a.example/v1/objects/m?sig=s3cret",
                    "deleteLocation": "https://a.example/v1/objects/shown?sig=s3cret"}]}}"#,
            ),
            ("Unknown.Type", r#"{"incomingCallContext": "s3cret"}"#),
        ] {
            let body = envelope(event_type, data);
            let event = Events::parse(body.as_bytes()).next().unwrap().unwrap();
            let shown = format!("{event:?} {event:#?} {:?} {event}", event.payload());
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains(event_type), "{shown}");
            assert_eq!(shown.contains("shown"), data.contains("shown"), "{shown}");
            assert!(
                event.raw_data().contains("s3cret"),
                "it is there for programs"
            );
        }
        let cloud = r#"{"id": "1", "type": "t", "source": "s", "specversion": "1.0",
            "dataschema": "https://a.example/x?code=s3cret", "data_base64": "czNjcmV0"}"#;
        let event = Events::parse(cloud.as_bytes()).next().unwrap().unwrap();
        let shown = format!("{event:?}");
        assert!(
            shown.contains("https://a.example/x") && !shown.contains("s3cret"),
            "{shown}"
        );
        assert!(!shown.contains("115, 51"), "{shown}");
    }
}
