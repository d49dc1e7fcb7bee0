//! A response with content, while its body is read.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::timeout;

use super::content_error::out_of_range;
use super::identity::{EntityIdentity, IdentityMatch};
use super::range::RequestedRange;
use super::response_head::ResponseHead;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{ByteStream, Response, TransportErrorKind};

/// A response with content, with its head parsed.
pub(super) struct ContentResponse {
    pub(super) head: ResponseHead,
    /// The offset in the content of the next byte of the body.
    position: u64,
    body: ByteStream,
}

impl ContentResponse {
    pub(super) fn parse(response: Response, requested: RequestedRange) -> Result<Self> {
        let status = response.status().as_u16();
        let head = ResponseHead::parse(status, response.headers(), requested)?;
        Ok(Self {
            position: head.start,
            head,
            body: response.into_body().into_stream(),
        })
    }

    /// An empty response, for a range at the end of content of `total` bytes.
    ///
    /// # Errors
    /// The range begins beyond the first byte, where there is no content.
    pub(super) fn empty(total: u64, requested: RequestedRange) -> Result<Self> {
        if requested.start > 0 {
            return Err(out_of_range(requested.start, total).with_status(416));
        }
        Ok(Self {
            head: ResponseHead {
                start: 0,
                end: Some(0),
                identity: EntityIdentity {
                    total: Some(total),
                    ..EntityIdentity::default()
                },
                expected_sha256: None,
                is_delimited: true,
                has_length: true,
            },
            position: 0,
            body: stream::empty().boxed(),
        })
    }

    /// Whether the response is about the expected version of the content.
    pub(super) fn compare(&self, expected: Option<&EntityIdentity>) -> IdentityMatch {
        expected.map_or(IdentityMatch::Same, |expected| {
            expected.compare(&self.head.identity)
        })
    }

    /// Whether the content is empty. Without a length, only the end of the body shows it.
    pub(super) async fn is_empty(&mut self, limit: Duration) -> bool {
        if self.head.identity.total.is_some() || self.head.end.is_some() {
            return self.head.identity.total == Some(0);
        }
        match timeout(limit, self.body.next()).await {
            Ok(None) => true,
            Ok(Some(first)) => {
                let rest = std::mem::replace(&mut self.body, stream::empty().boxed());
                self.body = stream::iter([first]).chain(rest).boxed();
                false
            }
            // The next read reports the timeout.
            Err(_) => false,
        }
    }

    /// The next bytes, or none at the end of the body.
    ///
    /// # Errors
    /// A permanent one if the body has more bytes than the head announced: which of them are the
    /// content is unknown.
    pub(super) async fn next(&mut self, read_timeout: Duration) -> Result<Option<Bytes>> {
        match timeout(read_timeout, self.body.try_next()).await {
            Ok(Ok(Some(bytes))) => {
                self.position = self.position.saturating_add(bytes.len() as u64);
                if self.head.end.is_some_and(|end| self.position > end) {
                    return Err(Error::new(
                        ErrorKind::CorruptContent,
                        "the response has more content than it announced",
                    )
                    .with_retryable(false));
                }
                Ok(Some(bytes))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => {
                let kind = if error.kind() == TransportErrorKind::Timeout {
                    ErrorKind::Timeout
                } else {
                    ErrorKind::Connection
                };
                let text = "the connection broke while content was received";
                Err(Error::new(kind, text).with_source(error))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "no content was received for {:.1} s",
                    read_timeout.as_secs_f32()
                ),
            )),
        }
    }

    /// Whether the body may continue after all announced bytes.
    pub(super) fn may_have_more(&self) -> bool {
        !self.head.has_length && self.head.end == Some(self.position)
    }
}
