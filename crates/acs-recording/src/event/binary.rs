//! `CloudEvents` in binary mode: the attributes are headers and the data is the body.

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

/// The event of a request in binary mode; none if it is in another.
///
/// A body that is no JSON becomes `data_base64`, which is what it would be in the other modes.
pub(super) fn envelope<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Option<Result<Envelope<'a>, serde_json::Error>> {
    if !headers.contains_key("ce-id") || !headers.contains_key("ce-type") {
        return None;
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    // Headers may repeat the attributes of an event in the body.
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

/// The text in a header, which may be in quotes, and has everything but visible ASCII
/// percent-encoded.
fn attribute(value: &HeaderValue) -> Option<String> {
    let value = value.as_bytes();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let value = match quoted {
        Some(quoted) => unescape(quoted),
        None => value.to_vec(),
    };
    String::from_utf8(percent_decode(&value)).ok()
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

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        at += if byte.is_some() { 3 } else { 1 };
        plain.push(byte.unwrap_or(text[at - 1]));
    }
    plain
}
