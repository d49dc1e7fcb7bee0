//! What the head of a response says about the content in its body.

use std::time::UNIX_EPOCH;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName};

use super::identity::Identity;
use super::range::{ContentRange, Wanted, number};
use super::verify::Announced;
use crate::error::{Error, ErrorKind, Result};

/// What a head says that does not contradict itself.
#[derive(Debug)]
pub(super) struct Head {
    /// Where in the content the body begins.
    pub(super) start: u64,
    /// Where it ends; unknown if the server does not say.
    pub(super) end: Option<u64>,
    pub(super) identity: Identity,
    /// Checksums of the whole content.
    pub(super) announced: Announced,
    /// Whether the end of the body shows, even if its length is unknown.
    pub(super) is_delimited: bool,
    /// Whether HTTP itself ends the body where the head says.
    pub(super) is_measured: bool,
}

impl Head {
    /// Reads the head of a response with status 200 or 206 to a request for `asked`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] if it contradicts itself or the request. Then nobody knows
    /// what its body is.
    pub(super) fn read(status: u16, headers: &HeaderMap, asked: Wanted) -> Result<Self> {
        for coding in list(headers, &CONTENT_ENCODING) {
            if !coding.eq_ignore_ascii_case("identity") {
                return refuse("the content comes compressed, which was not asked for");
            }
        }
        for coding in list(headers, &TRANSFER_ENCODING) {
            if !coding.eq_ignore_ascii_case("chunked") {
                return refuse("the response has a transfer coding that was not asked for");
            }
        }
        let length = single(headers, &CONTENT_LENGTH)?.and_then(number);
        let (start, end, total) = match single(headers, &CONTENT_RANGE)? {
            Some(range) => part(status, range, length, asked)?,
            None if status == 200 => (0, length, length),
            None => return refuse("a part of the content came that does not say which"),
        };
        if start > asked.start {
            return refuse("another part of the content came than was asked for");
        }
        let tag = single(headers, &ETAG)?.filter(|tag| tag.is_ascii());
        let is_chunked = headers.contains_key(TRANSFER_ENCODING);
        Ok(Self {
            start,
            end,
            identity: Identity {
                total,
                tag: tag.map(str::to_owned),
                modified: single(headers, &LAST_MODIFIED)?.and_then(seconds),
            },
            announced: Announced::read(headers, start == 0 && end == total),
            is_delimited: end.is_some() || is_chunked,
            is_measured: length.is_some() && !is_chunked,
        })
    }
}

/// The part of the content that `Content-Range` names. The service sends it with status 200 too.
fn part(
    status: u16,
    range: &str,
    length: Option<u64>,
    asked: Wanted,
) -> Result<(u64, Option<u64>, Option<u64>)> {
    let Some(ContentRange::Part(start, end, total)) = ContentRange::parse(range) else {
        return refuse("content came with a Content-Range that names no part of it");
    };
    if length.is_some_and(|length| length != end - start) {
        return refuse("Content-Length and Content-Range of the response contradict each other");
    }
    let is_whole = status == 200 && start == 0 && total == Some(end);
    if start != asked.start && !is_whole {
        return refuse("another part of the content came than was asked for");
    }
    Ok((start, Some(end), total))
}

fn refuse<T>(what: &str) -> Result<T> {
    let text = format!("{what}; a gateway may have changed the response");
    Err(Error::new(ErrorKind::InvalidResponse, text))
}

/// What `Content-Range` of a refusal says.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}

/// The value of a header that must not have two.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.any(|value| Some(value) != first) {
        return refuse(&format!("the response has two different headers `{name}`"));
    }
    Ok(first.and_then(|value| value.to_str().ok()))
}

/// The members of a header that is a list. What is no text is a member as well.
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

    fn read(status: u16, headers: &[(&'static str, &'static str)], asked: Wanted) -> Result<Head> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Head::read(status, &map, asked)
    }

    const ALL: Wanted = Wanted {
        start: 0,
        end: None,
    };
    const FROM_40: Wanted = Wanted {
        start: 40,
        end: None,
    };

    #[test]
    fn a_head_that_agrees_with_itself_and_the_request_is_read() {
        let range = |range| ("content-range", range);
        let length = |length| ("content-length", length);
        for (status, headers, asked, expected) in [
            (200, vec![length("100")], ALL, (0, Some(100), Some(100))),
            (200, vec![], ALL, (0, None, None)),
            // As the service answers.
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
            // Less than was asked for: the rest is asked for again.
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
            // All of it, because the server does not do ranges.
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
            let head = read(status, &headers, asked).unwrap();
            assert_eq!(
                (head.start, head.end, head.identity.total),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_head_that_contradicts_itself_or_the_request_is_refused() {
        let range = |range| ("content-range", range);
        let length = |length| ("content-length", length);
        for (status, headers, asked) in [
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
            let error = read(status, &headers, asked).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{headers:?}");
        }
    }

    #[test]
    fn when_it_was_modified_is_read_in_every_form_of_a_date() {
        for date in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
        ] {
            let head = read(200, &[("last-modified", date)], ALL).unwrap();
            assert_eq!(head.identity.modified, Some(1_445_412_480), "{date}");
        }
        let head = read(200, &[("last-modified", "today")], ALL).unwrap();
        assert_eq!(head.identity.modified, None);
    }
}
