//! Reads a range of content in order, and resumes at the same byte after an interruption.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::content_error::out_of_range;
use super::content_hash::ContentHash;
use super::identity::EntityIdentity;
use super::overlap::Overlap;
use super::progress::ProgressTracker;
use super::range::RequestedRange;
use super::readiness::NotReady;
use super::response::ContentResponse;
use super::retry_budget::{PROGRESS_THRESHOLD, RetryBudget};
use super::source::ContentSource;
use super::throughput::{Throughput, bytes_within};
use crate::error::{Error, ErrorKind, Result};

/// How long to wait for the end of a body after all announced bytes.
const END_OF_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads content from a position on.
pub(super) struct RangeReader {
    source: Arc<ContentSource>,
    progress: Arc<ProgressTracker>,
    /// The version in the first response. Every other response must be about the same.
    identity: EntityIdentity,
    start: u64,
    position: u64,
    /// None until the server announces it.
    end: Option<u64>,
    response: Option<ContentResponse>,
    /// The end in the last request; `end` may have moved since.
    requested_end: Option<u64>,
    /// The offset in the content of the body's next byte: below `position` while bytes are skipped.
    body_position: u64,
    /// Bytes received behind `end`, which are used if `end` moves.
    unread: Bytes,
    /// The bytes before `position`, to compare with those received again.
    overlap: Overlap,
    throughput: Throughput,
    /// Whether the connection is too slow to be kept.
    is_slow: bool,
    /// Whether the response has delivered no byte yet.
    awaits_first_byte: bool,
    budget: RetryBudget,
    /// The position of the last interruption.
    failed_at: u64,
    /// Whether the content may be read from its beginning if the server does not support ranges.
    may_reread: bool,
}

impl RangeReader {
    /// Sends the first request for content of which nothing is known.
    pub(super) async fn open(
        source: &Arc<ContentSource>,
        progress: &Arc<ProgressTracker>,
        range: RequestedRange,
    ) -> Result<Self> {
        let response = source.open_when_ready(range).await?;
        Self::from_response(response, source, progress, range)
    }

    /// Reads the first response.
    pub(super) fn from_response(
        response: ContentResponse,
        source: &Arc<ContentSource>,
        progress: &Arc<ProgressTracker>,
        range: RequestedRange,
    ) -> Result<Self> {
        let end = match response.head.identity.total {
            Some(total) if range.start > total || (range.start == total && total > 0) => {
                return Err(out_of_range(range.start, total));
            }
            Some(total) => Some(range.clamp_to(total).end),
            None => range.end,
        };
        Ok(Self {
            source: Arc::clone(source),
            progress: Arc::clone(progress),
            identity: response.head.identity.clone(),
            start: range.start,
            position: range.start,
            end,
            body_position: response.head.start,
            unread: Bytes::new(),
            overlap: Overlap::new(&response.head.identity),
            throughput: Throughput::default(),
            is_slow: false,
            awaits_first_byte: true,
            budget: source.budget.clone(),
            response: Some(response),
            requested_end: range.end,
            failed_at: range.start,
            may_reread: true,
        })
    }

    /// Reads a range of a known version of the content, with a retry budget of its own.
    pub(super) fn for_range(
        source: &Arc<ContentSource>,
        progress: &Arc<ProgressTracker>,
        identity: EntityIdentity,
        range: std::ops::Range<u64>,
        may_reread: bool,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            progress: Arc::clone(progress),
            overlap: Overlap::new(&identity),
            throughput: Throughput::default(),
            is_slow: false,
            awaits_first_byte: true,
            budget: source.budget.separate(source.client.pipeline()),
            identity,
            start: range.start,
            position: range.start,
            end: Some(range.end),
            response: None,
            requested_end: None,
            body_position: range.start,
            unread: Bytes::new(),
            failed_at: range.start,
            may_reread,
        }
    }

    /// Uses the retry budget of the whole download instead of its own.
    pub(super) fn with_shared_budget(mut self) -> Self {
        self.budget = self.source.budget.clone();
        self
    }

    /// Whether the bytes before its position should be set.
    pub(super) fn needs_overlap(&self) -> bool {
        self.response.is_none() && self.overlap.is_needed() && self.overlap.len() == 0
    }

    /// Sets the bytes before its position.
    pub(super) fn set_overlap(&mut self, bytes: Vec<u8>) {
        self.overlap.set(bytes);
    }

    pub(super) fn identity(&self) -> &EntityIdentity {
        &self.identity
    }

    /// The SHA-256 that the server announced for the complete content.
    pub(super) fn expected_sha256(&self) -> Option<ContentHash> {
        self.response.as_ref()?.head.expected_sha256
    }

    /// Whether the end of the body can be distinguished from an interruption.
    pub(super) fn is_delimited(&self) -> bool {
        self.response
            .as_ref()
            .is_none_or(|response| response.head.is_delimited)
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The end of the range, if the server announced it.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Moves the end of the range.
    pub(super) fn set_end(&mut self, end: u64) {
        self.end = Some(end);
    }

    /// The next bytes, or none at the end of the range.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.end == Some(self.position) {
                self.close().await?;
                return Ok(None);
            }
            if self.is_slow && self.unread.is_empty() {
                self.drop_slow_connection().await?;
            }
            if self.response.is_none() {
                self.reopen().await?;
            }
            let read_timeout = self.read_timeout();
            let Some(response) = &mut self.response else {
                continue;
            };
            let body_end = response.head.end;
            let next = if self.unread.is_empty() {
                let started = Instant::now();
                let next = response.next(read_timeout).await;
                if let Ok(Some(bytes)) = &next {
                    self.awaits_first_byte = false;
                    let (window, rate) = (self.source.read_timeout, self.source.minimum_rate);
                    let received = bytes.len() as u64;
                    let waited = started.elapsed();
                    self.is_slow = self.throughput.is_too_slow(received, waited, window, rate);
                }
                next
            } else {
                Ok(Some(std::mem::take(&mut self.unread)))
            };
            match next {
                Ok(Some(mut bytes)) => {
                    let before = self.position - self.body_position;
                    let skipped = before.min(bytes.len() as u64);
                    let limit = self.end.unwrap_or(u64::MAX) - self.position;
                    let repeated = bytes.split_to(to_usize(skipped));
                    self.overlap.compare(before, &repeated)?;
                    self.body_position += skipped;
                    if skipped > 0 {
                        self.unread = bytes;
                        self.progress.add_skipped(skipped);
                        self.progress.report_if_due();
                        self.progress.throttle(to_usize(skipped)).await;
                        continue;
                    }
                    self.unread = bytes.split_off(to_usize(limit).min(bytes.len()));
                    self.body_position += bytes.len() as u64;
                    self.position = self.body_position;
                    self.overlap.push(&bytes);
                    self.progress.add_received(bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                // The end of the body is the end of the content.
                Ok(None) if body_end.is_none() && self.may_end_here() => self.end_here()?,
                // The requested range is complete; its end has moved since.
                Ok(None)
                    if body_end == Some(self.body_position) && self.requested_end == body_end =>
                {
                    self.response = None;
                }
                Ok(None)
                    if body_end == Some(self.body_position)
                        && self.end.is_none_or(|end| end <= self.body_position) =>
                {
                    self.end = Some(self.position);
                }
                Ok(None) => {
                    let error =
                        Error::new(ErrorKind::CorruptContent, "the content ended too early");
                    self.interrupted(error).await?;
                }
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => self.interrupted(error).await?,
            }
        }
    }

    /// The timeout of the next bytes. The operation timeout limits the first ones of a response too.
    fn read_timeout(&self) -> Duration {
        if self.awaits_first_byte {
            self.budget.first_byte_timeout(self.source.read_timeout)
        } else {
            self.source.read_timeout
        }
    }

    /// Checks that the body has no more bytes than announced, where HTTP itself does not.
    pub(super) async fn close(&mut self) -> Result<()> {
        let is_read = self.unread.is_empty();
        let response = self
            .response
            .take_if(|response| is_read && response.may_have_more());
        let Some(mut response) = response else {
            return Ok(());
        };
        let timeout = self.source.read_timeout.min(END_OF_BODY_TIMEOUT);
        match response.next(timeout).await {
            Err(error) if !error.is_retryable() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether content of unknown size may end here.
    fn may_end_here(&self) -> bool {
        // The bytes received before an interruption must be received again.
        let is_later = self.body_position >= self.position || self.position == self.start;
        is_later && self.identity.total.is_none() && (self.end.is_none() || self.is_delimited())
    }

    /// Accepts the current position as the end of content of unknown size.
    fn end_here(&mut self) -> Result<()> {
        if self.start > 0 && self.position == self.start {
            return Err(out_of_range(self.start, self.body_position));
        }
        self.end = Some(self.position);
        Ok(())
    }

    /// Interprets an error as content that is not ready. The next read sends another request.
    pub(super) fn not_ready(&self, error: Error) -> Result<NotReady> {
        self.source.not_ready(error)
    }

    /// Requests the rest of the range.
    pub(super) async fn reopen(&mut self) -> Result<()> {
        let range = RequestedRange {
            start: self.position.saturating_sub(self.overlap.len()),
            end: self.end,
        };
        let opened = self.source.open(range, Some(&self.identity), &self.budget);
        let response = opened.await?;
        if response.head.start < range.start && !self.may_reread {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the server does not support ranges",
            ));
        }
        self.body_position = response.head.start;
        self.throughput = Throughput::default();
        self.is_slow = false;
        self.awaits_first_byte = true;
        self.unread = Bytes::new();
        self.requested_end = self.end;
        self.response = Some(response);
        Ok(())
    }

    /// Closes a connection that is too slow. Its bytes count as progress only if they would have
    /// sufficed for the minimum rate.
    async fn drop_slow_connection(&mut self) -> Result<()> {
        let (window, rate) = (self.source.read_timeout, self.source.minimum_rate);
        let text = format!(
            "less than {rate} bytes per second were received for {:.1} s",
            window.as_secs_f32()
        );
        let threshold = PROGRESS_THRESHOLD.max(bytes_within(rate, window));
        self.interrupted_after(Error::new(ErrorKind::Timeout, text), threshold)
            .await
    }

    /// Resets the retry budget.
    pub(super) fn renew_budget(&self) {
        self.budget.renew(self.source.client.pipeline());
    }

    /// Prepares to resume after an interruption, unless the retry budget is spent.
    async fn interrupted(&mut self, error: Error) -> Result<()> {
        self.interrupted_after(error, PROGRESS_THRESHOLD).await
    }

    /// As [`interrupted`](Self::interrupted), with the number of bytes that count as progress.
    async fn interrupted_after(&mut self, error: Error, threshold: u64) -> Result<()> {
        self.response = None;
        self.unread = Bytes::new();
        let received = self.position - self.failed_at;
        if received >= threshold || (received > 0 && self.budget.is_unspent()) {
            self.renew_budget();
        }
        if received < threshold {
            self.overlap.shrink();
        }
        self.failed_at = self.position;
        let pause = self.budget.fail(&error);
        let of = self.identity.total.map(|total| format!(" of {total}"));
        let error = error.with_note(&format!(
            "{}{} bytes had been received",
            self.position,
            of.unwrap_or_default()
        ));
        let Some(pause) = pause else {
            return Err(error.with_attempts(self.budget.failures()));
        };
        if !self.identity.is_known() {
            // Without an identity, the rest may belong to another version.
            return Err(error);
        }
        self.progress.add_retry();
        debug!(%error, position = self.position, ?pause, "resuming");
        sleep(pause).await;
        Ok(())
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
