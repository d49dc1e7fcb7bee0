//! Byte ranges.

use std::ops::RangeInclusive;

/// The range that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// The whole content, because there is no `Range` header, or an invalid one.
    All,
    /// These bytes.
    Part(RangeInclusive<u64>),
    /// A range outside of the content.
    Unsatisfiable,
}

/// Parses `bytes=a-b`, `bytes=a-` and `bytes=-n` for content of `length` bytes.
pub(super) fn parse_range(header: Option<&str>, length: u64) -> RequestedRange {
    header
        .and_then(|header| header.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
        .and_then(|(first, last)| part(first, last, length))
        .unwrap_or(RequestedRange::All)
}

/// Returns `None` if this is not a valid range.
fn part(first: &str, last: &str, length: u64) -> Option<RequestedRange> {
    if first.is_empty() {
        let count = number(last)?.min(length);
        return Some(if count == 0 {
            RequestedRange::Unsatisfiable
        } else {
            RequestedRange::Part(length - count..=length - 1)
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some(if first < length {
        RequestedRange::Part(first..=last.min(length - 1))
    } else {
        RequestedRange::Unsatisfiable
    })
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number with too many digits is greater than any offset.
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed() {
        for (header, length, expected) in [
            ("bytes=0-0", 10, RequestedRange::Part(0..=0)),
            ("bytes=0-9", 10, RequestedRange::Part(0..=9)),
            ("bytes=3-", 10, RequestedRange::Part(3..=9)),
            ("bytes=3-99", 10, RequestedRange::Part(3..=9)),
            (
                "bytes=3-99999999999999999999999",
                10,
                RequestedRange::Part(3..=9),
            ),
            ("bytes=-4", 10, RequestedRange::Part(6..=9)),
            ("bytes=-99", 10, RequestedRange::Part(0..=9)),
            ("bytes=10-", 10, RequestedRange::Unsatisfiable),
            ("bytes=10-20", 10, RequestedRange::Unsatisfiable),
            ("bytes=-0", 10, RequestedRange::Unsatisfiable),
            ("bytes=0-", 0, RequestedRange::Unsatisfiable),
            ("bytes=-1", 0, RequestedRange::Unsatisfiable),
            ("bytes=5-4", 10, RequestedRange::All),
            ("bytes=0-1,3-4", 10, RequestedRange::All),
            ("bytes=-", 10, RequestedRange::All),
            ("bytes=a-b", 10, RequestedRange::All),
            ("bytes=+1-2", 10, RequestedRange::All),
            ("items=0-1", 10, RequestedRange::All),
            ("", 10, RequestedRange::All),
        ] {
            assert_eq!(parse_range(Some(header), length), expected, "{header}");
        }
        assert_eq!(parse_range(None, 10), RequestedRange::All);
    }
}
