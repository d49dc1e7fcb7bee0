//! Polling for a state.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use crate::error::{Error, ErrorKind, Result};
use crate::transport::deadline_after;

/// How long the poll at the end of a wait may take.
const FINAL_POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// Polls for a state until it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poller {
    pub(crate) timeout: Duration,
    pub(crate) interval: Duration,
}

/// What a poll found.
pub(crate) enum Polled<T> {
    Ready(T),
    /// The state that it is still in.
    Pending(String),
}

impl Poller {
    /// Polls until there is a value, or the timeout is over. `subject` is what is polled.
    ///
    /// After a retryable error it polls again. The timeout holds for polls, too, except for the
    /// final one, which is sent when it is over.
    pub(crate) async fn until<T, F, Fut>(self, subject: &str, poll: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Polled<T>>>,
    {
        let deadline = deadline_after(Instant::now(), self.timeout);
        let mut last_state = "unknown".to_owned();
        let mut last_error = None;
        loop {
            let begun = Instant::now();
            let limit = deadline.max(deadline_after(begun, FINAL_POLL_TIMEOUT));
            let mut delay = self.interval;
            match timeout_at(limit, poll()).await {
                Ok(Ok(Polled::Ready(value))) => return Ok(value),
                Ok(Ok(Polled::Pending(state))) => {
                    last_state = state;
                    last_error = None;
                }
                Ok(Err(error)) if error.is_retryable() => {
                    debug!(%error, "polling again");
                    delay = delay.max(error.retry_after().unwrap_or_default());
                    last_error = Some(error);
                }
                Ok(Err(error)) => return Err(error.with_context(subject)),
                Err(_) => {}
            }
            if begun >= deadline || Instant::now() >= limit {
                return Err(self.timed_out(subject, &last_state, last_error));
            }
            sleep_until(deadline.min(deadline_after(Instant::now(), delay))).await;
        }
    }

    /// The error at the end of the wait, with the error of the last poll.
    fn timed_out(self, subject: &str, state: &str, last_error: Option<Error>) -> Error {
        let timeout = self.timeout.as_secs_f32();
        let mut message = format!("{subject} is still {state} after {timeout} s");
        if let Some(error) = &last_error {
            message = format!("{message}, and the last poll failed: {error}");
        }
        let error = Error::new(ErrorKind::Timeout, message);
        match last_error {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn busy() -> Error {
        Error::new(ErrorKind::Service, "the service answered 503")
    }

    async fn wait(
        limit: u64,
        poll_result: impl Fn(u32) -> Result<Polled<u32>> + Send + Sync,
    ) -> Result<u32> {
        let poller = Poller {
            timeout: Duration::from_secs(limit),
            interval: Duration::from_secs(1),
        };
        let (polls, poll_result) = (AtomicU32::new(0), &poll_result);
        let poll = || {
            let number = polls.fetch_add(1, Ordering::Relaxed);
            async move { poll_result(number) }
        };
        poller.until("recording r", poll).await
    }

    #[tokio::test(start_paused = true)]
    async fn retryable_errors_do_not_end_a_wait() {
        let poll_result = |number| match number {
            0 => Ok(Polled::Pending("inactive".to_owned())),
            1..4 => Err(busy()),
            _ => Ok(Polled::Ready(number)),
        };
        assert_eq!(wait(60, poll_result).await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_names_the_subject_and_the_error_of_the_last_poll() {
        let begun = Instant::now();
        let poll_result = |number| match number {
            0 => Ok(Polled::Pending("inactive".to_owned())),
            _ => Err(busy()),
        };
        let error = wait(30, poll_result).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(
            error.to_string(),
            "recording r is still inactive after 30 s, and the last poll failed: the service \
             answered 503"
        );
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(begun.elapsed(), Duration::from_secs(30));

        // What it was before is not what it is.
        let poll_result = |number| match number {
            0 => Err(busy()),
            _ => Ok(Polled::Pending("inactive".to_owned())),
        };
        let error = wait(30, poll_result).await.unwrap_err().to_string();
        assert_eq!(error, "recording r is still inactive after 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_respected_within_the_timeout() {
        let begun = Instant::now();
        let poll_result = |number| match number {
            0 => Err(busy().with_retry_after(Duration::from_secs(20))),
            _ => Ok(Polled::Ready(number)),
        };
        assert_eq!(wait(60, poll_result).await.unwrap(), 1);
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
        let begun = Instant::now();
        let poll_result = |_| Err(busy().with_retry_after(Duration::from_secs(60 * 60)));
        wait(60, poll_result).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_end_a_wait_at_once() {
        let gone = |_| Err(Error::new(ErrorKind::NotFound, "it is gone"));
        let begun = Instant::now();
        let error = wait(60, gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "recording r: it is gone");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
