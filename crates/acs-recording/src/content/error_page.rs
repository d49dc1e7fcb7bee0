//! Bodies that are pages and error documents, and not content.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::disk::file_error;
use crate::error::{Error, ErrorKind, Result};

/// How much of a body is looked at. Error documents are smaller.
const HEAD: u64 = 64 * 1024;

/// How pages begin, in lower case.
const PAGES: &[&[u8]] = &[
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<meta",
    b"<title",
];

/// What error documents in XML have in them, in lower case.
const XML_ERRORS: &[&[u8]] = &[b"<error", b"<fault", b"<html", b":fault"];

/// Refuses a file that is a page or an error document.
pub(super) fn refuse_page(path: &Path) -> Result<()> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(|error| file_error(error, path))?;
    refuse(&head)
}

/// Refuses a body that begins like this.
pub(super) fn refuse(head: &[u8]) -> Result<()> {
    let Some(what) = not_content(head) else {
        return Ok(());
    };
    let text = format!(
        "{what} came in place of the content, although with status 200; look for a proxy or a \
         gateway on the way, and try again"
    );
    Err(Error::new(ErrorKind::CorruptContent, text))
}

fn not_content(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start();
    let begins = |with: &[u8]| {
        head.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    if PAGES.iter().any(|page| begins(page)) {
        return Some("an HTML page");
    }
    if begins(b"<error") || (begins(b"<?xml") && has_xml_error(head)) {
        return Some("an error document");
    }
    (begins(b"{") && is_json_error(head)).then_some("an error document")
}

fn has_xml_error(head: &[u8]) -> bool {
    let start = head.get(..1024).unwrap_or(head).to_ascii_lowercase();
    let has = |word: &&&[u8]| start.windows(word.len()).any(|part| part == **word);
    XML_ERRORS.iter().any(|word| has(&word))
}

/// `{"error": …}`, or a code with a message.
fn is_json_error(head: &[u8]) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_slice(head) else {
        let rest = head.get(1..).unwrap_or_default().trim_ascii_start();
        let start = rest.get(..7).unwrap_or_default();
        return start.eq_ignore_ascii_case(b"\"error\"");
    };
    let has = |name: &str| members.keys().any(|key| key.eq_ignore_ascii_case(name));
    has("error") || (has("code") && has("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_error_documents_are_not_content() {
        for head in [
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
            let error = refuse(head.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptContent, "{head}");
        }
    }

    #[test]
    fn content_is_never_taken_for_a_page() {
        for head in [
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
            assert!(refuse(head).is_ok(), "{head:?}");
        }
    }
}
