//! Permits for connections that download into files.
//!
//! A client opens a limited number of them. Downloads wait for their first permit in the order in
//! which they began. Further ones are taken only while no download waits, and returned when one
//! does. So a download keeps at least one connection, and never waits for the additional
//! connections of others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::telemetry::waited_for_connection;

/// The time after which a connection checks again whether a download waits for a permit.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The permit for one connection, if it is held.
pub(super) struct ConnectionPermit {
    permit: Option<OwnedSemaphorePermit>,
    checked_at: Instant,
}

impl ConnectionPermit {
    /// Waits for the first permit of a download.
    pub(super) async fn first(permits: &Arc<Semaphore>) -> Self {
        let started = Instant::now();
        let permit = Arc::clone(permits).acquire_owned().await.ok();
        waited_for_connection(started.elapsed());
        Self::new(permit)
    }

    /// A permit for a further connection, if no download waits for its first one.
    pub(super) fn further(permits: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        Some(Self::new(Some(permit)))
    }

    fn new(permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            permit,
            checked_at: Instant::now(),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.permit.is_some()
    }

    /// Moves the permit out.
    pub(super) fn take(&mut self) -> Self {
        Self::new(self.permit.take())
    }

    /// Whether it is time to check again if a download waits for a permit.
    ///
    /// The time counts for the permit and not for the range that is being received, so that short
    /// ranges do not hold it for longer.
    pub(super) fn is_check_due(&mut self) -> bool {
        let is_due = self.checked_at.elapsed() >= CHECK_INTERVAL;
        if is_due {
            self.checked_at = Instant::now();
        }
        is_due
    }

    /// Returns the permit if a download waits for one, and keeps it otherwise. True if it was
    /// returned.
    pub(super) fn yield_to_waiting(&mut self, permits: &Arc<Semaphore>) -> bool {
        // The first download in the queue gets it at once.
        drop(self.permit.take());
        self.permit = Arc::clone(permits).try_acquire_owned().ok();
        self.permit.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_waiting_download_gets_the_permit_that_another_one_yields() {
        let permits = Arc::new(Semaphore::new(2));
        let _first = ConnectionPermit::first(&permits).await;
        let mut further = ConnectionPermit::further(&permits).unwrap();
        assert!(!further.yield_to_waiting(&permits) && further.is_held());
        let waiting = ConnectionPermit::first(&permits);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(ConnectionPermit::further(&permits).is_none());
        assert!(further.yield_to_waiting(&permits) && !further.is_held());
        assert!(waiting.await.is_held());
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_due_once_a_second() {
        let permits = Arc::new(Semaphore::new(1));
        let mut permit = ConnectionPermit::first(&permits).await;
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(!permit.is_check_due());
                tokio::time::advance(CHECK_INTERVAL / 4).await;
            }
            assert!(permit.is_check_due());
        }
    }
}
