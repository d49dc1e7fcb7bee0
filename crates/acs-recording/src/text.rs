//! Decodes text files in the encodings that common tools write.

use std::borrow::Cow;
use std::str::Utf8Error;

use crate::error::{Error, ErrorKind};

/// Bytes are not text in a supported encoding. The error does not repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// The bytes have no byte order mark of another encoding, and are not UTF-8.
    #[error("the text is not UTF-8; save it as UTF-8, or as UTF-16 with a byte order mark")]
    Utf8(#[source] Utf8Error),
    /// The bytes are marked as UTF-16 and are not, or end within a character.
    #[error("the text begins as UTF-16 but is not valid UTF-16; save it as UTF-8")]
    Utf16,
    /// The bytes are marked as UTF-32 and are not, or end within a character.
    #[error("the text begins as UTF-32 but is not valid UTF-32; save it as UTF-8")]
    Utf32,
}

impl From<InvalidText> for Error {
    fn from(error: InvalidText) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

/// Decodes the contents of a text file by its byte order mark, which is removed.
///
/// The encodings are UTF-8 (the default without a mark), UTF-16 and UTF-32 in both byte orders. Windows
/// PowerShell writes UTF-16 with `>`. UTF-16 without a mark is recognized if the text begins with two
/// ASCII characters, as JSON does.
///
/// ```
/// use acs_recording::text;
///
/// assert_eq!(text::decode(b"\xef\xbb\xbf{}").unwrap(), "{}");
/// assert_eq!(text::decode(b"\xff\xfe{\0}\0").unwrap(), "{}");
/// assert_eq!(text::decode(b"{}").unwrap(), "{}");
/// assert!(text::decode(b"\xff\x00").is_err());
/// ```
///
/// # Errors
/// The bytes are not text in the detected encoding.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, InvalidText> {
    let (encoding, bytes) = detect(bytes);
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(InvalidText::Utf8),
        Encoding::Utf16(unit) => utf16(bytes, unit)
            .collect::<Option<String>>()
            .map(Cow::Owned)
            .ok_or(InvalidText::Utf16),
        Encoding::Utf32(unit) => utf32(bytes, unit)
            .collect::<Option<String>>()
            .map(Cow::Owned)
            .ok_or(InvalidText::Utf32),
    }
}

/// Like [`decode`], with U+FFFD in place of invalid characters, which are no reason to lose the rest.
pub(crate) fn decode_lossy(bytes: &[u8]) -> Cow<'_, str> {
    const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;
    let (encoding, bytes) = detect(bytes);
    match encoding {
        // Checking is faster than a replacement that finds nothing.
        Encoding::Utf8 => std::str::from_utf8(bytes)
            .map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed),
        Encoding::Utf16(unit) => utf16(bytes, unit)
            .map(|letter| letter.unwrap_or(REPLACEMENT))
            .collect(),
        Encoding::Utf32(unit) => utf32(bytes, unit)
            .map(|letter| letter.unwrap_or(REPLACEMENT))
            .collect(),
    }
}

/// Maps parts of a text to the bytes from which [`decode_lossy`] has made them.
pub(crate) struct Origin<'a> {
    bytes: &'a [u8],
    text: &'a str,
    /// The end of each replacement, in the text and in the bytes.
    replaced: Vec<(usize, usize)>,
}

impl<'a> Origin<'a> {
    pub(crate) fn new(bytes: &'a [u8], text: &'a str) -> Self {
        let (encoding, bytes) = detect(bytes);
        let mut replaced = Vec::new();
        if matches!(encoding, Encoding::Utf8) && bytes != text.as_bytes() {
            let (mut at, mut from) = (0, 0);
            for chunk in bytes.utf8_chunks() {
                at += chunk.valid().len() + char::REPLACEMENT_CHARACTER.len_utf8();
                from += chunk.valid().len() + chunk.invalid().len();
                if !chunk.invalid().is_empty() {
                    replaced.push((at, from));
                }
            }
        }
        Self {
            bytes,
            text,
            replaced,
        }
    }

    /// The bytes of a part of the text. Another text has its own bytes.
    pub(crate) fn of<'p>(&self, part: &'p str) -> &'p [u8]
    where
        'a: 'p,
    {
        self.find(part).unwrap_or(part.as_bytes())
    }

    fn find(&self, part: &str) -> Option<&'a [u8]> {
        if self.replaced.is_empty() {
            return None;
        }
        let start = part
            .as_ptr()
            .addr()
            .checked_sub(self.text.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        if end > self.text.len() {
            return None;
        }
        let byte_offset = |at: usize| {
            let before = self.replaced.partition_point(|(end, _)| *end <= at);
            let last = before
                .checked_sub(1)
                .and_then(|last| self.replaced.get(last));
            let (end, from) = last.copied().unwrap_or_default();
            from + (at - end)
        };
        self.bytes.get(byte_offset(start)..byte_offset(end))
    }
}

enum Encoding {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
    Utf32(fn([u8; 4]) -> u32),
}

/// The encoding, and the bytes without the mark.
fn detect(bytes: &[u8]) -> (Encoding, &[u8]) {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (Encoding::Utf8, rest),
        // UTF-16 begins like this, but no text begins with NUL.
        [0xff, 0xfe, 0, 0, rest @ ..] => (Encoding::Utf32(u32::from_le_bytes), rest),
        [0, 0, 0xfe, 0xff, rest @ ..] => (Encoding::Utf32(u32::from_be_bytes), rest),
        [0xff, 0xfe, rest @ ..] => (Encoding::Utf16(u16::from_le_bytes), rest),
        [0xfe, 0xff, rest @ ..] => (Encoding::Utf16(u16::from_be_bytes), rest),
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => (Encoding::Utf16(u16::from_le_bytes), bytes),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => (Encoding::Utf16(u16::from_be_bytes), bytes),
        _ => (Encoding::Utf8, bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> impl Iterator<Item = Option<char>> {
    let (units, rest) = bytes.as_chunks();
    let letters = char::decode_utf16(units.iter().map(move |bytes| unit(*bytes)));
    letters
        .map(Result::ok)
        .chain((!rest.is_empty()).then_some(None))
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> impl Iterator<Item = Option<char>> {
    let (units, rest) = bytes.as_chunks();
    let letters = units.iter().map(move |bytes| char::from_u32(unit(*bytes)));
    letters.chain((!rest.is_empty()).then_some(None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_is_decoded_by_its_mark() {
        let text = "{\"name\": \"Zoë 🙂\"}\r\n";
        let marked = format!("\u{feff}{text}");
        let long = |bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
            let letters = marked.chars().map(u32::from);
            letters.flat_map(bytes).collect()
        };
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            wide(&marked, u16::to_le_bytes),
            wide(&marked, u16::to_be_bytes),
            // Without a mark.
            wide(text, u16::to_le_bytes),
            wide(text, u16::to_be_bytes),
            long(u32::to_le_bytes),
            long(u32::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(text), "{bytes:?}");
            assert_eq!(decode_lossy(&bytes), text);
        }
    }

    #[test]
    fn the_original_bytes_of_replacements_are_known() {
        for bytes in [
            &b"\xef\xbb\xbfa\xffb\xf0\x9fcd"[..],
            b"\xff\xff",
            b"all \xc3\xa9",
            b"x\xc3",
        ] {
            let text = decode_lossy(bytes);
            let origin = Origin::new(bytes, &text);
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            assert_eq!(origin.of(&text), bytes);
            let letters: Vec<u8> = text
                .char_indices()
                .flat_map(|(at, letter)| origin.of(&text[at..at + letter.len_utf8()]))
                .copied()
                .collect();
            assert_eq!(letters, bytes);
            assert_eq!(origin.of("elsewhere"), b"elsewhere");
        }
    }

    #[test]
    fn invalid_text_is_an_error_or_replaced() {
        let invalid = Vec::from(b"a\xe9b");
        let utf8 = InvalidText::Utf8(std::str::from_utf8(&invalid).unwrap_err());
        for (bytes, error, lossy) in [
            (&b"a\xe9b"[..], utf8, "a\u{fffd}b"),
            (b"\xff\xfea\0b", InvalidText::Utf16, "a\u{fffd}"),
            (b"\xff\xfe\0\xd8a\0", InvalidText::Utf16, "\u{fffd}a"),
            (
                b"\xff\xfe\0\0a\0\0\0\xff\xff\xff\xff",
                InvalidText::Utf32,
                "a\u{fffd}",
            ),
        ] {
            assert_eq!(decode(bytes), Err(error));
            assert_eq!(decode_lossy(bytes), lossy);
        }
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    proptest! {
        #[test]
        fn no_bytes_lead_to_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let lossy = decode_lossy(&bytes);
            if let Ok(text) = decode(&bytes) {
                prop_assert_eq!(text, lossy);
            }
        }
    }
}
