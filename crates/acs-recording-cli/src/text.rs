//! Reads and writes values for people, and makes untrusted text safe to print.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

/// Reads `30s`, `2m`, `1h`, `250ms`, or seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; use 250ms, 30s, 2m or 1h");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// Writes a time as `1:02:03.4`, without hours if there are none.
pub(crate) fn clock(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (minutes, second) = (seconds / 60, seconds % 60);
    if minutes < 60 {
        format!("{minutes}:{second:02}.{tenth}")
    } else {
        format!("{}:{:02}:{second:02}.{tenth}", minutes / 60, minutes % 60)
    }
}

/// Whether a terminal interprets a character instead of showing it: control characters, line
/// separators, and marks that change the text direction.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
        )
}

/// Makes one line safe to print: control characters are escaped, as `\u{1b}`.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control, |out, control| {
        let _ = write!(out, "{}", control.escape_unicode());
    })
}

/// Makes several lines safe to print. Untrusted values in them must be escaped by [`one_line`] first,
/// so that they cannot add lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let is_unsafe = |character| character != '\n' && is_control(character);
    escaped(text, is_unsafe, |out, control| {
        let _ = write!(out, "{}", control.escape_unicode());
    })
}

/// JSON on one line, with escapes for what a terminal interprets. Such characters occur in strings
/// only, so the value stays the same.
pub(crate) fn json_line(value: &Value) -> String {
    json_text(&value.to_string())
}

/// As [`json_line`], for JSON that is already serialized.
pub(crate) fn json_text(json: &str) -> String {
    escaped(json, is_control, |out, control| {
        let _ = write!(out, "\\u{:04x}", u32::from(control));
    })
    .into_owned()
}

/// JSON without whitespace between its tokens. Values are not parsed, so that numbers keep all their
/// digits and nesting has no limit.
pub(crate) fn compact_json(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for character in json.chars() {
        if is_text {
            is_text = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            is_text = character == '"';
        }
        compact.push(character);
    }
    compact
}

/// A JSON object of members whose values are already serialized.
pub(crate) fn json_object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members = members.into_iter();
    let members = members.map(|(name, value)| format!("{}:{value}", Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn escaped(
    text: &str,
    is_unsafe: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            escape(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Adds a path to a JSON object as `NAME`, and if it is not UTF-8 also its bytes as `NAME_base64`.
pub(crate) fn put_path(object: &mut Value, name: &str, path: &Path) {
    object[name] = path.to_string_lossy().into();
    if path.to_str().is_none() {
        let bytes = path.as_os_str().as_encoded_bytes();
        let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
        object[format!("{name}_base64")] = bytes.into();
    }
}

/// Shortens a long id to its two ends, which distinguish it from others.
pub(crate) fn shortened(id: &str) -> String {
    const ENDS: usize = 8;
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 3 * ENDS {
        return id.to_owned();
    }
    let (first, last) = (&letters[..ENDS], &letters[letters.len() - ENDS..]);
    first.iter().chain(&['…']).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("7", 7000),
            ("2m", 120_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in [
            "",
            "s",
            "-1s",
            "1d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn controls_are_shown_and_not_obeyed() {
        assert_eq!(one_line("a\u{1b}[31mb\r\n"), r"a\u{1b}[31mb\u{d}\u{a}");
        assert_eq!(one_line("x\u{202e}gpj.\u{2066}"), r"x\u{202e}gpj.\u{2066}");
        assert_eq!(lines("one\ntwo\u{9b}2J\u{7f}"), "one\ntwo\\u{9b}2J\\u{7f}");
        let value = json!({"a\u{9b}": "\u{1b}]0;x\u{7}\u{7f}\u{2028}ü"});
        let line = json_line(&value);
        assert_eq!(line, r#"{"a\u009b":"\u001b]0;x\u0007\u007f\u2028ü"}"#);
    }

    #[test]
    fn compact_json_is_the_same_json() {
        for (json, expected) in [
            ("null", "null"),
            (
                " {\n \"a b\" :\t[ 1 , 2.50 ],\r\n\"c\":\"\" } ",
                r#"{"a b":[1,2.50],"c":""}"#,
            ),
            (
                r#"[ "a \" b", "\\" , "\\\" c" ]"#,
                r#"["a \" b","\\","\\\" c"]"#,
            ),
        ] {
            assert_eq!(compact_json(json), expected);
        }
        let members = [("a\"", "1".to_owned()), ("b", "[]".to_owned())];
        assert_eq!(json_object(members), r#"{"a\"":1,"b":[]}"#);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf_8_is_not_lost() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.wav"));
        let mut object = json!({});
        put_path(&mut object, "path", path);
        put_path(&mut object, "metadata", Path::new("a"));
        assert_eq!(
            object,
            json!({"path": "a\u{fffd}.wav", "path_base64": "Yf8ud2F2", "metadata": "a"})
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_printed_has_controls(text in "(\\PC|\\p{C}|[\\x00-\\x1f\\x7f-\\u{9f}]|\u{202e}|\u{2069})*") {
            assert!(!one_line(&text).contains(is_control));
            assert!(!lines(&text).contains(|c| c != '\n' && is_control(c)));
            // Harmless text is unchanged.
            let kept = |text: &str| text.chars().filter(|c| !is_control(*c)).count();
            assert!(one_line(&text).chars().count() >= kept(&text));
            let line = json_line(&json!({&text: [&text]}));
            assert!(!line.contains(is_control));
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value, json!({&text: [&text]}));
        }
    }

    #[test]
    fn ids_keep_their_ends() {
        assert_eq!(shortened("8:acs:alice"), "8:acs:alice");
        assert_eq!(
            shortened("0-weu-d1-90e468ab5c0f1e2d3c4b"),
            "0-weu-d1…1e2d3c4b"
        );
    }

    #[test]
    fn times_are_written() {
        assert_eq!(clock(Duration::from_millis(4012)), "0:04.0");
        assert_eq!(clock(Duration::from_millis(3_723_449)), "1:02:03.4");
        assert_eq!(clock(Duration::from_millis(59_960)), "1:00.0");
    }
}
