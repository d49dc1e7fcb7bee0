//! How often an empty queue is polled.

use std::time::Duration;

const MIN: Duration = Duration::from_millis(250);
const MAX: Duration = Duration::from_secs(30);

/// Waits between polls, which grow while the queue stays empty.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Default for Idle {
    fn default() -> Self {
        Self::new(MIN, MAX)
    }
}

impl Idle {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        let min = min.max(Duration::from_millis(1));
        Self {
            min,
            max: max.max(min),
            next: min,
        }
    }

    /// Messages were found.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// How long to wait this time: between half of the interval and all of it, so that workers that
    /// began together do not stay together.
    pub(super) fn wait(&mut self) -> Duration {
        let interval = self.next;
        self.next = interval.saturating_mul(2).min(self.max);
        interval.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew() {
        let mut idle = Idle::default();
        let mut interval = MIN;
        for _ in 0..10 {
            let wait = idle.wait();
            assert!(wait >= interval / 2 && wait <= interval, "{wait:?}");
            interval = (interval * 2).min(MAX);
        }
        assert_eq!(interval, MAX);
        idle.reset();
        assert!(idle.wait() <= MIN);
    }
}
