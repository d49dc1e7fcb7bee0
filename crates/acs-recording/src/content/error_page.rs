//! Detects HTML pages and error documents in place of content.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::file_error;

/// The most bytes to examine. Error documents are smaller.
const MAX_EXAMINED: u64 = 64 * 1024;

/// The beginnings of HTML pages, in lower case.
const HTML_STARTS: &[&[u8]] = &[
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<meta",
    b"<title",
];

/// The elements of error documents in XML, in lower case.
const XML_ERRORS: &[&[u8]] = &[b"<error", b"<fault", b"<html", b":fault"];

/// Rejects a file that is an HTML page or an error document.
pub(super) fn reject_error_page(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_EXAMINED).read_to_end(&mut start))
        .map_err(|error| file_error(error, path))?;
    reject(&start)
}

/// Rejects content that begins like an HTML page or an error document.
pub(super) fn reject(start: &[u8]) -> Result<()> {
    let Some(what) = describe(start) else {
        return Ok(());
    };
    let text = format!(
        "the response has status 200, but is {what} instead of the content; check the proxies and \
         gateways on the way, and try again"
    );
    Err(Error::new(ErrorKind::CorruptContent, text))
}

/// What the bytes are, if they are not content.
fn describe(start: &[u8]) -> Option<&'static str> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let start = start.trim_ascii_start();
    let begins = |with: &[u8]| {
        start
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    if HTML_STARTS.iter().any(|start| begins(start)) {
        return Some("an HTML page");
    }
    if begins(b"<error") || (begins(b"<?xml") && has_xml_error(start)) {
        return Some("an error document");
    }
    (begins(b"{") && is_json_error(start)).then_some("an error document")
}

fn has_xml_error(start: &[u8]) -> bool {
    let start = start.get(..1024).unwrap_or(start).to_ascii_lowercase();
    let has = |word: &&&[u8]| start.windows(word.len()).any(|part| part == **word);
    XML_ERRORS.iter().any(|word| has(&word))
}

/// Whether it is `{"error": …}`, or an object with a code and a message.
fn is_json_error(start: &[u8]) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_slice(start) else {
        let rest = start.get(1..).unwrap_or_default().trim_ascii_start();
        let name = rest.get(..7).unwrap_or_default();
        return name.eq_ignore_ascii_case(b"\"error\"");
    };
    let has = |name: &str| members.keys().any(|key| key.eq_ignore_ascii_case(name));
    has("error") || (has("code") && has("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_error_documents_are_rejected() {
        for start in [
            "<!DOCTYPE html><html>",
            "\r\n  <HTML><body>sign in</body>",
            "\u{feff}<html>",
            "<script>location='/login'</script>",
            r#"{"error": {"code": "8522"}}"#,
            r#"{ "Error" : "x" , "cut"#,
            r#"{"code": "1", "message": "no"}"#,
            "<?xml version=\"1.0\"?><Error><Code>BlobNotFound</Code></Error>",
            "<Error><Code>x</Code></Error>",
        ] {
            let error = reject(start.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptContent, "{start}");
        }
    }

    #[test]
    fn media_and_metadata_are_accepted() {
        for start in [
            &b""[..],
            b"RIFF\x24\0\0\0WAVE",
            b"ID3\x04{\"error\"",
            b"\xff\xfb<html>",
            b"\0\0\0\x18ftypmp42<html>",
            b"{",
            b"{}",
            br#"{"callId": "c", "participants": null}"#,
            br#"{"resourceId": "r", "message": "x"}"#,
            b"<?xml version=\"1.0\"?><recording/>",
            b"<",
        ] {
            assert!(reject(start).is_ok(), "{start:?}");
        }
    }
}
