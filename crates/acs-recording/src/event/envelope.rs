//! From the body of a webhook request to events, one by one.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Event, EventKind, EventSchema, RecordingFileStatusUpdated};
use crate::error::{Error, ErrorKind};
use crate::lenient;

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
#[derive(Debug, thiserror::Error)]
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
}

impl InvalidEvent {
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

impl From<InvalidEvent> for Error {
    fn from(error: InvalidEvent) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

impl Events {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Self {
        let events = match split(body) {
            Ok(events) => events
                .into_iter()
                .enumerate()
                .map(|(index, event)| parse_one(index, event))
                .collect(),
            Err(error) => vec![Err(InvalidEvent {
                index: None,
                id: None,
                event_type: None,
                reason: error.to_string(),
            })],
        };
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

/// The text of each event.
fn split(body: &[u8]) -> Result<Vec<&RawValue>, serde_json::Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        serde_json::from_slice(body)
    } else {
        serde_json::from_slice(body).map(|event| vec![event])
    }
}

/// Both envelopes at once; which one it is shows in the members that are there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,

    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "lenient::timestamp")]
    event_time: Option<Timestamp>,

    #[serde(borrow, rename = "type")]
    cloud_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "lenient::timestamp")]
    time: Option<Timestamp>,
}

fn parse_one(index: usize, event: &RawValue) -> Result<Event, InvalidEvent> {
    let invalid = |reason: String| InvalidEvent {
        index: Some(index),
        id: None,
        event_type: None,
        reason,
    };
    let envelope: Envelope<'_> =
        serde_json::from_str(event.get()).map_err(|error| invalid(error.to_string()))?;
    let Some(id) = envelope.id.map(Cow::into_owned) else {
        return Err(invalid("it has no `id`".to_owned()));
    };
    let (schema, event_type) = match (envelope.event_type, envelope.cloud_type) {
        (Some(event_type), None) => (EventSchema::EventGrid, event_type.into_owned()),
        (_, Some(event_type)) => (EventSchema::CloudEvents, event_type.into_owned()),
        (None, None) => return Err(invalid("it has neither `eventType` nor `type`".to_owned())),
    };
    let subject = envelope.subject.map(Cow::into_owned);
    let data = envelope.data.unwrap_or(RawValue::NULL);
    let kind = kind(
        &event_type,
        data.get(),
        subject.as_deref().unwrap_or_default(),
    );
    let kind = kind.map_err(|error| InvalidEvent {
        index: Some(index),
        id: Some(id.clone()),
        event_type: Some(event_type.clone()),
        reason: error.to_string(),
    })?;
    Ok(Event {
        id,
        source: envelope.topic.or(envelope.source).map(Cow::into_owned),
        subject,
        event_type,
        time: envelope.event_time.or(envelope.time),
        schema,
        kind,
        data: data.to_owned(),
    })
}

fn kind(event_type: &str, data: &str, subject: &str) -> Result<EventKind, serde_json::Error> {
    match event_type {
        "Microsoft.Communication.RecordingFileStatusUpdated" => {
            RecordingFileStatusUpdated::parse(data, subject)
                .map(EventKind::RecordingFileStatusUpdated)
        }
        "Microsoft.EventGrid.SubscriptionValidationEvent" => {
            serde_json::from_str(data).map(EventKind::SubscriptionValidation)
        }
        _ => Ok(EventKind::Unknown),
    }
}

#[cfg(test)]
mod tests;
