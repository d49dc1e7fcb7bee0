//! Deliveries of events: the body, and after the first NUL the header lines.

#![no_main]

use acs_recording::{Error, Event, Events, Result};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let body = parts.next().unwrap_or_default();
    let headers = headers(parts.next().unwrap_or_default());
    for event in Events::parse(body).chain(Events::from_request(&headers, body)) {
        match event {
            Ok(event) => check_round_trip(&event),
            Err(error) => {
                let shown = format!("{error} {error:?}");
                assert!(shown.len() < 16 * 1024, "{} bytes of error", shown.len());
                // A part of the input, in which each invalid byte can become three.
                assert!(error.raw().len() <= 3 * body.len());
                drop(Error::from(error));
            }
        }
    }
});

fn headers(lines: &[u8]) -> HeaderMap {
    let lines = lines.split(|byte| *byte == b'\n');
    let named = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        Some((name, HeaderValue::from_bytes(&value[1..]).ok()?))
    });
    named.collect()
}

/// A parsed event can be serialized, and the result parses to an equal event.
fn check_round_trip(event: &Event) {
    drop((event.recording_id(), event.server_call_id()));
    drop(format!("{event} {event:?}"));
    let written = serde_json::to_string(event).expect("events can be serialized");
    let again: Vec<_> = Events::parse(written.as_bytes())
        .collect::<Result<_, _>>()
        .expect("a serialized event is parsable");
    let [again] = &again[..] else {
        panic!("one event became {} events: {written}", again.len());
    };
    assert_eq!(again.id, event.id, "{written}");
    assert_eq!(again.event_type, event.event_type, "{written}");
    assert_eq!(again.raw_data(), event.raw_data(), "{written}");
    assert_eq!(again.binary_data(), event.binary_data(), "{written}");
    assert_eq!(
        format!("{:?}", again.payload()),
        format!("{:?}", event.payload()),
        "{written}"
    );
}
