//! The clock of the emulated service.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The start time of a manual clock. A fixed instant produces the same timestamps on every run.
const MANUAL_START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The emulator's clock. It follows real time, or stands still until a test advances it.
///
/// All timed behaviour of the service depends on this clock alone: when a call connects, when a
/// recording becomes active, how long the recorded audio is, when an event is sent or retried, and
/// when content expires. The following use real time: the age of signatures and tokens, the
/// response timeouts of webhooks and storage, and the delays and rates of faults.
///
/// Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The start time of a manual clock; `None` for the system clock.
    start: Option<Timestamp>,
    /// The total time by which [`Clock::advance`] has moved the clock.
    moved: watch::Sender<SignedDuration>,
}

impl Clock {
    /// A clock that follows the system time. This is the default.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock that moves only when [`Clock::advance`] is called. It starts at
    /// 2026-01-01T00:00:00Z.
    pub fn manual() -> Self {
        Self::manual_at(MANUAL_START)
    }

    /// A manual clock that starts at `start`.
    pub fn manual_at(start: Timestamp) -> Self {
        Self::new(Some(start))
    }

    fn new(start: Option<Timestamp>) -> Self {
        Self {
            start,
            moved: watch::Sender::new(SignedDuration::ZERO),
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        let moved = *self.moved.borrow();
        let start = self.start.unwrap_or_else(Timestamp::now);
        start.checked_add(moved).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward by `by` and runs everything that becomes due.
    ///
    /// A system clock jumps forward by the same amount and then continues. This is useful for
    /// content expiry and for retries. A clock cannot be moved back.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.moved
            .send_modify(|moved| *moved = moved.saturating_add(by));
    }

    /// Waits until the clock reaches `instant`.
    pub(crate) async fn wait_until(&self, instant: Timestamp) {
        let mut moved = self.moved.subscribe();
        loop {
            moved.borrow_and_update();
            let left = instant.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // The sender lives in `self`, so `changed` cannot fail while this future exists.
            if self.start.is_some() {
                let _ = moved.changed().await;
            } else {
                let _ = tokio::time::timeout(left, moved.changed()).await;
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// Returns `instant` plus `by`, or the maximum timestamp if that overflows.
pub(crate) fn after(instant: Timestamp, by: Duration) -> Timestamp {
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Formats an instant as the service does: UTC with seven fractional digits.
pub(crate) fn text(instant: Timestamp) -> String {
    format!("{instant:.7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still() {
        let clock = Clock::manual();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.clone().advance(Duration::from_millis(1500));
        assert_eq!(
            clock.now().duration_since(start),
            SignedDuration::from_millis(1500)
        );
    }

    #[test]
    fn a_system_clock_jumps_forward() {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(60 * 60));
        let ahead = clock.now().duration_since(Timestamp::now());
        assert!(ahead > SignedDuration::from_secs(3590), "{ahead}");
    }

    #[test]
    fn advancing_saturates_at_the_maximum_timestamp() {
        let clock = Clock::manual();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_clock_reaches_the_instant() {
        let clock = Clock::manual();
        let due = after(clock.now(), Duration::from_secs(10));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.wait_until(due).await;
                clock.now()
            }
        });
        clock.advance(Duration::from_secs(4));
        clock.advance(Duration::from_secs(6));
        assert_eq!(waiting.await.unwrap(), due);
    }

    #[tokio::test]
    async fn advancing_a_system_clock_wakes_its_waiters() {
        let clock = Clock::system();
        let due = after(clock.now(), Duration::from_secs(24 * 60 * 60));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(due).await }
        });
        clock.advance(Duration::from_secs(24 * 60 * 60));
        waiting.await.unwrap();
    }

    #[test]
    fn timestamps_have_seven_fractional_digits() {
        assert_eq!(text(MANUAL_START), "2026-01-01T00:00:00.0000000Z");
        let later = after(MANUAL_START, Duration::from_nanos(123_456_789));
        assert_eq!(text(later), "2026-01-01T00:00:00.1234567Z");
    }
}
