//! One event: its envelope and its payload.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::delivery::Delivery;
use super::payload::EventPayload;
use super::redacted::Redacted;
use super::subject::Subject;
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::ResultInformation;

/// An event: its envelope, its typed payload, and its raw data.
///
/// `Debug` shows the payload. It does not show the raw data, nor the values of members without a
/// field here, because these may be secrets.
///
/// # In tests
/// [`Events::parse`](crate::Events::parse) makes events, and everything that is in them, from the JSON
/// that the service sends. Members that do not matter can be left out:
///
/// ```
/// use acs_recording::{EventPayload, Events};
///
/// let json = r#"{
///     "id": "1", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
///     "subject": "/recording/call/c/recordingId/r1",
///     "data": {"recordingStorageInfo": {"recordingChunks": [{
///         "documentId": "d1", "index": 0,
///         "contentLocation": "https://eu-storage.asm.skype.com/v1/objects/d1/content/audiowav"
///     }]}}
/// }"#;
/// let event = Events::parse(json.as_bytes()).next().expect("one event")?;
/// let EventPayload::RecordingFileStatusUpdated(file) = event.into_payload() else {
///     panic!("another type");
/// };
/// assert_eq!(file.recording_id.as_ref().map(|id| id.as_str()), Some("r1"));
/// assert_eq!(file.chunks.len(), 1);
/// # Ok::<_, acs_recording::InvalidEvent>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Event {
    /// The event's id. Deliveries may repeat: an event with the same id and source is the same event.
    ///
    /// An event of a known type without an id gets `sha256-` and a hash of its contents.
    pub id: String,
    /// The sender: the path of the resource in Azure (`topic` in the Event Grid schema).
    pub source: Option<String>,
    /// The subject, a path of ids.
    pub subject: Option<String>,
    /// The type, such as `Microsoft.Communication.RecordingFileStatusUpdated`.
    pub event_type: String,
    /// The time of the event.
    pub time: Option<Timestamp>,
    /// The schema of the envelope.
    pub schema: EventSchema,
    /// The schema's version: `specversion` or `metadataVersion`.
    pub version: Option<String>,
    /// The version of the data's schema, in the Event Grid schema.
    pub data_version: Option<String>,
    /// The media type of the data, in `CloudEvents`.
    pub data_content_type: Option<String>,
    /// The URL of the data's schema, in `CloudEvents`.
    pub data_schema: Option<String>,
    pub(super) attributes: Vec<(String, Box<RawValue>)>,
    pub(super) delivery: Option<Arc<Delivery>>,
    pub(super) payload: EventPayload,
    /// JSON.
    pub(super) data: Box<str>,
    pub(super) binary: Option<Vec<u8>>,
}

/// The schema of an event's envelope, which the event subscription determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventSchema {
    /// The Event Grid schema.
    EventGrid,
    /// `CloudEvents` 1.0.
    CloudEvents,
}

impl Event {
    /// The payload, typed by the event type.
    pub fn payload(&self) -> &EventPayload {
        &self.payload
    }

    /// Converts into the payload, without the envelope.
    pub fn into_payload(self) -> EventPayload {
        self.payload
    }

    /// The data as JSON text, unchanged; `null` if the event has none.
    ///
    /// If the data of a known type is JSON in a text, this is the JSON in that text.
    pub fn raw_data(&self) -> &str {
        &self.data
    }

    /// The data as bytes, if the event has it in base64.
    pub fn binary_data(&self) -> Option<&[u8]> {
        self.binary.as_deref()
    }

    /// A member of the envelope that has no field here, as JSON text: an extension attribute, or a
    /// member that Event Grid adds to a dead-lettered event, such as `deadLetterReason`.
    ///
    /// An event from a message has the properties of the message here, unless it has a member of the
    /// same name: `messageId`, `dequeueCount`, `insertionTime`, `expirationTime`,
    /// `timeNextVisible` and `popReceipt` of Queue Storage; `lockToken` and `deliveryCount` of Event
    /// Grid namespaces and Service Bus; `messageId`, `sequenceNumber`, `enqueuedTime`,
    /// `deadLetterReason`, `deadLetterErrorDescription` and `deadLetterSource` of Service Bus. The
    /// names are the same however the message spells them.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All attributes that [`attribute`](Self::attribute) finds, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
    }

    /// The delivery by Event Grid. `None` unless the event was read from a
    /// [request](crate::Events::from_request).
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_deref()
    }

    /// The recording's id, from the data or else from the subject.
    pub fn recording_id(&self) -> Option<RecordingId> {
        let known = self.payload.common().recording_id;
        lenient::parse(known.or_else(|| self.subject_ids().recording_id))
    }

    /// The call's id, from the data or else from the subject.
    pub fn server_call_id(&self) -> Option<ServerCallId> {
        let known = self.payload.common().server_call_id;
        lenient::parse(known.or_else(|| self.subject_ids().server_call_id))
    }

    /// The id of the application's connection to the call, from the data or else from the subject.
    ///
    /// In events about recordings it is the connection of the recorder.
    pub fn call_connection_id(&self) -> Option<CallConnectionId> {
        let known = self.payload.common().call_connection_id;
        lenient::parse(known.or_else(|| self.subject_ids().call_connection_id))
    }

    /// The operation context of the request that led to the event.
    pub fn operation_context(&self) -> Option<&str> {
        self.payload.common().operation_context
    }

    /// The id of the call in logs, which all its connections share.
    pub fn correlation_id(&self) -> Option<&str> {
        self.payload.common().correlation_id
    }

    /// The outcome of the operation, or the reason for the event.
    pub fn result_information(&self) -> Option<&ResultInformation> {
        self.payload.common().result_information
    }

    /// The number of bytes of text and raw data. The payload holds part of them once more.
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
        let binary = self.binary_data().map(|bytes| Redacted(bytes.len()));
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
            .field("data", &Redacted::text(self.raw_data()))
            .field("binary", &binary)
            .finish()
    }
}

/// The part of a URL that contains no secret.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event_type, self.id)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Events;

    #[test]
    fn debug_shows_no_secrets() {
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
            assert!(event.raw_data().contains("s3cret"), "programs can read it");
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
