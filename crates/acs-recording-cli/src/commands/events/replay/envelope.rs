//! An event as it was first delivered, without what was added when it was kept.

use acs_recording::{Event, EventSchema};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use std::collections::BTreeMap;

use crate::text::{compact_json, json_object};
use crate::webhook_sender::Schema;

/// Members that Event Grid adds when it dead-letters an event, and properties of the message that an
/// event was in, in lower case.
const ADDED: [&str; 18] = [
    "deadletterreason",
    "deadlettererrordescription",
    "deadlettersource",
    "deliveryattempts",
    "lastdeliveryoutcome",
    "lasthttpstatuscode",
    "lastdeliveryattempttime",
    "publishtime",
    "messageid",
    "dequeuecount",
    "insertiontime",
    "expirationtime",
    "timenextvisible",
    "popreceipt",
    "locktoken",
    "deliverycount",
    "sequencenumber",
    "enqueuedtime",
];

/// The event as JSON text in its schema. Its data is unchanged, digit for digit.
pub(super) fn original(event: &Event) -> (Schema, String) {
    let (schema, attributes) = match printed(event) {
        Some(printed) => printed,
        None => (of(event.schema), attributes(event)),
    };
    let text = |value: &str| Value::from(value).to_string();
    let time = event.time.map(|time| time.to_string());
    let [event_type, source, time_name] = match schema {
        Schema::EventGrid => ["eventType", "topic", "eventTime"],
        Schema::CloudEvents => ["type", "source", "time"],
    };
    let mut members = vec![
        ("id", text(&event.id)),
        (event_type, text(&event.event_type)),
        (source, text(event.source.as_deref().unwrap_or_default())),
    ];
    match (schema, &event.subject) {
        (_, Some(subject)) => members.push(("subject", text(subject))),
        // The Event Grid schema requires it.
        (Schema::EventGrid, None) => members.push(("subject", text(""))),
        (Schema::CloudEvents, None) => {}
    }
    let version = event.version.as_deref();
    match schema {
        Schema::EventGrid => {
            let data_version = event.data_version.as_deref().unwrap_or("1.0");
            members.push(("dataVersion", text(data_version)));
            members.push(("metadataVersion", text(version.unwrap_or("1"))));
        }
        Schema::CloudEvents => members.push(("specversion", text(version.unwrap_or("1.0")))),
    }
    let optional = [
        (time_name, &time),
        ("datacontenttype", &event.data_content_type),
        ("dataschema", &event.data_schema),
    ];
    for (name, value) in optional {
        members.extend(value.as_deref().map(|value| (name, text(value))));
    }
    let attributes: Vec<_> = attributes
        .into_iter()
        .filter(|(name, _)| !ADDED.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    members.extend(
        attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    match event.binary_data() {
        Some(bytes) => members.push(("data_base64", json!(STANDARD.encode(bytes)).to_string())),
        None => members.push(("data", compact_json(event.raw_data()))),
    }
    (schema, json_object(members))
}

fn of(schema: EventSchema) -> Schema {
    match schema {
        EventSchema::EventGrid => Schema::EventGrid,
        _ => Schema::CloudEvents,
    }
}

fn attributes(event: &Event) -> Vec<(String, String)> {
    let attributes = event.attributes();
    attributes
        .map(|(name, value)| (name.to_owned(), compact_json(value)))
        .collect()
}

/// The schema and the attributes of an event that `events listen` or `events parse` printed, which
/// has them in members of its own.
fn printed(event: &Event) -> Option<(Schema, Vec<(String, String)>)> {
    event.attribute("known")?;
    let schema = match event.attribute("schema")? {
        "\"event-grid\"" => Schema::EventGrid,
        "\"cloud-events\"" => Schema::CloudEvents,
        _ => return None,
    };
    let attributes = event.attribute("attributes")?;
    let attributes: BTreeMap<String, Box<RawValue>> = serde_json::from_str(attributes).ok()?;
    let attributes = attributes
        .into_iter()
        .map(|(name, value)| (name, compact_json(value.get())));
    Some((schema, attributes.collect()))
}

#[cfg(test)]
mod tests {
    use acs_recording::Events;

    use super::*;
    use crate::commands::events::event_json::event_json;

    fn event(body: &str) -> Event {
        Events::parse(body.as_bytes()).next().unwrap().unwrap()
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_event_is_sent_as_it_was_delivered() {
        let grid = json!({
            "id": "1", "topic": "/t", "subject": "/s", "eventType": "Contoso.New",
            "eventTime": "2025-10-02T09:16:10.7654321Z", "dataVersion": "2", "metadataVersion": "1",
            "data": {"a": [1.5, null]},
        });
        let cloud = json!({
            "id": "1", "source": "/t", "subject": "/s", "type": "Contoso.New", "specversion": "1.0",
            "time": "2025-10-02T09:16:10.7654321Z", "traceparent": "00-1", "data": {"a": 1},
        });
        let binary = json!({
            "id": "1", "source": "/t", "type": "Contoso.New", "specversion": "1.0",
            "data_base64": "AAEC",
        });
        for (expected, schema) in [
            (&grid, Schema::EventGrid),
            (&cloud, Schema::CloudEvents),
            (&binary, Schema::CloudEvents),
        ] {
            let (found, text) = original(&event(&expected.to_string()));
            assert_eq!((found, &value(&text)), (schema, expected));
        }
        // A dead-letter file.
        let mut dead = grid.clone();
        for (name, added) in [
            ("deadLetterReason", json!("MaxDeliveryAttemptsExceeded")),
            ("deliveryAttempts", json!(30)),
            ("lastDeliveryOutcome", json!("NotFound")),
            ("publishTime", json!("2025-10-02T09:16:10Z")),
            ("lastDeliveryAttemptTime", json!("2025-10-02T09:16:10Z")),
        ] {
            dead[name] = added;
        }
        let (_, text) = original(&event(&json!([dead]).to_string()));
        assert_eq!(value(&text), grid);
    }

    #[test]
    fn a_printed_event_is_sent_in_its_schema() {
        let cloud = json!({
            "id": "1", "source": "/t", "subject": "/s", "type": "Contoso.New", "specversion": "1.0",
            "time": "2025-10-02T09:16:10Z", "traceparent": "00-1", "data": {"a": 1},
        });
        let printed = event_json(&event(&cloud.to_string()));
        let (schema, text) = original(&event(&printed));
        assert_eq!((schema, value(&text)), (Schema::CloudEvents, cloud));
        let grid = r#"{"id": "1", "topic": "/t", "subject": "/s", "eventType": "T", "dataVersion": "1.0",
            "metadataVersion": "1", "eventTime": "2025-10-02T09:16:10Z", "data": {"n": 1.50}}"#;
        let printed = event_json(&event(grid));
        let (schema, text) = original(&event(&printed));
        assert_eq!((schema, value(&text)), (Schema::EventGrid, value(grid)));
        assert!(text.contains("1.50"), "{text}");
    }
}
