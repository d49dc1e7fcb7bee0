//! What the status and headers of a response say about the content in its body.

use std::time::UNIX_EPOCH;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName};

use super::content_hash::ContentHash;
use super::digest::expected_sha256;
use super::identity::EntityIdentity;
use super::range::{ContentRange, RequestedRange, parse_number};
use crate::error::{Error, ErrorKind, Result};

/// A consistent description of the content in a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    /// The offset in the content at which the body begins.
    pub(super) start: u64,
    /// The offset at which it ends, if the server says so.
    pub(super) end: Option<u64>,
    pub(super) identity: EntityIdentity,
    /// The announced SHA-256 of the complete content.
    pub(super) expected_sha256: Option<ContentHash>,
    /// Whether the end of the body can be distinguished from an interruption.
    pub(super) is_delimited: bool,
    /// Whether HTTP itself limits the body to its announced length.
    pub(super) has_length: bool,
}

impl ResponseHead {
    /// Reads the head of a response with status 200 or 206 to a request for a range.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] if the head contradicts itself or the request, so that the
    /// meaning of the body is unknown.
    pub(super) fn parse(
        status: u16,
        headers: &HeaderMap,
        requested: RequestedRange,
    ) -> Result<Self> {
        for coding in list(headers, &CONTENT_ENCODING) {
            if !coding.eq_ignore_ascii_case("identity") {
                return invalid("the content is compressed although no compression was requested");
            }
        }
        for coding in list(headers, &TRANSFER_ENCODING) {
            if !coding.eq_ignore_ascii_case("chunked") {
                return invalid("the response has an unknown transfer coding");
            }
        }
        let length = single(headers, &CONTENT_LENGTH)?.and_then(parse_number);
        let (start, end, total) = match single(headers, &CONTENT_RANGE)? {
            Some(range) => parse_partial(status, range, length, requested)?,
            None if status == 200 => (0, length, length),
            None => return invalid("the response is partial but has no Content-Range"),
        };
        if start > requested.start {
            return invalid("the response has another range than the requested one");
        }
        let etag = single(headers, &ETAG)?.filter(|etag| etag.is_ascii());
        let is_chunked = headers.contains_key(TRANSFER_ENCODING);
        Ok(Self {
            start,
            end,
            identity: EntityIdentity {
                total,
                etag: etag.map(str::to_owned),
                last_modified: single(headers, &LAST_MODIFIED)?.and_then(seconds),
            },
            expected_sha256: expected_sha256(headers),
            is_delimited: end.is_some() || is_chunked,
            has_length: length.is_some() && !is_chunked,
        })
    }
}

/// The range in `Content-Range`, which the service sends with status 200 too.
fn parse_partial(
    status: u16,
    range: &str,
    length: Option<u64>,
    requested: RequestedRange,
) -> Result<(u64, Option<u64>, Option<u64>)> {
    let Some(ContentRange::Part(start, end, total)) = ContentRange::parse(range) else {
        return invalid("the response has an invalid Content-Range");
    };
    if length.is_some_and(|length| length != end - start) {
        return invalid("Content-Length and Content-Range of the response contradict each other");
    }
    let is_whole = status == 200 && start == 0 && total == Some(end);
    if start != requested.start && !is_whole {
        return invalid("the response has another range than the requested one");
    }
    Ok((start, Some(end), total))
}

fn invalid<T>(what: &str) -> Result<T> {
    let text = format!("{what}; a gateway may have changed the response");
    Err(Error::new(ErrorKind::InvalidResponse, text))
}

/// The `Content-Range` of a 416 response.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}

/// The value of a header that may occur only once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.any(|value| Some(value) != first) {
        return invalid(&format!("the response has two different `{name}` headers"));
    }
    Ok(first.and_then(|value| value.to_str().ok()))
}

/// The members of a list header. A value that is not text counts as an unknown member.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    let members = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    members.map(str::trim).filter(|member| !member.is_empty())
}

fn seconds(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        status: u16,
        headers: &[(&'static str, &'static str)],
        requested: RequestedRange,
    ) -> Result<ResponseHead> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        ResponseHead::parse(status, &map, requested)
    }

    const ALL: RequestedRange = RequestedRange {
        start: 0,
        end: None,
    };
    const FROM_40: RequestedRange = RequestedRange {
        start: 40,
        end: None,
    };

    #[test]
    fn a_consistent_head_is_accepted() {
        let range = |range| ("content-range", range);
        let length = |length| ("content-length", length);
        for (status, headers, requested, expected) in [
            (200, vec![length("100")], ALL, (0, Some(100), Some(100))),
            (200, vec![], ALL, (0, None, None)),
            // As the service responds.
            (
                200,
                vec![range("bytes 0-99/100"), length("100")],
                ALL,
                (0, Some(100), Some(100)),
            ),
            (
                206,
                vec![range("bytes 0-99/100"), length("100")],
                ALL,
                (0, Some(100), Some(100)),
            ),
            (
                200,
                vec![range("bytes 40-99/100"), length("60")],
                FROM_40,
                (40, Some(100), Some(100)),
            ),
            (
                206,
                vec![range("bytes 40-99/100")],
                FROM_40,
                (40, Some(100), Some(100)),
            ),
            // Less than was requested: the rest is requested again.
            (
                206,
                vec![range("bytes 40-49/100"), length("10")],
                FROM_40,
                (40, Some(50), Some(100)),
            ),
            (
                206,
                vec![range("bytes 40-99/*")],
                FROM_40,
                (40, Some(100), None),
            ),
            // The whole content, because the server does not support ranges.
            (200, vec![length("100")], FROM_40, (0, Some(100), Some(100))),
            (
                200,
                vec![range("bytes 0-99/100"), length("100")],
                FROM_40,
                (0, Some(100), Some(100)),
            ),
            (
                200,
                vec![length("100"), length("100")],
                ALL,
                (0, Some(100), Some(100)),
            ),
            (
                200,
                vec![("content-encoding", "identity")],
                ALL,
                (0, None, None),
            ),
            (
                200,
                vec![("transfer-encoding", "Chunked")],
                ALL,
                (0, None, None),
            ),
        ] {
            let head = parse(status, &headers, requested).unwrap();
            assert_eq!(
                (head.start, head.end, head.identity.total),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_head_that_contradicts_itself_or_the_request_is_rejected() {
        let range = |range| ("content-range", range);
        let length = |length| ("content-length", length);
        for (status, headers, requested) in [
            (206, vec![length("60")], FROM_40),
            (206, vec![range("bytes 0-99/100")], FROM_40),
            (206, vec![range("bytes 50-99/100")], FROM_40),
            (206, vec![range("bytes 50-99/100")], ALL),
            (200, vec![range("bytes 50-99/100")], ALL),
            (200, vec![range("bytes 0-49/100")], FROM_40),
            (200, vec![range("bytes 0-99/100"), length("1000")], ALL),
            (200, vec![range("bytes 0-99/1000"), length("1000")], ALL),
            (206, vec![range("bytes 40-99/100"), length("59")], FROM_40),
            (200, vec![range("bytes */100"), length("100")], ALL),
            (200, vec![range("bytes 0-100/100")], ALL),
            (200, vec![range("items 0-99/100")], ALL),
            (200, vec![range("nonsense")], ALL),
            (
                200,
                vec![range("bytes 0-99/100"), range("bytes 0-9/100")],
                ALL,
            ),
            (200, vec![length("100"), length("200")], ALL),
            (200, vec![("content-encoding", "gzip")], ALL),
            (
                200,
                vec![("content-encoding", "identity"), ("content-encoding", "br")],
                ALL,
            ),
            (200, vec![("content-encoding", "identity, zstd")], ALL),
            (200, vec![("transfer-encoding", "gzip, chunked")], ALL),
            (200, vec![("transfer-encoding", "deflate")], ALL),
            (200, vec![("etag", "\"1\""), ("etag", "\"2\"")], ALL),
        ] {
            let error = parse(status, &headers, requested).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{headers:?}");
        }
    }

    #[test]
    fn last_modified_is_read_in_every_date_format() {
        for date in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
        ] {
            let head = parse(200, &[("last-modified", date)], ALL).unwrap();
            assert_eq!(head.identity.last_modified, Some(1_445_412_480), "{date}");
        }
        let head = parse(200, &[("last-modified", "today")], ALL).unwrap();
        assert_eq!(head.identity.last_modified, None);
    }
}
