//! One stream of content that goes on after every interruption, at the very byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::answer::{Answer, NotReady, Source, beyond};
use super::budget::{ENOUGH_CONTENT, RetryBudget};
use super::identity::Identity;
use super::overlap::Overlap;
use super::progress::Meter;
use super::range::Wanted;
use super::throughput::{Throughput, bytes_within};
use super::verify::Announced;
use crate::error::{Error, ErrorKind, Result};

/// How long a response may stay open after everything came that it announced.
const MAX_LINGER: Duration = Duration::from_secs(5);

/// Content from a position on.
pub(super) struct Reader {
    source: Arc<Source>,
    meter: Arc<Meter>,
    /// What the first answer was about; every other has to be about the same.
    identity: Identity,
    /// Where it begins.
    start: u64,
    position: u64,
    /// Where the wanted part ends; none until the server tells.
    end: Option<u64>,
    answer: Option<Answer>,
    /// Where the part ends that it was asked for; the end may have been moved since.
    asked_end: Option<u64>,
    /// Where in the content the answer's next byte is; before `position` while it is skipped.
    at: u64,
    /// What came behind the end, which may be wanted after all when the end is moved.
    rest: Bytes,
    /// What came before `position`, to be compared when it comes again.
    overlap: Overlap,
    throughput: Throughput,
    /// Whether the connection brings too little to be kept.
    is_slow: bool,
    /// Whether nothing came yet of what was asked for last.
    is_fresh: bool,
    budget: RetryBudget,
    /// Where the last interruption was.
    failed_at: u64,
    /// Whether a server that does not do ranges may be read from the beginning.
    alone: bool,
}

impl Reader {
    /// The first reader of content, which finds out what it is.
    pub(super) async fn begin(
        source: &Arc<Source>,
        meter: &Arc<Meter>,
        wanted: Wanted,
    ) -> Result<Self> {
        let answer = source.begin(wanted).await?;
        Self::of(answer, source, meter, wanted)
    }

    /// The reader of the first answer.
    pub(super) fn of(
        answer: Answer,
        source: &Arc<Source>,
        meter: &Arc<Meter>,
        wanted: Wanted,
    ) -> Result<Self> {
        let end = match answer.head.identity.total {
            Some(total) if wanted.start > total || (wanted.start == total && total > 0) => {
                return Err(beyond(wanted.start, total));
            }
            Some(total) => Some(wanted.timeout(total).end),
            None => wanted.end,
        };
        Ok(Self {
            source: Arc::clone(source),
            meter: Arc::clone(meter),
            identity: answer.head.identity.clone(),
            start: wanted.start,
            position: wanted.start,
            end,
            at: answer.head.start,
            rest: Bytes::new(),
            overlap: Overlap::new(&answer.head.identity),
            throughput: Throughput::default(),
            is_slow: false,
            is_fresh: true,
            budget: source.budget.clone(),
            answer: Some(answer),
            asked_end: wanted.end,
            failed_at: wanted.start,
            alone: true,
        })
    }

    /// A reader of a part of content that is known, which counts on attempts of its own.
    pub(super) fn part(
        source: &Arc<Source>,
        meter: &Arc<Meter>,
        identity: Identity,
        part: std::ops::Range<u64>,
        alone: bool,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            meter: Arc::clone(meter),
            overlap: Overlap::new(&identity),
            throughput: Throughput::default(),
            is_slow: false,
            is_fresh: true,
            budget: RetryBudget::new(source.client.pipeline()),
            identity,
            start: part.start,
            position: part.start,
            end: Some(part.end),
            answer: None,
            asked_end: None,
            at: part.start,
            rest: Bytes::new(),
            failed_at: part.start,
            alone,
        }
    }

    /// Makes it the one that the others depend on.
    pub(super) fn leading(mut self) -> Self {
        self.budget = self.source.budget.clone();
        self
    }

    /// Whether it should know what there is before its position.
    pub(super) fn needs_overlap(&self) -> bool {
        self.answer.is_none() && self.overlap.is_needed() && self.overlap.len() == 0
    }

    /// Tells what there is before its position.
    pub(super) fn follow(&mut self, bytes: Vec<u8>) {
        self.overlap.begin_with(bytes);
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The checksums that the server announced for the whole content.
    pub(super) fn announced(&self) -> Announced {
        let answer = self.answer.as_ref();
        answer.map_or_else(Announced::default, |answer| answer.head.announced)
    }

    /// Whether the end of the body can be told from an interruption.
    pub(super) fn is_delimited(&self) -> bool {
        self.answer
            .as_ref()
            .is_none_or(|answer| answer.head.is_delimited)
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Where the content ends, if the server told.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Reads up to another place from now on.
    pub(super) fn set_end(&mut self, end: u64) {
        self.end = Some(end);
    }

    /// The next bytes; none when all came.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.end == Some(self.position) {
                self.close().await?;
                return Ok(None);
            }
            if self.is_slow && self.rest.is_empty() {
                self.give_up_slow().await?;
            }
            if self.answer.is_none() {
                self.reopen().await?;
            }
            let limit = self.limit();
            let Some(answer) = &mut self.answer else {
                continue;
            };
            let answer_end = answer.head.end;
            let next = if self.rest.is_empty() {
                let begun = Instant::now();
                let next = answer.next(limit).await;
                if let Ok(Some(bytes)) = &next {
                    self.is_fresh = false;
                    let (stall, rate) = (self.source.stall, self.source.minimum_rate);
                    let came = bytes.len() as u64;
                    let waited = begun.elapsed();
                    self.is_slow = self.throughput.is_too_slow(came, waited, stall, rate);
                }
                next
            } else {
                Ok(Some(std::mem::take(&mut self.rest)))
            };
            match next {
                Ok(Some(mut bytes)) => {
                    let before = self.position - self.at;
                    let skipped = before.min(bytes.len() as u64);
                    let limit = self.end.unwrap_or(u64::MAX) - self.position;
                    let again = bytes.split_to(narrow(skipped));
                    self.overlap.compare(before, &again)?;
                    self.at += skipped;
                    if skipped > 0 {
                        self.rest = bytes;
                        self.meter.skipped(skipped);
                        self.meter.tell(false);
                        self.meter.pace(narrow(skipped)).await;
                        continue;
                    }
                    self.rest = bytes.split_off(narrow(limit).min(bytes.len()));
                    self.at += bytes.len() as u64;
                    self.position = self.at;
                    self.overlap.push(&bytes);
                    self.meter.received(bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                // The end of the body is that of the content.
                Ok(None) if answer_end.is_none() && self.ends_here() => self.end_here()?,
                // All that was asked for came; the end was moved since.
                Ok(None) if answer_end == Some(self.at) && self.asked_end == answer_end => {
                    self.answer = None;
                }
                Ok(None)
                    if answer_end == Some(self.at) && self.end.is_none_or(|end| end <= self.at) =>
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

    /// How long the next bytes may take: the first of a response count for the operation's time.
    fn limit(&self) -> Duration {
        if self.is_fresh {
            self.budget.first_bytes_within(self.source.stall)
        } else {
            self.source.stall
        }
    }

    /// Makes sure that no more comes than was announced. Where HTTP measures the body, none can.
    pub(super) async fn close(&mut self) -> Result<()> {
        let is_read = self.rest.is_empty();
        let answer = self.answer.take_if(|answer| is_read && answer.may_exceed());
        let Some(mut answer) = answer else {
            return Ok(());
        };
        let limit = self.source.stall.min(MAX_LINGER);
        match answer.next(limit).await {
            Err(error) if !error.is_retryable() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether content of unknown size may end here.
    fn ends_here(&self) -> bool {
        // What came before an interruption has to come again.
        let is_later = self.at >= self.position || self.position == self.start;
        is_later && self.identity.total.is_none() && (self.end.is_none() || self.is_delimited())
    }

    /// Takes this for the end of content of unknown size.
    fn end_here(&mut self) -> Result<()> {
        if self.start > 0 && self.position == self.start {
            return Err(beyond(self.start, self.at));
        }
        self.end = Some(self.position);
        Ok(())
    }

    /// What an error says about content that may come yet; the next read asks again.
    pub(super) fn not_ready(&self, error: Error) -> Result<NotReady> {
        self.source.not_ready(error)
    }

    /// Asks for what follows.
    pub(super) async fn reopen(&mut self) -> Result<()> {
        let wanted = Wanted {
            start: self.position.saturating_sub(self.overlap.len()),
            end: self.end,
        };
        let opened = self.source.open(wanted, Some(&self.identity), &self.budget);
        let answer = opened.await?;
        if answer.head.start < wanted.start && !self.alone {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the server does not do ranges",
            ));
        }
        self.at = answer.head.start;
        self.throughput = Throughput::default();
        self.is_slow = false;
        self.is_fresh = true;
        self.rest = Bytes::new();
        self.asked_end = self.end;
        self.answer = Some(answer);
        Ok(())
    }

    /// Leaves a connection that brings too little. What it brought counts only if that was enough
    /// for its rate before.
    async fn give_up_slow(&mut self) -> Result<()> {
        let (stall, rate) = (self.source.stall, self.source.minimum_rate);
        let text = format!(
            "less than {rate} bytes per second came in for {:.1} s",
            stall.as_secs_f32()
        );
        let enough = ENOUGH_CONTENT.max(bytes_within(rate, stall));
        self.interrupted_after(Error::new(ErrorKind::Timeout, text), enough)
            .await
    }

    /// Gives the next attempt all the time and attempts that the first one had.
    pub(super) fn renew(&self) {
        self.budget.renew(self.source.client.pipeline());
    }

    /// Gets ready to go on after an interruption, unless there were too many.
    async fn interrupted(&mut self, error: Error) -> Result<()> {
        self.interrupted_after(error, ENOUGH_CONTENT).await
    }

    /// As [`interrupted`](Self::interrupted), with the bytes since the last failure that excuse it.
    async fn interrupted_after(&mut self, error: Error, enough: u64) -> Result<()> {
        self.answer = None;
        self.rest = Bytes::new();
        let gone_on = self.position - self.failed_at;
        if gone_on >= enough || (gone_on > 0 && self.budget.is_unspent()) {
            self.renew();
        }
        if gone_on < enough {
            self.overlap.shrink();
        }
        self.failed_at = self.position;
        let pause = self.budget.fail(self.source.client.pipeline(), &error);
        let of = self.identity.total.map(|total| format!(" of {total}"));
        let error = error.with_note(&format!(
            "{}{} bytes had come",
            self.position,
            of.unwrap_or_default()
        ));
        let Some(pause) = pause else {
            return Err(error.with_attempts(self.budget.failures()));
        };
        if !self.identity.is_known() {
            // Nothing would tell whether the rest belongs to the beginning.
            return Err(error);
        }
        self.meter.retried();
        debug!(%error, position = self.position, ?pause, "reading on");
        sleep(pause).await;
        Ok(())
    }
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
