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

use super::answer::Source;
use super::batch::{Batch, MAX_WAIT};
use super::disk::file_error;
use super::identity::Identity;
use super::overlap::MAX_OVERLAP;
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
/// How often a connection asks whether a download without any needs it more.
const TURN: Duration = Duration::from_secs(1);

/// The right to have a connection for a file.
///
/// Downloads queue for their first one, and get it in the order in which they came. Further ones
/// are taken only while nobody queues, and given back when somebody does. So a download keeps one
/// at least, and however many the others would like, it does not wait for them.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

/// What a connection has for all its parts.
struct Held<'a> {
    slot: &'a mut Slot,
    /// When it asked last whether it is needed elsewhere.
    turn: &'a mut Instant,
}

/// Waits for the right to have a first connection.
pub(super) async fn slot(source: &Source) -> Slot {
    let slots = Arc::clone(&source.client.pipeline().slots);
    slots.acquire_owned().await.ok()
}

/// The right to have one more connection, if nobody waits for a first one.
fn further_slot(source: &Source) -> Slot {
    let slots = Arc::clone(&source.client.pipeline().slots);
    slots.try_acquire_owned().ok()
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
    /// Fetches everything. `first` has an answer already. The last connection leaves its slot,
    /// since a file stays open until it has its name.
    pub(super) async fn run(
        &self,
        connections: usize,
        first: Reader,
        slot: &mut Slot,
    ) -> Result<()> {
        let mut running = FuturesUnordered::new();
        let mut idle: Vec<usize> = (1..connections).rev().collect();
        // Before anybody else can claim the part that its answer is about.
        if let Some(part) = self.plan().claim(0) {
            running.push(Box::pin(self.work(0, slot.take(), first, part)));
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut saver = Saver::new(self);
        // Whether a server without ranges was read from the beginning.
        let mut alone = false;
        loop {
            while let Some((worker, slot, part)) = self.enlist(&mut idle) {
                let reader = self.reader(part.clone(), false);
                running.push(Box::pin(self.work(worker, slot, reader, part)));
            }
            self.meter.set_parts(running.len());
            tokio::select! {
                ended = running.next() => match ended {
                    Some((worker, left, Ok(()))) => {
                        *slot = left.filter(|_| running.is_empty());
                        idle.push(worker);
                    }
                    Some((_, left, Err(error))) => {
                        *slot = left.filter(|_| running.is_empty());
                        // Alone, one can do without ranges.
                        let others = !running.is_empty() || (!alone && !self.source.does_ranges());
                        if !others || !self.is_of_one(&error) {
                            return Err(error);
                        }
                        debug!(%error, "one connection less");
                    }
                    None => {
                        let Some(part) = self.plan().claim(0) else {
                            return saver.end().await;
                        };
                        // The others left; they come back when nobody needs them elsewhere.
                        alone = !self.source.does_ranges();
                        idle = (1..connections).rev().collect();
                        if slot.is_none() {
                            *slot = self::slot(&self.source).await;
                        }
                        let reader = self.reader(part.clone(), true);
                        running.push(Box::pin(self.work(0, slot.take(), reader, part)));
                    }
                },
                _ = ticks.tick() => {
                    self.meter.tell(false);
                    saver.look().await?;
                }
            }
        }
    }

    /// Finds a part for one more connection, if one may be opened.
    fn enlist(&self, idle: &mut Vec<usize>) -> Option<(usize, Slot, Range<u64>)> {
        let worker = *idle.last()?;
        if !self.source.does_ranges() {
            return None;
        }
        let slot = further_slot(&self.source)?;
        let part = self.plan().claim(worker)?;
        idle.pop();
        Some((worker, Some(slot), part))
    }

    /// Fetches a part, and others for as long as there are any and the connection is not needed
    /// elsewhere.
    async fn work(
        &self,
        worker: usize,
        mut slot: Slot,
        mut reader: Reader,
        mut part: Range<u64>,
    ) -> (usize, Slot, Result<()>) {
        let mut turn = Instant::now();
        loop {
            if let Err(error) = self.follow(&mut reader, &part).await {
                return (worker, slot, Err(error));
            }
            let mut batch = Batch::new(&self.sink, self.generation, part.start, self.batch);
            let mut held = Held {
                slot: &mut slot,
                turn: &mut turn,
            };
            let fetched = self.fetch(worker, &mut held, &mut reader, &mut batch);
            let outcome = fetched.await;
            let flushed = batch.flush().await;
            let next = {
                let mut plan = self.plan();
                plan.release(worker);
                match (&outcome, &flushed) {
                    (Ok(true), Ok(())) => plan.claim(worker),
                    _ => None,
                }
            };
            if let Err(error) = outcome {
                return (worker, slot, Err(error));
            }
            if let Err(error) = flushed {
                return (worker, slot, Err(file_error(error, &self.path)));
            }
            let Some(next) = next else {
                return (worker, slot, Ok(()));
            };
            reader = self.reader(next.clone(), false);
            part = next;
        }
    }

    /// Tells a reader that begins in the middle what there is before its part.
    async fn follow(&self, reader: &mut Reader, part: &Range<u64>) -> Result<()> {
        if !reader.needs_overlap() {
            return Ok(());
        }
        // Small parts do not get much larger by it.
        let limit = usize::try_from((part.end - part.start) / 4).unwrap_or(usize::MAX);
        let (sink, start) = (Arc::clone(&self.sink), part.start);
        let read = spawn_blocking(move || sink.before(start, limit.min(MAX_OVERLAP))).await;
        let read = read.unwrap_or_else(|error| Err(error.into()));
        reader.follow(read.map_err(|error| file_error(error, &self.path))?);
        Ok(())
    }

    /// Fetches what is claimed; whether all of it, and not only until somebody needed the
    /// connection more.
    async fn fetch(
        &self,
        worker: usize,
        held: &mut Held<'_>,
        reader: &mut Reader,
        batch: &mut Batch,
    ) -> Result<bool> {
        let file_error = |error| file_error(error, &self.path);
        loop {
            let end = self.plan().end(worker);
            if reader.position() >= end {
                // A stream that is open anyway goes on, if nobody else fetches what follows.
                if self.plan().extend(worker) {
                    continue;
                }
                reader.close().await?;
                return Ok(true);
            }
            reader.set_end(end);
            let next = {
                let mut next = pin!(reader.next());
                loop {
                    if held.turn.elapsed() >= TURN {
                        *held.turn = Instant::now();
                        if self.leaves(worker, held.slot) {
                            return Ok(false);
                        }
                    }
                    if let Ok(next) = timeout(MAX_WAIT, &mut next).await {
                        break next?;
                    }
                    // Nothing comes in: time to write what came before.
                    batch.flush().await.map_err(file_error)?;
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
            let needed = end.saturating_sub(came);
            let excess = (bytes.len() as u64).saturating_sub(needed);
            self.meter.discarded(excess);
            bytes.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
            batch.push(&bytes).await.map_err(file_error)?;
        }
    }

    /// Gives the connection to a download that has none, if there is one that waits and this one
    /// has others.
    fn leaves(&self, worker: usize, slot: &mut Slot) -> bool {
        let mut plan = self.plan();
        if plan.active() < 2 {
            return false;
        }
        // Who queues gets it at once.
        drop(slot.take());
        *slot = further_slot(&self.source);
        if slot.is_some() {
            return false;
        }
        // At once, so that the next to ask does not count on this one.
        plan.release(worker);
        true
    }

    /// Whether a failure may be that of one connection, which the others can do without: a server
    /// may refuse ranges, or so many connections.
    fn is_of_one(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::InvalidRequest | ErrorKind::PermissionDenied => true,
            // With ranges, it is a response that contradicts itself.
            ErrorKind::InvalidResponse => !self.source.does_ranges(),
            // No other would get what this one did not.
            ErrorKind::ContentChanged => false,
            _ => error.is_retryable(),
        }
    }

    fn reader(&self, part: Range<u64>, alone: bool) -> Reader {
        Reader::part(
            &self.source,
            &self.meter,
            self.identity.clone(),
            part,
            alone,
        )
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
