use proptest::prelude::*;

use super::*;
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

#[test]
fn both_schemas_give_the_same_event() {
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
        assert!(event.data().contains("\"later\": {\"x\": 1}"));
        let EventKind::RecordingFileStatusUpdated(file) = event.kind() else {
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
            .map(|chunk| chunk.document_id.as_str())
            .collect();
        assert_eq!(ids, ["0-weu-d2-00", "0-weu-d2-01"], "in order");
        assert_eq!(file.chunks[0].delete_location, None);
    }
}

#[test]
fn one_bad_event_takes_no_other_with_it() {
    let broken = event_grid().replace(
        "\"contentLocation\": \"https",
        "\"contentLocation\": \"hppts",
    );
    let body = format!(
        r#"[{}, {{"id": "u", "eventType": "Contoso.New", "data": [1]}}, {broken}, 7, {{"id": 1}}, {{}}]"#,
        cloud_event()
    );
    let events: Vec<_> = Events::parse(body.as_bytes()).collect();
    assert!(matches!(
        events[0].as_ref().unwrap().kind(),
        EventKind::RecordingFileStatusUpdated(_)
    ));
    let unknown = events[1].as_ref().unwrap();
    assert_eq!(
        (unknown.kind(), unknown.data()),
        (&EventKind::Unknown, "[1]")
    );
    let error = events[2].as_ref().unwrap_err();
    assert_eq!(error.id.as_deref(), Some("4b1c"));
    assert!(error.to_string().contains("content location"), "{error}");
    assert!(events[3..].iter().all(Result::is_err));
    assert_eq!(events.len(), 6);
}

#[test]
fn a_body_that_is_no_events_is_one_error() {
    for body in ["", "   ", "{", "[{\"id\":1},", "<html>", "\u{0}", "[1] x"] {
        let error = one(body).unwrap_err();
        assert_eq!(error.index, None, "{body:?}");
    }
    assert_eq!(Events::parse(b"[]").len(), 0);
}

#[test]
fn depth_and_size_are_survived() {
    let deep = "[".repeat(100_000);
    assert!(one(&deep).is_err());
    let blank = " ".repeat(10_000_000);
    assert!(one(&blank).is_err());
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        Events::parse(&body).for_each(drop);
    }

    #[test]
    fn no_cut_or_change_makes_it_panic(at in 0..1500_usize, byte in any::<u8>()) {
        let mut body = event_grid().into_bytes();
        let at = at.min(body.len() - 1);
        body[at] = byte;
        Events::parse(&body).for_each(drop);
        Events::parse(&body[..at]).for_each(drop);
    }
}
