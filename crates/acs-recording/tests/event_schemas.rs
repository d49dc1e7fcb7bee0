//! The schemas in `spec/events` accept the fixtures and reject other data.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};

use acs_recording::{EventPayload, Events};
use jsonschema::Validator;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Validator {
    let path = root().join(format!("../../spec/events/{name}.schema.json"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    jsonschema::validator_for(&serde_json::from_slice(&text).unwrap()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Validates all readable events of known types in a folder, and returns their number.
fn validate(folder: &Path) -> usize {
    let mut count = 0;
    for file in files(folder) {
        for event in Events::parse(&fs::read(&file).unwrap()).flatten() {
            if *event.payload() == EventPayload::Unknown {
                continue;
            }
            let schema = schema(event.event_type.rsplit('.').next().unwrap());
            let data: Value = serde_json::from_str(event.raw_data()).unwrap();
            let errors: Vec<_> = schema
                .iter_errors(&data)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", file.display());
            count += 1;
        }
    }
    count
}

#[test]
fn every_known_type_has_a_schema() {
    const NEED_MEMBERS: [&str; 1] = ["Microsoft.EventGrid.SubscriptionValidationEvent"];
    for name in EventPayload::KNOWN_TYPES {
        let takes_nothing = schema(name.rsplit('.').next().unwrap()).is_valid(&json!({}));
        assert_eq!(takes_nothing, !NEED_MEMBERS.contains(name), "{name}");
    }
}

#[test]
fn fixtures_are_valid() {
    assert!(validate(&root().join("tests/fixtures/events")) > 80);
    let schema = schema("RecordingMetadata");
    for file in files(&root().join("tests/fixtures/metadata")) {
        let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert!(schema.is_valid(&document), "{}", file.display());
    }
}

#[test]
fn other_data_is_invalid() {
    for (name, data) in [
        (
            "RecordingFileStatusUpdated",
            json!({"recordingStorageInfo": {"recordingChunks": 1}}),
        ),
        ("RecordingStateChanged", json!({"state": 1})),
        ("CallEnded", json!({"callDurationInSeconds": "long"})),
        ("CallConnected", json!({"serverCallId": []})),
        ("ParticipantsUpdated", json!({"participants": {}})),
        ("SubscriptionValidationEvent", json!({})),
        (
            "RecordingMetadata",
            json!({"participants": [{"channel": 0}]}),
        ),
        ("RecordingMetadata", json!([])),
    ] {
        assert!(!schema(name).is_valid(&data), "{name}: {data}");
    }
}

/// The same for a folder of samples in `ACS_EVENT_SAMPLES`.
#[test]
#[ignore = "needs a folder of samples in ACS_EVENT_SAMPLES"]
#[allow(clippy::print_stderr, reason = "it reports its result")]
fn samples_are_valid() {
    match std::env::var_os("ACS_EVENT_SAMPLES") {
        Some(folder) => eprintln!("{} events validated", validate(Path::new(&folder))),
        None => eprintln!("skipped: ACS_EVENT_SAMPLES is not set"),
    }
}
