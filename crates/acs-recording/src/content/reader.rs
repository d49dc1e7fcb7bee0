//! One stream of content that goes on after every interruption, at the very byte.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::sleep;
use tracing::debug;

use super::answer::{Answer, Identity, NotReady, Source, beyond};
use super::progress::Meter;
use super::range::Wanted;
use super::verify::Announced;
use crate::error::{Error, ErrorKind, Result};

/// What has to come in between two interruptions for the second to count as the first.
const ENOUGH: u64 = 16 * 1024;

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
    failures: u32,
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
        let end = match answer.identity.total {
            Some(total) if wanted.start > total || (wanted.start == total && total > 0) => {
                return Err(beyond(wanted.start, total));
            }
            Some(total) => Some(wanted.within(total).end),
            None => wanted.end,
        };
        Ok(Self {
            source: Arc::clone(source),
            meter: Arc::clone(meter),
            identity: answer.identity.clone(),
            start: wanted.start,
            position: wanted.start,
            end,
            at: answer.start,
            rest: Bytes::new(),
            answer: Some(answer),
            asked_end: wanted.end,
            failures: 0,
            failed_at: wanted.start,
            alone: true,
        })
    }

    /// A reader of a part of content that is known.
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
            identity,
            start: part.start,
            position: part.start,
            end: Some(part.end),
            answer: None,
            asked_end: None,
            at: part.start,
            rest: Bytes::new(),
            failures: 0,
            failed_at: part.start,
            alone,
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The checksums that the server announced for the whole content.
    pub(super) fn announced(&self) -> Announced {
        let answer = self.answer.as_ref();
        answer.map_or_else(Announced::default, |answer| answer.announced)
    }

    /// Whether the end of the body can be told from an interruption.
    pub(super) fn is_delimited(&self) -> bool {
        self.answer
            .as_ref()
            .is_none_or(|answer| answer.is_delimited)
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
                return Ok(None);
            }
            if self.answer.is_none() {
                self.reopen().await?;
            }
            let Some(answer) = &mut self.answer else {
                continue;
            };
            let answer_end = answer.end;
            let next = if self.rest.is_empty() {
                answer.next(self.source.stall).await
            } else {
                Ok(Some(std::mem::take(&mut self.rest)))
            };
            match next {
                Ok(Some(mut bytes)) => {
                    let skipped = (self.position - self.at).min(bytes.len() as u64);
                    let limit = self.end.unwrap_or(u64::MAX) - self.position;
                    let _ = bytes.split_to(narrow(skipped));
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
                Err(error) => self.interrupted(error).await?,
            }
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
            start: self.position,
            end: self.end,
        };
        let answer = self.source.open(wanted, Some(&self.identity)).await?;
        if answer.start < self.position && !self.alone {
            return Err(Error::new(
                ErrorKind::UnexpectedAnswer,
                "the server does not do ranges",
            ));
        }
        self.at = answer.start;
        self.rest = Bytes::new();
        self.asked_end = self.end;
        self.answer = Some(answer);
        Ok(())
    }

    /// Gets ready to go on after an interruption, unless there were too many.
    async fn interrupted(&mut self, error: Error) -> Result<()> {
        self.answer = None;
        let gone_on = self.position - self.failed_at;
        self.failures = if gone_on >= ENOUGH {
            1
        } else {
            self.failures + 1
        };
        self.failed_at = self.position;
        let pipeline = self.source.client.pipeline();
        let pause = pipeline.retry.pause(self.failures, None, &pipeline.jitter);
        let of = self.identity.total.map(|total| format!(" of {total}"));
        let error = error.advise(&format!(
            "{}{} bytes had come",
            self.position,
            of.unwrap_or_default()
        ));
        let Some(pause) = pause else {
            return Err(error.with_attempts(self.failures));
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
