//! The time that the emulated service lives in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Where a manual clock starts. A fixed instant gives the same time stamps on every run.
const MANUAL_START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The emulator's clock: real time, or a time that stands still until a test moves it.
///
/// Everything that the service does by itself depends on this clock alone: when a call connects,
/// when a recording turns active, how long the recorded audio is, when an event is sent or sent
/// again, and when content expires. In real time are the age of signatures and tokens, the time
/// that webhooks and own storage may take to answer, and the delays and rates of faults.
///
/// Clones share their time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Where a manual clock stood at first; `None` for the system's time.
    start: Option<Timestamp>,
    /// How far [`Clock::advance`] has moved the clock so far.
    moved: watch::Sender<SignedDuration>,
}

impl Clock {
    /// A clock that follows the time of the system. This is the default.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock that only [`Clock::advance`] moves. It starts at 2026-01-01T00:00:00Z.
    pub fn manual() -> Self {
        Self::manual_at(MANUAL_START)
    }

    /// A clock like [`Clock::manual`] that starts at an instant of your choice.
    pub fn manual_at(start: Timestamp) -> Self {
        Self::new(Some(start))
    }

    fn new(start: Option<Timestamp>) -> Self {
        Self {
            start,
            moved: watch::Sender::new(SignedDuration::ZERO),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        let moved = *self.moved.borrow();
        let start = self.start.unwrap_or_else(Timestamp::now);
        start.checked_add(moved).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock ahead and wakes everything that becomes due.
    ///
    /// A system clock skips ahead by the same amount and then runs on, which is handy for content
    /// expiry and for retries. There is no way back.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.moved
            .send_modify(|moved| *moved = moved.saturating_add(by));
    }

    /// Waits until the clock shows `instant`.
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

/// `instant` plus `by`, or the end of time.
pub(crate) fn after(instant: Timestamp, by: Duration) -> Timestamp {
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The service's notation: UTC with seven digits of a second.
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
    fn a_system_clock_skips_ahead() {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(60 * 60));
        let ahead = clock.now().duration_since(Timestamp::now());
        assert!(ahead > SignedDuration::from_secs(3590), "{ahead}");
    }

    #[test]
    fn advancing_stops_at_the_end_of_time() {
        let clock = Clock::manual();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_clock_gets_there() {
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
    async fn a_system_clock_wakes_its_waiters_when_it_skips() {
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
    fn time_stamps_have_seven_digits() {
        assert_eq!(text(MANUAL_START), "2026-01-01T00:00:00.0000000Z");
        let later = after(MANUAL_START, Duration::from_nanos(123_456_789));
        assert_eq!(text(later), "2026-01-01T00:00:00.1234567Z");
    }
}
