//! The events in the body of a request, a message or a file.

use std::sync::Arc;

use http::HeaderMap;

use super::binary;
use super::cursor::Cursor;
use super::delivery::Delivery;
use super::envelope::Event;
use super::invalid::InvalidEvent;
use super::read::{event_from_envelope, event_from_json};
use super::unwrap::{self, Found, FunctionTrigger};
use super::wire::{Envelope, MAX_EVENTS};
use crate::text;

/// The events in the body of a webhook request, a message or a file.
///
/// The body is one event or an array of them, in the Event Grid schema or as `CloudEvents`. Each
/// event is a separate result: one that cannot be read does not affect the others.
///
/// Events are also found inside of:
///
/// - Messages of Queue Storage, in base64 or plain: alone, in a list, as `az storage message peek`
///   and `get` print them, and in the XML of the REST API.
/// - Events that were received from Event Grid namespaces (`value[].event`), and messages of Service
///   Bus and Event Hubs (`body`).
/// - Invocations of custom handlers of Azure Functions (`Data`).
/// - Dead-letter files, JSON lines, and concatenated JSON values.
/// - JSON in text or base64, in up to 16 layers. This includes the `data` of known types.
/// - UTF-8, UTF-16 and UTF-32, by the byte order mark.
///
/// The properties of such a wrapper become [attributes](Event::attribute) of the event. An object
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
///         // The other events are still handled.
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    events: std::vec::IntoIter<Result<Event, InvalidEvent>>,
    function_trigger: Option<FunctionTrigger>,
}

impl Events {
    /// Reads the body of a request, a message, or a file.
    pub fn parse(body: &[u8]) -> Self {
        read(body)
    }

    /// Reads a request. Like [`parse`](Self::parse), but every event has its
    /// [delivery](Event::delivery), and a `CloudEvent` may be in binary mode: the headers are its
    /// attributes, and the body is its data.
    pub fn from_request(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut events = match binary::envelope(headers, body) {
            Some(envelope) => Self::new(vec![
                envelope
                    .map_err(|error| InvalidEvent::of_body(&error))
                    .and_then(|envelope| event_from_envelope(0, envelope))
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
    /// such as `{"Outputs": {}, "Logs": [], "ReturnValue": null}`. A webhook responds like this on
    /// its own.
    pub fn is_functions_invocation(&self) -> bool {
        self.function_trigger.is_some()
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn function_trigger(&self) -> Option<FunctionTrigger> {
        self.function_trigger
    }

    fn new(events: Vec<Result<Event, InvalidEvent>>) -> Self {
        Self {
            events: events.into_iter(),
            function_trigger: None,
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
    if let Some(format) = unwrap::binary_format(body) {
        return Events::new(vec![Err(InvalidEvent::of_body(&format).with_raw(body))]);
    }
    // Decoding the whole body once is cheaper than decoding each text in it. A character that was
    // saved in another encoding is no reason to lose a recording.
    let text = text::decode_lossy(body);
    if let Some(events) = read_plain(&text) {
        return Events::new(events);
    }
    let mut events = Vec::new();
    let origin = text::Origin::new(body, &text);
    let function_trigger = unwrap::unwrap(&text, &mut |found| {
        let index = events.len();
        let event = match found {
            Found::Json { json, attributes } => event_from_json(index, json)
                .map(|mut event| {
                    for (name, value) in attributes.iter() {
                        if event.attribute(name).is_none() {
                            event.attributes.push((name.to_owned(), value.to_owned()));
                        }
                    }
                    event
                })
                .map_err(|error| error.with_raw(origin.of(json))),
            Found::Other {
                reason,
                raw,
                is_body,
            } => {
                let raw = if is_body { body } else { origin.of(raw) };
                let mut error = InvalidEvent::of_body(&reason).with_raw(raw);
                error.index = (!is_body).then_some(index);
                Err(error)
            }
        };
        let is_ok = event.is_ok();
        events.push(event);
        is_ok
    });
    Events {
        function_trigger,
        ..Events::new(events)
    }
}

/// Reads what Event Grid and Call Automation send: an event, or an array of events, all of which
/// can be read. None for everything else, which takes longer to read.
fn read_plain(text: &str) -> Option<Vec<Result<Event, InvalidEvent>>> {
    let mut cursor = Cursor::new(text);
    // Most bodies hold one event, and events are large.
    let mut events = Vec::with_capacity(1);
    match cursor.peek()? {
        b'[' => cursor.array(|cursor| {
            let index = events.len();
            events.push(Ok(read_event(cursor, index)?));
            (index < MAX_EVENTS).then_some(())
        })?,
        b'{' => events.push(Ok(read_event(&mut cursor, 0)?)),
        _ => return None,
    }
    cursor.is_at_end().then_some(events)
}

fn read_event(cursor: &mut Cursor<'_>, index: usize) -> Option<Event> {
    let start = *cursor;
    let envelope = if let Some(envelope) = Envelope::read(cursor) {
        envelope
    } else {
        *cursor = start;
        serde_json::from_str(cursor.value()?).ok()?
    };
    event_from_envelope(index, envelope).ok()
}

#[cfg(test)]
mod tests;
