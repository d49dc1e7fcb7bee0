//! The error about an event that cannot be read.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Longer texts are shortened in errors.
const MAX_TEXT: usize = 300;

/// An event, or a whole body, that cannot be read.
#[derive(thiserror::Error)]
#[error("{}: {reason}", self.what())]
#[non_exhaustive]
pub struct InvalidEvent {
    /// The position of the event in the body, from 0. `None` if the body as a whole is invalid.
    pub index: Option<usize>,
    /// The event's id, if it could be read.
    pub id: Option<String>,
    /// The event's type, if it could be read.
    pub event_type: Option<String>,
    reason: String,
    raw: Vec<u8>,
}

impl InvalidEvent {
    /// The error about a body as a whole.
    pub(super) fn of_body(reason: &dyn fmt::Display) -> Self {
        Self {
            index: None,
            id: None,
            event_type: None,
            reason: shorten(&reason.to_string()),
            raw: Vec::new(),
        }
    }

    /// The error about one event, with what is known of it.
    pub(super) fn of_event(
        index: usize,
        id: Option<&str>,
        event_type: Option<&str>,
        reason: &dyn fmt::Display,
    ) -> Self {
        Self {
            index: Some(index),
            id: id.map(shorten),
            event_type: event_type.map(shorten),
            ..Self::of_body(reason)
        }
    }

    /// The event as it arrived, without what surrounded it, or the whole body if that cannot be read.
    /// UTF-16, base64 and JSON text are decoded, and everything else is unchanged byte for byte.
    ///
    /// Keep it before the delivery is rejected: Event Grid does not deliver it again.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(super) fn with_raw(mut self, raw: &[u8]) -> Self {
        self.raw = raw.to_vec();
        self
    }

    fn what(&self) -> String {
        match (self.index, &self.event_type, &self.id) {
            (None, ..) => "the body is not a valid event payload".to_owned(),
            (Some(index), Some(event_type), Some(id)) => {
                format!("event {index} ({event_type}, id {id}) cannot be read")
            }
            (Some(index), ..) => format!("event {index} cannot be read"),
        }
    }
}

/// Does not show the raw event, which may contain secrets.
impl fmt::Debug for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
