//! Serializing an event, to store it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use super::envelope::{Event, EventSchema};

/// An event is written in its own schema, and [`Events::parse`](crate::Events::parse) reads it back.
/// Its delivery is not part of it.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let [event_type, source, time, version] = match self.schema {
            EventSchema::EventGrid => ["eventType", "topic", "eventTime", "metadataVersion"],
            EventSchema::CloudEvents => ["type", "source", "time", "specversion"],
        };
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry(event_type, &self.event_type)?;
        let time_text = self.time.map(|time| time.to_string());
        for (name, value) in [
            (source, &self.source),
            ("subject", &self.subject),
            (time, &time_text),
            (version, &self.version),
            ("dataVersion", &self.data_version),
            ("datacontenttype", &self.data_content_type),
            ("dataschema", &self.data_schema),
        ] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.attributes {
            map.serialize_entry(name, value)?;
        }
        match &self.binary {
            Some(bytes) => map.serialize_entry("data_base64", &STANDARD.encode(bytes))?,
            None if self.raw_data() == RawValue::NULL.get() => {}
            None => {
                let data: &RawValue =
                    serde_json::from_str(self.raw_data()).map_err(S::Error::custom)?;
                map.serialize_entry("data", data)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Events;

    fn round_trip(body: &str) {
        let read = |body: &str| Events::parse(body.as_bytes()).next().unwrap().unwrap();
        let event = read(body);
        let again = read(&serde_json::to_string(&event).unwrap());
        assert_eq!(format!("{event:?}"), format!("{again:?}"), "{body}");
        assert_eq!(event.raw_data(), again.raw_data(), "{body}");
        assert_eq!(event.binary_data(), again.binary_data(), "{body}");
        assert!(event.attributes().eq(again.attributes()), "{body}");
    }

    #[test]
    fn a_serialized_event_is_read_back_unchanged() {
        round_trip(
            r#"{"id": "1", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
                "topic": "/t", "subject": "/recording/call/c/recordingId/r", "dataVersion": "1.0",
                "metadataVersion": "1", "eventTime": "2025-10-02T09:16:10.7654321Z",
                "deadLetterReason": "MaxDeliveryAttemptsExceeded",
                "data": {"recordingStorageInfo": {"recordingChunks": []}, "later": 1.50}}"#,
        );
        round_trip(
            r#"{"id": "1", "type": "x", "source": "s", "specversion": "1.0", "traceparent": "00",
                "datacontenttype": "application/json", "dataschema": "urn:x", "data": "text"}"#,
        );
        round_trip(r#"{"id": "1", "type": "x", "source": "s", "data_base64": "AAEC"}"#);
        round_trip(r#"{"id": "1", "type": "x", "data_base64": "eyJhIjogMX0="}"#);
        round_trip(r#"{"id": "1", "eventType": "x"}"#);
    }
}
