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
pub struct Clock(watch::Sender<Position>);

/// The time of the clock: an instant, or real time, plus an offset.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// Where the clock stands still; `None` if it follows real time.
    held_at: Option<Timestamp>,
    offset: SignedDuration,
    /// The total time by which [`Clock::advance`] has moved the clock.
    advanced: SignedDuration,
}

impl Position {
    fn now(&self) -> Timestamp {
        let base = self.held_at.unwrap_or_else(Timestamp::now);
        base.checked_add(self.offset).unwrap_or(Timestamp::MAX)
    }
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
        Self(watch::Sender::new(Position {
            held_at: start,
            offset: SignedDuration::ZERO,
            advanced: SignedDuration::ZERO,
        }))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.0.borrow().now()
    }

    /// Moves the clock forward by `by` and runs everything that becomes due.
    ///
    /// A system clock jumps forward by the same amount and then continues. This is useful for
    /// content expiry and for retries. A clock cannot be moved back.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.0.send_modify(|position| {
            position.offset = position.offset.saturating_add(by);
            position.advanced = position.advanced.saturating_add(by);
        });
    }

    /// Stops the clock until it is advanced or released. Has no effect if it already stands still.
    pub fn hold(&self) {
        self.0.send_if_modified(|position| {
            let holds = position.held_at.is_none();
            position.held_at.get_or_insert_with(Timestamp::now);
            holds
        });
    }

    /// Lets the clock follow real time again, from its current time on. Has no effect if it is running.
    pub fn release(&self) {
        self.0.send_if_modified(|position| {
            let now = position.now();
            let held = position.held_at.take().is_some();
            if held {
                position.offset = now.duration_since(Timestamp::now());
            }
            held
        });
    }

    /// Whether the clock stands still.
    pub fn is_held(&self) -> bool {
        self.0.borrow().held_at.is_some()
    }

    /// The total time by which the clock has been advanced.
    pub(crate) fn advanced(&self) -> SignedDuration {
        self.0.borrow().advanced
    }

    /// Notices when the clock is advanced, held or released from now on.
    pub(crate) fn changes(&self) -> ClockChanges {
        ClockChanges(self.0.subscribe())
    }

    /// Waits until the clock reaches `instant`.
    pub(crate) async fn wait_until(&self, instant: Timestamp) {
        let mut changes = self.0.subscribe();
        loop {
            let is_held = changes.borrow_and_update().held_at.is_some();
            let left = instant.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // The sender lives in `self`, so `changed` cannot fail while this future exists.
            if is_held {
                let _ = changes.changed().await;
            } else {
                let _ = tokio::time::timeout(left, changes.changed()).await;
            }
        }
    }
}

/// Notices when a clock is advanced, held or released.
pub(crate) struct ClockChanges(watch::Receiver<Position>);

impl ClockChanges {
    /// Completes after the next change. Returns `false` if the clock no longer exists.
    pub(crate) async fn next(&mut self) -> bool {
        self.0.changed().await.is_ok()
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

    #[test]
    fn a_released_clock_continues_from_its_time() {
        let clock = Clock::manual();
        clock.advance(Duration::from_secs(5));
        let stood = clock.now();
        assert!(clock.is_held());
        clock.release();
        assert!(!clock.is_held());
        let gone = clock.now().duration_since(stood);
        assert!(
            !gone.is_negative() && gone < SignedDuration::from_secs(60),
            "{gone}"
        );
        clock.hold();
        let held = clock.now();
        assert_eq!(clock.now(), held);
        assert_eq!(clock.advanced(), SignedDuration::from_secs(5));
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
