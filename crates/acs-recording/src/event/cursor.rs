//! Reads JSON in one pass, as long as it has the usual form.
//!
//! Every method that reads returns None if it meets anything else, malformed JSON included. The
//! caller then reads the same text with serde, which accepts every form and describes errors.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The deepest nesting of values that are not looked into.
const MAX_DEPTH: usize = 64;
/// The number of bytes that are searched at a time.
const BLOCK: usize = 32;

/// A position in JSON text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The text since another position.
    pub(super) fn text_since(&self, start: Self) -> Option<&'a str> {
        self.text.get(start.at..self.at)
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn skip_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_if(byte).then_some(())
    }

    /// Reads an object, and calls `member` at the value of each member.
    ///
    /// It is fastest if the names come in the order of `expected`, from which any may be missing.
    #[inline]
    pub(super) fn object(
        &mut self,
        expected: &[&str],
        mut member: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.skip_if(b'}') {
            return Some(());
        }
        let mut expected = expected.iter();
        loop {
            let mut ahead = expected.clone();
            if let Some(name) = ahead.find(|name| self.skip_name(name)) {
                expected = ahead;
                self.expect(b':')?;
                member(self, name)?;
            } else {
                let name = self.string()?;
                self.expect(b':')?;
                member(self, &name)?;
            }
            if !self.skip_if(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Reads the name of a member, if it is this one.
    #[inline]
    fn skip_name(&mut self, name: &str) -> bool {
        let is_quotation_mark = self.peek() == Some(b'"');
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let end = start + name.len();
        let is_name = is_quotation_mark
            && bytes.get(end) == Some(&b'"')
            && bytes.get(start..end) == Some(name.as_bytes());
        if is_name {
            self.at = end + 1;
        }
        is_name
    }

    /// Reads an array, and calls `element` at each element.
    #[inline]
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.skip_if(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.skip_if(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Reads a string.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = start + find_special(self.text.as_bytes().get(start..)?)?;
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.text.get(start..end).map(Cow::Borrowed);
        }
        self.escaped_string(start, end).map(Cow::Owned)
    }

    /// Reads a string whose first escape is at `at`.
    #[cold]
    fn escaped_string(&mut self, start: usize, mut at: usize) -> Option<String> {
        let bytes = self.text.as_bytes();
        while bytes.get(at) == Some(&b'\\') {
            at += 2;
            at += find_special(bytes.get(at..)?)?;
        }
        self.at = at + 1;
        serde_json::from_str(self.text.get(start - 1..=at)?).ok()
    }

    /// Reads a whole number that a double holds exactly.
    pub(super) fn count(&mut self) -> Option<u64> {
        self.peek()?;
        let number = self.number()?;
        number.parse().ok().filter(|_| number.len() <= 15)
    }

    /// Reads a number, and returns its text.
    fn number(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let number = rest.get(..length)?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit())
            && (length == 1 || !number.starts_with('0'))
            && length > 0;
        if !is_plain {
            serde_json::from_str::<IgnoredAny>(number).ok()?;
        }
        self.at += length;
        Some(number)
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        self.at += literal.len();
        rest.starts_with(literal).then_some(())
    }

    /// Reads any value, and returns its text.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.skip_value(MAX_DEPTH)?;
        self.text.get(start..self.at)
    }

    fn skip_value(&mut self, depth: usize) -> Option<()> {
        let inner = depth.checked_sub(1)?;
        match self.peek()? {
            b'{' => self.object(&[], |cursor, _| cursor.skip_value(inner)),
            b'[' => self.array(|cursor| cursor.skip_value(inner)),
            b'"' => self.string().map(|_| ()),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// The text that is not read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// The position of the first quotation mark, backslash or control character.
///
/// None if it is a control character, which JSON does not allow in a string, or if there is none.
#[inline]
fn find_special(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    // Without an early exit, a block is compared at once.
    for block in bytes.as_chunks::<BLOCK>().0 {
        let is_special = |found, byte: &u8| found | is_special(*byte);
        if block.iter().fold(false, is_special) {
            break;
        }
        start += BLOCK;
    }
    let (words, last) = bytes.get(start..)?.as_chunks();
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            let at = start + special.trailing_zeros() as usize / 8;
            return bytes.get(at).filter(|byte| **byte >= b' ').map(|_| at);
        }
        start += word.len();
    }
    let at = last.iter().position(|byte| is_special(*byte))?;
    last.get(at)
        .filter(|byte| **byte >= b' ')
        .map(|_| start + at)
}

#[allow(
    clippy::needless_bitwise_bool,
    reason = "without branches, it is vectorized"
)]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < b' ')
}

/// The high bit of the lowest byte that is a quotation mark, a backslash or a control character. Higher
/// bytes may be marked wrongly.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = ONES << 7;
    // A byte below 0x20 borrows, and so does one that is zero.
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let zero_if_quote = word ^ (ONES * u64::from(b'"'));
    let quote = zero_if_quote.wrapping_sub(ONES) & !zero_if_quote;
    let zero_if_backslash = word ^ (ONES * u64::from(b'\\'));
    let backslash = zero_if_backslash.wrapping_sub(ONES) & !zero_if_backslash;
    (control | quote | backslash) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_are_read_as_by_serde(
            text in r#"[a-zA-Z0-9"\\/ñ€\u{0}-\u{24}]{0,40}"#,
            is_encoded in any::<bool>(),
        ) {
            let json = if is_encoded {
                serde_json::to_string(&text).unwrap()
            } else {
                format!("\"{text}\"")
            };
            let expected: Option<String> = serde_json::from_str(&json).ok();
            let mut cursor = Cursor::new(&json);
            let read = cursor.string().filter(|_| cursor.is_at_end());
            prop_assert_eq!(read.as_deref(), expected.as_deref());
        }

        #[test]
        fn special_bytes_are_found_at_any_position(
            bytes in proptest::collection::vec(
                prop_oneof![0..=255_u8, Just(b'"'), Just(b'\\'), Just(0x1f), Just(0x80)], 0..40,
            )
        ) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '));
            let expected = expected.filter(|at| bytes[*at] >= b' ');
            prop_assert_eq!(find_special(&bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn values_are_read_as_by_serde(
            json in r#"( ?[\[\]{}:,"0-9.eE+ -]|true|false|null|"a"|"\\u00e9"|"a":){0,12}"#
        ) {
            let expected = serde_json::from_str::<IgnoredAny>(&json).is_ok();
            let mut cursor = Cursor::new(&json);
            let read = cursor.value().filter(|_| cursor.is_at_end());
            prop_assert_eq!(read, expected.then_some(json.trim()));
        }
    }

    #[test]
    fn values_are_nested_to_a_limit() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Cursor::new(&nested(MAX_DEPTH)).value().is_some());
        assert!(Cursor::new(&nested(MAX_DEPTH + 1)).value().is_none());
        for json in [
            r#"{"a": [1, -2.5e+3, {"b": null}], "c": "\"" }"#,
            "[]",
            "{}",
            "-0",
            "\"\"",
        ] {
            assert_eq!(Cursor::new(json).value(), Some(json));
        }
        for json in [
            "{\"a\" 1}",
            "[1 2]",
            "01",
            "1.",
            "-",
            "[1,]",
            "{,}",
            "tru",
            "\"\t\"",
            "\"\\x\"",
        ] {
            let mut cursor = Cursor::new(json);
            assert_eq!(
                cursor.value().filter(|_| cursor.is_at_end()),
                None,
                "{json}"
            );
        }
    }

    #[test]
    fn counts_are_whole_numbers() {
        let count = |json| {
            let mut cursor = Cursor::new(json);
            cursor.count().filter(|_| cursor.is_at_end())
        };
        assert_eq!(count(" 14465120 "), Some(14_465_120));
        assert_eq!(count("0"), Some(0));
        for json in [
            "",
            "-1",
            "1.0",
            "1e3",
            "01",
            "1234567890123456",
            "\"1\"",
            "null",
            "x",
        ] {
            assert_eq!(count(json), None, "{json}");
        }
    }
}
