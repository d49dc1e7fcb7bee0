//! When Event Grid delivers an event again that was not accepted.

use std::time::Duration;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;

/// The delays in seconds after the first, second, … attempt. The last one repeats.
const DELAYS: [u32; 10] = [
    10,
    30,
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

const MAX_ATTEMPTS: u32 = 30;
const TIME_TO_LIVE: u32 = 24 * HOUR;

/// Delivers again, with delays that are multiples of the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    first: Duration,
}

impl Schedule {
    pub(super) fn new(first: Duration) -> Self {
        Self { first }
    }

    /// The delay after an attempt, which counts from 1. `status` is that of the response, and `spent`
    /// the time since the first attempt.
    pub(super) fn delay(
        self,
        attempt: u32,
        status: Option<u16>,
        spent: Duration,
    ) -> Option<Duration> {
        let least = match status {
            // Event Grid gives up.
            Some(400 | 401 | 403 | 413) => return None,
            Some(404) => 5 * MINUTE,
            Some(408) => 2 * MINUTE,
            Some(503) => 30,
            _ => 0,
        };
        if attempt >= MAX_ATTEMPTS {
            return None;
        }
        let step = (attempt as usize).saturating_sub(1).min(DELAYS.len() - 1);
        let scale = |seconds: u32| self.first.saturating_mul(seconds) / DELAYS[0];
        let delay = scale(DELAYS[step].max(least));
        (spent + delay <= scale(TIME_TO_LIVE)).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_that_of_event_grid() {
        let seconds = Duration::from_secs;
        let real = Schedule::new(seconds(10));
        let quick = Schedule::new(Duration::from_millis(10));
        for (attempt, status, spent, delay) in [
            (1, Some(500), 0, Some(10)),
            (2, None, 0, Some(30)),
            (1, Some(503), 0, Some(30)),
            (1, Some(404), 0, Some(300)),
            (9, Some(500), 0, Some(21_600)),
            (10, Some(500), 0, Some(43_200)),
            (10, Some(500), 50_000, None),
            (30, Some(500), 0, None),
            (1, Some(400), 0, None),
            (1, Some(401), 0, None),
            (1, Some(403), 0, None),
            (1, Some(413), 0, None),
        ] {
            let found = real.delay(attempt, status, seconds(spent));
            assert_eq!(found, delay.map(seconds), "{attempt} {status:?}");
            let spent = Duration::from_millis(spent);
            let found = quick.delay(attempt, status, spent);
            assert_eq!(found, delay.map(Duration::from_millis));
        }
    }
}
