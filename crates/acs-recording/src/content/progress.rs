//! The progress of a download, and its bandwidth limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use crate::telemetry::ActiveDownload;

/// The time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// The weight of the previous rate against the one of the last interval.
const RATE_SMOOTHING: f64 = 0.8;

/// The progress of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes received, including those of earlier runs. A server without ranges sends known bytes
    /// again; these do not count twice.
    pub bytes: u64,
    /// The size in bytes, as soon as it is known.
    pub total: Option<u64>,
    /// Bytes received per second, averaged over about a second, whether they were needed or not.
    pub rate: f64,
    /// The number of open connections.
    pub connections: usize,
    /// How often a broken connection was resumed.
    pub retries: u32,
    /// The chunk of the recording that is being downloaded, from 0. It is 0 for a single file.
    pub chunk: usize,
}

/// A callback for progress.
pub(super) type ProgressListener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Counts and reports received bytes, and enforces the bandwidth limit.
pub(super) struct ProgressTracker {
    listener: Option<ProgressListener>,
    active: ActiveDownload,
    received: AtomicU64,
    /// Bytes received that were known already.
    skipped: AtomicU64,
    retries: AtomicU32,
    connections: AtomicU32,
    bandwidth_limit: Option<f64>,
    state: Mutex<State>,
}

struct State {
    /// Bytes that exist without having been received now.
    existing: u64,
    total: Option<u64>,
    rate: f64,
    reported_at: Instant,
    /// Bytes at the last report.
    reported: u64,
    /// When the bandwidth limit allows the next bytes.
    next_read: Instant,
}

impl ProgressTracker {
    pub(super) fn new(
        listener: Option<ProgressListener>,
        bandwidth_limit: Option<u64>,
    ) -> Arc<Self> {
        let now = Instant::now();
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let bandwidth_limit = bandwidth_limit.map(|limit| limit as f64);
        Arc::new(Self {
            listener,
            active: ActiveDownload::begin(),
            received: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            retries: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            bandwidth_limit,
            state: Mutex::new(State {
                existing: 0,
                total: None,
                rate: 0.0,
                reported_at: now,
                reported: 0,
                next_read: now,
            }),
        })
    }

    /// Counts new bytes.
    pub(super) fn add_received(&self, bytes: u64) {
        self.active.received(bytes);
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were received and are not needed.
    pub(super) fn add_skipped(&self, bytes: u64) {
        self.active.received(bytes);
        self.count_skipped(bytes);
    }

    fn count_skipped(&self, bytes: u64) {
        self.skipped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Moves bytes from the received to the skipped ones.
    pub(super) fn discard(&self, bytes: u64) {
        self.received.fetch_sub(bytes, Ordering::Relaxed);
        self.count_skipped(bytes);
    }

    /// New bytes of content received by this tracker.
    pub(super) fn transferred(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_connections(&self, connections: usize) {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        self.connections.store(connections, Ordering::Relaxed);
    }

    /// Sets the bytes that exist now and the size, and reports.
    pub(super) fn set_existing(&self, existing: u64, total: Option<u64>) {
        {
            let mut state = self.lock();
            // The bytes counted until now belong to something else, or were lost.
            state.existing = existing.wrapping_sub(self.transferred());
            state.total = total;
        }
        self.report();
    }

    /// Reports progress if the interval is over.
    pub(super) fn report_if_due(&self) {
        self.report_after(REPORT_INTERVAL);
    }

    /// Reports progress now.
    pub(super) fn report(&self) {
        self.report_after(Duration::ZERO);
    }

    fn report_after(&self, interval: Duration) {
        let Some(listener) = &self.listener else {
            return;
        };
        let now = Instant::now();
        let progress = {
            let mut state = self.lock();
            let elapsed = now - state.reported_at;
            if elapsed < interval {
                return;
            }
            let received = self.transferred();
            let all_received = received + self.skipped.load(Ordering::Relaxed);
            if !elapsed.is_zero() {
                #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
                let rate =
                    all_received.saturating_sub(state.reported) as f64 / elapsed.as_secs_f64();
                let weight =
                    RATE_SMOOTHING.powf(elapsed.as_secs_f64() / REPORT_INTERVAL.as_secs_f64());
                state.rate = state.rate * weight + rate * (1.0 - weight);
            }
            state.reported_at = now;
            state.reported = all_received;
            Progress {
                bytes: state.existing.wrapping_add(received),
                total: state.total,
                rate: state.rate,
                connections: self.connections.load(Ordering::Relaxed) as usize,
                retries: self.retries.load(Ordering::Relaxed),
                chunk: 0,
            }
        };
        listener(progress);
    }

    /// Waits until the bandwidth limit allows this many bytes.
    pub(super) async fn throttle(&self, bytes: usize) {
        let Some(limit) = self.bandwidth_limit else {
            return;
        };
        let next_read = {
            let mut state = self.lock();
            #[allow(clippy::cast_precision_loss, reason = "bytes of one read are few")]
            let duration = Duration::try_from_secs_f64(bytes as f64 / limit);
            let next_read = state.next_read.max(Instant::now());
            state.next_read = next_read + duration.unwrap_or(Duration::from_secs(60 * 60));
            next_read
        };
        sleep_until(next_read).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl fmt::Debug for ProgressTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressTracker")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_bandwidth_limit_covers_all_connections() {
        let progress = ProgressTracker::new(None, Some(1000));
        let started = Instant::now();
        let connection = || async {
            for _ in 0..5 {
                progress.throttle(100).await;
            }
        };
        tokio::join!(connection(), connection());
        let elapsed = started.elapsed();
        assert!((900..=1100).contains(&elapsed.as_millis()), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reports_have_bytes_and_rate() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&reports);
        let listener: ProgressListener = Arc::new(move |report| log.lock().push(report));
        let progress = ProgressTracker::new(Some(listener), None);
        progress.set_existing(500, Some(10_500));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(50)).await;
            progress.add_received(100);
            progress.report_if_due();
        }
        let reports = reports.lock().clone();
        assert_eq!(reports.len(), 51);
        let last = reports.last().unwrap();
        assert_eq!((last.bytes, last.total), (10_500, Some(10_500)));
        assert!((1990.0..2010.0).contains(&last.rate), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn skipped_bytes_only_count_for_the_rate() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&reports);
        let listener: ProgressListener = Arc::new(move |report| log.lock().push(report));
        let progress = ProgressTracker::new(Some(listener), None);
        progress.set_existing(500, Some(1000));
        for _ in 0..50 {
            tokio::time::advance(REPORT_INTERVAL).await;
            progress.add_skipped(90);
            progress.add_received(20);
            progress.discard(10);
            progress.report_if_due();
        }
        let last = *reports.lock().last().unwrap();
        assert_eq!((last.bytes, progress.transferred()), (1000, 500));
        assert!((1090.0..1110.0).contains(&last.rate), "{last:?}");
    }
}
