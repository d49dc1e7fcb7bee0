//! Mutated and generated input for all parsers of external data.
//!
//! Each target runs briefly. For a longer run, use `ACS_FUZZ_SECONDS=600 cargo test --release -p
//! acs-recording --test events_fuzz -- --nocapture`. A failure contains its seed. Set
//! `ACS_FUZZ_SEED` to it to begin there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use acs_recording::{
    CommunicationIdentifier, ConnectionString, DocumentId, Events, GroupCallId, RecordingId,
    RecordingMetadata, RoomId, ServerCallId,
};
use fastrand::Rng;

/// Pieces that are difficult for parsers.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:59.9999999+14:00",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"/recording/call/",
    b"/serverCallId/",
    b"calling/recordings/",
    b"\"data_base64\":\"",
    b";",
    b"=",
    b"accesskey=",
    b"endpoint=",
    b"\n{",
    b"\n[",
    b"\\\"",
    b"eyJpZCI6IjEiLCJ0eXBlIjoieCJ9",
    b"\"content\":",
    b"\"body\":\"",
    b"{\"event\":",
    b"{\"Data\":{\"a\":",
    b"},\"Metadata\":{}}",
    b"<QueueMessagesList>",
    b"<QueueMessage>",
    b"<MessageText>",
    b"&#x22;",
    b"4:",
    b"8:acs:",
    b"_",
    b"\x00",
    b" ",
];

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = rng.choice(seeds).unwrap().clone();
    for _ in 0..rng.usize(0..8) {
        let at = rng.usize(0..=input.len());
        let end = rng.usize(at..=input.len().min(at + 40));
        match rng.u8(0..5) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..end, rng.choice(PIECES).unwrap().iter().copied())),
            3 => drop(input.splice(at..at, input[at..end].to_vec())),
            _ if at < input.len() => input[at] = rng.u8(..),
            _ => {}
        }
    }
    input
}

#[allow(clippy::print_stderr, reason = "it reports its result")]
fn run(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let end =
        number("ACS_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = number("ACS_FUZZ_SEED").unwrap_or(1);
    let mut seed = first;
    loop {
        let input = mutate(&mut Rng::with_seed(seed), seeds);
        let begin = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        let text = String::from_utf8_lossy(&input);
        assert!(
            outcome.is_ok(),
            "{name} panics with seed {seed} on {text:?}"
        );
        assert!(
            begin.elapsed().as_secs() < 5,
            "{name} is slow with seed {seed} on {text:?}"
        );
        seed += 1;
        let over = match end {
            Some(end) => seed.is_multiple_of(256) && Instant::now() > end,
            None => seed == first + 2000,
        };
        if over {
            eprintln!("{name}: {} executions", seed - first);
            return;
        }
    }
}

#[test]
fn events() {
    let mut all = seeds("events/quirks");
    all.extend(seeds("events/event-grid"));
    all.extend(seeds("events/callbacks"));
    all.extend(seeds("events/wrapped"));
    run("events", &all, |input| {
        for event in Events::parse(input) {
            match event {
                Ok(event) => {
                    drop((
                        event.recording_id(),
                        event.server_call_id(),
                        event.to_string(),
                    ));
                    // A parsed event can be serialized.
                    let kept = serde_json::to_vec(&event).unwrap();
                    let again = Events::parse(&kept).next().unwrap().unwrap();
                    assert_eq!((again.id, again.event_type), (event.id, event.event_type));
                }
                Err(error) => {
                    assert!(error.to_string().len() < 3000);
                    assert!(error.raw().len() <= input.len() * 3);
                }
            }
        }
    });
}

/// Nested wrappers, in every possible order.
#[test]
fn wrapped_events() {
    use base64::Engine as _;

    let mut all = seeds("events/wrapped");
    all.extend(seeds("events/event-grid"));
    let mut rng = Rng::with_seed(7);
    let wrapped = (0..60).map(|_| {
        let mut body = String::from_utf8_lossy(rng.choice(&all).unwrap()).into_owned();
        for _ in 0..rng.usize(1..4) {
            let base64 = base64::prelude::BASE64_STANDARD.encode(&body);
            body = match rng.u8(0..6) {
                0 => base64,
                1 => serde_json::to_string(&body).unwrap(),
                2 => format!("[{{\"content\": \"{base64}\", \"dequeueCount\": 1}}]"),
                3 => format!("{{\"value\": [{{\"event\": {body}}}]}}"),
                4 => format!("{{\"Data\": {{\"a\": {body}}}, \"Metadata\": {{}}}}"),
                _ => format!("{body}\n{body}"),
            };
        }
        body.into_bytes()
    });
    let wrapped: Vec<_> = wrapped.collect();
    run("wrapped events", &wrapped, |input| {
        for event in Events::parse(input) {
            match event {
                Ok(event) => drop(serde_json::to_vec(&event).unwrap()),
                Err(error) => assert!(error.to_string().len() < 3000),
            }
        }
    });
}

#[test]
fn metadata() {
    run("metadata", &seeds("metadata"), |input| {
        if let Ok(metadata) = RecordingMetadata::parse(input) {
            assert!(metadata.channels().len() <= metadata.participants.len());
            let longest = metadata.pauses.iter().filter_map(|pause| pause.duration);
            assert!(metadata.paused() >= longest.max().unwrap_or_default());
        }
    });
}

#[test]
fn connection_strings() {
    let seeds = [
        &b"endpoint=https://contoso.communication.azure.com/;accesskey=MDEyMzQ1Njc4OWFiY2RlZg=="[..],
        b"Endpoint=http://127.0.0.1:8080;AccessKey=c2VjcmV0c2VjcmV0",
    ];
    run("connection strings", &seeds.map(<[u8]>::to_vec), |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(parsed) = text.parse::<ConnectionString>() {
            assert!(!format!("{parsed:?}").contains("MDEyMzQ1Njc4OWFiY2RlZg"));
        }
    });
}

#[test]
fn identifiers() {
    let seeds = [
        &b"8:acs:a5d3c7e2-4411-4b0d-9c46-2f1c8a7be9d0_00000021-aaaa"[..],
        b"4:+14255550123_7",
        b"8:orgid:a5d3c7e2-4411-4b0d-9c46-2f1c8a7be9d0",
        b"28:gcch:x",
        b"eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiJ4In0",
    ];
    run("identifiers", &seeds.map(<[u8]>::to_vec), |input| {
        let text = String::from_utf8_lossy(input);
        let identifier = CommunicationIdentifier::new(&*text);
        drop(format!("{:?}", identifier.kind()));
        let back = CommunicationIdentifier::from_model(&identifier.to_model());
        assert_eq!(back, Some(identifier));
        drop((
            RecordingId::new(&*text),
            ServerCallId::new(&*text),
            DocumentId::new(&*text),
        ));
        drop((GroupCallId::new(&*text), RoomId::new(&*text)));
    });
}
