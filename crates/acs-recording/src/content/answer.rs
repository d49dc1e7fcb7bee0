//! Asking for content, and what an answer says about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Response;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::budget::RetryBudget;
use super::head::{Head, content_range};
use super::identity::{Identity, Likeness};
use super::range::{ContentRange, Wanted};
use super::verify::Announced;
use super::{ContentUrl, refused};
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Hint, Result};
use crate::transport::Trace;

/// The pauses while content is not ready begin with this.
const FIRST_READY_PAUSE: Duration = Duration::from_millis(500);

/// They grow up to this.
const MAX_READY_PAUSE: Duration = Duration::from_secs(10);

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
    /// How long to wait before asking again: no shorter than the service asks for.
    ///
    /// # Errors
    /// It was long enough, or the service asks for a longer wait than the limit allows.
    pub(super) fn pause(&mut self, NotReady { limit, error }: NotReady) -> Result<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let usual = self.last.map_or(FIRST_READY_PAUSE, |last| last * 2);
        let usual = usual.min(MAX_READY_PAUSE);
        let asked = error.retry_after();
        let pause = usual.max(asked.unwrap_or_default());
        let left = limit.saturating_sub(since.elapsed());
        if pause <= left {
            debug!(?pause, "content is not ready yet");
            self.last = Some(usual);
            return Ok(pause);
        }
        if limit.is_zero() {
            return Err(error);
        }
        let mut text = format!(
            "the content was not ready within {:.1} s",
            limit.as_secs_f32()
        );
        let too_long = asked.filter(|asked| *asked > left);
        if let Some(asked) = too_long {
            text = format!(
                "the content is not ready, and the service asks to come again in {:.1} s, when the \
                 limit of {:.1} s is over",
                asked.as_secs_f32(),
                limit.as_secs_f32()
            );
        }
        let late = Error::new(ErrorKind::ContentNotReady, text).with_source(error);
        Err(match too_long {
            Some(asked) => late.with_retry_after(asked),
            None => late,
        })
    }
}

/// Where content comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) client: ClientCore,
    pub(super) location: ContentUrl,
    pub(super) operation: &'static str,
    /// How long nothing may come in.
    pub(super) stall: Duration,
    /// Bytes per second that have to come in, on average over `stall`.
    pub(super) minimum_rate: u64,
    /// What is left to try for the connection that the others depend on.
    pub(super) budget: RetryBudget,
    pub(super) patience: Patience,
    /// Whether the content is so old that the service no longer keeps it.
    pub(super) expired: bool,
    /// Turned off by the first answer that shows that the server does not do ranges.
    pub(super) ranges: AtomicBool,
}

/// An answer with content, of which the head was read.
pub(super) struct Answer {
    pub(super) head: Head,
    /// Where in the content the next byte of the body is.
    at: u64,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
}

impl Source {
    /// Asks for the first time, and waits while content is not ready.
    pub(super) async fn begin(&self, wanted: Wanted) -> Result<Answer> {
        let mut readiness = Readiness::default();
        loop {
            match self.ask(wanted).await? {
                Ok(answer) => return Ok(answer),
                Err(not_ready) => {
                    sleep(readiness.pause(not_ready)?).await;
                    self.budget.renew(self.client.pipeline());
                }
            }
        }
    }

    /// Asks for the first time; says so if content is not ready.
    pub(super) async fn ask(&self, wanted: Wanted) -> Result<Result<Answer, NotReady>> {
        let mut answer = match self.open(wanted, None, &self.budget).await {
            Ok(answer) => answer,
            Err(error) => return self.not_ready(error).map(Err),
        };
        let limit = self.patience.empty;
        let first = self.budget.first_bytes_within(self.stall);
        if !limit.is_zero() && answer.is_empty(first).await {
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
    pub(super) async fn open(
        &self,
        wanted: Wanted,
        pinned: Option<&Identity>,
        budget: &RetryBudget,
    ) -> Result<Answer> {
        let ranged = self.does_ranges() && wanted.header().is_some();
        let asked = if ranged { wanted } else { Wanted::default() };
        let response = self.send(asked, pinned, budget).await?;
        let answer = match response.status().as_u16() {
            200 | 206 => Answer::read(response, asked)?,
            416 => match content_range(response.headers()) {
                Some(ContentRange::Nothing(Some(total))) if total <= wanted.start => {
                    // It had more when it was pinned.
                    if pinned.is_some() {
                        return Err(changed());
                    }
                    Answer::nothing(total, &wanted)?
                }
                _ if ranged => return self.without_ranges(pinned, budget).await,
                _ => return Err(self.refusal(response).await),
            },
            405 | 501 if ranged => return self.without_ranges(pinned, budget).await,
            // Some gateways know no ranges, and no better status for that.
            400 if ranged && pinned.is_some() => return self.without_ranges(pinned, budget).await,
            _ => return Err(self.refusal(response).await),
        };
        match answer.likeness(pinned) {
            Likeness::Same => {}
            // A server may say less about parts than about the whole.
            Likeness::Unsaid if ranged => return self.without_ranges(pinned, budget).await,
            Likeness::Unsaid | Likeness::Other => return Err(changed()),
        }
        if answer.head.start != wanted.start {
            self.ranges.store(false, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// Whether nothing showed yet that the server does not do ranges.
    pub(super) fn does_ranges(&self) -> bool {
        self.ranges.load(Ordering::Relaxed)
    }

    async fn without_ranges(
        &self,
        pinned: Option<&Identity>,
        budget: &RetryBudget,
    ) -> Result<Answer> {
        debug!("the server refuses ranges");
        self.ranges.store(false, Ordering::Relaxed);
        let asked = Wanted::default();
        let response = self.send(asked, pinned, budget).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let answer = Answer::read(response, asked)?;
        match answer.likeness(pinned) {
            Likeness::Same => Ok(answer),
            Likeness::Unsaid | Likeness::Other => Err(changed()),
        }
    }

    /// Sends a request, which may use up what is left of the budget.
    async fn send(
        &self,
        asked: Wanted,
        pinned: Option<&Identity>,
        budget: &RetryBudget,
    ) -> Result<Response> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = asked.header() {
            headers.insert(RANGE, range);
            if let Some(tag) = pinned.and_then(Identity::strong_tag) {
                headers.insert(IF_RANGE, tag);
            }
        }
        let pipeline = budget.limit(self.client.pipeline());
        let url = self.location.as_url();
        let sent = pipeline
            .content(Method::GET, url, headers, self.operation)
            .await;
        match sent {
            Ok(response) => {
                let trace = response.extensions().get::<Trace>();
                budget.spend(trace.map_or(0, |trace| trace.tries.attempts.saturating_sub(1)));
                Ok(response)
            }
            Err(error) if error.attempts() == 0 => Err(error),
            Err(error) => {
                budget.spend(error.attempts());
                Err(error.with_attempts(budget.failures()))
            }
        }
    }

    async fn refusal(&self, response: Response) -> Error {
        let gone = response.status().as_u16() == 410;
        let error = refused(response).await;
        if error.hint() == Some(Hint::CheckGateway) {
            return error;
        }
        if gone || (self.expired && error.kind() == ErrorKind::NotFound) {
            return error.with_kind(ErrorKind::ExpiredContent);
        }
        error
    }
}

impl Answer {
    fn read(response: Response, asked: Wanted) -> Result<Self> {
        let head = Head::read(response.status().as_u16(), response.headers(), asked)?;
        Ok(Self {
            at: head.start,
            head,
            body: response.bytes_stream().boxed(),
        })
    }

    /// Nothing, because content ends before the range begins.
    fn nothing(total: u64, wanted: &Wanted) -> Result<Self> {
        if wanted.start > 0 {
            return Err(beyond(wanted.start, total).with_status(416));
        }
        Ok(Self {
            head: Head {
                start: 0,
                end: Some(0),
                identity: Identity {
                    total: Some(total),
                    ..Identity::default()
                },
                announced: Announced::default(),
                is_delimited: true,
                is_measured: true,
            },
            at: 0,
            body: stream::empty().boxed(),
        })
    }

    /// What it says about being about pinned content.
    fn likeness(&self, pinned: Option<&Identity>) -> Likeness {
        pinned.map_or(Likeness::Same, |pinned| {
            pinned.likeness(&self.head.identity)
        })
    }

    /// Whether the content is empty, which without a length shows at the end of the body alone.
    async fn is_empty(&mut self, limit: Duration) -> bool {
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
            // Whoever reads on notices, too.
            Err(_) => false,
        }
    }

    /// The next bytes, or none at the end of the body.
    ///
    /// # Errors
    /// One that is not retryable if there are more than the head announced. Then nobody knows which
    /// of them are the content.
    pub(super) async fn next(&mut self, limit: Duration) -> Result<Option<Bytes>> {
        match timeout(limit, self.body.try_next()).await {
            Ok(Ok(Some(bytes))) => {
                self.at = self.at.saturating_add(bytes.len() as u64);
                if self.head.end.is_some_and(|end| self.at > end) {
                    return Err(Error::new(
                        ErrorKind::CorruptContent,
                        "more content came than the response announced",
                    )
                    .with_retryable(false));
                }
                Ok(Some(bytes))
            }
            Ok(Ok(None)) => Ok(None),
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
                format!("no content came in for {:.1} s", limit.as_secs_f32()),
            )),
        }
    }

    /// Whether more may come although everything came that the head announced.
    pub(super) fn may_exceed(&self) -> bool {
        !self.head.is_measured && self.head.end == Some(self.at)
    }
}

pub(super) fn changed() -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn not_ready(limit: u64, asked: Option<u64>) -> NotReady {
        let error = Error::new(ErrorKind::Service, "busy").with_status(503);
        NotReady {
            limit: Duration::from_secs(limit),
            error: match asked {
                Some(asked) => error.with_retry_after(Duration::from_secs(asked)),
                None => error,
            },
        }
    }

    #[test]
    fn what_the_service_asks_for_is_the_least_pause() {
        let mut readiness = Readiness::default();
        let mut pause = |asked| readiness.pause(not_ready(100, asked)).unwrap();
        assert_eq!(pause(None), FIRST_READY_PAUSE);
        assert_eq!(pause(Some(30)), Duration::from_secs(30));
        // The pauses go on growing from where they were.
        assert_eq!(pause(None), FIRST_READY_PAUSE * 4);
        assert_eq!(pause(Some(1)), FIRST_READY_PAUSE * 8);
    }

    #[test]
    fn a_wait_beyond_the_limit_ends_at_once() {
        let error = Readiness::default().pause(not_ready(10, Some(11)));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContentNotReady);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
        assert!(error.to_string().contains("in 11.0 s"), "{error}");
        assert!(error.is_retryable());
        let error = Readiness::default().pause(not_ready(0, Some(11)));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Service);
    }
}
