//! Permits for connections that download into files.
//!
//! A client opens a limited number of them. Downloads wait for their first permit in the order in
//! which they began. Further ones are taken only while no download waits, and returned when one
//! does. So a download keeps at least one connection, and never waits for the additional
//! connections of others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::source::ContentSource;
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
    pub(super) async fn first(source: &ContentSource) -> Self {
        let permits = Arc::clone(&source.client.pipeline().slots);
        let started = Instant::now();
        let permit = permits.acquire_owned().await.ok();
        waited_for_connection(started.elapsed());
        Self::of(permit)
    }

    /// A permit for a further connection, if no download waits for its first one.
    pub(super) fn further(source: &ContentSource) -> Option<Self> {
        let permits = Arc::clone(&source.client.pipeline().slots);
        Some(Self::of(Some(permits.try_acquire_owned().ok()?)))
    }

    fn of(permit: Option<OwnedSemaphorePermit>) -> Self {
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
        Self::of(self.permit.take())
    }

    /// Whether it is time to call [`yield_to_waiting`](Self::yield_to_waiting) again.
    pub(super) fn is_check_due(&mut self) -> bool {
        let is_due = self.checked_at.elapsed() >= CHECK_INTERVAL;
        if is_due {
            self.checked_at = Instant::now();
        }
        is_due
    }

    /// Returns the permit if a download waits for one, and keeps it otherwise. True if it was
    /// returned.
    pub(super) fn yield_to_waiting(&mut self, source: &ContentSource) -> bool {
        // The first download in the queue gets it at once.
        drop(self.permit.take());
        let permits = Arc::clone(&source.client.pipeline().slots);
        self.permit = permits.try_acquire_owned().ok();
        self.permit.is_none()
    }
}
