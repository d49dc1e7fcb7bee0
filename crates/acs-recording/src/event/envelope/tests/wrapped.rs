//! Events in what carries them, and what is no event.

use super::*;

/// The error that a body is, with its name.
fn named(body: &str, name: &str) -> InvalidEvent {
    let error = one(body).unwrap_err();
    assert!(error.to_string().contains(name), "{body}: {error}");
    error
}

#[test]
fn text_that_is_no_event_is_named() {
    for (body, name) in [
        ("", "empty"),
        ("  \r\n", "empty"),
        ("\u{0}", "empty"),
        ("{", "cut off after 1 bytes"),
        ("[", "cut off after 1 bytes"),
        ("{\"id\": \"1\", \"type\": \"a", "cut off after 22 bytes"),
        ("<html><body>Sign in</body></html>", "an HTML page"),
        ("<!DOCTYPE html>\n<title>502</title>", "an HTML page"),
        ("<?xml version=\"1.0\"?><html/>", "an HTML page"),
        (
            "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>",
            "an error response of Azure Storage (AuthenticationFailed)",
        ),
        ("<a:feed>", "XML (`a:feed`)"),
        (
            "endpoint=https://h.example/;accesskey=c2VjcmV0",
            "a connection string",
        ),
        ("https://contoso.example/v1/objects/1", "a URL"),
        ("{'id': '1', 'eventType': 'x'}", "a literal of Python"),
        ("RecordingFileStatusUpdated", "neither JSON nor base64"),
        ("no events", "neither JSON nor base64"),
        ("RIFF\u{10}\u{0}\u{0}\u{0}WAVEfmt ", "a WAV file"),
    ] {
        let error = named(body, name);
        assert_eq!(error.index, None, "{body:?}: {error}");
        assert_eq!(error.raw(), body.as_bytes());
        assert!(!error.to_string().contains("c2VjcmV0"));
    }
}

#[test]
fn json_that_is_no_event_is_named() {
    let cloud_events = r#"{"cloudEventsVersion": "0.1", "eventType": "Microsoft.Communication.CallStarted",
        "eventID": "1", "source": "/s", "contentType": "application/json", "data": {"a": 1}}"#;
    for (body, name) in [
        (cloud_events, "CloudEvents 0.1"),
        (
            r#"{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {}}}"#,
            "an alert of Azure Monitor",
        ),
        (
            r#"{"validationResponse": "c"}"#,
            "the answer to a validation",
        ),
        (
            r#"{"error": {"code": "Forbidden", "message": "no"}}"#,
            "an error response (Forbidden)",
        ),
        (
            r#"{"recordingStorageInfo": {"recordingChunks": []}}"#,
            "the data of a RecordingFileStatusUpdated event without the event",
        ),
        (
            r#"{"resourceId": "r", "chunkDocumentId": "0-x"}"#,
            "the metadata document",
        ),
        (
            r#"{"value": [{"subscriptionId": "s", "changeType": "created", "resource": "r"}]}"#,
            "a change notification of Microsoft Graph",
        ),
        ("{}", "an empty object"),
        (
            r#"{"content": "hello"}"#,
            "there is no event in its `content`",
        ),
        (r#"{"body": {}, "Body": {}}"#, "it has `body` twice"),
        (
            r#"{"Data": {"x": 1}, "Metadata": {}}"#,
            "without an event in its `Data`",
        ),
        ("7", "invalid type: integer `7`"),
        (r#"{"eventType": "x", "data": {}}"#, "no `id`"),
        (
            r#"{"id": "1", "data": {}}"#,
            "neither `eventType` nor `type`",
        ),
        (
            r#"{"id": "1", "eventType": "Microsoft.Communication.CallStarted", "data": "soon"}"#,
            "`data` is text",
        ),
    ] {
        let error = named(body, name);
        assert_eq!(error.index, Some(0), "{body:?}: {error}");
        assert!(!error.raw().is_empty() && body.contains(str::from_utf8(error.raw()).unwrap()));
    }
    for body in ["[]", " [ ] ", r#"{"value": []}"#, "<QueueMessagesList/>"] {
        assert_eq!(Events::parse(body.as_bytes()).len(), 0, "{body}");
    }
    // What the parser does not know is an event all the same.
    let blob =
        r#"{"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": {"content": "eyJ9"}}"#;
    assert_eq!(one(blob).unwrap().payload(), &EventPayload::Unknown);
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
        (format!("'[{a}]'\n"), &["a"]),
        (format!("b'{a}'\nb'{b}'\n"), &["a", "b"]),
        (format!("[\n{cut},\n{b},\n{c}\n]"), &["!", "b", "c"]),
        (format!("[\n{a}\n,,\n{b}\n]"), &["a", "b"]),
    ] {
        assert_eq!(ids(&body), expected, "{body}");
    }
    for digits in [40, 41, 42, 43] {
        let base64 = &STANDARD.encode(&a)[..digits];
        let error = one(base64).unwrap_err();
        assert!(error.to_string().contains("cut off after"), "{error}");
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

/// Each would take minutes if a step looked at more than its own part.
#[test]
fn the_work_grows_with_the_input_alone() {
    for piece in [
        "{\n",
        "[\n",
        "{\"a\":[\n",
        "[[1],\n",
        "\"\n",
        "\\\"",
        "{\\\"",
        "eyJpZCI6IjEiLCJ0eXBl\n",
        "<QueueMessage/>",
        "<QueueMessage>",
        "<!--",
        "&",
        "{}",
        "[],",
        "\u{feff}\n",
    ] {
        for begin in [
            "",
            "[",
            "\"",
            "<QueueMessagesList>",
            "{\"id\": \"1\", \"type\": \"x\"}\n",
        ] {
            let body = format!("{begin}{}", piece.repeat(100_000 / piece.len()));
            Events::parse(body.as_bytes()).for_each(drop);
        }
    }
    let members: Vec<_> = (0..10_000).map(|n| format!("\"content{n}\":{n}")).collect();
    let members = format!("{{{}}}", members.join(","));
    Events::parse(members.as_bytes()).for_each(drop);
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
    fn any_nesting_gives_the_same_event(wrappers in proptest::collection::vec(0..9_usize, 0..5)) {
        let plain = one(&event_grid()).unwrap();
        let body = wrap_all(&event_grid(), &wrappers);
        let event = one(&body).unwrap();
        prop_assert_eq!(event.payload(), plain.payload());
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

#[test]
fn what_cannot_be_read_is_kept_byte_for_byte() {
    let good = r#"{"id": "1", "eventType": "x", "eventTime": "2025-07-01T12:00:00Z", "data": 1}"#;
    let bad: &[u8] = b"{\"id\": 5, \"sub\xffject\": \"caf\xe9\xe8 \xf0\x9f\"}";
    let cut: &[u8] = b"90b\": \"aHR\xff\xff";
    let posted = [b"[", good.as_bytes(), b", ", bad, b"]"].concat();
    let mut events = Events::parse(&posted);
    assert!(events.next().unwrap().is_ok());
    assert_eq!(events.next().unwrap().unwrap_err().raw(), bad);
    let broken = [b"[", good.as_bytes(), b", ", cut].concat();
    let errors: Vec<_> = Events::parse(&broken).filter_map(Result::err).collect();
    for error in &errors {
        let mut parts = broken.windows(error.raw().len());
        assert!(parts.any(|part| part == error.raw()), "{error}");
    }
    let final_error = errors.last().unwrap();
    assert!(final_error.raw().ends_with(b"aHR\xff\xff"), "{final_error}");
}
