//! All event types and all quirks of the service, from `tests/fixtures/events`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use acs_recording::{Event, EventPayload, EventSchema, Events, InvalidEvent, RecordingMetadata};
use serde_json::Value;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn read(file: &Path) -> Vec<Result<Event, InvalidEvent>> {
    Events::parse(&fs::read(file).unwrap()).collect()
}

/// Everything that the API exposes about events.
fn show(events: &[Result<Event, InvalidEvent>]) -> String {
    let mut text = String::new();
    for event in events {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                writeln!(text, "error: {error}\n").unwrap();
                continue;
            }
        };
        writeln!(text, "{event} ({:?})", event.schema).unwrap();
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                writeln!(text, "  {name}: {value}").unwrap();
            }
        };
        line("source", event.source.as_deref());
        line("subject", event.subject.as_deref());
        line("time", event.time.map(|time| time.to_string()).as_deref());
        line("version", event.version.as_deref());
        line("data version", event.data_version.as_deref());
        line("content type", event.data_content_type.as_deref());
        line(
            "recording",
            event.recording_id().as_ref().map(AsRef::as_ref),
        );
        line(
            "server call",
            event.server_call_id().as_ref().map(AsRef::as_ref),
        );
        line(
            "connection",
            event.call_connection_id().as_ref().map(AsRef::as_ref),
        );
        line("correlation", event.correlation_id());
        line("context", event.operation_context());
        for (name, value) in event.attributes() {
            line(name, Some(value));
        }
        line(
            "binary",
            event
                .binary_data()
                .map(|data| format!("{} bytes", data.len()))
                .as_deref(),
        );
        if *event.payload() == EventPayload::Unknown {
            line("data", Some(event.raw_data()));
        }
        writeln!(text, "{:#?}\n", event.payload()).unwrap();
    }
    text
}

fn snapshots(folder: &str) {
    for file in fixtures(folder) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let name = format!("{}__{name}", folder.rsplit('/').next().unwrap());
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "snapshots/events" }, {
            insta::assert_snapshot!(name, show(&read(&file)));
        });
    }
}

#[test]
fn callbacks() {
    snapshots("events/callbacks");
}

#[test]
fn events_of_event_grid() {
    snapshots("events/event-grid");
}

#[test]
fn events_of_event_grid_as_cloud_events() {
    snapshots("events/cloud-events");
}

#[test]
fn quirks() {
    snapshots("events/quirks");
}

/// Fixtures for all wrappers in which events are found.
#[test]
fn wrapped_events_are_found() {
    let plain = |folder: &str| {
        let file = fixtures(folder);
        let name = "RecordingFileStatusUpdated.json";
        let file = file.iter().find(|file| file.ends_with(name)).unwrap();
        read(file).remove(0).unwrap()
    };
    let expected = [plain("events/event-grid"), plain("events/cloud-events")];
    let mut text = String::new();
    for file in fixtures("events/wrapped") {
        writeln!(text, "{}", file.file_name().unwrap().to_str().unwrap()).unwrap();
        for event in read(&file) {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    writeln!(text, "  error: {error}").unwrap();
                    continue;
                }
            };
            let same = expected
                .iter()
                .find(|it| it.schema == event.schema)
                .unwrap();
            let name = file.display();
            assert_eq!(event.payload(), same.payload(), "{name}");
            let members = |event: &Event| {
                let (source, subject) = (event.source.clone(), event.subject.clone());
                (event.id.clone(), source, subject, event.time)
            };
            assert_eq!(members(&event), members(same), "{name}");
            let json = |event: &Event| serde_json::from_str::<Value>(event.raw_data()).unwrap();
            assert_eq!(json(&event), json(same), "{name}");
            // It can be serialized and parsed again.
            let kept = serde_json::to_vec(&event).unwrap();
            let again = Events::parse(&kept).next().unwrap().unwrap();
            assert_eq!(format!("{event:?}"), format!("{again:?}"), "{name}");
            let attributes = event
                .attributes()
                .map(|(name, value)| format!(" {name}={value}"));
            writeln!(text, "  event{}", attributes.collect::<String>()).unwrap();
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "snapshots/events" }, {
        insta::assert_snapshot!("wrapped", text);
    });
}

#[test]
fn every_known_type_has_a_fixture() {
    let seen: BTreeSet<_> = [
        "events/callbacks",
        "events/event-grid",
        "events/cloud-events",
    ]
    .into_iter()
    .flat_map(fixtures)
    .flat_map(|file| read(&file))
    .map(|event| {
        let event = event.unwrap();
        assert_ne!(event.payload(), &EventPayload::Unknown, "{event}");
        event.event_type
    })
    .collect();
    let known: BTreeSet<_> = EventPayload::KNOWN_TYPES
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(seen, known);
}

/// Converts an event to the other schema.
fn translate(event: &Value) -> Value {
    const NAMES: [(&str, &str); 3] = [
        ("eventType", "type"),
        ("topic", "source"),
        ("eventTime", "time"),
    ];
    let mut other = event.clone();
    let members = other.as_object_mut().unwrap();
    let to_cloud = members.contains_key("eventType");
    for (grid, cloud) in NAMES {
        let (from, to) = if to_cloud {
            (grid, cloud)
        } else {
            (cloud, grid)
        };
        if let Some(value) = members.remove(from) {
            members.insert(to.to_owned(), value);
        }
    }
    other
}

#[test]
fn both_schemas_and_all_wrappers_give_the_same_event() {
    for folder in [
        "events/callbacks",
        "events/event-grid",
        "events/cloud-events",
    ] {
        for file in fixtures(folder) {
            let body: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let event = body.as_array().map_or(&body, |events| &events[0]);
            let expected = read(&file).remove(0).unwrap();
            let other = translate(event);
            for (body, copies) in [
                (event.to_string(), 1),
                (format!(" [{event}]\n"), 1),
                (other.to_string(), 1),
                (format!("\u{feff}[{other}, {event}, {other}]"), 3),
                (serde_json::to_string_pretty(&other).unwrap(), 1),
            ] {
                let events: Vec<_> = Events::parse(body.as_bytes()).map(Result::unwrap).collect();
                assert_eq!(events.len(), copies);
                for event in events {
                    assert_eq!(event.payload(), expected.payload(), "{}", file.display());
                    assert_eq!(
                        (&event.id, &event.source, &event.subject, event.time),
                        (
                            &expected.id,
                            &expected.source,
                            &expected.subject,
                            expected.time
                        )
                    );
                }
            }
        }
    }
}

#[test]
fn binary_mode_and_delivery_headers() {
    let file = fixtures("events/cloud-events")
        .into_iter()
        .find(|file| file.ends_with("RecordingFileStatusUpdated.json"))
        .unwrap();
    let expected = read(&file).remove(0).unwrap();
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("ce-id", expected.id.as_str()),
        ("ce-type", &expected.event_type),
        ("ce-source", expected.source.as_deref().unwrap()),
        ("ce-subject", expected.subject.as_deref().unwrap()),
        ("ce-time", "2026-02-03T11:00:00Z"),
        ("ce-specversion", "1.0"),
        ("ce-traceparent", "00-a-b-01"),
        ("content-type", "application/json"),
        ("aeg-event-type", "Notification"),
        ("aeg-subscription-name", "FILES"),
        ("aeg-delivery-count", "2"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let event = Events::from_request(&headers, expected.raw_data().as_bytes())
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(event.payload(), expected.payload());
    assert_eq!(event.schema, EventSchema::CloudEvents);
    assert_eq!(event.attribute("traceparent"), Some("\"00-a-b-01\""));
    let delivery = event.delivery().unwrap();
    assert_eq!(
        (delivery.subscription.as_deref(), delivery.count),
        (Some("FILES"), Some(2))
    );

    // The same headers without those of binary mode: the body is the event.
    headers.remove("ce-id");
    let event = Events::from_request(&headers, &fs::read(&file).unwrap())
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (event.payload(), event.delivery().unwrap().count),
        (expected.payload(), Some(2))
    );
}

#[test]
fn metadata_documents() {
    for file in fixtures("metadata") {
        let name = format!("metadata__{}", file.file_stem().unwrap().to_str().unwrap());
        let document = fs::read_to_string(&file).unwrap();
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        let marked = format!("\u{feff}{document}");
        let wide: Vec<_> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [marked.as_bytes(), &wide] {
            assert_eq!(RecordingMetadata::parse(bytes).unwrap(), metadata);
        }
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "snapshots/events" }, {
            insta::assert_debug_snapshot!(name, metadata);
        });
    }
}

/// Reads every event in a folder of samples: `ACS_EVENT_SAMPLES=<folder> cargo test … -- --ignored`.
#[test]
#[ignore = "needs a folder of samples in ACS_EVENT_SAMPLES"]
#[allow(clippy::print_stderr, reason = "it reports its result")]
fn samples() {
    let Some(folder) = std::env::var_os("ACS_EVENT_SAMPLES") else {
        eprintln!("skipped: ACS_EVENT_SAMPLES is not set");
        return;
    };
    let (mut events, mut folders) = (0, vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let body = fs::read(&path).unwrap();
            let json: Value = serde_json::from_slice(&body).unwrap();
            let first = json.as_array().map_or(&json, |events| &events[0]);
            if first.get("eventType").or(first.get("type")).is_none() {
                eprintln!("not an event: {}", path.display());
                continue;
            }
            for event in Events::parse(&body) {
                let event = event.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_ne!(
                    event.payload(),
                    &EventPayload::Unknown,
                    "{}",
                    path.display()
                );
                events += 1;
            }
        }
    }
    eprintln!("{events} events read");
    assert!(events > 0);
}
