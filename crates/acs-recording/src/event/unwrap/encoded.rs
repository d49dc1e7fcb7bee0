//! Text that encodes other text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The maximum number of wrappers around an event. Arrays, text and base64 count as well.
pub(super) const MAX_DEPTH: usize = 16;

/// Accepts missing padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The base64 of the shortest event is longer, and most words are shorter.
const MIN_BASE64: usize = 16;

/// Removes white space, byte order marks and NULs around text.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\0'))
}

/// Whether text may contain an event.
pub(super) fn may_hold(text: &str) -> bool {
    let text = trim(text);
    let first_line = || text.lines().next().and_then(base64);
    begins_as_json(text) || base64(text).or_else(first_line).is_some()
}

fn begins_as_json(text: &str) -> bool {
    text.starts_with(['{', '[', '"', '<'])
}

fn is_base64(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
    text.len() >= MIN_BASE64 && text.bytes().all(is_known)
}

/// Decodes base64 in either alphabet, possibly over several lines. None if the result cannot contain
/// an event.
pub(super) fn base64(text: &str) -> Option<String> {
    if !is_base64(text) {
        return None;
    }
    // Several messages, one per line, and not one message over several lines.
    if let Some((line, _)) = text.split_once('\n')
        && let Some(first) = base64(line.trim_end())
        && serde_json::from_str::<IgnoredAny>(&first).is_ok()
    {
        return None;
    }
    let digits = text.bytes().filter(|byte| !b"\r\n".contains(byte));
    let mut digits: Vec<u8> = digits
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
        .collect();
    // A single digit at the end encodes nothing: the message is truncated.
    if digits.len() % 4 == 1 && !digits.ends_with(b"=") {
        digits.pop();
    }
    let bytes = LENIENT.decode(digits).ok()?;
    let text = crate::text::decode_lossy(&bytes);
    let inner = trim(&text);
    (begins_as_json(inner) || is_base64(inner)).then(|| text.into_owned())
}

/// The text in the quotation marks of a shell, or of a Python bytes literal.
pub(super) fn unquote(text: &str) -> Option<String> {
    let text = text.strip_prefix('b').unwrap_or(text);
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let is_single = !inner.contains('\'') && begins_as_json(trim(inner));
    is_single.then(|| inner.to_owned())
}

/// The JSON in text such as `{\"id\": 1}`, a JSON string without its quotation marks.
pub(super) fn unescape(text: &str) -> Option<String> {
    let begin = text.find('"')?;
    let is_escaped = text.get(..begin)?.ends_with('\\');
    if !is_escaped || !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

/// The JSON in a JSON string, plain or as base64.
pub(crate) fn json_in_text(json: &str) -> Option<Box<RawValue>> {
    let mut text: String = serde_json::from_str(json).ok()?;
    for _ in 0..MAX_DEPTH {
        let inner = trim(&text);
        text = match inner.as_bytes().first()? {
            b'{' | b'[' => return RawValue::from_string(inner.to_owned()).ok(),
            b'"' => serde_json::from_str(inner).ok()?,
            _ => base64(inner)?,
        };
    }
    None
}

/// The pieces of text that is only partly JSON. A piece begins at a line with `{` or `[` and extends
/// to the next of these. Every line outside of them is a piece, too.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut begin = 0;
    let mut is_json = text.starts_with(['{', '[']);
    let mut bounds = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let opens = line.starts_with(['{', '[']);
        if at > 0 && (opens || !is_json) {
            bounds.push(begin..at);
            begin = at;
            is_json = opens;
        }
        at += line.len();
    }
    bounds.push(begin..at);
    bounds
        .into_iter()
        .filter_map(|piece| Some(trim(text.get(piece)?)))
        .filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_recognized_by_its_contents() {
        let json = r#"{"id": "1", "type": "é?>"}"#;
        let standard = base64::prelude::BASE64_STANDARD.encode(json);
        let url = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(json);
        let (first, second) = standard.split_at(20);
        for text in [standard.clone(), url, format!("{first}\r\n{second}")] {
            assert_eq!(base64(&text).as_deref(), Some(json), "{text}");
        }
        let twice = base64::prelude::BASE64_STANDARD.encode(&standard);
        assert_eq!(base64(&twice).as_ref(), Some(&standard));
        assert_eq!(
            base64(&format!("{standard}\n{standard}")),
            None,
            "two messages"
        );
        for text in [
            "",
            "eyJ9",
            "RecordingFileStatusUpdated",
            "not base64 at all",
        ] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn pieces_begin_at_new_lines() {
        let text = "WARNING: x\neyJ\n\n{\n  \"a\": 1\n}\n{\"b\":\n[2]\nx\n";
        let pieces: Vec<_> = pieces(text).collect();
        let expected = ["WARNING: x", "eyJ", "{\n  \"a\": 1\n}", "{\"b\":", "[2]\nx"];
        assert_eq!(pieces, expected);
    }
}
