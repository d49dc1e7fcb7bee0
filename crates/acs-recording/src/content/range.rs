//! Byte ranges: what is asked for, and what an answer says that it holds.

use std::ops::{Bound, Range, RangeBounds};

use http::HeaderValue;

/// The bytes of content that are wanted: from `start`, to before `end` or to where content ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
}

impl Wanted {
    /// None if the range ends before it begins.
    pub(super) fn new(bounds: &impl RangeBounds<u64>) -> Option<Self> {
        let start = match bounds.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match bounds.end_bound() {
            // The last byte that a number can name is followed by nothing.
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        match end {
            Some(end) if end < start => None,
            _ => Some(Self { start, end }),
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.start == 0 && self.end.is_none()
    }

    pub(super) fn is_empty(self) -> bool {
        self.end == Some(self.start)
    }

    /// The part of it that content of `total` bytes has.
    pub(super) fn timeout(self, total: u64) -> Range<u64> {
        let end = self.end.map_or(total, |end| end.min(total));
        self.start..end.max(self.start)
    }

    /// The header that asks for it; none for all, so that a server without ranges sees none.
    pub(super) fn header(self) -> Option<HeaderValue> {
        let text = match self.end {
            None if self.start == 0 => return None,
            None => format!("bytes={}-", self.start),
            Some(end) => format!("bytes={}-{}", self.start, end.checked_sub(1)?),
        };
        HeaderValue::try_from(text).ok()
    }
}

/// The header `Content-Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// `bytes 0-9/100`: from the first to before the second, of all if that is known.
    Part(u64, u64, Option<u64>),
    /// `bytes */100`: nothing of the range that was asked for exists.
    Nothing(Option<u64>),
}

impl ContentRange {
    /// None if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total)?),
        };
        let range = range.trim();
        if range == "*" {
            return Some(Self::Nothing(total));
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first.trim())?, number(last.trim())?);
        let end = last.checked_add(1)?;
        let sound = first <= last && total.is_none_or(|total| end <= total);
        sound.then_some(Self::Part(first, end, total))
    }
}

/// Digits and nothing else: `parse` alone would take a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    fn bounds_become_headers() {
        let header = |wanted: Option<Wanted>| {
            let header = wanted?.header()?;
            Some(header.to_str().unwrap().to_owned())
        };
        for (wanted, expected) in [
            (Wanted::new(&(..)), None),
            (Wanted::new(&(0..)), None),
            (Wanted::new(&(0..1)), Some("bytes=0-0")),
            (Wanted::new(&(0..=0)), Some("bytes=0-0")),
            (Wanted::new(&(..10)), Some("bytes=0-9")),
            (Wanted::new(&(5..)), Some("bytes=5-")),
            (Wanted::new(&(5..8)), Some("bytes=5-7")),
            (Wanted::new(&(5..=u64::MAX)), Some("bytes=5-")),
        ] {
            assert_eq!(header(wanted).as_deref(), expected, "{wanted:?}");
        }
        assert!(Wanted::new(&(0..0)).unwrap().is_empty());
        assert!(Wanted::new(&(7..7)).unwrap().is_empty());
        assert!(!Wanted::new(&(..)).unwrap().is_empty());
        assert_eq!(Wanted::new(&(8..5)), None);
        let beyond = (Bound::Excluded(u64::MAX), Bound::Unbounded);
        assert_eq!(Wanted::new(&beyond), None);
    }

    #[test]
    fn what_is_no_content_range_is_none() {
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes 0-9",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes +0-9/10",
            "bytes -1/10",
            "bytes 0-/10",
            "bytes a-b/c",
            "items 0-9/10",
            "bytes 0-9/",
            "bytes 0-18446744073709551615/*",
            "bytes 0-99999999999999999999/*",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
        assert_eq!(
            ContentRange::parse(" BYTES  */7 "),
            Some(ContentRange::Nothing(Some(7)))
        );
        assert_eq!(
            ContentRange::parse("bytes */*"),
            Some(ContentRange::Nothing(None))
        );
    }

    proptest! {
        #[test]
        fn a_content_range_is_read_as_written(first in 0..u64::MAX / 2, length in 1..1_u64 << 40,
                                              after in proptest::option::of(0..1_u64 << 40)) {
            let total = after.map(|after| first + length + after);
            let shown = total.map_or("*".to_owned(), |total| total.to_string());
            let text = format!("bytes {first}-{}/{shown}", first + length - 1);
            prop_assert_eq!(
                ContentRange::parse(&text),
                Some(ContentRange::Part(first, first + length, total))
            );
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,40}") {
            let _ = ContentRange::parse(&text);
            let _ = ContentRange::parse(&format!("bytes {text}"));
        }

        #[test]
        fn what_is_within_never_lies_outside(start: u64, length: u32, total: u64) {
            let end = start.saturating_add(u64::from(length));
            let range = Wanted::new(&(start..end)).unwrap().timeout(total);
            prop_assert!(range.start <= range.end);
            prop_assert!(range.is_empty() || range.end <= total);
        }
    }
}
