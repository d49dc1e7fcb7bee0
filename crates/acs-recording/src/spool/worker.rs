//! Handling what is in a spool.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Spool;
use super::schedule::Lease;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, EventPayload, Events};
use crate::panic::panic_message;
use crate::webhook::{EventHandler, HandlerError, unless_panicked};

const CONCURRENCY: usize = 4;
const INITIAL_DELAY: Duration = Duration::from_secs(5);
const MAX_DELAY: Duration = Duration::from_secs(10 * 60);
/// The service keeps content for so long.
const EXPIRE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest wait that a server can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(6 * 60 * 60);
/// Content that is not found may still come, as long as its event is no older.
const NOT_READY: Duration = Duration::from_secs(15 * 60);
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Handles the events of a [`Spool`]; made by [`Spool::process`] or [`Spool::download_to`].
///
/// A few events are handled at the same time (default: 4). One that fails is tried again after a
/// delay with jitter that doubles from 5 s to 10 min, and is at least what the service asks for;
/// it keeps no other event waiting. Content that is not found is tried until its event is 15 minutes
/// old, because it may come late. After a restart every event is due at once. Events about the
/// same recording are handled one after the other. Dropping the worker is safe at any time.
#[must_use = "nothing is handled before the worker runs"]
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

/// What an attempt to handle an event led to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was handled.
    Done,
    /// It is tried again after the delay.
    #[non_exhaustive]
    Deferred {
        /// What went wrong.
        error: HandlerError,
        /// How long the event waits at least.
        delay: Duration,
    },
    /// It is not tried again, and kept in the folder `noted` of the spool.
    #[non_exhaustive]
    Noted {
        /// What went wrong, in the last attempt if there were several.
        error: HandlerError,
        /// Whether it was tried for as long as the content is kept, and might have succeeded at
        /// another time.
        expired: bool,
    },
}

impl<H: EventHandler> SpoolWorker<H> {
    pub(super) fn new(spool: Spool, handler: H) -> Self {
        Self {
            spool,
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

    pub(super) fn map_handler(mut self, change: impl FnOnce(&mut H)) -> Self {
        change(&mut self.handler);
        self
    }

    /// How many events are handled at the same time (default: 4); at least one.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.settings.concurrency = events.max(1);
        self
    }

    /// The delay after the first failure of an event (default: 5 s).
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.settings.initial_delay = delay;
        self
    }

    /// The longest delay that is not asked for by the service (default: 10 min).
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.settings.max_delay = delay;
        self
    }

    /// How long after its arrival an event is tried (default: 24 h, for which the service keeps
    /// content). When it fails after that it is noted as expired.
    pub fn expire_after(mut self, age: Duration) -> Self {
        self.settings.expire_after = age;
        self
    }

    /// Tells of the outcome of every attempt. Without a listener, failures are logged as warnings.
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
        let mut prune = interval(PRUNE_EVERY);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Dropped with this future, it ends its tasks.
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
            tracing::warn!(%error, "events that were handled could not be forgotten");
        }
    }

    /// Handles one event and settles what becomes of it.
    async fn work(self: Arc<Self>, lease: Lease) {
        let begun = Instant::now();
        let name = lease.name().to_owned();
        let stored = self.spool.on_disk(move |inner| inner.store.read(&name));
        let stored = match stored.await {
            Ok(Some(stored)) => stored,
            Ok(None) => return lease.finish(),
            Err(error) => return self.storage_failed(lease, &error),
        };
        let event = match only_event(&stored.text) {
            Ok(event) => event,
            Err(reason) => return self.set_aside(lease, &reason).await,
        };
        let Some(lease) = lease.claim(topics(&event)) else {
            return;
        };
        let handled = async { self.handler.handle(event.clone()).await };
        let handled = unless_panicked(handled).await;
        let is_old = || stored.age + begun.elapsed() >= self.settings.expire_after;
        let outcome = match handled {
            Ok(()) => Outcome::Done,
            Err(error)
                if error.disposition() == Disposition::Note
                    && !may_come(&error, &event, stored.age) =>
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
                let asked = own_error(&error).and_then(Error::retry_after);
                let delay = self.settings.delay(lease.failures(), asked);
                self.tell(&event, Outcome::Deferred { error, delay });
                return lease.defer(Instant::now() + delay);
            }
        };
        let name = lease.name().to_owned();
        let settled = match &outcome {
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
        match settled {
            Ok(()) => {
                lease.finish();
                self.tell(&event, outcome);
            }
            // What was handled is handled again then.
            Err(error) => self.storage_failed(lease, &error),
        }
    }

    fn storage_failed(&self, lease: Lease, error: &Error) {
        tracing::error!(%error, "the spool cannot be used");
        let delay = self.settings.delay(lease.failures(), None);
        lease.defer(Instant::now() + delay);
    }

    /// A file that is no event is never tried again, and never deleted.
    async fn set_aside(&self, lease: Lease, reason: &str) {
        let name = lease.name().to_owned();
        let kept = self
            .spool
            .on_disk(move |inner| inner.store.set_aside(&name));
        match kept.await {
            Ok(kept) => {
                let (file, kept) = (lease.name(), kept.display());
                tracing::error!(file, %kept, reason, "a file in the spool is no event");
                lease.finish();
            }
            Err(error) => self.storage_failed(lease, &error),
        }
    }

    fn tell(&self, event: &Event, outcome: Outcome) {
        match (&self.settings.listener, &outcome) {
            (Some(listener), _) => {
                // What became of the event does not depend on who is told of it.
                let told = catch_unwind(AssertUnwindSafe(|| listener(event, outcome)));
                if let Err(panic) = told {
                    let panic = panic_message(panic.as_ref());
                    tracing::error!(%event, panic, "the listener for outcomes panicked");
                }
            }
            (None, Outcome::Done) => tracing::debug!(%event, "an event was handled"),
            (None, Outcome::Deferred { error, delay }) => {
                tracing::warn!(%event, %error, ?delay, "an event is tried again later");
            }
            (None, Outcome::Noted { error, expired }) => {
                tracing::warn!(%event, %error, expired, "an event was noted and is not tried again");
            }
        }
    }
}

impl Settings {
    /// How long an event waits after one more failure.
    fn delay(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self
            .initial_delay
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(self.max_delay);
        // Half of it is certain.
        let delay = doubled.mul_f64(0.5 + 0.5 * fastrand::f64());
        delay.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
    }
}

fn own_error(error: &HandlerError) -> Option<&Error> {
    error.source().downcast_ref()
}

/// Whether content that was not found may be there later: by when the event happened, or else came.
fn may_come(error: &HandlerError, event: &Event, age: Duration) -> bool {
    let is_missing = own_error(error).is_some_and(|error| error.kind() == ErrorKind::NotFound);
    let age = event.time.map_or(age, |time| {
        let age = Timestamp::now().duration_since(time);
        // It may be from the future, by another clock.
        Duration::try_from(age).unwrap_or_default()
    });
    is_missing && age < NOT_READY
}

/// The event in a file, which has only one.
fn only_event(text: &[u8]) -> Result<Event, String> {
    let mut events = Events::parse(text);
    match (events.next(), events.next()) {
        (Some(Ok(event)), None) => Ok(event),
        (Some(Err(error)), _) => Err(error.to_string()),
        _ => Err("it is not one event".to_owned()),
    }
}

/// What two events must not be handled about at the same time: the recording, and each of its
/// documents, after which files are called.
fn topics(event: &Event) -> Vec<String> {
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
