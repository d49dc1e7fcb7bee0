//! One pause for all slots of a process, when a service has too much to do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const INITIAL: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(60);

/// Until when no slot begins anything new.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// How often in a row there was too much to do.
    rejections: u32,
}

impl Throttle {
    /// A service rejected a request because it has too much to do (429 or 503).
    pub(super) fn slow_down(&self, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let backoff = INITIAL.saturating_mul(1 << state.rejections.min(6));
        state.rejections = state.rejections.saturating_add(1);
        let pause = retry_after.unwrap_or(backoff).min(MAX);
        let until = Instant::now() + pause;
        state.until = state.until.max(Some(until));
    }

    /// A recording was carried.
    pub(super) fn recover(&self) {
        self.lock().rejections = 0;
    }

    /// Until when to wait, if that is in the future.
    pub(super) fn until(&self) -> Option<Instant> {
        self.lock().until.filter(|until| *until > Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_something_succeeds() {
        let throttle = Throttle::default();
        let pause = || throttle.until().map(|until| until - Instant::now());
        assert_eq!(pause(), None);
        throttle.slow_down(None);
        assert_eq!(pause(), Some(INITIAL));
        throttle.slow_down(None);
        assert_eq!(pause(), Some(INITIAL * 2));
        throttle.slow_down(Some(Duration::from_secs(7)));
        assert_eq!(pause(), Some(Duration::from_secs(7)));
        throttle.slow_down(Some(Duration::from_secs(7200)));
        assert_eq!(pause(), Some(MAX));
        throttle.recover();
        tokio::time::advance(MAX).await;
        assert_eq!(pause(), None);
        throttle.slow_down(None);
        assert_eq!(pause(), Some(INITIAL));
    }
}
