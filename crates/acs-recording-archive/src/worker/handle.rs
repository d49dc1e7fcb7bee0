//! One message, from its receipt to its end.

use std::sync::Arc;
use std::time::Duration;

use acs_recording::{Event, EventPayload, RecordingFileStatusUpdated};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::disposition::{Disposition, Failure, MAX_DELAY};
use super::lease::{Held, Keeper};
use super::throttle::Throttle;
use super::update::{Activity, Observer, Outcome, Update};
use crate::archive::{Archive, Archived, LastAttempt};
use crate::error::{Error, ErrorKind, Result};
use crate::queue::{EventQueue, Message};
use crate::steps::Step;
use crate::{message, metrics};

/// What all slots of a worker share.
pub(super) struct Shared {
    pub(super) archive: Archive,
    pub(super) queue: Arc<dyn EventQueue>,
    pub(super) lease: Duration,
    pub(super) max_attempts: u32,
    pub(super) throttle: Throttle,
    pub(super) observer: Option<Observer>,
}

/// A message that was received, and what it announces.
pub(super) struct Delivery {
    pub(super) message: Message,
    /// When the request was sent that leased it.
    pub(super) leased_at: Instant,
    pub(super) events: Vec<Event>,
    /// What is wrong with the rest of the message.
    unreadable: Option<Error>,
}

/// How a message ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) archived: Vec<Archived>,
}

impl Delivery {
    pub(super) fn new(message: Message, leased_at: Instant) -> Self {
        let (events, unreadable) = message::events(&message);
        Self {
            message,
            leased_at,
            events,
            unreadable,
        }
    }

    /// When the service drops the first of the recordings, if the events tell.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        recordings(&self.events)
            .filter_map(|(_, file)| file.expires_at())
            .min()
    }

    fn recording_id(&self) -> Option<String> {
        let mut recordings = recordings(&self.events);
        recordings.find_map(|(_, file)| Some(file.recording_id.as_ref()?.to_string()))
    }

    fn call_id(&self) -> Option<String> {
        recordings(&self.events).find_map(|(_, file)| file.call_id.clone())
    }

    pub(super) fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "archive",
            message = %self.message.id,
            recording = self.recording_id(),
            call = self.call_id(),
            attempt = self.message.dequeue_count,
            // A trace of an OpenTelemetry collector shows it as the receipt of a message.
            otel.kind = "consumer",
            outcome = tracing::field::Empty,
        )
    }
}

/// The recordings that events announce.
fn recordings(events: &[Event]) -> impl Iterator<Item = (&Event, &RecordingFileStatusUpdated)> {
    events.iter().filter_map(|event| match event.payload() {
        EventPayload::RecordingFileStatusUpdated(file) => Some((event, file)),
        _ => None,
    })
}

/// Whether there may be no time for another attempt.
fn expires_soon(expires_at: Option<Timestamp>) -> bool {
    expires_at.is_some_and(|at| {
        let left = at.duration_since(Timestamp::now());
        Duration::try_from(left).unwrap_or_default() < 2 * MAX_DELAY
    })
}

/// Tells an observer what happens to a message.
#[derive(Clone)]
struct Teller {
    observer: Option<Observer>,
    /// The message as it was received.
    message: Message,
    recording_id: Option<String>,
    call_id: Option<String>,
}

impl Teller {
    fn tell(&self, activity: Activity<'_>) {
        if let Some(observer) = &self.observer {
            observer(&Update {
                message: &self.message,
                recording_id: self.recording_id.as_deref(),
                call_id: self.call_id.as_deref(),
                activity,
            });
        }
    }
}

impl Shared {
    /// Handles a message to its end.
    pub(super) async fn handle(&self, delivery: Delivery, stop: watch::Receiver<bool>) -> Ended {
        let teller = Teller {
            observer: self.observer.clone(),
            message: delivery.message.clone(),
            recording_id: delivery.recording_id(),
            call_id: delivery.call_id(),
        };
        self.archive.settings().crash.reached(Step::Received).await;
        teller.tell(Activity::Started);
        let expires_at = delivery.expires_at();
        let Delivery {
            mut message,
            leased_at,
            events,
            unreadable,
        } = delivery;
        let last_attempt = LastAttempt {
            expires_soon: expires_soon(expires_at),
            is_exhausted: message.dequeue_count >= self.max_attempts,
        };
        let keeper = Keeper {
            queue: &*self.queue,
            message: &mut message,
            lease: self.lease,
            since: leased_at,
            stop,
        };
        let stored = self.store(&events, last_attempt, &teller);
        let held = keeper.hold(Box::pin(stored)).await;

        let mut archived = Vec::new();
        let mut retry_after = None;
        let (outcome, error) = match held {
            Held::Stopped if message.is_expired(Timestamp::now()) => {
                let text = "the message expired before its recording was archived";
                let error = Error::new(ErrorKind::Unavailable, text);
                self.fail(&message, Disposition::Bury, error).await
            }
            Held::Stopped => {
                retry_after = Some(Duration::ZERO);
                let released = self.queue.release(&message, Duration::ZERO).await;
                self.settled(released, Outcome::Released, None)
            }
            Held::Lost(error) => (Outcome::LeaseLost, Some(error)),
            Held::Finished(results) => {
                let mut failures = Vec::new();
                for result in results {
                    match result {
                        Ok(one) => archived.push(one),
                        Err(error) => failures.push(error),
                    }
                }
                failures.extend(unreadable);
                if failures.is_empty() {
                    self.complete(&message, &archived).await
                } else {
                    let (disposition, error) = self.decide(&message, failures, expires_at);
                    if let Disposition::Release(delay) = disposition {
                        retry_after = Some(delay);
                    }
                    self.fail(&message, disposition, error).await
                }
            }
        };
        metrics::message(outcome.name());
        tracing::Span::current().record("outcome", outcome.name());
        log(outcome, error.as_ref(), &archived, retry_after);
        teller.tell(Activity::Finished {
            outcome,
            archived: &archived,
            error: error.as_ref(),
            retry_after,
        });
        Ended { outcome, archived }
    }

    /// Stores all recordings that the events announce, whatever becomes of each.
    async fn store(
        &self,
        events: &[Event],
        last_attempt: LastAttempt,
        teller: &Teller,
    ) -> Vec<Result<Archived>> {
        let mut results = Vec::new();
        for event in events {
            let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
                continue;
            };
            let told = teller.clone();
            let store = self.archive.store(file).event(event);
            let store = store.last_attempt(last_attempt);
            let store = store.on_progress(move |progress| told.tell(Activity::Progress(progress)));
            results.push(store.await);
        }
        results
    }

    async fn complete(&self, message: &Message, archived: &[Archived]) -> (Outcome, Option<Error>) {
        let outcome = if archived.iter().any(Archived::is_new) {
            Outcome::Archived
        } else if archived.is_empty() {
            Outcome::Ignored
        } else {
            Outcome::Already
        };
        if outcome != Outcome::Ignored {
            self.throttle.recover();
        }
        let completed = self.queue.complete(message).await;
        self.archive.settings().crash.reached(Step::Completed).await;
        match completed {
            // What was archived stays archived, whoever removes the message.
            Err(error) if outcome == Outcome::Archived => {
                tracing::warn!(%error, "the message is not removed from the queue");
                (outcome, None)
            }
            completed => self.settled(completed, outcome, None),
        }
    }

    /// What becomes of the message, by the failure that gives it the most of a chance.
    fn decide(
        &self,
        message: &Message,
        failures: Vec<Error>,
        expires_at: Option<Timestamp>,
    ) -> (Disposition, Error) {
        let now = Timestamp::now();
        let mut decided: Option<(Disposition, Error)> = None;
        for error in failures {
            if error.kind() == ErrorKind::Throttled {
                self.throttle.slow_down(error.retry_after());
            }
            let failure = Failure {
                message,
                error: &error,
                expires_at,
                max_attempts: self.max_attempts,
                now,
            };
            let disposition = failure.disposition();
            let is_better = match &decided {
                None => true,
                Some((before, _)) => {
                    *before == Disposition::Bury && disposition != Disposition::Bury
                }
            };
            if is_better {
                decided = Some((disposition, error));
            }
        }
        decided.unwrap_or_else(|| {
            let error = Error::new(ErrorKind::InvalidEvent, "the message holds no event");
            (Disposition::Bury, error)
        })
    }

    async fn fail(
        &self,
        message: &Message,
        disposition: Disposition,
        error: Error,
    ) -> (Outcome, Option<Error>) {
        match disposition {
            Disposition::Release(delay) => {
                let released = self.queue.release(message, delay).await;
                self.settled(released, Outcome::Released, Some(error))
            }
            Disposition::Bury => {
                let reason = format!("{}: {error}", error.kind());
                let buried = self.queue.bury(message, &reason).await;
                if buried.is_ok() {
                    metrics::poisoned(error.kind().name());
                }
                self.settled(buried, Outcome::Poisoned, Some(error))
            }
        }
    }

    /// The outcome, unless the queue rejected the last request about the message.
    #[allow(clippy::unused_self, reason = "reads as the other endings")]
    fn settled(
        &self,
        result: Result<()>,
        outcome: Outcome,
        error: Option<Error>,
    ) -> (Outcome, Option<Error>) {
        match result {
            Ok(()) => (outcome, error),
            Err(failed) if failed.kind() == ErrorKind::LeaseLost => {
                (Outcome::LeaseLost, Some(failed))
            }
            Err(failed) => (Outcome::Unsettled, Some(failed)),
        }
    }
}

fn log(
    outcome: Outcome,
    error: Option<&Error>,
    archived: &[Archived],
    retry_after: Option<Duration>,
) {
    for warning in archived.iter().flat_map(|archived| &archived.warnings) {
        tracing::warn!("{warning}");
    }
    let outcome_name = outcome.name();
    match (outcome, error) {
        (Outcome::Archived | Outcome::Already | Outcome::Ignored, _) => {
            let bytes: u64 = archived.iter().map(Archived::bytes).sum();
            tracing::info!(outcome = outcome_name, bytes, "the message is handled");
        }
        (Outcome::Poisoned, Some(error)) => {
            let kind = error.kind().name();
            tracing::error!(
                outcome = outcome_name,
                kind,
                %error,
                "the message is moved to the poison queue"
            );
        }
        (Outcome::Released, Some(error)) => {
            tracing::warn!(outcome = outcome_name, ?retry_after, %error, "the message is retried later");
        }
        (Outcome::Released, None) => {
            tracing::info!(
                outcome = outcome_name,
                "the message is left to other workers"
            );
        }
        (_, error) => {
            let error = error.map(ToString::to_string);
            tracing::warn!(outcome = outcome_name, error, "the message comes again");
        }
    }
}
