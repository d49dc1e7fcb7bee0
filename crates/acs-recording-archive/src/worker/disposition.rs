//! What becomes of a message whose recording could not be archived.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, ErrorKind};
use crate::queue::Message;

const INITIAL_DELAY: Duration = Duration::from_secs(10);
pub(super) const MAX_DELAY: Duration = Duration::from_secs(15 * 60);
/// Content that is not found may still come, as long as its message is no older.
const NOT_READY: Duration = Duration::from_secs(15 * 60);
/// How long before content expires the last attempt is made.
const MARGIN: Duration = Duration::from_secs(60);
/// The service keeps content for so long.
const RETENTION: Duration = Duration::from_secs(24 * 3600);
/// The longest wait that a service can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);
/// More deliveries than failures of the surroundings can cause within a day: the message kills the
/// workers that handle it.
const MAX_DELIVERIES: u32 = 150;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// It becomes visible again after this.
    Release(Duration),
    /// It goes to the poison queue.
    Bury,
}

/// What is known about a message that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'a> {
    pub(super) message: &'a Message,
    pub(super) error: &'a Error,
    /// When the service drops the content, if the event tells.
    pub(super) expires_at: Option<Timestamp>,
    pub(super) max_attempts: u32,
    pub(super) now: Timestamp,
}

impl Failure<'_> {
    pub(super) fn disposition(&self) -> Disposition {
        match self.error.kind() {
            ErrorKind::InvalidEvent
            | ErrorKind::InvalidInput
            | ErrorKind::NothingToArchive
            | ErrorKind::ForbiddenHost
            | ErrorKind::ExpiredContent
            | ErrorKind::OwnStorage => Disposition::Bury,
            ErrorKind::ContentNotFound if !self.is_young() => Disposition::Bury,
            // Whatever is wrong, the content is gone by now.
            _ if self.expires_at().is_some_and(|at| at <= self.now) => Disposition::Bury,
            kind if kind.is_environmental() => {
                if self.message.dequeue_count >= MAX_DELIVERIES {
                    Disposition::Bury
                } else {
                    Disposition::Release(self.delay())
                }
            }
            ErrorKind::ContentNotFound => Disposition::Release(self.delay()),
            _ if self.message.dequeue_count >= self.max_attempts => Disposition::Bury,
            _ => Disposition::Release(self.delay()),
        }
    }

    /// How long to wait: longer after every attempt, and at least what the service asks for.
    fn delay(&self) -> Duration {
        let doublings = self.message.dequeue_count.saturating_sub(1).min(16);
        let delay = INITIAL_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY);
        let asked = self.error.retry_after().unwrap_or_default();
        let delay = delay.max(asked.min(MAX_RETRY_AFTER));
        let Some(expires_at) = self.expires_at() else {
            return delay;
        };
        // One more attempt before it is too late.
        let left = expires_at.duration_since(self.now);
        let left = Duration::try_from(left).unwrap_or_default();
        delay.min(left.saturating_sub(MARGIN).max(INITIAL_DELAY.min(left)))
    }

    /// When the content or the message is gone, whichever is first.
    fn expires_at(&self) -> Option<Timestamp> {
        let content = self.expires_at.or_else(|| {
            // The event came after the recording ended, so this is late rather than early.
            let retention = SignedDuration::try_from(RETENTION).ok()?;
            self.message.inserted_at?.checked_add(retention).ok()
        });
        match (content, self.message.expires_at) {
            (Some(content), Some(message)) => Some(content.min(message)),
            (content, message) => content.or(message),
        }
    }

    fn is_young(&self) -> bool {
        self.message.inserted_at.is_some_and(|inserted| {
            let age = self.now.duration_since(inserted);
            Duration::try_from(age).unwrap_or_default() < NOT_READY
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(dequeue_count: u32) -> Message {
        let mut message = Message::new("m", "", "r");
        message.dequeue_count = dequeue_count;
        message.inserted_at = Some(time("2026-01-01T00:00:00Z"));
        message
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn failure<'a>(message: &'a Message, error: &'a Error) -> Failure<'a> {
        Failure {
            message,
            error,
            expires_at: Some(time("2026-01-02T00:00:00Z")),
            max_attempts: 10,
            now: time("2026-01-01T01:00:00Z"),
        }
    }

    #[test]
    fn what_can_never_succeed_is_poison_at_once() {
        for kind in ErrorKind::ALL {
            let (error, first) = (Error::new(*kind, "x"), message(1));
            let is_poison = failure(&first, &error).disposition() == Disposition::Bury;
            let expected = matches!(
                kind,
                ErrorKind::InvalidEvent
                    | ErrorKind::InvalidInput
                    | ErrorKind::NothingToArchive
                    | ErrorKind::ForbiddenHost
                    | ErrorKind::ExpiredContent
                    | ErrorKind::ContentNotFound
                    | ErrorKind::OwnStorage
            );
            assert_eq!(is_poison, expected, "{kind}");
        }
    }

    #[test]
    fn the_surroundings_make_no_poison_and_the_recording_does() {
        for (kind, count, is_poison) in [
            (ErrorKind::CorruptContent, 9, false),
            (ErrorKind::CorruptContent, 10, true),
            (ErrorKind::Conflict, 10, true),
            (ErrorKind::Unavailable, 100, false),
            (ErrorKind::PermissionDenied, 100, false),
            (ErrorKind::NotFound, 100, false),
            (ErrorKind::Unavailable, MAX_DELIVERIES, true),
        ] {
            let (error, message) = (Error::new(kind, "x"), message(count));
            let disposition = failure(&message, &error).disposition();
            assert_eq!(
                disposition == Disposition::Bury,
                is_poison,
                "{kind} {count}"
            );
        }
    }

    #[test]
    fn content_of_a_young_message_may_still_come() {
        let (error, message) = (Error::new(ErrorKind::ContentNotFound, "x"), message(1));
        let mut failure = failure(&message, &error);
        failure.now = time("2026-01-01T00:14:00Z");
        assert_eq!(failure.disposition(), Disposition::Release(INITIAL_DELAY));
        failure.now = time("2026-01-01T00:15:00Z");
        assert_eq!(failure.disposition(), Disposition::Bury);
    }

    #[test]
    fn delays_double_and_end_before_the_content_does() {
        let plain = Error::new(ErrorKind::Unavailable, "x");
        let asked =
            Error::new(ErrorKind::Throttled, "x").with_retry_after(Duration::from_secs(100));
        let now = "2026-01-01T01:00:00Z";
        for (error, count, at, seconds) in [
            (&plain, 1, now, 10),
            (&plain, 2, now, 20),
            (&plain, 7, now, 640),
            (&plain, 8, now, 900),
            (&plain, 60, now, 900),
            (&asked, 1, now, 100),
            (&asked, 8, now, 900),
            (&plain, 8, "2026-01-01T23:50:00Z", 540),
            (&plain, 8, "2026-01-01T23:59:30Z", 10),
            (&plain, 8, "2026-01-01T23:59:57Z", 3),
        ] {
            let message = message(count);
            let mut failure = failure(&message, error);
            failure.now = time(at);
            let expected = Disposition::Release(Duration::from_secs(seconds));
            assert_eq!(failure.disposition(), expected, "{count} {at}");
        }
        let message = message(1);
        let mut failure = failure(&message, &plain);
        failure.now = time("2026-01-02T00:00:00Z");
        assert_eq!(failure.disposition(), Disposition::Bury);
    }
}
