//! Byte ranges in requests and responses.

use std::ops::{Bound, Range, RangeBounds};

use http::HeaderValue;

/// The requested bytes of content: from `start` to before `end`, or to the end of the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestedRange {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
}

impl RequestedRange {
    /// None if the range ends before it begins.
    pub(super) fn new(bounds: &impl RangeBounds<u64>) -> Option<Self> {
        let start = match bounds.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match bounds.end_bound() {
            // No byte can follow the last position of a u64.
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

    /// The part of the range that exists in content of `total` bytes.
    pub(super) fn clamp_to(self, total: u64) -> Range<u64> {
        let end = self.end.map_or(total, |end| end.min(total));
        self.start..end.max(self.start)
    }

    /// The `Range` header. None for the whole content, so that servers without ranges get no header.
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
    /// `bytes 0-9/100`: start, exclusive end, and the total size if it is known.
    Part(u64, u64, Option<u64>),
    /// `bytes */100`: the requested range lies outside the content.
    Unsatisfied(Option<u64>),
}

impl ContentRange {
    /// None if the text is not a valid `Content-Range`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        let total = match total.trim() {
            "*" => None,
            total => Some(parse_number(total)?),
        };
        let range = range.trim();
        if range == "*" {
            return Some(Self::Unsatisfied(total));
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (parse_number(first.trim())?, parse_number(last.trim())?);
        let end = last.checked_add(1)?;
        let is_valid = first <= last && total.is_none_or(|total| end <= total);
        is_valid.then_some(Self::Part(first, end, total))
    }
}

/// A number of digits only: `parse` alone would accept a sign.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "reversed ranges are rejected")]
    fn bounds_become_range_headers() {
        let header = |range: Option<RequestedRange>| {
            let header = range?.header()?;
            Some(header.to_str().unwrap().to_owned())
        };
        for (range, expected) in [
            (RequestedRange::new(&(..)), None),
            (RequestedRange::new(&(0..)), None),
            (RequestedRange::new(&(0..1)), Some("bytes=0-0")),
            (RequestedRange::new(&(0..=0)), Some("bytes=0-0")),
            (RequestedRange::new(&(..10)), Some("bytes=0-9")),
            (RequestedRange::new(&(5..)), Some("bytes=5-")),
            (RequestedRange::new(&(5..8)), Some("bytes=5-7")),
            (RequestedRange::new(&(5..=u64::MAX)), Some("bytes=5-")),
        ] {
            assert_eq!(header(range).as_deref(), expected, "{range:?}");
        }
        assert!(RequestedRange::new(&(0..0)).unwrap().is_empty());
        assert!(RequestedRange::new(&(7..7)).unwrap().is_empty());
        assert!(!RequestedRange::new(&(..)).unwrap().is_empty());
        assert_eq!(RequestedRange::new(&(8..5)), None);
        let beyond = (Bound::Excluded(u64::MAX), Bound::Unbounded);
        assert_eq!(RequestedRange::new(&beyond), None);
    }

    #[test]
    fn an_invalid_content_range_is_rejected() {
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
            Some(ContentRange::Unsatisfied(Some(7)))
        );
        assert_eq!(
            ContentRange::parse("bytes */*"),
            Some(ContentRange::Unsatisfied(None))
        );
    }

    proptest! {
        #[test]
        fn a_content_range_round_trips(first in 0..u64::MAX / 2, length in 1..1_u64 << 40,
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
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = ContentRange::parse(&text);
            let _ = ContentRange::parse(&format!("bytes {text}"));
        }

        #[test]
        fn a_clamped_range_lies_within_the_content(start: u64, length: u32, total: u64) {
            let end = start.saturating_add(u64::from(length));
            let range = RequestedRange::new(&(start..end)).unwrap().clamp_to(total);
            prop_assert!(range.start <= range.end);
            prop_assert!(range.is_empty() || range.end <= total);
        }
    }
}
