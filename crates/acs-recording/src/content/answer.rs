//! Asking for content, and what an answer says about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Response;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::range::{ContentRange, Wanted, number};
use super::verify::Announced;
use super::{ContentUrl, refused};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};

/// The pauses while content is not ready begin with this.
const FIRST_READY_PAUSE: Duration = Duration::from_millis(500);

/// They grow up to this.
const MAX_READY_PAUSE: Duration = Duration::from_secs(10);

/// What tells content from other content at the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its size in bytes.
    pub(super) total: Option<u64>,
    /// Its entity tag.
    pub(super) tag: Option<String>,
}

/// What another answer says about being about the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Same,
    Other,
    /// Too little to tell.
    Unsaid,
}

impl Identity {
    /// Compares tags if the first answer had one, and sizes otherwise.
    fn likeness(&self, other: &Self) -> Likeness {
        match (self.total.zip(other.total), &self.tag, &other.tag) {
            (Some((one, two)), ..) if one != two => Likeness::Other,
            (_, Some(one), Some(two)) if one != two => Likeness::Other,
            (_, Some(_), Some(_)) | (Some(_), None, _) => Likeness::Same,
            _ => Likeness::Unsaid,
        }
    }

    /// Whether another answer can be told from one about other content.
    pub(super) fn is_known(&self) -> bool {
        self.total.is_some() || self.tag.is_some()
    }

    /// The tag for `If-Range`, which only takes strong ones.
    fn strong_tag(&self) -> Option<HeaderValue> {
        let tag = self.tag.as_deref().filter(|tag| tag.starts_with('"'))?;
        HeaderValue::try_from(tag).ok()
    }
}

/// How long content that is not there yet is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// After 404 and 503.
    pub(super) missing: Duration,
    /// After an empty body; with zero an empty body is what there is.
    pub(super) empty: Duration,
}

/// Content that is not there yet.
#[derive(Debug)]
pub(super) struct NotReady {
    /// How long it may not be there.
    limit: Duration,
    /// What the service says instead.
    error: Error,
}

/// How long content was waited for.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    since: Option<Instant>,
    last: Option<Duration>,
}

impl Readiness {
    /// How long to wait before asking again.
    ///
    /// # Errors
    /// It was long enough.
    pub(super) fn pause(&mut self, NotReady { limit, error }: NotReady) -> Result<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let pause = self.last.map_or(FIRST_READY_PAUSE, |last| last * 2);
        let pause = pause.min(MAX_READY_PAUSE);
        if since.elapsed() + pause <= limit {
            debug!(?pause, "content is not ready yet");
            self.last = Some(pause);
            return Ok(pause);
        }
        if limit.is_zero() {
            return Err(error);
        }
        let text = format!(
            "the content was not ready within {:.1} s",
            limit.as_secs_f32()
        );
        Err(Error::new(ErrorKind::ContentNotReady, text).with_source(error))
    }
}

/// Where content comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) client: RecordingClient,
    pub(super) location: ContentUrl,
    pub(super) operation: &'static str,
    /// How long nothing may come in.
    pub(super) stall: Duration,
    pub(super) patience: Patience,
    /// Whether the content is so old that the service no longer keeps it.
    pub(super) expired: bool,
    /// Turned off by the first answer that shows that the server does not do ranges.
    pub(super) ranges: AtomicBool,
}

/// An answer with content, of which the head was read.
pub(super) struct Answer {
    /// Where in the content its body begins.
    pub(super) start: u64,
    /// Where it ends; unknown if the server does not say.
    pub(super) end: Option<u64>,
    pub(super) identity: Identity,
    /// Checksums of the whole content.
    pub(super) announced: Announced,
    /// Whether the end of the body shows, even if its length is unknown.
    pub(super) is_delimited: bool,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
}

impl Source {
    /// Asks for the first time, and waits while content is not ready.
    pub(super) async fn begin(&self, wanted: Wanted) -> Result<Answer> {
        let mut readiness = Readiness::default();
        loop {
            match self.ask(wanted).await? {
                Ok(answer) => return Ok(answer),
                Err(not_ready) => sleep(readiness.pause(not_ready)?).await,
            }
        }
    }

    /// Asks for the first time; says so if content is not ready.
    pub(super) async fn ask(&self, wanted: Wanted) -> Result<Result<Answer, NotReady>> {
        let mut answer = match self.open(wanted, None).await {
            Ok(answer) => answer,
            Err(error) => return self.not_ready(error).map(Err),
        };
        let limit = self.patience.empty;
        if !limit.is_zero() && answer.is_empty(self.stall).await {
            let error = Error::new(ErrorKind::ContentNotReady, "the content is empty");
            return Ok(Err(NotReady { limit, error }));
        }
        Ok(Ok(answer))
    }

    /// What an error says about content that may come yet.
    ///
    /// # Errors
    /// The same one, if it is about something else.
    pub(super) fn not_ready(&self, error: Error) -> Result<NotReady> {
        let limit = self.patience.missing;
        match error.status() {
            Some(404 | 503) if error.kind() != ErrorKind::ExpiredContent => {
                Ok(NotReady { limit, error })
            }
            _ => Err(error),
        }
    }

    /// Asks for a range of what `pinned` describes.
    ///
    /// # Errors
    /// [`ErrorKind::ContentChanged`] if there is something else by now.
    pub(super) async fn open(&self, wanted: Wanted, pinned: Option<&Identity>) -> Result<Answer> {
        let ranged = self.does_ranges() && wanted.header().is_some();
        let response = self.send(wanted, pinned, ranged).await?;
        let answer = match response.status().as_u16() {
            200 | 206 => Answer::read(response, wanted)?,
            416 => match content_range(response.headers()) {
                Some(ContentRange::Nothing(Some(total))) if total <= wanted.start => {
                    // It had more when it was pinned.
                    if pinned.is_some() {
                        return Err(changed());
                    }
                    Answer::nothing(total, &wanted)?
                }
                _ if ranged => return self.without_ranges(wanted, pinned).await,
                _ => return Err(self.refusal(response).await),
            },
            405 | 501 if ranged => return self.without_ranges(wanted, pinned).await,
            // Some gateways know no ranges, and no better status for that.
            400 if ranged && pinned.is_some() => return self.without_ranges(wanted, pinned).await,
            _ => return Err(self.refusal(response).await),
        };
        match answer.likeness(pinned) {
            Likeness::Same => {}
            // A server may say less about parts than about the whole.
            Likeness::Unsaid if ranged => return self.without_ranges(wanted, pinned).await,
            Likeness::Unsaid | Likeness::Other => return Err(changed()),
        }
        if answer.start != wanted.start {
            self.ranges.store(false, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// Whether nothing showed yet that the server does not do ranges.
    pub(super) fn does_ranges(&self) -> bool {
        self.ranges.load(Ordering::Relaxed)
    }

    async fn without_ranges(&self, wanted: Wanted, pinned: Option<&Identity>) -> Result<Answer> {
        debug!("the server refuses ranges");
        self.ranges.store(false, Ordering::Relaxed);
        let response = self.send(wanted, pinned, false).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let answer = Answer::read(response, wanted)?;
        match answer.likeness(pinned) {
            Likeness::Same => Ok(answer),
            Likeness::Unsaid | Likeness::Other => Err(changed()),
        }
    }

    async fn send(
        &self,
        wanted: Wanted,
        pinned: Option<&Identity>,
        ranged: bool,
    ) -> Result<Response> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if ranged && let Some(range) = wanted.header() {
            headers.insert(RANGE, range);
            if let Some(tag) = pinned.and_then(Identity::strong_tag) {
                headers.insert(IF_RANGE, tag);
            }
        }
        let pipeline = self.client.pipeline();
        let url = self.location.as_url();
        pipeline
            .content(Method::GET, url, headers, self.operation)
            .await
    }

    async fn refusal(&self, response: Response) -> Error {
        let gone = response.status().as_u16() == 410;
        let error = refused(response).await;
        if gone || (self.expired && error.kind() == ErrorKind::NotFound) {
            return error.of_kind(ErrorKind::ExpiredContent);
        }
        error
    }
}

impl Answer {
    fn read(response: Response, wanted: Wanted) -> Result<Self> {
        let unexpected = |what: &str| Err(Error::new(ErrorKind::UnexpectedAnswer, what));
        let headers = response.headers();
        let length = text(headers, &CONTENT_LENGTH).and_then(number);
        let encoding = text(headers, &CONTENT_ENCODING).unwrap_or("identity");
        if !encoding.eq_ignore_ascii_case("identity") {
            return unexpected("the content comes compressed, which was not asked for");
        }
        let (start, end, total) = match content_range(headers) {
            Some(ContentRange::Part(start, end, total)) => (start, Some(end), total),
            // All of it, whatever was asked for.
            _ if response.status().as_u16() == 200 => (0, length, length),
            _ => return unexpected("a part of the content came that does not say which"),
        };
        // A body may be shorter than its part of the content; then the rest is asked for again.
        let end = match (end, length) {
            (Some(end), Some(length)) => Some(end.min(start.saturating_add(length))),
            (end, None) => end,
            (None, Some(length)) => start.checked_add(length),
        };
        if start > wanted.start {
            return unexpected("another part of the content came than was asked for");
        }
        let tag = text(headers, &ETAG).filter(|tag| tag.is_ascii());
        let is_whole = start == 0 && end == total;
        Ok(Self {
            start,
            end,
            identity: Identity {
                total,
                tag: tag.map(str::to_owned),
            },
            announced: Announced::read(headers, is_whole),
            is_delimited: end.is_some() || headers.contains_key(TRANSFER_ENCODING),
            body: response.bytes_stream().boxed(),
        })
    }

    /// Nothing, because content ends before the range begins.
    fn nothing(total: u64, wanted: &Wanted) -> Result<Self> {
        if wanted.start > 0 {
            return Err(beyond(wanted.start, total).with_status(416));
        }
        Ok(Self {
            start: 0,
            end: Some(0),
            identity: Identity {
                total: Some(total),
                tag: None,
            },
            announced: Announced::default(),
            is_delimited: true,
            body: stream::empty().boxed(),
        })
    }

    /// What it says about being about pinned content.
    fn likeness(&self, pinned: Option<&Identity>) -> Likeness {
        pinned.map_or(Likeness::Same, |pinned| pinned.likeness(&self.identity))
    }

    /// Whether the content is empty, which without a length shows at the end of the body alone.
    async fn is_empty(&mut self, stall: Duration) -> bool {
        if self.identity.total.is_some() || self.end.is_some() {
            return self.identity.total == Some(0);
        }
        match timeout(stall, self.body.next()).await {
            Ok(None) => true,
            Ok(Some(first)) => {
                let rest = std::mem::replace(&mut self.body, stream::empty().boxed());
                self.body = stream::iter([first]).chain(rest).boxed();
                false
            }
            // Whoever reads on notices, too.
            Err(_) => false,
        }
    }

    /// The next bytes, or none at the end of the body.
    pub(super) async fn next(&mut self, stall: Duration) -> Result<Option<Bytes>> {
        match timeout(stall, self.body.try_next()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => {
                let kind = if error.is_timeout() {
                    ErrorKind::Timeout
                } else {
                    ErrorKind::Connection
                };
                Err(Error::new(kind, "the content broke off").with_source(error.without_url()))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no content came in for {:.1} s", stall.as_secs_f32()),
            )),
        }
    }
}

fn changed() -> Error {
    Error::new(
        ErrorKind::ContentChanged,
        "the content changed while it was downloaded",
    )
}

/// The error of a range that begins where there is no content any more.
pub(super) fn beyond(start: u64, total: u64) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the range begins at {start}, and the content has {total} bytes"),
    )
}

fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::parse(text(headers, &CONTENT_RANGE)?)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
