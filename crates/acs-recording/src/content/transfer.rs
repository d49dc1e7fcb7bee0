//! Fetching what is missing of a file, on several connections.

use std::ops::Range;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::answer::{Identity, Source};
use super::batch::{Batch, MAX_WAIT};
use super::file::file_error;
use super::plan::Plan;
use super::progress::Meter;
use super::reader::Reader;
use super::sink::Sink;
use crate::error::{Error, ErrorKind, Result};

/// How often to look whether there is something to save or to tell.
const TICK: Duration = Duration::from_millis(50);
/// Bytes on the disk are noted down at the latest after this.
const SAVE_AFTER: Duration = Duration::from_millis(500);
/// How much is hashed at a time, so that saving is not held up.
const HASH_STEP: u64 = 64 * 1024 * 1024;

/// The right to have a connection for a file.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

/// Waits for the right to have one more connection.
pub(super) async fn slot(source: &Source) -> Slot {
    let slots = Arc::clone(&source.client.pipeline().slots);
    slots.acquire_owned().await.ok()
}

/// What all connections for one file share.
pub(super) struct Transfer {
    pub(super) source: Arc<Source>,
    pub(super) meter: Arc<Meter>,
    pub(super) sink: Arc<Sink>,
    pub(super) identity: Identity,
    pub(super) plan: Mutex<Plan>,
    pub(super) batch: usize,
    pub(super) generation: u64,
    pub(super) length: u64,
    pub(super) path: PathBuf,
}

impl Transfer {
    /// Fetches everything. `first` has an answer already.
    pub(super) async fn run(&self, connections: usize, first: Reader, slot: Slot) -> Result<()> {
        let mut running = FuturesUnordered::new();
        // Before anybody else can claim the part that its answer is about.
        let part = self.plan().claim(0);
        let begun = part.map(|part| (first, part));
        running.push(Box::pin(self.work(0, begun, Some(slot), false)));
        for worker in 1..connections {
            running.push(Box::pin(self.work(worker, None, None, false)));
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut saver = Saver::new(self);
        let mut alone = false;
        loop {
            self.meter.set_parts(running.len());
            tokio::select! {
                outcome = running.next() => match outcome {
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        // Alone, one can do without ranges.
                        let others = !running.is_empty() || (!alone && !self.source.does_ranges());
                        if !others || !is_of_one(&error) {
                            return Err(error);
                        }
                        debug!(%error, "one connection less");
                    }
                    None if self.plan().has_open() => {
                        alone = true;
                        running.push(Box::pin(self.work(0, None, None, true)));
                    }
                    None => return saver.end().await,
                },
                _ = ticks.tick() => {
                    self.meter.tell(false);
                    saver.look().await?;
                }
            }
        }
    }

    /// Fetches part after part until nothing is left to do.
    async fn work(
        &self,
        worker: usize,
        mut begun: Option<(Reader, Range<u64>)>,
        slot: Option<Slot>,
        alone: bool,
    ) -> Result<()> {
        let _slot = match slot {
            Some(slot) => slot,
            None => self::slot(&self.source).await,
        };
        loop {
            let (mut reader, part) = if let Some(begun) = begun.take() {
                begun
            } else {
                let Some(part) = self.plan().claim(worker) else {
                    return Ok(());
                };
                let (source, meter, identity) = (&self.source, &self.meter, self.identity.clone());
                let reader = Reader::part(source, meter, identity, part.clone(), alone);
                (reader, part)
            };
            let (sink, at) = (&self.sink, part.start);
            let mut batch = Batch::new(sink, self.generation, at, self.batch);
            let outcome = self.fetch(worker, &mut reader, &mut batch).await;
            let flushed = batch.flush().await;
            self.plan().release(worker);
            outcome?;
            flushed.map_err(|error| file_error(error, &self.path))?;
        }
    }

    async fn fetch(&self, worker: usize, reader: &mut Reader, batch: &mut Batch) -> Result<()> {
        let file_error = |error| file_error(error, &self.path);
        loop {
            let end = self.plan().end(worker);
            if reader.position() >= end {
                // A stream that is open anyway goes on, if nobody else fetches what follows.
                if self.plan().extend(worker) {
                    continue;
                }
                return Ok(());
            }
            reader.set_end(end);
            let next = {
                let mut next = pin!(reader.next());
                if let Ok(next) = timeout(MAX_WAIT, &mut next).await {
                    next?
                } else {
                    // Nothing comes in: time to write what came before.
                    batch.flush().await.map_err(file_error)?;
                    next.await?
                }
            };
            let Some(mut bytes) = next else {
                continue;
            };
            self.meter.pace(bytes.len()).await;
            let came = reader.position() - bytes.len() as u64;
            let end = {
                let mut plan = self.plan();
                plan.advance(worker, reader.position());
                plan.end(worker)
            };
            // Somebody took over what follows `end` while this was on its way.
            bytes.truncate(usize::try_from(end.saturating_sub(came)).unwrap_or(usize::MAX));
            let written = batch.push(bytes).await;
            written.map_err(file_error)?;
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a failure may be that of one connection, which the others can do without: a server may
/// refuse ranges, or so many connections.
fn is_of_one(error: &Error) -> bool {
    error.is_retryable()
        || matches!(
            error.kind(),
            ErrorKind::UnexpectedAnswer | ErrorKind::InvalidRequest | ErrorKind::PermissionDenied
        )
}

/// Saves, time and again, what a next run can go on from.
struct Saver<'a> {
    transfer: &'a Transfer,
    saving: Option<JoinHandle<std::io::Result<()>>>,
    saved_at: Instant,
    /// Bytes after which it is time to save, whenever that was done last.
    enough: u64,
}

impl<'a> Saver<'a> {
    fn new(transfer: &'a Transfer) -> Self {
        Self {
            transfer,
            saving: None,
            saved_at: Instant::now(),
            enough: (transfer.length / 64).clamp(1024 * 1024, 16 * 1024 * 1024),
        }
    }

    async fn look(&mut self) -> Result<()> {
        if self
            .saving
            .as_ref()
            .is_some_and(|saving| !saving.is_finished())
        {
            return Ok(());
        }
        self.end().await?;
        let unsynced = self.transfer.sink.unsynced();
        let due = unsynced > 0 && self.saved_at.elapsed() >= SAVE_AFTER;
        if due || unsynced >= self.enough {
            self.saved_at = Instant::now();
            let sink = Arc::clone(&self.transfer.sink);
            self.saving = Some(spawn_blocking(move || {
                sink.sync()?;
                sink.hash(HASH_STEP)
            }));
        }
        Ok(())
    }

    /// Waits for what is being saved.
    async fn end(&mut self) -> Result<()> {
        let Some(saving) = self.saving.take() else {
            return Ok(());
        };
        let outcome = match saving.await {
            Ok(outcome) => outcome,
            Err(error) => Err(error.into()),
        };
        outcome.map_err(|error| file_error(error, &self.transfer.path))
    }
}
