//! From the body of a webhook request to events, one by one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::unwrap::{self, Found, Invocation};
use super::wire::{Batch, Envelope};
use super::{Delivery, Event, EventPayload, EventSchema, Subject, binary};
use crate::error::{Error, ErrorKind};
use crate::text;

/// The events in the body of a webhook request, a message or a file.
///
/// The body is one event or an array of them, in the Event Grid schema or as `CloudEvents`. Each
/// event is a result of its own: one that cannot be read takes no other with it.
///
/// Events are also found inside of what people have in their hands:
///
/// - Messages of Queue Storage, in base64 or plain: alone, in a list, as `az storage message peek`
///   and `get` print them, and in the XML of the REST API.
/// - Events of Event Grid namespaces as they are received (`value[].event`), and messages of
///   Service Bus and Event Hubs (`body`).
/// - Invocations of custom handlers of Azure Functions (`Data`).
/// - Dead-letter files, JSON lines, and values one after another.
/// - JSON in text or base64, in up to 16 layers. This includes the `data` of known types.
/// - UTF-8, UTF-16 and UTF-32, by the byte order mark.
///
/// What such a wrapper says about an event is among its [attributes](Event::attribute). An object
/// with the members of an event is always an event and never a wrapper.
///
/// ```
/// use acs_recording::{EventPayload, Events};
///
/// # fn handle(body: &[u8]) {
/// for event in Events::parse(body) {
///     match event {
///         Ok(event) => {
///             if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
///                 println!("{} chunks", file.chunks.len());
///             }
///         }
///         // The others are handled all the same.
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    events: std::vec::IntoIter<Result<Event, InvalidEvent>>,
    invocation: Option<Invocation>,
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

    /// The event as it came, without what was around it, or the whole body if that is what cannot
    /// be read. What was in UTF-16, base64 or JSON text is decoded, and everything else is byte for
    /// byte as it was.
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
    /// Reads the body of a request, a message, or a file.
    pub fn parse(body: &[u8]) -> Self {
        read(body)
    }

    /// Reads a request: as [`parse`](Self::parse), and every event knows how it was
    /// [delivered](Event::delivery). Attributes of a `CloudEvent` may be in the headers, too, and
    /// the body is its data then.
    pub fn from_request(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut events = match binary::envelope(headers, body) {
            Some(event) => Self::new(vec![
                event
                    .map_err(|error| InvalidEvent::body(&error))
                    .and_then(|event| finish(0, event))
                    .map_err(|error| error.with_raw(body)),
            ]),
            None => read(body),
        };
        if let Some(delivery) = Delivery::from_headers(headers).map(Arc::new) {
            for event in events.events.as_mut_slice().iter_mut().flatten() {
                event.delivery = Some(Arc::clone(&delivery));
            }
        }
        events
    }

    /// Whether the body was an invocation of a custom handler of Azure Functions.
    ///
    /// The Functions host expects status 200 with the content type `application/json` and a body
    /// such as `{"Outputs": {}, "Logs": [], "ReturnValue": null}`. A webhook answers like this by
    /// itself.
    pub fn is_functions_invocation(&self) -> bool {
        self.invocation.is_some()
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn invocation(&self) -> Option<Invocation> {
        self.invocation
    }

    fn new(events: Vec<Result<Event, InvalidEvent>>) -> Self {
        Self {
            events: events.into_iter(),
            invocation: None,
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

fn read(body: &[u8]) -> Events {
    if let Some(name) = unwrap::binary(body) {
        return Events::new(vec![Err(InvalidEvent::body(&name).with_raw(body))]);
    }
    // Once for the whole body is cheaper than once for each text in it. A character that was saved
    // in another encoding is no reason to lose a recording.
    let text = text::decode_lossy(body);
    if let Some(events) = read_plain(&text) {
        return Events::new(events);
    }
    let mut events = Vec::new();
    let origin = text::Origin::new(body, &text);
    let invocation = unwrap::unwrap(&text, &mut |found| {
        let index = events.len();
        let event = match found {
            Found::Json { json, attributes } => read_one(index, json, &origin).map(|mut event| {
                for (name, value) in attributes.iter() {
                    if event.attribute(name).is_none() {
                        event.attributes.push((name.to_owned(), value.to_owned()));
                    }
                }
                event
            }),
            Found::Other {
                reason,
                raw,
                is_body,
            } => {
                let raw = if is_body { body } else { origin.of(raw) };
                let mut error = InvalidEvent::body(&reason).with_raw(raw);
                error.index = (!is_body).then_some(index);
                Err(error)
            }
        };
        let is_ok = event.is_ok();
        events.push(event);
        is_ok
    });
    Events {
        invocation,
        ..Events::new(events)
    }
}

/// What Event Grid and Call Automation post: an event or an array of them, all of which can be
/// read. None for anything else, which needs a closer look.
fn read_plain(text: &str) -> Option<Vec<Result<Event, InvalidEvent>>> {
    let events = match text.trim_start().as_bytes().first()? {
        b'[' => Batch(finish).read(text).ok()?,
        b'{' => vec![finish(0, serde_json::from_str(text).ok()?)],
        _ => return None,
    };
    events.iter().all(Result::is_ok).then_some(events)
}

fn read_one(index: usize, json: &str, origin: &text::Origin<'_>) -> Result<Event, InvalidEvent> {
    let event = match serde_json::from_str(json) {
        Ok(event) => finish(index, event),
        Err(error) => Err(broken(index, json, &error)),
    };
    event.map_err(|error| error.with_raw(origin.of(json)))
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
fn finish(index: usize, mut envelope: Envelope<'_>) -> Result<Event, InvalidEvent> {
    let invalid = |id: Option<&str>, event_type: Option<&str>, reason: String| InvalidEvent {
        index: Some(index),
        id: id.map(|id| shorten(id.to_owned())),
        event_type: event_type.map(|event_type| shorten(event_type.to_owned())),
        reason: shorten(reason),
        raw: Vec::new(),
    };
    let id = envelope.id.take().filter(|id| !id.is_empty());
    let id = id.or_else(|| substitute_id(&envelope));
    let (schema, event_type) = match (envelope.event_type, envelope.cloud_type) {
        (Some(event_type), None) => (EventSchema::EventGrid, Some(event_type)),
        (_, event_type) => (EventSchema::CloudEvents, event_type),
    };
    let Some(id) = id else {
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
        EventPayload::read(&event_type, data, &subject)
    };
    let invalid = |reason: String| invalid(Some(&id), Some(&event_type), reason);
    // `null` is no data, be it beside `data_base64`.
    let data = envelope
        .data
        .filter(|data| data.get() != RawValue::NULL.get());
    let (payload, data, binary) = match (data, envelope.data_base64) {
        (None, Some(text)) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| invalid(format!("`data_base64`: {error}")))?;
            match serde_json::from_slice::<Box<RawValue>>(&bytes) {
                Ok(data) => (read(data.get()), data, Some(bytes)),
                Err(error) if is_known(&event_type) => {
                    return Err(invalid(format!("`data_base64` is no JSON: {error}")));
                }
                Err(_) => (
                    Ok(EventPayload::Unknown),
                    RawValue::NULL.to_owned(),
                    Some(bytes),
                ),
            }
        }
        (Some(data), _) if data.get().starts_with('"') && is_known(&event_type) => {
            let Some(data) = unwrap::json_in_text(data.get()) else {
                return Err(invalid("`data` is text, and no JSON is in it".to_owned()));
            };
            (read(data.get()), data, None)
        }
        (data, _) => {
            let data = data.unwrap_or(RawValue::NULL);
            (read(data.get()), data.to_owned(), None)
        }
    };
    let payload = payload.map_err(|error| invalid(error.to_string()))?;
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

/// An id for an event of a known type that came without one: the same for the same contents, so
/// that deliveries that repeat are known as such.
fn substitute_id(envelope: &Envelope<'_>) -> Option<String> {
    let event_type = envelope
        .event_type
        .as_ref()
        .or(envelope.cloud_type.as_ref());
    let event_type = event_type.filter(|event_type| is_known(event_type))?;
    // CloudEvents 0.1 has another name for it.
    let is_old = |(name, _): &(String, Box<RawValue>)| name == "cloudEventsVersion";
    if envelope.attributes.iter().any(is_old) {
        return None;
    }
    let mut hash = Sha256::new();
    for text in [
        Some(event_type.as_str()),
        envelope.topic.as_deref().or(envelope.source.as_deref()),
        envelope.subject.as_deref(),
        envelope.data.map(RawValue::get),
        envelope.data_base64.as_deref(),
    ] {
        hash.update(text.unwrap_or_default());
        hash.update([0]);
    }
    let hash = URL_SAFE_NO_PAD.encode(hash.finalize());
    Some(format!("sha256-{hash}"))
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
