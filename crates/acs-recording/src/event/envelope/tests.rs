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
fn what_is_no_event_is_named() {
    let cloud_events = r#"{"cloudEventsVersion": "0.1", "eventType": "Microsoft.Communication.CallStarted",
        "eventID": "1", "source": "/s", "contentType": "application/json", "data": {"a": 1}}"#;
    for (body, name, is_body) in [
        ("", "empty", true),
        ("  \r\n", "empty", true),
        ("\u{0}", "empty", true),
        ("{", "cut off after 1 bytes", true),
        ("[", "cut off after 1 bytes", true),
        (
            "{\"id\": \"1\", \"type\": \"a",
            "cut off after 22 bytes",
            true,
        ),
        ("<html><body>Sign in</body></html>", "an HTML page", true),
        ("<!DOCTYPE html>\n<title>502</title>", "an HTML page", true),
        ("<?xml version=\"1.0\"?><html/>", "an HTML page", true),
        (
            "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>",
            "an error response of Azure Storage (AuthenticationFailed)",
            true,
        ),
        ("<a:feed>", "XML (`a:feed`)", true),
        (
            "endpoint=https://h.example/;accesskey=c2VjcmV0",
            "a connection string",
            true,
        ),
        ("https://contoso.example/v1/objects/1", "a URL", true),
        ("{'id': '1', 'eventType': 'x'}", "a literal of Python", true),
        (
            "RecordingFileStatusUpdated",
            "neither JSON nor base64",
            true,
        ),
        ("no events", "neither JSON nor base64", true),
        ("RIFF\u{10}\u{0}\u{0}\u{0}WAVEfmt ", "a WAV file", true),
        (cloud_events, "CloudEvents 0.1", false),
        (
            r#"{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {}}}"#,
            "an alert of Azure Monitor",
            false,
        ),
        (
            r#"{"validationResponse": "c"}"#,
            "the answer to a validation",
            false,
        ),
        (
            r#"{"error": {"code": "Forbidden", "message": "no"}}"#,
            "an error response (Forbidden)",
            false,
        ),
        (
            r#"{"recordingStorageInfo": {"recordingChunks": []}}"#,
            "the data of a RecordingFileStatusUpdated event without the event",
            false,
        ),
        (
            r#"{"resourceId": "r", "chunkDocumentId": "0-x"}"#,
            "the metadata document",
            false,
        ),
        (
            r#"{"value": [{"subscriptionId": "s", "changeType": "created", "resource": "r"}]}"#,
            "a change notification of Microsoft Graph",
            false,
        ),
        ("{}", "an empty object", false),
        (
            r#"{"content": "hello"}"#,
            "there is no event in its `content`",
            false,
        ),
        (r#"{"body": {}, "Body": {}}"#, "it has `body` twice", false),
        (
            r#"{"Data": {"x": 1}, "Metadata": {}}"#,
            "without an event in its `Data`",
            false,
        ),
        ("7", "invalid type: integer `7`", false),
        (r#"{"eventType": "x", "data": {}}"#, "no `id`", false),
        (
            r#"{"id": "1", "data": {}}"#,
            "neither `eventType` nor `type`",
            false,
        ),
        (
            r#"{"id": "1", "eventType": "Microsoft.Communication.CallStarted", "data": "soon"}"#,
            "`data` is text",
            false,
        ),
    ] {
        let error = one(body).unwrap_err();
        assert!(error.to_string().contains(name), "{body}: {error}");
        assert!(!error.to_string().contains("c2VjcmV0"));
        assert_eq!(error.index.is_none(), is_body, "{body:?}: {error}");
        if is_body {
            assert_eq!(error.raw(), body.as_bytes());
        } else {
            assert!(!error.raw().is_empty() && body.contains(str::from_utf8(error.raw()).unwrap()));
        }
    }
    for body in ["[]", " [ ] ", r#"{"value": []}"#, "<QueueMessagesList/>"] {
        assert_eq!(Events::parse(body.as_bytes()).len(), 0, "{body}");
    }
    // What the parser does not know is an event all the same.
    let blob =
        r#"{"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": {"content": "eyJ9"}}"#;
    assert_eq!(one(blob).unwrap().kind(), &EventKind::Unknown);
}

/// Ids of what could be read, and `!` for what could not.
fn ids(body: &str) -> Vec<String> {
    let id = |event: Result<Event, InvalidEvent>| event.map_or("!".to_owned(), |event| event.id);
    Events::parse(body.as_bytes()).map(id).collect()
}

#[test]
fn whole_events_of_a_broken_body_are_read() {
    let event = |id: &str| format!(r#"{{"id": "{id}", "eventType": "x", "data": [1]}}"#);
    let (a, b, c) = (event("a"), event("b"), event("c"));
    let cut = &b[..20];
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&a).unwrap());
    let pretty = pretty.unwrap();
    for (body, expected) in [
        (format!("[{a}, {b}, {cut}"), &["a", "b", "!"][..]),
        (format!("[{a}, {b}"), &["a", "b", "!"]),
        (format!("[{a}, {b},"), &["a", "b", "!"]),
        (format!("[{a}, 7, {{}}, {b}]"), &["a", "!", "!", "b"]),
        (format!("[{a}] x"), &["a", "!"]),
        (format!("{a}{b}"), &["a", "b"]),
        (format!("{a}\n{b}\n\n[{c}]"), &["a", "b", "c"]),
        (format!("{pretty}\n{pretty}\n{b}"), &["a", "a", "b"]),
        // The last line of a program that was ended.
        (format!("{a}\n{cut}"), &["a", "!"]),
        // And what the next one wrote.
        (format!("{a}\n{cut}\n{b}\n{c}\n"), &["a", "!", "b", "c"]),
        (format!("{a}\n{cut}{b}\n{c}\n"), &["a", "!", "c"]),
        (format!("WARNING: x\n{pretty}\n"), &["!", "a"]),
        (format!("[\n{cut},\n{b},\n{c}\n]"), &["!", "b", "c"]),
        (format!("[\n{a}\n,,\n{b}\n]"), &["a", "b"]),
    ] {
        assert_eq!(ids(&body), expected, "{body}");
    }
    let error = Events::parse(format!("[{a}, {cut}").as_bytes())
        .last()
        .unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.raw(), cut.as_bytes(), "what is left can be kept");
    assert!(error.to_string().contains("event 1"), "{error}");
    assert!(
        error.to_string().contains("cut off after 20 bytes"),
        "{error}"
    );
}

#[test]
fn letters_in_another_encoding_cost_no_event() {
    let mut body = event_grid().replace("CallEnded", "Zo\u{eb}").into_bytes();
    let at = body
        .windows(2)
        .position(|it| it == "\u{eb}".as_bytes())
        .unwrap();
    body.splice(at..at + 2, [0xeb]);
    let event = Events::parse(&body).next().unwrap().unwrap();
    assert_eq!(event.id, "4b1c");
    assert!(event.data().contains("Zo\u{fffd}"));
}

#[test]
fn an_event_is_no_wrapper() {
    let inside = event_grid().replace("4b1c", "inside");
    for event in [
        format!(r#"{{"id": "1", "type": "x", "event": {inside}, "content": {inside}}}"#),
        format!(r#"{{"id": "1", "eventType": "x", "value": [{inside}], "body": "e30="}}"#),
        format!(r#"{{"id": "1", "type": "x", "Data": {{"a": {inside}}}, "Metadata": {{}}}}"#),
        format!(r#"{{"id": "1", "type": "Buffer", "data": {inside}}}"#),
        format!(r#"{{"type": "x", "specversion": "1.0", "id": "1", "data": [{inside}]}}"#),
    ] {
        // Also in company that needs a closer look.
        for body in [
            event.clone(),
            format!("[{event}, 7]"),
            format!("{{\"body\": {event}}}"),
        ] {
            let first = Events::parse(body.as_bytes()).next().unwrap().unwrap();
            assert_eq!(first.id, "1", "{body}");
        }
    }
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
fn odd_members_of_the_envelope_cost_no_event() {
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
            matches!(event.kind(), EventKind::RecordingFileStatusUpdated(_)),
            "{odd}"
        );
        assert!(["4b1c", "4"].contains(&event.id.as_str()));
        assert_eq!(event.data_version.as_deref(), Some("1.0"));
    }
}

#[test]
fn attributes_of_wrappers_are_few_and_short() {
    let long = "x".repeat(600);
    let event = r#"{"id": "1", "type": "x", "lockToken": "its own"}"#;
    let body = format!(
        r#"{{"id": "outer", "popReceipt": "outer", "insertionTime": {{}}, "enqueuedTime": null, "body":
            {{"id": "inner", "dequeue_count": 3, "lockToken": "t", "sequenceNumber": "{long}",
              "content": {event}}}}}"#
    );
    let event = one(&body).unwrap();
    let attributes: Vec<_> = event.attributes().collect();
    assert_eq!(
        attributes,
        [
            ("lockToken", "\"its own\""),
            ("messageId", "\"inner\""),
            ("dequeueCount", "3"),
            ("popReceipt", "\"outer\""),
        ]
    );
}

#[test]
fn only_so_many_errors_are_kept() {
    for body in [format!("[{}1]", "1,".repeat(50_000)), "1\n".repeat(50_000)] {
        let events: Vec<_> = Events::parse(body.as_bytes()).collect();
        assert!((10_000..10_010).contains(&events.len()), "{}", events.len());
        let last = events.last().unwrap().as_ref().unwrap_err();
        assert!(
            last.to_string().contains("more than 10,000 elements"),
            "{last}"
        );
        assert!(!last.raw().is_empty());
    }
    // A file may hold as many events as it likes.
    let event = "{\"id\": \"1\", \"type\": \"x\"}\n";
    assert_eq!(Events::parse(event.repeat(12_000).as_bytes()).len(), 12_000);
}

#[test]
fn depth_and_size_are_survived() {
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
fn odd_members_cost_no_event() {
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
        let EventKind::RecordingFileStatusUpdated(file) = event.kind() else {
            panic!("{event:?}");
        };
        assert_eq!(file.chunks.len(), 2);
        let chunk = file
            .chunks
            .iter()
            .find(|it| it.document_id.as_str().ends_with("01"));
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
    let EventKind::RecordingFileStatusUpdated(file) = event.kind() else {
        panic!("{event:?}");
    };
    assert_eq!(file.chunks[0].document_id.as_str(), "0-weu-d2-01");

    let handshake = r#"{"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "c", "validationUrl": "nowhere"}}"#;
    let event = one(handshake).unwrap();
    let EventKind::SubscriptionValidation(question) = event.kind() else {
        panic!("{event:?}");
    };
    assert_eq!((question.code.as_str(), &question.url), ("c", &None));
}

#[test]
fn null_is_no_data() {
    let event = one(r#"{"id": "1", "type": "T", "data": null, "data_base64": "eyJ4IjoxfQ=="}"#);
    let event = event.unwrap();
    assert_eq!(event.data(), r#"{"x":1}"#);
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
fn a_structured_event_is_one_whatever_the_headers_repeat() {
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

/// One more wrapper around a body.
fn wrap(body: &str, how: usize) -> String {
    let text = serde_json::Value::from(body);
    let base64 = STANDARD.encode(body);
    match how {
        0 => format!(" [{body}]\r\n"),
        1 => text.to_string(),
        2 => base64,
        3 => format!("{{\"event\": {body}, \"brokerProperties\": {{\"lockToken\": \"t\"}}}}"),
        4 => format!("{{\"content\": \"{base64}\", \"id\": \"m\", \"dequeueCount\": 1}}"),
        5 => format!("{{\"body\": {text}}}"),
        6 => format!("{{\"Data\": {{\"a\": {text}}}, \"Metadata\": {{}}}}"),
        7 => format!("{{\"value\": [{body}]}}"),
        _ => format!(
            "<QueueMessagesList><QueueMessage><MessageText>{base64}</MessageText></QueueMessage>\
             </QueueMessagesList>"
        ),
    }
}

/// Wrappers around each other. Where JSON is needed and the inner one is none, it becomes text.
fn wrap_all(event: &str, wrappers: &[usize]) -> String {
    wrappers.iter().fold(event.to_owned(), |body, how| {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        let body = match (is_json, how) {
            (false, 0 | 3 | 7) => serde_json::Value::from(body).to_string(),
            _ => body,
        };
        wrap(&body, *how)
    })
}

#[test]
fn there_is_an_end_to_unwrapping() {
    let event = r#"{"id": "1", "type": "x"}"#;
    // Each is two layers.
    assert_eq!(ids(&wrap_all(event, &[7; 8])), ["1"]);
    let error = one(&wrap_all(event, &[7; 9])).unwrap_err();
    assert!(
        error.to_string().contains("more than 16 wrappers"),
        "{error}"
    );
    // What is kept of it can be read in a second step.
    assert_eq!(ids(str::from_utf8(error.raw()).unwrap()), ["1"]);
    // Quotation marks of text in text grow quickly.
    assert_eq!(ids(&wrap_all(event, &[1; 16])), ["1"]);
    assert_eq!(ids(&wrap_all(event, &[1; 17])), ["!"]);
    assert_eq!(ids(&wrap_all(event, &[2; 16])), ["1"]);
    assert_eq!(ids(&wrap_all(event, &[2; 17])), ["!"]);
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

    #[test]
    fn any_nesting_gives_the_same_event(wrappers in proptest::collection::vec(0..9_usize, 0..5)) {
        let plain = one(&event_grid()).unwrap();
        let body = wrap_all(&event_grid(), &wrappers);
        let event = one(&body).unwrap();
        prop_assert_eq!(event.kind(), plain.kind());
        prop_assert_eq!(&event.id, &plain.id);
        prop_assert_eq!(event.time, plain.time);
        // It can be written down and read again with what the wrappers say.
        let again = one(&serde_json::to_string(&event).unwrap()).unwrap();
        prop_assert_eq!(format!("{event:?}"), format!("{again:?}"));
    }

    #[test]
    fn no_change_of_a_wrapper_makes_it_panic(
        wrappers in proptest::collection::vec(0..9_usize, 0..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = wrap_all(r#"{"id": "1", "type": "x", "data": {}}"#, &wrappers).into_bytes();
        let at = at.index(body.len());
        Events::parse(&body[..at]).for_each(drop);
        body[at] = byte;
        Events::parse(&body).for_each(drop);
    }
}
