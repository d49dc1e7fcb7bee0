//! Workers: from a queue of events into an archive.

#[cfg(test)]
mod crash_tests;
mod disposition;
mod handle;
mod idle;
mod lease;
mod run;
mod throttle;

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::{Archive, Archived, Progress};
use crate::error::{Error, ErrorKind, Result};
use crate::queue::{EventQueue, Message};

const CONCURRENCY: usize = 4;
const LEASE: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(25);
const MAX_ATTEMPTS: u32 = 10;
/// Queues lease for 7 days at most.
const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3600);
const MIN_LEASE: Duration = Duration::from_secs(1);
const MAX_CONCURRENCY: usize = 256;

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
/// - What can never succeed goes to the poison queue at once: a message that is no event, a foreign
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
pub struct Worker {
    archive: Archive,
    queue: Arc<dyn EventQueue>,
    concurrency: usize,
    lease: Duration,
    grace: Duration,
    max_attempts: u32,
    idle: idle::Idle,
    observer: Option<Observer>,
}

type Observer = Arc<dyn Fn(&Update<'_>) + Send + Sync>;

/// What a worker is doing with a message, for whoever shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update<'a> {
    /// The message.
    pub message: &'a Message,
    /// The recording, if the message announces one that has an id.
    pub recording_id: Option<&'a str>,
    /// The id of its call in logs.
    pub call_id: Option<&'a str>,
    /// What is happening.
    pub activity: Activity<'a>,
}

/// What is happening to a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activity<'a> {
    /// Work on it begins.
    Started,
    /// Content is arriving.
    Progress(Progress),
    /// Work on it is over.
    #[non_exhaustive]
    Finished {
        /// What became of it.
        outcome: Outcome,
        /// What was archived, one for each recording that the message announces.
        archived: &'a [Archived],
        /// Why it was released, moved to the poison queue, or lost.
        error: Option<&'a Error>,
        /// When a released message is visible again.
        retry_after: Option<Duration>,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A recording was archived, and the message removed.
    Archived,
    /// Everything had been archived before. The message was removed.
    Already,
    /// It announces no recording. It was removed.
    Ignored,
    /// It becomes visible again later, for a retry or for another worker.
    Released,
    /// It is in the poison queue.
    Poisoned,
    /// Somebody else holds it.
    LeaseLost,
    /// It could not be settled with the queue, and comes again when its lease runs out.
    Unsettled,
}

impl Outcome {
    /// A name for programs, as in the metric `acs_archive_messages_total`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archived => "archived",
            Self::Already => "already",
            Self::Ignored => "ignored",
            Self::Released => "released",
            Self::Poisoned => "poisoned",
            Self::LeaseLost => "lease_lost",
            Self::Unsettled => "unsettled",
        }
    }
}

/// What a worker has done: how many messages had which [`Outcome`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// See [`Outcome::Archived`].
    pub archived: u64,
    /// See [`Outcome::Already`].
    pub already: u64,
    /// See [`Outcome::Ignored`].
    pub ignored: u64,
    /// See [`Outcome::Released`].
    pub released: u64,
    /// See [`Outcome::Poisoned`].
    pub poisoned: u64,
    /// See [`Outcome::LeaseLost`].
    pub lease_lost: u64,
    /// See [`Outcome::Unsettled`].
    pub unsettled: u64,
    /// How many chunks were archived.
    pub chunks: u64,
    /// How many bytes of media.
    pub bytes: u64,
}

impl Summary {
    fn count(&mut self, outcome: Outcome, archived: &[Archived]) {
        let counter = match outcome {
            Outcome::Archived => &mut self.archived,
            Outcome::Already => &mut self.already,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Released => &mut self.released,
            Outcome::Poisoned => &mut self.poisoned,
            Outcome::LeaseLost => &mut self.lease_lost,
            Outcome::Unsettled => &mut self.unsettled,
        };
        *counter += 1;
        let chunks = archived.iter().flat_map(|archived| &archived.chunks);
        self.chunks += chunks.filter(|chunk| chunk.is_new).count() as u64;
        self.bytes += archived.iter().map(Archived::bytes).sum::<u64>();
    }

    /// How many messages there were in all.
    pub fn messages(&self) -> u64 {
        self.archived
            + self.already
            + self.ignored
            + self.released
            + self.poisoned
            + self.lease_lost
            + self.unsettled
    }
}

impl Worker {
    /// A worker that stores the recordings of `queue` in `archive`.
    pub fn new(archive: Archive, queue: impl EventQueue + 'static) -> Self {
        Self::with_shared_queue(archive, Arc::new(queue))
    }

    /// As [`new`](Self::new), for a queue that is in use elsewhere.
    pub fn with_shared_queue(archive: Archive, queue: Arc<dyn EventQueue>) -> Self {
        Self {
            archive,
            queue,
            concurrency: CONCURRENCY,
            lease: LEASE,
            grace: GRACE,
            max_attempts: MAX_ATTEMPTS,
            idle: idle::Idle::default(),
            observer: None,
        }
    }

    /// How many messages are handled at the same time: 1 to 256 (default: 4). No more are received
    /// than can be handled at once.
    pub fn concurrency(mut self, count: usize) -> Self {
        self.concurrency = count;
        self
    }

    /// How long a message stays invisible to other workers without a renewal: 1 s to 7 days
    /// (default: 2 min). After a crash another worker begins when it has passed.
    pub fn lease(mut self, duration: Duration) -> Self {
        self.lease = duration;
        self
    }

    /// How long transfers may continue after the shutdown signal (default: 25 s). What is not
    /// finished by then is released at once.
    pub fn grace(mut self, duration: Duration) -> Self {
        self.grace = duration;
        self
    }

    /// After how many deliveries a message goes to the poison queue whose failures are about the
    /// recording and may pass, such as corrupt content (default: 10).
    pub fn max_attempts(mut self, count: u32) -> Self {
        self.max_attempts = count;
        self
    }

    /// How often an empty queue is asked for messages: at first after `min`, then less and less
    /// often, up to `max`, with jitter (default: 250 ms to 30 s).
    pub fn poll_interval(mut self, min: Duration, max: Duration) -> Self {
        self.idle = idle::Idle::new(min, max);
        self
    }

    /// Calls back whenever something happens to a message. The callback must not block.
    pub fn on_update(mut self, callback: impl Fn(&Update<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(callback));
        self
    }

    /// Archives recordings until `shutdown` is ready, then finishes what is in progress within the
    /// [grace period](Self::grace) and releases the rest.
    ///
    /// # Errors
    /// The queue or the store cannot be used when the worker begins: it does not exist, or the
    /// credential is rejected. [`ErrorKind::InvalidInput`] if a setting is out of its range. Later
    /// failures are logged, and the worker carries on.
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<Summary> {
        Box::pin(run::run(self, shutdown, false)).await
    }

    /// As [`run_until`](Self::run_until), and ends when the queue is empty. Messages that wait for a
    /// retry or that other workers hold count as long as the queue can tell.
    pub async fn drain_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<Summary> {
        Box::pin(run::run(self, shutdown, true)).await
    }

    /// Archives recordings until the queue is empty; see [`drain_until`](Self::drain_until).
    pub async fn drain(self) -> Result<Summary> {
        self.drain_until(pending()).await
    }

    fn check(&self) -> Result<()> {
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

impl fmt::Debug for Worker {
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
