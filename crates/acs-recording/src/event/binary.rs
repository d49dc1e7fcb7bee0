//! `CloudEvents` in binary mode: the attributes are headers and the data is the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::value::{RawValue, to_raw_value};

use super::wire::Envelope;
use crate::lenient;

/// The event of a request in binary mode; none if it is in another.
///
/// A body that is no JSON becomes `data_base64`, which is what it would be in the other modes.
pub(super) fn envelope<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Option<Result<Envelope<'a>, serde_json::Error>> {
    let get = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    if !headers.contains_key("ce-id") || !headers.contains_key("ce-type") {
        return None;
    }
    let data = serde_json::from_slice::<&'a RawValue>(body);
    let mut event = Envelope {
        id: get("ce-id"),
        cloud_type: get("ce-type"),
        source: get("ce-source"),
        subject: get("ce-subject"),
        time: get("ce-time").and_then(|time| lenient::parse_timestamp(&time)),
        spec_version: get("ce-specversion"),
        data_schema: get("ce-dataschema"),
        data_content_type: get(CONTENT_TYPE.as_str()),
        ..Envelope::default()
    };
    match data {
        Ok(data) => event.data = Some(data),
        Err(_) if body.is_empty() => {}
        Err(_) => event.data_base64 = Some(STANDARD.encode(body)),
    }
    for (name, value) in headers {
        const OWN: [&str; 7] = [
            "id",
            "type",
            "source",
            "subject",
            "time",
            "specversion",
            "dataschema",
        ];
        let Some(name) = name.as_str().strip_prefix("ce-") else {
            continue;
        };
        if let (false, Ok(value)) = (OWN.contains(&name), value.to_str()) {
            match to_raw_value(value) {
                Ok(value) => event.attributes.push((name.to_owned(), value)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
    Some(Ok(event))
}
