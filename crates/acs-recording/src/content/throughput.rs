//! Detects connections that are too slow to be kept.

use std::time::Duration;

/// The bytes that one connection delivered, and the time spent waiting for them.
///
/// Only the time counts in which the network had nothing to read. Neither a bandwidth limit nor a
/// slow disk or listener makes a connection look slow.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    waited: Duration,
    bytes: u64,
}

impl Throughput {
    /// Counts bytes received after a wait. At the end of each `window`, returns whether they were too
    /// few.
    pub(super) fn is_too_slow(
        &mut self,
        bytes: u64,
        waited: Duration,
        window: Duration,
        minimum_rate: u64,
    ) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < window {
            return false;
        }
        let waited = std::mem::take(self);
        waited.bytes < bytes_within(minimum_rate, waited.waited)
    }
}

/// The number of bytes received in that time at this rate.
pub(super) fn bytes_within(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate).saturating_mul(time.as_millis()) / 1000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    /// The seconds after which a rate in bytes per second is too slow, within an hour.
    fn too_slow_after(rate: u64, minimum: u64) -> Option<u32> {
        let mut throughput = Throughput::default();
        (1..=3600).find(|_| throughput.is_too_slow(rate, SECOND, WINDOW, minimum))
    }

    #[test]
    fn the_average_over_the_window_decides() {
        assert_eq!(too_slow_after(1, 256), Some(30));
        assert_eq!(too_slow_after(255, 256), Some(30));
        assert_eq!(too_slow_after(256, 256), None);
        assert_eq!(too_slow_after(1, 0), None);
        // A burst counts for one window only.
        let mut throughput = Throughput::default();
        assert!(!throughput.is_too_slow(1 << 30, WINDOW, WINDOW, 256));
        assert!(throughput.is_too_slow(1, WINDOW, WINDOW, 256));
    }

    #[test]
    fn time_without_waiting_does_not_count() {
        let mut throughput = Throughput::default();
        for _ in 0..100_000 {
            assert!(!throughput.is_too_slow(1, Duration::ZERO, WINDOW, 256));
        }
    }
}
