//! `CloudEvents` in binary mode: the headers are the attributes, and the body is the data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde_json::value::{RawValue, to_raw_value};

use super::wire::Envelope;
use crate::lenient;

/// The event of a request in binary mode. None if the request is in another mode.
///
/// A body that is not JSON becomes `data_base64`, as in the other modes.
pub(super) fn envelope<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Option<Result<Envelope<'a>, serde_json::Error>> {
    if !headers.contains_key("ce-id") || !headers.contains_key("ce-type") {
        return None;
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    // In structured mode, headers may repeat attributes of the body.
    if content_type.is_some_and(is_structured) {
        return None;
    }
    let get = |name: &str| attribute(headers.get(name)?);
    let data = serde_json::from_slice::<&'a RawValue>(body);
    let mut event = Envelope {
        id: get("ce-id"),
        cloud_type: get("ce-type"),
        source: get("ce-source"),
        subject: get("ce-subject"),
        time: get("ce-time").and_then(|time| read_time(&time)),
        spec_version: get("ce-specversion"),
        data_schema: get("ce-dataschema"),
        data_content_type: content_type.map(str::to_owned),
        ..Envelope::default()
    };
    match data {
        Ok(data) => event.data = Some(data.get()),
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
        if let (false, Some(value)) = (OWN.contains(&name), attribute(value)) {
            match to_raw_value(&value) {
                Ok(value) => event.attributes.push((name.to_owned(), value)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
    Some(Ok(event))
}

fn is_structured(content_type: &str) -> bool {
    const STRUCTURED: &str = "application/cloudevents";
    let begin = content_type.trim_start().get(..STRUCTURED.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(STRUCTURED))
}

fn read_time(text: &str) -> Option<Timestamp> {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    lenient::timestamp(text).unwrap_or_default()
}

/// The text of a header. It may be in quotes, and everything but visible ASCII is percent-encoded.
fn attribute(value: &HeaderValue) -> Option<String> {
    let value = value.as_bytes();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let value = match quoted {
        Some(quoted) => unescape(quoted),
        None => value.to_vec(),
    };
    let text = percent_encoding::percent_decode(&value)
        .decode_utf8()
        .ok()?;
    Some(text.into_owned())
}

fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter().copied();
    let mut plain = Vec::with_capacity(quoted.len());
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'\\').then(|| bytes.next()).flatten();
        plain.push(escaped.unwrap_or(byte));
    }
    plain
}
