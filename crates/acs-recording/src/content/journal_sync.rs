//! Syncs the part file and its journal while a download runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::part_file::PartFile;
use crate::error::Result;
use crate::fs::file_error;

/// The longest time until written bytes are recorded in the journal.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// The most bytes to hash at a time, so that hashing does not delay the next sync.
const HASH_STEP: u64 = 64 * 1024 * 1024;

/// Syncs from time to time, so that a later run can resume.
pub(super) struct JournalSync<'a> {
    file: &'a Arc<PartFile>,
    path: &'a Path,
    running: Option<JoinHandle<std::io::Result<()>>>,
    started_at: Instant,
    /// The number of bytes after which a sync is due at once.
    max_unsynced: u64,
}

impl<'a> JournalSync<'a> {
    /// For a file of `length` bytes that will be called `path`.
    pub(super) fn new(file: &'a Arc<PartFile>, path: &'a Path, length: u64) -> Self {
        Self {
            file,
            path,
            running: None,
            started_at: Instant::now(),
            max_unsynced: (length / 64).clamp(1024 * 1024, 16 * 1024 * 1024),
        }
    }

    /// Starts a sync if one is due and none is running.
    pub(super) async fn poll(&mut self) -> Result<()> {
        if self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return Ok(());
        }
        self.wait().await?;
        let unsynced = self.file.unsynced_bytes();
        let is_due = unsynced > 0 && self.started_at.elapsed() >= SYNC_INTERVAL;
        if is_due || unsynced >= self.max_unsynced {
            self.started_at = Instant::now();
            let file = Arc::clone(self.file);
            self.running = Some(spawn_blocking(move || {
                file.sync()?;
                file.hash_synced(HASH_STEP)
            }));
        }
        Ok(())
    }

    /// Waits for the running sync.
    pub(super) async fn wait(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let outcome = match running.await {
            Ok(outcome) => outcome,
            Err(error) => Err(error.into()),
        };
        outcome.map_err(|error| file_error(error, self.path))
    }
}
