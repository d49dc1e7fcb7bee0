//! Events as the command line prints them.

use std::collections::BTreeMap;

use acs_recording::{Event, EventSchema};
use base64::Engine as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::text::{compact_json, json_object};

/// An event as a JSON object, with its data and attributes unchanged.
pub(super) fn event_json(event: &Event) -> String {
    const OWN: [&str; 6] = [
        "schema",
        "recording_id",
        "server_call_id",
        "call_connection_id",
        "known",
        "data_base64",
    ];
    let mut attributes = BTreeMap::new();
    for (name, value) in event.attributes() {
        match (name, serde_json::from_str(value)) {
            // Printed events may be parsed again.
            ("attributes", Ok(earlier)) => {
                let earlier: BTreeMap<String, Box<RawValue>> = earlier;
                let earlier = earlier.into_iter();
                attributes.extend(earlier.map(|(name, value)| (name, compact_json(value.get()))));
            }
            _ if OWN.contains(&name) => {}
            _ => {
                attributes.insert(name.to_owned(), compact_json(value));
            }
        }
    }
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| (name.as_str(), value.clone()));
    let schema = match event.schema {
        EventSchema::EventGrid => "event-grid",
        EventSchema::CloudEvents => "cloud-events",
        _ => "other",
    };
    let known = acs_recording::EventPayload::KNOWN_TYPES.contains(&event.event_type.as_str());
    let members: [(&str, Value); 10] = [
        ("id", json!(event.id)),
        ("type", json!(event.event_type)),
        ("time", json!(event.time.map(|time| time.to_string()))),
        ("schema", json!(schema)),
        ("source", json!(event.source)),
        ("subject", json!(event.subject)),
        ("recording_id", json!(event.recording_id())),
        ("server_call_id", json!(event.server_call_id())),
        ("call_connection_id", json!(event.call_connection_id())),
        ("known", json!(known)),
    ];
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    members.push(("attributes", json_object(attributes)));
    members.push(("data", compact_json(event.raw_data())));
    if let Some(binary) = event.binary_data().filter(|_| event.raw_data() == "null") {
        let binary = base64::engine::general_purpose::STANDARD.encode(binary);
        members.push(("data_base64", json!(binary).to_string()));
    }
    json_object(members)
}
