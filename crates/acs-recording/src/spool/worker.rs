//! Handling the events of a spool.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::queue::Spool;
use super::schedule::Lease;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, EventPayload, Events};
use crate::panic::panic_message;
use crate::telemetry::{EventMeasurement, EventOutcome};
use crate::webhook::{EventHandler, HandlerError, unless_panicked};

const CONCURRENCY: usize = 4;
const INITIAL_DELAY: Duration = Duration::from_secs(5);
const MAX_DELAY: Duration = Duration::from_secs(10 * 60);
/// The service keeps content for 24 hours.
const EXPIRE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// A longer `Retry-After` is shortened to this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(6 * 60 * 60);
/// Content that is not found may become available until its event is this old.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(15 * 60);
const PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Handles the events of a [`Spool`]; made by [`Spool::process`] and [`Spool::download_to`].
///
/// Several events are handled at the same time (default: 4). One that fails is retried after a delay
/// that doubles from 5 s to 10 min, with jitter, and is at least the `Retry-After` of the service. It
/// does not delay other events. Content that is not found is retried until its event is 15 minutes
/// old, because it may become available late. After a restart every event is due immediately. Events
/// about the same recording are handled one after the other. Dropping the worker is safe at any time.
#[must_use = "a worker does nothing unless it runs"]
pub struct SpoolWorker<H> {
    spool: Spool,
    handler: H,
    settings: Settings,
}

struct Settings {
    concurrency: usize,
    initial_delay: Duration,
    max_delay: Duration,
    expire_after: Duration,
    listener: Option<Listener>,
}

type Listener = Box<dyn Fn(&Event, Outcome) + Send + Sync>;

/// The outcome of an attempt to handle an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The event was handled.
    Handled,
    /// The event is retried after the delay.
    #[non_exhaustive]
    Deferred {
        /// The error of the attempt.
        error: HandlerError,
        /// The minimum delay before the next attempt.
        delay: Duration,
    },
    /// The event is not retried, and is kept in the folder `noted` of the spool.
    #[non_exhaustive]
    Noted {
        /// The error of the last attempt.
        error: HandlerError,
        /// Whether the event was given up only because of its age.
        expired: bool,
    },
}

impl Spool {
    /// A worker that passes every event to a handler, until the handler succeeds or its error is one
    /// to [note](crate::Disposition::Note). The handler may take as long as it needs.
    ///
    /// The process may crash after the handler has succeeded and before that is recorded, so a handler
    /// may get an event twice.
    ///
    /// ```
    /// # use acs_recording::{Event, spool::Spool};
    /// # fn run(spool: &Spool) {
    /// let worker = spool.process(async |event: Event| {
    ///     println!("{event}");
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn process<H: EventHandler>(&self, handler: H) -> SpoolWorker<H> {
        SpoolWorker {
            spool: self.clone(),
            handler,
            settings: Settings {
                concurrency: CONCURRENCY,
                initial_delay: INITIAL_DELAY,
                max_delay: MAX_DELAY,
                expire_after: EXPIRE_AFTER,
                listener: None,
            },
        }
    }
}

impl<H: EventHandler> SpoolWorker<H> {
    pub(super) fn map_handler(mut self, change: impl FnOnce(&mut H)) -> Self {
        change(&mut self.handler);
        self
    }

    /// How many events are handled at the same time (default: 4, at least 1).
    pub fn concurrency(mut self, events: usize) -> Self {
        self.settings.concurrency = events.max(1);
        self
    }

    /// The delay after the first failure of an event (default: 5 s).
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.settings.initial_delay = delay;
        self
    }

    /// The longest delay, unless `Retry-After` of the service is longer (default: 10 min).
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.settings.max_delay = delay;
        self
    }

    /// How long after its arrival an event is retried (default: 24 h, for which the service keeps
    /// content). If it fails after that, it is noted as expired.
    pub fn expire_after(mut self, age: Duration) -> Self {
        self.settings.expire_after = age;
        self
    }

    /// Calls this function with the outcome of every attempt. Without a listener, failures are logged as
    /// warnings.
    pub fn on_outcome(
        mut self,
        listener: impl Fn(&Event, Outcome) + Send + Sync + 'static,
    ) -> Self {
        self.settings.listener = Some(Box::new(listener));
        self
    }

    /// Handles events until it is dropped.
    pub async fn run(self) {
        self.run_until(std::future::pending()).await;
    }

    /// Handles events until `stop` completes, and then waits for those that are being handled.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) {
        let this = Arc::new(self);
        let schedule = &this.spool.inner.schedule;
        let mut stop = pin!(stop);
        let mut changes = schedule.changes();
        let mut prune = interval(PRUNE_INTERVAL);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Dropping it with this future aborts its tasks.
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < this.settings.concurrency
                && let Some(lease) = schedule.take()
            {
                tasks.spawn(Arc::clone(&this).work(lease));
            }
            let next_due = schedule.next_due();
            let next_due = next_due.filter(|_| tasks.len() < this.settings.concurrency);
            let is_due = async {
                match next_due {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => break,
                Some(_) = tasks.join_next() => {}
                _ = changes.changed() => {}
                () = is_due => {}
                _ = prune.tick() => this.prune().await,
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn prune(&self) {
        if let Err(error) = self.spool.on_disk(|inner| inner.store.prune()).await {
            tracing::warn!(%error, "handled events could not be removed from the spool");
        }
    }

    /// Handles one event and records the outcome.
    async fn work(self: Arc<Self>, lease: Lease) {
        let start = Instant::now();
        let name = lease.name().to_owned();
        let stored = self.spool.on_disk(move |inner| inner.store.read(&name));
        let stored = match stored.await {
            Ok(Some(stored)) => stored,
            Ok(None) => return lease.finish(),
            Err(error) => return self.storage_failed(lease, &error),
        };
        let event = match only_event(&stored.text) {
            Ok(event) => event,
            Err(reason) => return self.move_to_unreadable(lease, &reason).await,
        };
        let Some(lease) = lease.lock(lock_keys(&event)) else {
            return;
        };
        let handled = async { self.handler.handle(event.clone()).await };
        let handled = unless_panicked(handled).await;
        let is_old = || stored.age + start.elapsed() >= self.settings.expire_after;
        let elapsed = start.elapsed();
        let outcome = match handled {
            Ok(()) => Outcome::Handled,
            Err(error)
                if error.disposition() == Disposition::Note
                    && !may_become_available(&error, &event, stored.age) =>
            {
                Outcome::Noted {
                    error,
                    expired: false,
                }
            }
            Err(error) if is_old() => Outcome::Noted {
                error,
                expired: true,
            },
            Err(error) => {
                let retry_after = own_error(&error).and_then(Error::retry_after);
                let delay = self.settings.delay(lease.failures(), retry_after);
                let outcome = Outcome::Deferred { error, delay };
                measure(&event, &outcome, elapsed);
                self.report(&event, outcome);
                return lease.defer(Instant::now() + delay);
            }
        };
        let name = lease.name().to_owned();
        let recorded = match &outcome {
            Outcome::Noted { error, expired } => {
                let reason = reason(error, *expired, lease.failures() + 1);
                let noted = self
                    .spool
                    .on_disk(move |inner| inner.store.note(&name, &reason));
                noted.await
            }
            _ => {
                self.spool
                    .on_disk(move |inner| inner.store.done(&name))
                    .await
            }
        };
        match recorded {
            Ok(()) => {
                lease.finish();
                measure(&event, &outcome, elapsed);
                self.report(&event, outcome);
            }
            // The event is handled again then.
            Err(error) => self.storage_failed(lease, &error),
        }
    }

    fn storage_failed(&self, lease: Lease, error: &Error) {
        tracing::error!(%error, "the spool cannot be used");
        let delay = self.settings.delay(lease.failures(), None);
        lease.defer(Instant::now() + delay);
    }

    /// A file that is not an event is never retried, and never deleted.
    async fn move_to_unreadable(&self, lease: Lease, reason: &str) {
        let name = lease.name().to_owned();
        let kept = self
            .spool
            .on_disk(move |inner| inner.store.set_aside(&name));
        match kept.await {
            Ok(kept) => {
                let (file, kept) = (lease.name(), kept.display());
                tracing::error!(file, %kept, reason, "a file in the spool is not an event");
                lease.finish();
            }
            Err(error) => self.storage_failed(lease, &error),
        }
    }

    fn report(&self, event: &Event, outcome: Outcome) {
        match (&self.settings.listener, &outcome) {
            (Some(listener), _) => {
                // A panic of the listener does not change the outcome.
                let called = catch_unwind(AssertUnwindSafe(|| listener(event, outcome)));
                if let Err(panic) = called {
                    let panic = panic_message(panic.as_ref());
                    tracing::error!(%event, panic, "the outcome listener panicked");
                }
            }
            (None, Outcome::Handled) => tracing::debug!(%event, "an event was handled"),
            (None, Outcome::Deferred { error, delay }) => {
                tracing::warn!(%event, %error, ?delay, "an event is retried later");
            }
            (None, Outcome::Noted { error, expired }) => {
                tracing::warn!(%event, %error, expired, "an event was noted and is not retried");
            }
        }
    }
}

impl Settings {
    /// The delay after one more failure.
    fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = self
            .initial_delay
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(self.max_delay);
        // At least half of it.
        let delay = doubled.mul_f64(0.5 + 0.5 * fastrand::f64());
        delay.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
    }
}

/// Counts an event that was processed.
fn measure(event: &Event, outcome: &Outcome, elapsed: Duration) {
    let (outcome, error) = match outcome {
        Outcome::Handled => (EventOutcome::Handled, None),
        Outcome::Deferred { error, .. } => (EventOutcome::Deferred, Some(error)),
        Outcome::Noted { error, .. } => (EventOutcome::Noted, Some(error)),
    };
    let measurement = EventMeasurement {
        operation: "process",
        event_type: &event.event_type,
        outcome,
        error_type: error.map(HandlerError::error_type),
        elapsed,
    };
    measurement.record();
}

fn own_error(error: &HandlerError) -> Option<&Error> {
    error.source().downcast_ref()
}

/// Whether content that was not found may become available, by the time of the event or else of its
/// arrival.
fn may_become_available(error: &HandlerError, event: &Event, age: Duration) -> bool {
    let is_missing = own_error(error).is_some_and(|error| error.kind() == ErrorKind::NotFound);
    let age = event.time.map_or(age, |time| {
        let age = Timestamp::now().duration_since(time);
        // By another clock, it may be in the future.
        Duration::try_from(age).unwrap_or_default()
    });
    is_missing && age < NOT_FOUND_GRACE
}

/// The event in a file, which must contain exactly one.
fn only_event(text: &[u8]) -> Result<Event, String> {
    let mut events = Events::parse(text);
    match (events.next(), events.next()) {
        (Some(Ok(event)), None) => Ok(event),
        (Some(Err(error)), _) => Err(error.to_string()),
        _ => Err("it does not contain exactly one event".to_owned()),
    }
}

/// The keys that two events must not have in common to be handled at the same time: the recording,
/// and each of its documents, by which files are named.
fn lock_keys(event: &Event) -> Vec<String> {
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        return Vec::new();
    };
    let recording = file.recording_id.iter().map(|id| format!("recording {id}"));
    let documents = file.chunks.iter();
    let documents = documents.filter_map(|chunk| chunk.document_id.as_ref());
    let documents = documents.map(|id| format!("document {id}"));
    recording.chain(documents).collect()
}

/// Why an event was noted, as JSON.
fn reason(error: &HandlerError, expired: bool, attempts: u32) -> String {
    let kind = own_error(error).map(Error::kind);
    let reason = json!({
        "time": Timestamp::now().to_string(),
        "kind": kind.map(ErrorKind::name),
        "reason": error.to_string(),
        "expired": expired,
        "attempts": attempts,
    });
    reason.to_string()
}

impl<H: fmt::Debug> fmt::Debug for SpoolWorker<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolWorker")
            .field("spool", &self.spool)
            .field("handler", &self.handler)
            .field("concurrency", &self.settings.concurrency)
            .field("initial_delay", &self.settings.initial_delay)
            .field("max_delay", &self.settings.max_delay)
            .field("expire_after", &self.settings.expire_after)
            .finish_non_exhaustive()
    }
}
