//! From the body of a message to events.

use acs_recording::{Event, Events, InvalidEvent};

use crate::error::{Error, ErrorKind};
use crate::queue::Message;

/// The events of a message, as Event Grid puts them into a queue: one event as a JSON object, in
/// base64 or plain, in either schema. Arrays are read, too.
///
/// What cannot be read is an error of kind [`ErrorKind::InvalidEvent`], beside the events that can.
pub(crate) fn events(message: &Message) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    let mut unreadable: Option<InvalidEvent> = None;
    for event in Events::parse(&message.body) {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                unreadable = Some(error);
            }
        }
    }
    let id = &message.id;
    let problem = match (unreadable, events.is_empty()) {
        (Some(error), true) => format!("message {id} holds no readable event: {error}"),
        (Some(error), false) => format!("message {id} holds an unreadable event: {error}"),
        (None, true) => format!("message {id} holds no event"),
        (None, false) => return (events, None),
    };
    (events, Some(Error::new(ErrorKind::InvalidEvent, problem)))
}

#[cfg(test)]
mod tests {
    use acs_recording::EventPayload;
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;
    use crate::error::Result;

    const EVENT_GRID: &str = r#"{"id": "1", "topic": "/t", "subject": "/s", "eventTime":
        "2026-01-01T00:00:00Z", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "data": {}, "dataVersion": "1.0", "metadataVersion": "1"}"#;
    const CLOUD_EVENT: &str = r#"{"id": "1", "source": "/t", "specversion": "1.0",
        "type": "Microsoft.Communication.RecordingFileStatusUpdated", "data": {}}"#;

    fn read(body: impl Into<bytes::Bytes>) -> Result<Vec<Event>> {
        match events(&Message::new("m", body, "r")) {
            (events, None) => Ok(events),
            (_, Some(error)) => Err(error),
        }
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
    fn events_are_read_however_tools_encode_them() {
        let with_mark = format!("\u{feff}{EVENT_GRID}");
        let utf16: Vec<u8> = with_mark
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let encoded = BASE64_STANDARD.encode(EVENT_GRID);
        let lines = encoded.as_bytes().chunks(76);
        let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
        for (name, body) in [
            ("a byte order mark", with_mark.clone()),
            (
                "a byte order mark in base64",
                BASE64_STANDARD.encode(with_mark),
            ),
            ("UTF-16 in base64", BASE64_STANDARD.encode(utf16)),
            ("base64 for URLs", BASE64_URL_SAFE_NO_PAD.encode(EVENT_GRID)),
            ("base64 in lines", lines.join("\r\n")),
            ("base64 twice", BASE64_STANDARD.encode(&encoded)),
            ("white space around", format!(" \n{encoded}\n")),
        ] {
            let events = read(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(events.len(), 1, "{name}");
        }
    }

    #[test]
    fn an_event_of_100_chunks_fits_into_a_message() {
        let chunks: Vec<_> = (0..100)
            .map(|index| {
                let document = format!("0-eus-d1-{index:032x}");
                let objects = format!("https://us-api.asm.skype.com/v1/objects/{document}");
                serde_json::json!({
                    "documentId": document,
                    "index": index,
                    "endReason": "ChunkMaximumTimeExceeded",
                    "contentLocation": format!("{objects}/content/audio"),
                    "metadataLocation": format!("{objects}/content/acsmetadata"),
                    "deleteLocation": objects,
                })
            })
            .collect();
        let mut event: serde_json::Value = serde_json::from_str(EVENT_GRID).unwrap();
        event["data"]["recordingStorageInfo"]["recordingChunks"] = chunks.into();
        let body = BASE64_STANDARD.encode(event.to_string());
        assert!(body.len() <= 64 << 10, "{}", body.len());
        let events = read(body).unwrap();
        let EventPayload::RecordingFileStatusUpdated(file) = events[0].payload() else {
            panic!("{events:?}");
        };
        assert_eq!(file.chunks.len(), 100);
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
