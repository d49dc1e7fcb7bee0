//! Makes the timeouts of requests cheap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

/// Timeouts of requests are usually longer.
const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps a timer registered while requests are being sent.
///
/// A timeout that is earlier than all other timers wakes the thread that waits for them, which costs
/// more than everything else that the pipeline does for a request. With this timer, which is earlier
/// still, it happens once a second instead of once per request.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlyTimer(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether a request was sent since the timer last fired.
    is_needed: AtomicBool,
    is_running: AtomicBool,
}

impl EarlyTimer {
    /// Keeps the timer registered for the next seconds.
    pub(super) fn keep(&self) {
        let state = &self.0;
        // Plain loads first, because the cache line is shared by all threads.
        if !state.is_needed.load(Ordering::Relaxed) {
            state.is_needed.store(true, Ordering::Relaxed);
        }
        if state.is_running.load(Ordering::Relaxed) || state.is_running.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let running = Running(Arc::clone(state));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(running.run());
        }
    }
}

/// The task, which may end with its runtime.
struct Running(Arc<State>);

impl Running {
    async fn run(self) {
        while self.0.is_needed.swap(false, Ordering::Relaxed) {
            sleep(INTERVAL).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_timer_ends_when_no_request_is_sent() {
        let timer = EarlyTimer::default();
        let is_running = || timer.0.is_running.load(Ordering::Relaxed);
        for _ in 0..3 {
            timer.keep();
            sleep(INTERVAL / 2).await;
            assert!(is_running());
        }
        sleep(INTERVAL * 3).await;
        assert!(!is_running());
        timer.keep();
        assert!(is_running());
    }

    #[test]
    fn the_timer_starts_again_in_another_runtime() {
        let timer = EarlyTimer::default();
        timer.keep();
        assert!(!timer.0.is_running.load(Ordering::Relaxed));
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                timer.keep();
                assert!(timer.0.is_running.load(Ordering::Relaxed));
            });
        }
    }
}
