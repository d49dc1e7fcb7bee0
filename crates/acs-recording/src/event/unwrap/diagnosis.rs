//! Describes input that is not an event, so that the error says what it is.

use serde_json::value::RawValue;

use super::wrapper::Object;

/// Describes bytes in a known format that is not text.
pub(crate) fn binary_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [
            b'R',
            b'I',
            b'F',
            b'F' | b'X',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ]
        | [b'R', b'F', b'6', b'4', ..] => Some("it is a WAV file"),
        [0, _, _, _, b'f', b't', b'y', b'p', ..] => Some("it is an MP4 file"),
        [b'I', b'D', b'3', 2..=4, ..] | [0xff, 0xfa | 0xfb | 0xf2 | 0xf3, ..] => {
            Some("it is an MP3 file")
        }
        [0x1f, 0x8b, ..] => Some("it is compressed with gzip"),
        [b'P', b'K', 3, 4, ..] => Some("it is a ZIP archive"),
        _ => None,
    }
}

/// Describes text that is not JSON, or ends too early.
pub(super) fn text(text: &str) -> String {
    let begin: String = text.chars().take(200).collect();
    let begin = begin.to_ascii_lowercase();
    let starts = |names: &[&str]| names.iter().any(|name| begin.starts_with(name));
    if starts(&["<!doctype html", "<html", "<head", "<body"]) {
        return "it is an HTML page".to_owned();
    }
    if let Some(rest) = text.strip_prefix('<') {
        return xml(rest);
    }
    let names = ["accesskey=", "sharedaccesskey=", "accountkey="];
    if names.iter().any(|name| begin.contains(name)) {
        return "it is a connection string".to_owned();
    }
    if starts(&["http://", "https://"]) {
        return "it is a URL".to_owned();
    }
    if starts(&["{'", "[{'", "['"]) {
        return "it is a Python literal and not JSON; print it with `json.dumps`".to_owned();
    }
    match serde_json::from_str::<&RawValue>(text) {
        _ if !starts(&["{", "[", "\""]) => "it is neither JSON nor base64-encoded JSON".to_owned(),
        Err(error) if error.is_eof() => truncated(text),
        Err(error) => error.to_string(),
        Ok(_) => "it is neither JSON nor base64-encoded JSON".to_owned(),
    }
}

pub(super) fn truncated(text: &str) -> String {
    format!("it is truncated after {} bytes", text.len())
}

/// Describes XML by its first element.
fn xml(after_bracket: &str) -> String {
    let mut rest = after_bracket;
    // Declarations and comments.
    while rest.starts_with(['?', '!']) {
        rest = rest.split_once('<').map_or("", |(_, rest)| rest);
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && !":_-.".contains(letter));
    let name: String = rest[..end.unwrap_or(rest.len())].chars().take(60).collect();
    let inner = |tag: &str| {
        let (_, rest) = after_bracket.split_once(&format!("<{tag}>"))?;
        let (text, _) = rest.split_once('<')?;
        Some(text.chars().take(60).collect::<String>())
    };
    match (name.as_str(), inner("Code")) {
        ("html", _) => "it is an HTML page".to_owned(),
        ("Error", Some(code)) => format!("it is an error response of Azure Storage ({code})"),
        ("", _) => "it is XML".to_owned(),
        _ => format!("it is XML (`{name}`)"),
    }
}

/// Describes a known object that is neither an event nor a wrapper of one.
pub(super) fn object(object: &Object<'_>) -> Option<String> {
    let has = |name| object.exact(name).is_some();
    let text = |json: Option<&str>| serde_json::from_str::<String>(json?).ok();
    let short = |text: String| text.chars().take(60).collect::<String>();
    if has("cloudEventsVersion") {
        let version = text(object.exact("cloudEventsVersion")).map_or("0.1".to_owned(), short);
        return Some(format!(
            "it is CloudEvents {version}; configure the event subscription for CloudEvents 1.0 or \
             the Event Grid schema"
        ));
    }
    let schema = text(object.exact("schemaId")).unwrap_or_default();
    if schema.contains("Alert") || schema.contains("Insights") {
        return Some("it is an Azure Monitor alert".to_owned());
    }
    if has("validationResponse") {
        return Some("it is the response to a validation event, not the event".to_owned());
    }
    if let Some(error) = object.exact("error").filter(|error| error.starts_with('{')) {
        let code = serde_json::from_str::<Object<'_>>(error).ok();
        let code = code.and_then(|error| text(error.exact("code")));
        let code = code.map_or(String::new(), |code| format!(" ({})", short(code)));
        return Some(format!("it is an error response{code}"));
    }
    if has("recordingStorageInfo") {
        return Some(
            "it is the data of a RecordingFileStatusUpdated event without the envelope".to_owned(),
        );
    }
    if has("chunkDocumentId") || has("recordingInfo") {
        return Some("it is the metadata document of a recording".to_owned());
    }
    if has("validationCode") {
        return Some("it is the data of a validation event without the envelope".to_owned());
    }
    if has("subscriptionId") && has("changeType") {
        return Some("it is a Microsoft Graph change notification".to_owned());
    }
    if has("Records") || has("detail-type") {
        return Some("it is an AWS event".to_owned());
    }
    if object.names().next().is_none() {
        return Some("it is an empty object".to_owned());
    }
    None
}
