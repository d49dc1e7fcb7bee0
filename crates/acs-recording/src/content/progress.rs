//! How far a download is, and how fast it may be.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How often progress is told.
const INTERVAL: Duration = Duration::from_millis(100);
/// How much an old rate counts against the one of the last interval.
const INERTIA: f64 = 0.8;

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that are there, with those of earlier runs. They do not grow while a server that
    /// cannot begin in the middle sends again what is there already.
    pub bytes: u64,
    /// Bytes that there will be, as soon as that is known.
    pub total: Option<u64>,
    /// Bytes that come in per second, over the last second or so, needed or not.
    pub rate: f64,
    /// Connections that are open for it.
    pub parts: usize,
    /// How often a connection broke and was taken up again.
    pub retries: u32,
    /// Which chunk of a recording comes in, the first of which is 0; 0 for a single file.
    pub chunk: usize,
}

/// What is called with progress.
pub(super) type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Counts what comes in, tells it, and slows it down.
pub(super) struct Meter {
    listener: Option<Listener>,
    received: AtomicU64,
    /// What came in, too, and was there already.
    skipped: AtomicU64,
    retries: AtomicU32,
    parts: AtomicU32,
    limit: Option<f64>,
    state: Mutex<State>,
}

struct State {
    /// Bytes of earlier runs, or of files before this one.
    base: u64,
    total: Option<u64>,
    rate: f64,
    told_at: Instant,
    told: u64,
    /// When the bandwidth limit lets the next bytes in.
    due: Instant,
}

impl Meter {
    pub(super) fn new(listener: Option<Listener>, limit: Option<u64>) -> Arc<Self> {
        let now = Instant::now();
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let limit = limit.map(|limit| limit as f64);
        Arc::new(Self {
            listener,
            received: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            retries: AtomicU32::new(0),
            parts: AtomicU32::new(0),
            limit,
            state: Mutex::new(State {
                base: 0,
                total: None,
                rate: 0.0,
                told_at: now,
                told: 0,
                due: now,
            }),
        })
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that came in and are not needed.
    pub(super) fn skipped(&self, bytes: u64) {
        self.skipped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Some of what was counted as received is not needed after all.
    pub(super) fn discarded(&self, bytes: u64) {
        self.received.fetch_sub(bytes, Ordering::Relaxed);
        self.skipped(bytes);
    }

    /// Bytes of content that came in through this meter and were not there before.
    pub(super) fn transferred(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_parts(&self, parts: usize) {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        self.parts.store(parts, Ordering::Relaxed);
    }

    /// What is there without anything coming in, and what there will be.
    pub(super) fn set_base(&self, have: u64, total: Option<u64>) {
        {
            let mut state = self.lock();
            // What this meter counted until now was of something else, or was lost.
            state.base = have.wrapping_sub(self.transferred());
            state.total = total;
        }
        self.tell(true);
    }

    /// Tells progress, if it is time or `at_once`.
    pub(super) fn tell(&self, at_once: bool) {
        let Some(listener) = &self.listener else {
            return;
        };
        let now = Instant::now();
        let progress = {
            let mut state = self.lock();
            let passed = now - state.told_at;
            if passed < INTERVAL && !at_once {
                return;
            }
            let received = self.transferred();
            let came = received + self.skipped.load(Ordering::Relaxed);
            if !passed.is_zero() {
                #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
                let rate = came.saturating_sub(state.told) as f64 / passed.as_secs_f64();
                let inertia = INERTIA.powf(passed.as_secs_f64() / INTERVAL.as_secs_f64());
                state.rate = state.rate * inertia + rate * (1.0 - inertia);
            }
            state.told_at = now;
            state.told = came;
            Progress {
                bytes: state.base.wrapping_add(received),
                total: state.total,
                rate: state.rate,
                parts: self.parts.load(Ordering::Relaxed) as usize,
                retries: self.retries.load(Ordering::Relaxed),
                chunk: 0,
            }
        };
        listener(progress);
    }

    /// Waits until the bandwidth limit allows for so many bytes more.
    pub(super) async fn pace(&self, bytes: usize) {
        let Some(limit) = self.limit else {
            return;
        };
        let due = {
            let mut state = self.lock();
            #[allow(clippy::cast_precision_loss, reason = "bytes of one read are few")]
            let takes = Duration::try_from_secs_f64(bytes as f64 / limit);
            let due = state.due.max(Instant::now());
            state.due = due + takes.unwrap_or(Duration::from_secs(60 * 60));
            due
        };
        sleep_until(due).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_one_for_all_parts() {
        let meter = Meter::new(None, Some(1000));
        let started = Instant::now();
        let part = || async {
            for _ in 0..5 {
                meter.pace(100).await;
            }
        };
        tokio::join!(part(), part());
        let took = started.elapsed();
        assert!((900..=1100).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn progress_tells_bytes_and_rate() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let listener: Listener = Arc::new(move |progress| log.lock().unwrap().push(progress));
        let meter = Meter::new(Some(listener), None);
        meter.set_base(500, Some(10_500));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(50)).await;
            meter.received(100);
            meter.tell(false);
        }
        let told = told.lock().unwrap().clone();
        assert_eq!(told.len(), 51);
        let last = told.last().unwrap();
        assert_eq!((last.bytes, last.total), (10_500, Some(10_500)));
        assert!((1990.0..2010.0).contains(&last.rate), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_needed_counts_for_the_rate_alone() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let listener: Listener = Arc::new(move |progress| log.lock().unwrap().push(progress));
        let meter = Meter::new(Some(listener), None);
        meter.set_base(500, Some(1000));
        for _ in 0..50 {
            tokio::time::advance(INTERVAL).await;
            meter.skipped(90);
            meter.received(20);
            meter.discarded(10);
            meter.tell(false);
        }
        let last = *told.lock().unwrap().last().unwrap();
        assert_eq!((last.bytes, meter.transferred()), (1000, 500));
        assert!((1090.0..1110.0).contains(&last.rate), "{last:?}");
    }
}
