//! Receives the missing ranges of a file on several connections.

use std::ops::Range;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::debug;

use super::connection_controller::{ConnectionController, Observation};
use super::identity::EntityIdentity;
use super::journal_sync::JournalSync;
use super::overlap::MAX_OVERLAP;
use super::part_file::PartFile;
use super::permits::ConnectionPermit;
use super::progress::ProgressTracker;
use super::range_reader::RangeReader;
use super::scheduler::RangeScheduler;
use super::source::ContentSource;
use super::write_buffer::{MAX_DELAY, WriteBuffer, buffer_size};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{file_error, run_blocking};

/// The interval at which progress is reported and the part file is synced.
const TICK: Duration = Duration::from_millis(50);
/// The interval at which the throughput is observed while the number of connections changes.
const MEASURING_TICK: Duration = Duration::from_millis(5);

/// What all connections for one file share.
pub(super) struct Transfer {
    pub(super) source: Arc<ContentSource>,
    pub(super) progress: Arc<ProgressTracker>,
    pub(super) file: Arc<PartFile>,
    pub(super) identity: EntityIdentity,
    pub(super) scheduler: Mutex<RangeScheduler>,
    pub(super) generation: u64,
    pub(super) length: u64,
    pub(super) path: PathBuf,
}

/// A connection that has ended.
struct Ended {
    connection: usize,
    permit: ConnectionPermit,
    outcome: Result<()>,
}

/// Why a connection stopped receiving without an error.
enum Received {
    /// The assigned range is complete.
    All,
    /// The connection is not needed, or another download needs its permit.
    Released,
}

impl Transfer {
    /// Receives all missing ranges. `first` already has a response. The last connection leaves its
    /// permit, since the part file stays open until it has its final name.
    pub(super) async fn run(
        &self,
        mut controller: ConnectionController,
        first: RangeReader,
        permit: &mut ConnectionPermit,
    ) -> Result<()> {
        let started = Instant::now();
        let mut running = FuturesUnordered::new();
        let mut idle: Vec<usize> = (1..controller.max()).rev().collect();
        // Before another connection can be assigned the range of the first response.
        if let Some(range) = self.scheduler().assign(0) {
            running.push(Box::pin(self.receive(0, permit.take(), first, range)));
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sync = JournalSync::new(&self.file, &self.path, self.length);
        // Whether a server without ranges was read from the beginning.
        let mut was_reread = false;
        loop {
            while running.len() < controller.target()
                && let Some((connection, permit, range)) = self.add_connection(&mut idle)
            {
                let reader = self.reader(range.clone(), false);
                running.push(Box::pin(self.receive(connection, permit, reader, range)));
            }
            self.scheduler().set_limit(controller.target());
            self.progress.set_connections(running.len());
            tokio::select! {
                ended = running.next() => {
                    if let Some(Ended { connection, permit: mut last, outcome }) = ended {
                        if running.is_empty() {
                            *permit = last.take();
                        }
                        let Err(error) = outcome else {
                            idle.push(connection);
                            continue;
                        };
                        // A single connection does not need ranges.
                        let others_may_continue = !running.is_empty()
                            || (!was_reread && !self.source.supports_ranges());
                        if !others_may_continue || !self.is_connection_failure(&error) {
                            return Err(error);
                        }
                        debug!(%error, "continuing with one connection less");
                        continue;
                    }
                    // All connections ended. Those that yielded return when permits are free.
                    let Some(range) = self.scheduler().assign(0) else {
                        return sync.wait().await;
                    };
                    was_reread = !self.source.supports_ranges();
                    idle = (1..controller.max()).rev().collect();
                    if !permit.is_held() {
                        *permit = ConnectionPermit::first(self.source.permits()).await;
                    }
                    let reader = self.reader(range.clone(), true);
                    running.push(Box::pin(self.receive(0, permit.take(), reader, range)));
                }
                () = sleep(MEASURING_TICK), if controller.is_measuring() => {
                    controller.observe(self.observation(started, running.len()));
                }
                _ = ticks.tick() => {
                    self.progress.report_if_due();
                    controller.observe(self.observation(started, running.len()));
                    sync.poll().await?;
                }
            }
        }
    }

    fn observation(&self, started: Instant, open: usize) -> Observation {
        let scheduler = self.scheduler();
        Observation {
            now: started.elapsed(),
            received: self.progress.transferred(),
            missing: scheduler.missing(),
            open,
            receiving: scheduler.receiving(),
        }
    }

    /// A range for one more connection, if another one may be opened.
    fn add_connection(
        &self,
        idle: &mut Vec<usize>,
    ) -> Option<(usize, ConnectionPermit, Range<u64>)> {
        let connection = *idle.last()?;
        if !self.source.supports_ranges() {
            return None;
        }
        let permit = ConnectionPermit::further(self.source.permits())?;
        let range = self.scheduler().assign(connection)?;
        idle.pop();
        Some((connection, permit, range))
    }

    /// Receives a range and then further ones, until none is left or the permit is needed elsewhere.
    async fn receive(
        &self,
        connection: usize,
        mut permit: ConnectionPermit,
        mut reader: RangeReader,
        mut range: Range<u64>,
    ) -> Ended {
        let outcome = loop {
            match self
                .receive_range(connection, &mut permit, &mut reader, range)
                .await
            {
                Ok(Some(next)) => {
                    reader = self.reader(next.clone(), false);
                    range = next;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        Ended {
            connection,
            permit,
            outcome,
        }
    }

    /// Receives one range. Returns the next one, if the connection continues.
    async fn receive_range(
        &self,
        connection: usize,
        permit: &mut ConnectionPermit,
        reader: &mut RangeReader,
        range: Range<u64>,
    ) -> Result<Option<Range<u64>>> {
        self.set_overlap(reader, &range).await?;
        let size = buffer_size(self.scheduler().active());
        let mut buffer = WriteBuffer::new(&self.file, self.generation, range.start, size);
        let received = self
            .read_and_write(connection, permit, reader, &mut buffer)
            .await;
        let flushed = buffer.flush().await;
        let next = {
            let mut scheduler = self.scheduler();
            if let (Ok(Received::All), Ok(())) = (&received, &flushed) {
                scheduler.assign_next(connection)
            } else {
                scheduler.release(connection);
                None
            }
        };
        received?;
        flushed.map_err(|error| file_error(error, &self.path))?;
        Ok(next)
    }

    /// Gives a reader that begins in the middle the bytes before its range.
    async fn set_overlap(&self, reader: &mut RangeReader, range: &Range<u64>) -> Result<()> {
        if !reader.needs_overlap() {
            return Ok(());
        }
        // The overlap of a small range stays small, too.
        let limit = usize::try_from((range.end - range.start) / 4).unwrap_or(usize::MAX);
        let (file, start) = (Arc::clone(&self.file), range.start);
        let before = run_blocking(&self.path, move || {
            file.read_before(start, limit.min(MAX_OVERLAP))
        });
        reader.set_overlap(before.await?);
        Ok(())
    }

    async fn read_and_write(
        &self,
        connection: usize,
        permit: &mut ConnectionPermit,
        reader: &mut RangeReader,
        buffer: &mut WriteBuffer,
    ) -> Result<Received> {
        let file_error = |error| file_error(error, &self.path);
        loop {
            let end = {
                let mut scheduler = self.scheduler();
                if scheduler.release_surplus(connection) {
                    return Ok(Received::Released);
                }
                scheduler.end(connection)
            };
            if reader.position() >= end {
                // An open response continues if no other connection receives what follows.
                if self.scheduler().extend(connection) {
                    continue;
                }
                reader.close().await?;
                return Ok(Received::All);
            }
            reader.set_end(end);
            let next = {
                let mut next = pin!(reader.next());
                loop {
                    if permit.is_check_due() && self.yields_permit(connection, permit) {
                        return Ok(Received::Released);
                    }
                    if let Ok(next) = timeout(MAX_DELAY, &mut next).await {
                        break next?;
                    }
                    // Nothing is received: there is time to write what was received before.
                    buffer.flush().await.map_err(file_error)?;
                }
            };
            let Some(mut bytes) = next else {
                continue;
            };
            self.progress.throttle(bytes.len()).await;
            let start = reader.position() - bytes.len() as u64;
            let end = {
                let mut scheduler = self.scheduler();
                scheduler.advance(connection, reader.position());
                scheduler.end(connection)
            };
            // Another connection may have been assigned the rest in the meantime.
            let needed = end.saturating_sub(start);
            let excess = (bytes.len() as u64).saturating_sub(needed);
            self.progress.discard(excess);
            bytes.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
            buffer.push(&bytes).await.map_err(file_error)?;
        }
    }

    /// Returns the permit to a waiting download, if this one has other connections.
    fn yields_permit(&self, connection: usize, permit: &mut ConnectionPermit) -> bool {
        let mut scheduler = self.scheduler();
        if scheduler.active() < 2 || !permit.yield_to_waiting(self.source.permits()) {
            return false;
        }
        // Under the same lock, so that the next connection to check does not count this one.
        scheduler.release(connection);
        true
    }

    /// Whether an error may concern one connection only: a server may reject ranges, or further
    /// connections.
    fn is_connection_failure(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::InvalidRequest | ErrorKind::PermissionDenied => true,
            // With ranges, it is a response that contradicts itself.
            ErrorKind::InvalidResponse => !self.source.supports_ranges(),
            // Other connections would see the same.
            ErrorKind::ContentChanged => false,
            _ => error.is_retryable(),
        }
    }

    fn reader(&self, range: Range<u64>, may_reread: bool) -> RangeReader {
        RangeReader::for_range(
            &self.source,
            &self.progress,
            self.identity.clone(),
            range,
            may_reread,
        )
    }

    fn scheduler(&self) -> MutexGuard<'_, RangeScheduler> {
        self.scheduler.lock()
    }
}
