//! From the body of a webhook request to events, one by one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Batch, Envelope};
use super::{Delivery, Event, EventKind, EventSchema, Subject, binary};
use crate::error::{Error, ErrorKind};

/// The events in the body of a webhook request.
///
/// The body is one event or an array of them, in the Event Grid schema or as `CloudEvents`. Each
/// event is a result of its own: one that cannot be read takes no other with it.
///
/// ```
/// use acs_recording::{EventKind, Events};
///
/// # fn handle(body: &[u8]) -> Result<(), acs_recording::InvalidEvent> {
/// for event in Events::parse(body) {
///     match event?.kind() {
///         EventKind::RecordingFileStatusUpdated(file) => {
///             println!("{} files", file.chunks.len());
///         }
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    events: std::vec::IntoIter<Result<Event, InvalidEvent>>,
}

/// An event, or a whole body, that cannot be read.
#[derive(thiserror::Error)]
#[error("{}: {reason}", self.place())]
#[non_exhaustive]
pub struct InvalidEvent {
    /// Which event of the body it is, from 0; none if the body as a whole is no events.
    pub index: Option<usize>,
    /// The event's id, as far as it could be read.
    pub id: Option<String>,
    /// The event's type, as far as it could be read.
    pub event_type: Option<String>,
    reason: String,
    raw: Vec<u8>,
}

impl InvalidEvent {
    /// Why the body as a whole cannot be read.
    pub(super) fn body(reason: &dyn std::fmt::Display) -> Self {
        Self {
            index: None,
            id: None,
            event_type: None,
            reason: shorten(reason.to_string()),
            raw: Vec::new(),
        }
    }

    /// The event as it came, or the whole body if that is what cannot be read.
    ///
    /// Keep it before the delivery is refused: Event Grid does not send it again.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    fn with_raw(mut self, raw: &[u8]) -> Self {
        self.raw = raw.to_vec();
        self
    }

    fn place(&self) -> String {
        match (self.index, &self.event_type, &self.id) {
            (None, ..) => "the body is no events".to_owned(),
            (Some(index), Some(event_type), Some(id)) => {
                format!("event {index} ({event_type}, id {id}) cannot be read")
            }
            (Some(index), ..) => format!("event {index} cannot be read"),
        }
    }
}

/// The raw event may hold secrets.
impl std::fmt::Debug for InvalidEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InvalidEvent")
            .field("index", &self.index)
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("reason", &self.reason)
            .field("raw_bytes", &self.raw.len())
            .finish()
    }
}

impl From<InvalidEvent> for Error {
    fn from(error: InvalidEvent) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

impl Events {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Self {
        Self::new(read(body))
    }

    /// Reads a request: as [`parse`](Self::parse), and every event knows how it was
    /// [delivered](Event::delivery). Attributes of a `CloudEvent` may be in the headers, too, and
    /// the body is its data then.
    pub fn from_request(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut events = match binary::envelope(headers, body) {
            Some(event) => vec![
                event
                    .map_err(|error| InvalidEvent::body(&error))
                    .and_then(|event| finish(0, event))
                    .map_err(|error| error.with_raw(body)),
            ],
            None => read(body),
        };
        if let Some(delivery) = Delivery::from_headers(headers).map(Arc::new) {
            for event in events.iter_mut().flatten() {
                event.delivery = Some(Arc::clone(&delivery));
            }
        }
        Self::new(events)
    }

    fn new(events: Vec<Result<Event, InvalidEvent>>) -> Self {
        Self {
            events: events.into_iter(),
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event, InvalidEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl ExactSizeIterator for Events {}

fn read(body: &[u8]) -> Vec<Result<Event, InvalidEvent>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Once for the whole body is cheaper than once for each text in it.
    let body = match std::str::from_utf8(body) {
        Ok(body) => body,
        Err(error) => return vec![Err(InvalidEvent::body(&error).with_raw(body))],
    };
    if !body.trim_start().starts_with('[') {
        return vec![read_one(None, body)];
    }
    // As a rule every event is fine, and one look at each is enough.
    if let Ok(events) = Batch(finish).read(body)
        && events.iter().all(Result::is_ok)
    {
        return events;
    }
    let one = |index, event: &RawValue| read_one(Some(index), event.get());
    match Batch(one).read(body) {
        Ok(events) => events,
        Err(error) => vec![Err(InvalidEvent::body(&error).with_raw(body.as_bytes()))],
    }
}

fn read_one(index: Option<usize>, text: &str) -> Result<Event, InvalidEvent> {
    let event = match serde_json::from_str(text) {
        Ok(event) => finish(index.unwrap_or(0), event),
        // Not even JSON, so it is no event that could be broken.
        Err(error) if index.is_none() && !error.is_data() => Err(InvalidEvent::body(&error)),
        Err(error) => Err(broken(index.unwrap_or(0), text, &error)),
    };
    event.map_err(|error| error.with_raw(text.as_bytes()))
}

/// The error about an event whose envelope cannot be read, with whatever tells which one it is.
fn broken(index: usize, text: &str, error: &serde_json::Error) -> InvalidEvent {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        id: serde_json::Value,
        event_type: serde_json::Value,
        r#type: serde_json::Value,
    }

    let peek: Peek = serde_json::from_str(text).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map(|text| shorten(text.to_owned()));
    InvalidEvent {
        index: Some(index),
        id: text(&peek.id),
        event_type: text(&peek.event_type).or_else(|| text(&peek.r#type)),
        reason: shorten(error.to_string()),
        raw: Vec::new(),
    }
}

/// From the members of an envelope to the event.
fn finish(index: usize, envelope: Envelope<'_>) -> Result<Event, InvalidEvent> {
    let (schema, event_type) = match (envelope.event_type, envelope.cloud_type) {
        (Some(event_type), None) => (EventSchema::EventGrid, Some(event_type)),
        (_, event_type) => (EventSchema::CloudEvents, event_type),
    };
    let invalid = |id: Option<&str>, event_type: Option<&str>, reason: String| InvalidEvent {
        index: Some(index),
        id: id.map(|id| shorten(id.to_owned())),
        event_type: event_type.map(|event_type| shorten(event_type.to_owned())),
        reason: shorten(reason),
        raw: Vec::new(),
    };
    let Some(id) = envelope.id.filter(|id| !id.is_empty()) else {
        return Err(invalid(
            None,
            event_type.as_deref(),
            "it has no `id`".to_owned(),
        ));
    };
    let Some(event_type) = event_type else {
        let reason = "it has neither `eventType` nor `type`".to_owned();
        return Err(invalid(Some(&id), None, reason));
    };
    let subject = envelope.subject;
    let read = |data: &str| {
        let subject = Subject::parse(subject.as_deref().unwrap_or_default());
        EventKind::read(&event_type, data, &subject)
    };
    let invalid = |reason: String| invalid(Some(&id), Some(&event_type), reason);
    // `null` is no data, be it beside `data_base64`.
    let data = envelope
        .data
        .filter(|data| data.get() != RawValue::NULL.get());
    let (kind, data, binary) = match (data, envelope.data_base64) {
        (None, Some(text)) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| invalid(format!("`data_base64`: {error}")))?;
            match serde_json::from_slice::<Box<RawValue>>(&bytes) {
                Ok(data) => (read(data.get()), data, Some(bytes)),
                Err(error) if EventKind::KNOWN_TYPES.contains(&event_type.as_str()) => {
                    return Err(invalid(format!("`data_base64` is no JSON: {error}")));
                }
                Err(_) => (
                    Ok(EventKind::Unknown),
                    RawValue::NULL.to_owned(),
                    Some(bytes),
                ),
            }
        }
        (data, _) => {
            let data = data.unwrap_or(RawValue::NULL);
            (read(data.get()), data.to_owned(), None)
        }
    };
    let kind = kind.map_err(|error| invalid(error.to_string()))?;
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
        kind,
        data,
        binary,
    })
}

/// The beginning of text that is too long for an error.
fn shorten(text: String) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
