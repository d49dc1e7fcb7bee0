//! Workers: from a queue of events into an archive.

#[cfg(test)]
mod crash_tests;
mod disposition;
mod handle;
mod idle;
mod lease;
mod run;
mod settings;
mod summary;
mod throttle;
mod update;

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

pub use summary::Summary;
pub use update::{Activity, Outcome, Update};

use self::idle::Idle;
use self::settings::Settings;
use crate::archive::Archive;
use crate::error::Result;
use crate::queue::EventQueue;

/// Archives the recordings that the events in a queue announce.
///
/// Any number of workers may share a queue and a store, and each may die at any moment: the message
/// of a recording leaves the queue only when every chunk has its receipt.
///
/// For each message:
/// - Events of other types are removed and counted.
/// - A recording is [stored](Archive::store) while the lease of the message is renewed, each time a
///   third of it has passed. When the lease is lost, the transfer is dropped, its upload aborted,
///   and the message left to whoever holds it.
/// - A failure that may pass releases the message for a retry after 10 s, then 20 s, and so on up
///   to 15 min, or after what the service asks for, and never later than the content expires.
/// - What can never succeed goes to the poison queue at once: a message that is not an event, a foreign
///   host, content that has expired or was deleted. Other failures that are about the recording
///   follow after [`max_attempts`](Self::max_attempts). Failures of the surroundings, such as a store
///   that cannot be reached, never make a message poison while its content can still be had.
///
/// ```no_run
/// use acs_recording_archive::{Archive, EventQueue, Worker};
///
/// # async fn run(archive: Archive, queue: impl EventQueue + 'static) -> acs_recording_archive::Result<()> {
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let worker = Worker::new(archive, queue).concurrency(4);
/// let summary = worker
///     .run_until(async {
///         let _ = stopped.await;
///     })
///     .await?;
/// println!("{} recordings", summary.archived);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is archived before the worker runs"]
pub struct Worker(Settings);

impl Worker {
    /// A worker that stores the recordings of `queue` in `archive`.
    pub fn new(archive: Archive, queue: impl EventQueue + 'static) -> Self {
        Self::with_shared_queue(archive, Arc::new(queue))
    }

    /// As [`new`](Self::new), for a queue that is in use elsewhere.
    pub fn with_shared_queue(archive: Archive, queue: Arc<dyn EventQueue>) -> Self {
        Self(Settings::new(archive, queue))
    }

    /// How many messages are handled at the same time: 1 to 256 (default: 4). No more are received
    /// than can be handled at once.
    pub fn concurrency(mut self, count: usize) -> Self {
        self.0.concurrency = count;
        self
    }

    /// How long a message stays invisible to other workers without a renewal: 1 s to 7 days
    /// (default: 2 min). After a crash another worker begins when it has passed.
    pub fn lease(mut self, duration: Duration) -> Self {
        self.0.lease = duration;
        self
    }

    /// How long transfers may continue after the shutdown signal (default: 25 s). What is not
    /// finished by then is released at once.
    pub fn grace(mut self, duration: Duration) -> Self {
        self.0.grace = duration;
        self
    }

    /// After how many deliveries a message goes to the poison queue whose failures are about the
    /// recording and may pass, such as corrupt content (default: 10).
    pub fn max_attempts(mut self, count: u32) -> Self {
        self.0.max_attempts = count;
        self
    }

    /// How often an empty queue is polled: at first after `min`, then at growing intervals of at most
    /// `max`, with jitter (default: 250 ms to 30 s).
    pub fn poll_interval(mut self, min: Duration, max: Duration) -> Self {
        self.0.idle = Idle::new(min, max);
        self
    }

    /// Calls back whenever something happens to a message. The callback must not block.
    pub fn on_update(mut self, callback: impl Fn(&Update<'_>) + Send + Sync + 'static) -> Self {
        self.0.observer = Some(Arc::new(callback));
        self
    }

    /// Archives recordings until `shutdown` is ready, then finishes what is in progress within the
    /// [grace period](Self::grace) and releases the rest.
    ///
    /// # Errors
    /// The queue or the store cannot be used when the worker begins: it does not exist, or the
    /// credential is rejected. [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a setting is out of its range. Later
    /// failures are logged, and the worker carries on.
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<Summary> {
        Box::pin(run::run(self.0, shutdown, false)).await
    }

    /// As [`run_until`](Self::run_until), and ends when the queue is empty. Messages that wait for a
    /// retry or that other workers hold count as long as the queue can tell.
    ///
    /// # Errors
    /// As [`run_until`](Self::run_until), at any time, and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the queue does not respond while
    /// nothing is in progress.
    pub async fn drain_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<Summary> {
        Box::pin(run::run(self.0, shutdown, true)).await
    }

    /// Archives recordings until the queue is empty; see [`drain_until`](Self::drain_until).
    pub async fn drain(self) -> Result<Summary> {
        self.drain_until(pending()).await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
