//! From the JSON of one event to the event.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::envelope::{Event, EventSchema};
use super::file::RecordingFileStatusUpdated;
use super::invalid::InvalidEvent;
use super::payload::EventPayload;
use super::subject::Subject;
use super::unwrap;
use super::wire::Envelope;

/// Reads the event at a position of a body.
pub(super) fn event_from_json(index: usize, json: &str) -> Result<Event, InvalidEvent> {
    match serde_json::from_str(json) {
        Ok(envelope) => event_from_envelope(index, envelope),
        Err(error) => Err(invalid_envelope(index, json, &error)),
    }
}

/// The error about an event whose envelope cannot be read, with as much as can be read of it.
fn invalid_envelope(index: usize, json: &str, error: &serde_json::Error) -> InvalidEvent {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        id: serde_json::Value,
        event_type: serde_json::Value,
        r#type: serde_json::Value,
    }

    let peek: Peek = serde_json::from_str(json).unwrap_or_default();
    let event_type = peek.event_type.as_str().or(peek.r#type.as_str());
    InvalidEvent::of_event(index, peek.id.as_str(), event_type, error)
}

/// Converts the members of an envelope into an event.
pub(super) fn event_from_envelope(
    index: usize,
    mut envelope: Envelope<'_>,
) -> Result<Event, InvalidEvent> {
    let id = envelope.id.take().filter(|id| !id.is_empty());
    let id = id.or_else(|| substitute_id(&envelope));
    let (schema, event_type) = match (envelope.event_type, envelope.cloud_type) {
        (Some(event_type), None) => (EventSchema::EventGrid, Some(event_type)),
        (_, event_type) => (EventSchema::CloudEvents, event_type),
    };
    let Some(id) = id else {
        let event_type = event_type.as_deref();
        return Err(InvalidEvent::of_event(
            index,
            None,
            event_type,
            &"it has no `id`",
        ));
    };
    let Some(event_type) = event_type else {
        let reason = "it has neither `eventType` nor `type`";
        return Err(InvalidEvent::of_event(index, Some(&id), None, &reason));
    };
    let invalid =
        |reason: &str| InvalidEvent::of_event(index, Some(&id), Some(&event_type), &reason);
    let subject = envelope.subject;
    let read = |data: &str| {
        let subject = Subject::parse(subject.as_deref().unwrap_or_default());
        EventPayload::read(&event_type, data, &subject)
    };
    let file = envelope
        .file
        .filter(|_| event_type == RecordingFileStatusUpdated::TYPE);
    // `null` means that there is no data, even beside `data_base64`.
    let null = RawValue::NULL.get();
    let data = envelope.data.filter(|data| *data != null);
    let (payload, data, binary) = match (data, envelope.data_base64) {
        (None, Some(text)) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| invalid(&format!("`data_base64`: {error}")))?;
            match serde_json::from_slice::<Box<RawValue>>(&bytes) {
                Ok(data) => (read(data.get()), data.get().into(), Some(bytes)),
                Err(error) if is_known(&event_type) => {
                    return Err(invalid(&format!("`data_base64` is not JSON: {error}")));
                }
                Err(_) => (Ok(EventPayload::Unknown), null.into(), Some(bytes)),
            }
        }
        (Some(data), _) if data.starts_with('"') && is_known(&event_type) => {
            let Some(data) = unwrap::json_in_text(data) else {
                return Err(invalid("`data` is text that contains no JSON"));
            };
            (read(data.get()), data.get().into(), None)
        }
        (data, _) => {
            let data = data.unwrap_or(null);
            let payload = match file {
                Some(file) => {
                    let subject = Subject::parse(subject.as_deref().unwrap_or_default());
                    Ok(EventPayload::RecordingFileStatusUpdated(
                        file.with_ids_of(&subject),
                    ))
                }
                None => read(data),
            };
            (payload, data.into(), None)
        }
    };
    let payload = payload.map_err(|error| invalid(&error.to_string()))?;
    Ok(Event {
        id,
        source: envelope.topic.or(envelope.source),
        subject,
        event_type,
        time: envelope.event_time.or(envelope.time),
        schema,
        version: envelope.spec_version.or(envelope.metadata_version),
        data_version: envelope.data_version,
        data_content_type: envelope.data_content_type,
        data_schema: envelope.data_schema,
        attributes: envelope.attributes,
        delivery: None,
        payload,
        data,
        binary,
    })
}

fn is_known(event_type: &str) -> bool {
    EventPayload::KNOWN_TYPES.contains(&event_type)
}

/// An id for an event of a known type without one. It depends on the contents alone, so that
/// repeated deliveries are recognized.
fn substitute_id(envelope: &Envelope<'_>) -> Option<String> {
    let event_type = envelope
        .event_type
        .as_ref()
        .or(envelope.cloud_type.as_ref());
    let event_type = event_type.filter(|event_type| is_known(event_type))?;
    // CloudEvents 0.1 has the id under another name.
    let is_version_0_1 = |(name, _): &(String, Box<RawValue>)| name == "cloudEventsVersion";
    if envelope.attributes.iter().any(is_version_0_1) {
        return None;
    }
    let mut hash = Sha256::new();
    for text in [
        Some(event_type.as_str()),
        envelope.topic.as_deref().or(envelope.source.as_deref()),
        envelope.subject.as_deref(),
        envelope.data,
        envelope.data_base64.as_deref(),
    ] {
        hash.update(text.unwrap_or_default());
        hash.update([0]);
    }
    let hash = URL_SAFE_NO_PAD.encode(hash.finalize());
    Some(format!("sha256-{hash}"))
}
