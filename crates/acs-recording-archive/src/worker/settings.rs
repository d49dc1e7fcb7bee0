//! The settings of a worker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::idle::Idle;
use super::update::Observer;
use crate::archive::Archive;
use crate::error::{Error, ErrorKind, Result};
use crate::queue::EventQueue;

const CONCURRENCY: usize = 4;
const LEASE: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(25);
const MAX_ATTEMPTS: u32 = 10;
/// Queues lease for 7 days at most.
const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3600);
const MIN_LEASE: Duration = Duration::from_secs(1);
const MAX_CONCURRENCY: usize = 256;

/// What a worker was told.
pub(super) struct Settings {
    pub(super) archive: Archive,
    pub(super) queue: Arc<dyn EventQueue>,
    pub(super) concurrency: usize,
    pub(super) lease: Duration,
    pub(super) grace: Duration,
    pub(super) max_attempts: u32,
    pub(super) idle: Idle,
    pub(super) observer: Option<Observer>,
}

impl Settings {
    pub(super) fn new(archive: Archive, queue: Arc<dyn EventQueue>) -> Self {
        Self {
            archive,
            queue,
            concurrency: CONCURRENCY,
            lease: LEASE,
            grace: GRACE,
            max_attempts: MAX_ATTEMPTS,
            idle: Idle::default(),
            observer: None,
        }
    }

    /// Fails if a setting is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            return invalid(format!(
                "a concurrency of {} is out of range; give 1 to {MAX_CONCURRENCY}",
                self.concurrency
            ));
        }
        if !(MIN_LEASE..=MAX_LEASE).contains(&self.lease) {
            return invalid(format!(
                "a lease of {:?} is out of range; give 1 second to 7 days",
                self.lease
            ));
        }
        if self.max_attempts == 0 {
            return invalid("0 attempts are out of range; give 1 or more".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("archive", &self.archive)
            .field("queue", &self.queue)
            .field("concurrency", &self.concurrency)
            .field("lease", &self.lease)
            .field("grace", &self.grace)
            .field("max_attempts", &self.max_attempts)
            .finish_non_exhaustive()
    }
}
