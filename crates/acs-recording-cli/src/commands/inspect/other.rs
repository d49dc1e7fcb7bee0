//! What a file is that is no recording.

/// Beginnings of files of other kinds.
const KINDS: &[(&[u8], &str)] = &[
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP file"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"RIFX", "a WAV file in big-endian order"),
    (b"RIFF", "a RIFF file other than WAV"),
    (b"\xff\xf1", "AAC without a container"),
    (b"\xff\xf9", "AAC without a container"),
];

/// Says what a file is by its beginning.
pub(super) fn what(head: &[u8]) -> String {
    if head.is_empty() {
        return "the file is empty".to_owned();
    }
    if head.iter().all(|byte| *byte == 0) {
        return "the file begins with zeros and no media format; it may never have been written"
            .to_owned();
    }
    let kind = KINDS.iter().find(|(start, _)| head.starts_with(start));
    match kind.map_or_else(|| text_kind(head), |(_, kind)| Some(*kind)) {
        Some(kind) => format!("the file is {kind}, not a recording"),
        None => "the file is not a recording in a known format".to_owned(),
    }
}

fn text_kind(head: &[u8]) -> Option<&'static str> {
    // Text of Windows may be UTF-16. Its ASCII letters have every other byte.
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let bytes = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).iter();
    let letters: Vec<u8> = bytes
        .copied()
        .filter(|byte| !wide || byte.is_ascii() && *byte != 0)
        .collect();
    let letters = letters.trim_ascii_start();
    let begins = |start: &str| {
        let head = letters.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    let is_text = match std::str::from_utf8(letters) {
        Ok(text) => Some(text),
        // The beginning may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(letters.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    };
    let text = is_text.filter(|text| {
        !text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace())
    })?;
    Some(match () {
        () if begins("<!doctype html") || begins("<html") => "an HTML page",
        () if begins("<?xml") => "an XML document",
        () if begins("<") => "an HTML or XML document",
        () if begins("{") || begins("[") => "a JSON document",
        () if begins("id3") || text.len() < 4 => return None,
        () => "text",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_kinds_are_named() {
        for (head, kind) in [
            (&b""[..], "empty"),
            (&[0; 4096], "zeros"),
            (b"\r\n<!DOCTYPE html><html>", "an HTML page"),
            (b"<?xml version=\"1.0\"?><Error>", "an XML document"),
            (b"\xef\xbb\xbf {\"error\": {}}", "a JSON document"),
            (b"\xff\xfe{\0\"\0a\0\"\0:\x001\0}\0", "a JSON document"),
            (b"Not found, sorry \xc3", "text"),
            (b"OggS\0\x02", "an Ogg file"),
            (b"RIFF\0\0\0\0AVI LIST", "other than WAV"),
            (b"\x7fELF\x02\x01", "not a recording in a known format"),
        ] {
            let said = what(head);
            assert!(said.contains(kind), "{said}");
        }
    }
}
