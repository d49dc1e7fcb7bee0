mod wrapped;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::event::{EventPayload, EventSchema};
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

fn event_grid() -> String {
    r#"{
        "id": "4b1c", "topic": "/subscriptions/s/resourcegroups/g/providers/x",
        "subject": "/recording/call/c-1/serverCallId/aHR0cHM6Ly9h/recordingId/eyJQ-_",
        "data": {
            "recordingStorageInfo": {"recordingChunks": [
                {"documentId": "0-weu-d2-01", "index": 1, "endReason": "SessionEnded",
                 "contentLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-01/content/audiowavmultichannel",
                 "metadataLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-01/content/acsmetadata",
                 "deleteLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-01"},
                {"documentId": "0-weu-d2-00", "index": 0, "endReason": "ChunkMaximumTimeExceeded",
                 "contentLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-00/content/audiowavmultichannel",
                 "metadataLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-00/content/acsmetadata"}
            ]},
            "recordingStartTime": "2025-07-11T11:47:19.5303552Z", "recordingDurationMs": 4300,
            "sessionEndReason": "CallEnded", "recordingContentType": "Audio",
            "recordingChannelType": "Unmixed", "recordingFormatType": "Wav", "later": {"x": 1}
        },
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "dataVersion": "1.0", "metadataVersion": "1", "eventTime": "2025-07-11T11:47:30.1234567Z"
    }"#
    .to_owned()
}

fn cloud_event() -> String {
    event_grid()
        .replace("\"eventType\"", "\"type\"")
        .replace("\"topic\"", "\"source\"")
        .replace("\"eventTime\"", "\"time\"")
        .replace(
            "\"dataVersion\": \"1.0\", \"metadataVersion\": \"1\"",
            "\"specVersion\": \"1.0\"",
        )
}

fn one(body: &str) -> Result<Event, InvalidEvent> {
    let mut events = Events::parse(body.as_bytes());
    assert_eq!(events.len(), 1);
    events.next().unwrap()
}

/// Reads an event in one pass. None if it does not have the usual form.
fn read_in_one_pass(json: &str) -> Option<Result<Event, InvalidEvent>> {
    let mut cursor = Cursor::new(json);
    let envelope = Envelope::read(&mut cursor)?;
    cursor.is_at_end().then(|| event_from_envelope(0, envelope))
}

#[test]
fn events_of_the_service_are_read_in_one_pass() {
    let later = event_grid().replace("\"later\": {\"x\": 1}", "\"later\": \"\\u00e9\"");
    for json in [event_grid(), cloud_event(), later] {
        let mut cursor = Cursor::new(&json);
        let envelope = Envelope::read(&mut cursor).unwrap();
        assert!(envelope.file.is_some(), "{json}");
    }
}

proptest! {
    /// Whatever is read in one pass, serde reads in the same way.
    #[test]
    fn both_readers_agree(
        is_cloud_event in any::<bool>(),
        edits in proptest::collection::vec(
            (
                any::<proptest::sample::Index>(),
                0_usize..12,
                prop_oneof![
                    Just("null"), Just("7"), Just("1.50"), Just("\"x\""), Just("{}"), Just("[]"),
                    Just("\\u0041"), Just("\\"), Just(" "), Just("\""), Just(","), Just("\u{e9}"),
                    Just("\"index\": 3,"), Just("\"id\": \"5\","), Just("true"), Just(""),
                ],
            ),
            0..3,
        ),
    ) {
        let mut json = if is_cloud_event { cloud_event() } else { event_grid() };
        for (at, length, text) in edits {
            let at = at.index(json.len());
            let end = (at + length).min(json.len());
            if json.is_char_boundary(at) && json.is_char_boundary(end) {
                json.replace_range(at..end, text);
            }
        }
        if let Some(read) = read_in_one_pass(&json) {
            let show = |event: &Result<Event, InvalidEvent>| match event {
                Ok(event) => format!(
                    "{event:?} {} {:?}",
                    event.raw_data(),
                    event.attributes().collect::<Vec<_>>(),
                ),
                Err(error) => error.to_string(),
            };
            prop_assert_eq!(show(&read), show(&event_from_json(0, &json)), "{}", json);
        }
    }
}

#[test]
fn both_schemas_lead_to_the_same_event() {
    for (body, schema) in [
        (event_grid(), EventSchema::EventGrid),
        (format!(" [{}]", event_grid()), EventSchema::EventGrid),
        (cloud_event(), EventSchema::CloudEvents),
        (
            format!("\u{feff}[{}]\n", cloud_event()),
            EventSchema::CloudEvents,
        ),
    ] {
        let event = one(&body).unwrap();
        assert_eq!(event.schema, schema);
        assert_eq!(event.id, "4b1c");
        assert_eq!(
            event.source.as_deref(),
            Some("/subscriptions/s/resourcegroups/g/providers/x")
        );
        assert_eq!(
            event.time.unwrap().to_string(),
            "2025-07-11T11:47:30.1234567Z"
        );
        assert!(event.raw_data().contains("\"later\": {\"x\": 1}"));
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            panic!("{event:?}");
        };
        assert_eq!(file.recording_id.as_ref().unwrap().as_str(), "eyJQ-_");
        assert_eq!(
            file.server_call_id.as_ref().unwrap().as_str(),
            "aHR0cHM6Ly9h"
        );
        assert_eq!(file.call_id.as_deref(), Some("c-1"));
        assert_eq!(file.duration, Some(std::time::Duration::from_millis(4300)));
        assert_eq!(file.content, Some(RecordingContentType::Audio));
        assert_eq!(file.channel, Some(RecordingChannelType::Unmixed));
        assert_eq!(file.format, Some(RecordingFormatType::Wav));
        let ids: Vec<_> = file
            .chunks
            .iter()
            .map(|chunk| chunk.document_id.as_ref().unwrap().as_str())
            .collect();
        assert_eq!(ids, ["0-weu-d2-00", "0-weu-d2-01"], "in order");
        assert_eq!(file.chunks[0].delete_location, None);
    }
}

#[test]
fn an_unreadable_event_does_not_affect_others() {
    let broken = r#"{"id": "4b1c", "data": "text",
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated"}"#;
    let body = format!(
        r#"[{}, {{"id": "u", "eventType": "Contoso.New", "data": [1]}}, {broken}, 7, {{"id": 1}}, {{}}]"#,
        cloud_event()
    );
    let events: Vec<_> = Events::parse(body.as_bytes()).collect();
    assert!(matches!(
        events[0].as_ref().unwrap().payload(),
        EventPayload::RecordingFileStatusUpdated(_)
    ));
    let unknown = events[1].as_ref().unwrap();
    assert_eq!(
        (unknown.payload(), unknown.raw_data()),
        (&EventPayload::Unknown, "[1]")
    );
    let error = events[2].as_ref().unwrap_err();
    assert_eq!(error.id.as_deref(), Some("4b1c"));
    assert!(error.to_string().contains("`data` is text"), "{error}");
    assert!(events[3..].iter().all(Result::is_err));
    assert_eq!(events.len(), 6);
}

#[test]
fn characters_in_another_encoding_are_replaced() {
    let mut body = event_grid().replace("CallEnded", "Zo\u{eb}").into_bytes();
    let at = body
        .windows(2)
        .position(|it| it == "\u{eb}".as_bytes())
        .unwrap();
    body.splice(at..at + 2, [0xeb]);
    let event = Events::parse(&body).next().unwrap().unwrap();
    assert_eq!(event.id, "4b1c");
    assert!(event.raw_data().contains("Zo\u{fffd}"));
}

#[test]
fn events_of_known_types_need_no_id() {
    let without = event_grid().replace("\"id\": \"4b1c\",", "");
    let event = one(&without).unwrap();
    assert!(event.id.starts_with("sha256-"), "{event}");
    assert_eq!(one(&without).unwrap().id, event.id, "each time the same");
    let other = one(&without.replace("4300", "4301")).unwrap();
    assert_ne!(other.id, event.id);
    let kept = serde_json::to_string(&event).unwrap();
    assert_eq!(one(&kept).unwrap().id, event.id);
}

#[test]
fn unexpected_members_of_the_envelope_are_ignored() {
    let original = event_grid();
    for (member, odd) in [
        ("\"id\": \"4b1c\"", "\"id\": 4"),
        ("\"dataVersion\": \"1.0\"", "\"dataVersion\": 1.0"),
        ("\"metadataVersion\": \"1\"", "\"metadataVersion\": 1"),
        (
            "\"metadataVersion\": \"1\"",
            "\"metadataVersion\": {\"x\": [1, {}]}",
        ),
        (
            "\"topic\": \"/subscriptions/s/resourcegroups/g/providers/x\"",
            "\"topic\": null",
        ),
        (
            "\"topic\": \"/subscriptions/s/resourcegroups/g/providers/x\"",
            "\"topic\": [1, [2]]",
        ),
        (
            "\"topic\": \"/subscriptions/s/resourcegroups/g/providers/x\"",
            "\"topic\": true",
        ),
    ] {
        assert!(original.contains(member), "{member}");
        let event = one(&original.replace(member, odd)).unwrap();
        assert!(
            matches!(event.payload(), EventPayload::RecordingFileStatusUpdated(_)),
            "{odd}"
        );
        assert!(["4b1c", "4"].contains(&event.id.as_str()));
        assert_eq!(event.data_version.as_deref(), Some("1.0"));
    }
}

#[test]
fn deep_and_large_bodies_are_rejected() {
    for (open, close) in [
        ("[", "]"),
        ("{\"body\":", "}"),
        ("{\"a\":", "}"),
        ("{\n", ""),
    ] {
        let deep = open.repeat(100_000);
        assert!(Events::parse(deep.as_bytes()).all(|event| event.is_err()));
        let deep = format!("{deep}1{}", close.repeat(100_000));
        assert!(Events::parse(deep.as_bytes()).all(|event| event.is_err()));
    }
    let blank = " ".repeat(10_000_000);
    assert!(one(&blank).is_err());
}

#[test]
fn unexpected_members_of_the_data_are_ignored() {
    let original = event_grid();
    for (member, odd) in [
        ("\"2025-07-11T11:47:30.1234567Z\"", "\"yesterday\""),
        ("\"2025-07-11T11:47:30.1234567Z\"", "{\"x\": 1}"),
        ("\"2025-07-11T11:47:19.5303552Z\"", "\"yesterday\""),
        (
            "\"recordingDurationMs\": 4300",
            "\"recordingDurationMs\": \"long\"",
        ),
        ("\"index\": 1,", "\"index\": \"one\","),
        ("\"index\": 1,", "\"index\": -1,"),
        (
            "\"https://eu-storage.asm.skype.com/v1/objects/0-weu-d2-01\"",
            "\"nowhere\"",
        ),
    ] {
        assert!(original.contains(member), "{member}");
        let event = one(&original.replace(member, odd)).unwrap();
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            panic!("{event:?}");
        };
        assert_eq!(file.chunks.len(), 2);
        let chunk = file
            .chunks
            .iter()
            .find(|it| it.document_id.as_ref().unwrap().as_str().ends_with("01"));
        let chunk = chunk.unwrap();
        let missing = [
            event.time.is_none(),
            file.start.is_none(),
            file.duration.is_none(),
            chunk.index.is_none(),
            chunk.delete_location.is_none(),
        ];
        let count = missing.into_iter().filter(|missing| *missing).count();
        assert_eq!(count, 1, "{member}: {odd}");
    }

    // In the order in which they came, if their numbers tell none.
    let event = one(&original.replace("\"index\": 0", "\"index\": -1")).unwrap();
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        panic!("{event:?}");
    };
    let first = file.chunks[0].document_id.as_ref().unwrap();
    assert_eq!(first.as_str(), "0-weu-d2-01");

    let handshake = r#"{"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "c", "validationUrl": "nowhere"}}"#;
    let event = one(handshake).unwrap();
    let EventPayload::SubscriptionValidation(validation) = event.payload() else {
        panic!("{event:?}");
    };
    assert_eq!((validation.code.as_str(), &validation.url), ("c", &None));
}

#[test]
fn null_means_that_there_is_no_data() {
    let event = one(r#"{"id": "1", "type": "T", "data": null, "data_base64": "eyJ4IjoxfQ=="}"#);
    let event = event.unwrap();
    assert_eq!(event.raw_data(), r#"{"x":1}"#);
    assert_eq!(event.binary_data(), Some(&br#"{"x":1}"#[..]));
}

fn request(headers: &[(&'static str, &str)], body: &str) -> Event {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let mut events = Events::from_request(&headers, body.as_bytes());
    assert_eq!(events.len(), 1);
    events.next().unwrap().unwrap()
}

#[test]
fn attributes_in_headers_are_decoded() {
    let event = request(
        &[
            ("content-type", "application/json"),
            ("ce-id", "a%20b%E2%82%AC%zz%4"),
            ("ce-type", "\"Contoso.\\\"New\\\"%22\""),
            ("ce-source", "\""),
            ("ce-subject", "%ff"),
            ("ce-time", "0001-01-01T00:00:00Z"),
            ("ce-extension", "1%25"),
        ],
        "{}",
    );
    assert_eq!(event.id, "a b€%zz%4");
    assert_eq!(event.event_type, "Contoso.\"New\"\"");
    assert_eq!(event.source.as_deref(), Some("\""));
    assert_eq!(event.subject, None);
    assert_eq!(event.time, None);
    assert_eq!(event.attribute("extension"), Some("\"1%\""));
    assert_eq!(event.data_content_type.as_deref(), Some("application/json"));
}

#[test]
fn headers_do_not_change_a_structured_event() {
    for content_type in [
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents-batch+json",
    ] {
        let headers = [
            ("content-type", content_type),
            ("ce-id", "h"),
            ("ce-type", "H"),
        ];
        let event = request(&headers, &cloud_event());
        assert_eq!(event.id, "4b1c");
    }
}

proptest! {
    #[test]
    fn no_body_leads_to_a_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        Events::parse(&body).for_each(drop);
    }

    #[test]
    fn no_truncated_or_changed_body_leads_to_a_panic(at in 0..1500_usize, byte in any::<u8>()) {
        let mut body = event_grid().into_bytes();
        let at = at.min(body.len() - 1);
        body[at] = byte;
        Events::parse(&body).for_each(drop);
        Events::parse(&body[..at]).for_each(drop);
    }
}
