//! From the body of a message to events.

use acs_recording::{Event, Events};

use crate::error::{Error, ErrorKind, Result};
use crate::queue::Message;

/// The events of a message, as Event Grid puts them into a queue: one event as a JSON object, in
/// base64 or plain, in either schema. Arrays are read, too.
///
/// # Errors
/// [`ErrorKind::InvalidEvent`] if any part of it cannot be read.
pub(crate) fn events(message: &Message) -> Result<Vec<Event>> {
    let events: Result<Vec<_>, _> = Events::parse(&message.body).collect();
    let events = events.map_err(|error| {
        let text = format!("message {} holds no readable event: {error}", message.id);
        Error::new(ErrorKind::InvalidEvent, text)
    })?;
    if events.is_empty() {
        let text = format!("message {} holds no event", message.id);
        return Err(Error::new(ErrorKind::InvalidEvent, text));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    const EVENT_GRID: &str = r#"{"id": "1", "topic": "/t", "subject": "/s", "eventTime":
        "2026-01-01T00:00:00Z", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "data": {}, "dataVersion": "1.0", "metadataVersion": "1"}"#;
    const CLOUD_EVENT: &str = r#"{"id": "1", "source": "/t", "specversion": "1.0",
        "type": "Microsoft.Communication.RecordingFileStatusUpdated", "data": {}}"#;

    fn read(body: impl Into<bytes::Bytes>) -> Result<Vec<Event>> {
        events(&Message::new("m", body, "r"))
    }

    #[test]
    fn events_are_read_in_both_schemas_and_encodings() {
        for event in [EVENT_GRID, CLOUD_EVENT] {
            let array = format!("[{event}, {event}]");
            for (text, count) in [(event, 1), (array.as_str(), 2)] {
                let encoded = BASE64_STANDARD.encode(text);
                for body in [text.to_owned(), encoded] {
                    let events = read(body.clone()).unwrap();
                    assert_eq!(events.len(), count, "{body}");
                    assert_eq!(events[0].id, "1");
                }
            }
        }
    }

    #[test]
    fn a_message_without_an_event_is_an_error_without_its_body() {
        let whole = format!("[{EVENT_GRID}, {{\"id\": \"s3cret\"}}]");
        for body in [
            "",
            "s3cret",
            "[]",
            "{}",
            "AAAA",
            "czNjcmV0",
            "{\"a\": 1",
            &whole,
        ] {
            let error = read(body.to_owned()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEvent, "{body}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        assert!(read(vec![0xff, 0xfe, 0x00]).is_err());
    }
}
