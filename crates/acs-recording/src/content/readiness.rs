//! Waiting for content that the service does not have yet.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use crate::error::{Error, ErrorKind, Result};

/// The first pause while content is not ready.
const INITIAL_DELAY: Duration = Duration::from_millis(500);
/// The longest pause that the service does not request.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// How long to wait for content that does not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadyTimeout {
    /// After 404 and 503.
    pub(super) missing: Duration,
    /// After an empty body. With zero, an empty body is empty content.
    pub(super) empty: Duration,
}

/// Content that is not ready.
#[derive(Debug)]
pub(super) struct NotReady {
    pub(super) timeout: Duration,
    /// What the service responded instead.
    pub(super) error: Error,
}

/// The pauses of one wait for content.
#[derive(Debug, Default)]
pub(super) struct ReadyBackoff {
    started: Option<Instant>,
    last: Option<Duration>,
}

impl ReadyBackoff {
    /// The pause before the next request. It is never shorter than the service requests.
    ///
    /// # Errors
    /// The timeout has passed, or would pass during the pause that the service requests.
    pub(super) fn next(&mut self, NotReady { timeout, error }: NotReady) -> Result<Duration> {
        let started = *self.started.get_or_insert_with(Instant::now);
        let delay = self.last.map_or(INITIAL_DELAY, |last| last * 2);
        let delay = delay.min(MAX_DELAY);
        let retry_after = error.retry_after();
        let pause = delay.max(retry_after.unwrap_or_default());
        let left = timeout.saturating_sub(started.elapsed());
        if pause <= left {
            debug!(?pause, "content is not ready yet");
            self.last = Some(delay);
            return Ok(pause);
        }
        if timeout.is_zero() {
            return Err(error);
        }
        let seconds = timeout.as_secs_f32();
        let too_late = retry_after.filter(|retry_after| *retry_after > left);
        let text = match too_late {
            Some(retry_after) => format!(
                "the content is not ready, and the service asks to try again in {:.1} s, after the \
                 timeout of {seconds:.1} s",
                retry_after.as_secs_f32()
            ),
            None => format!("the content was not ready within {seconds:.1} s"),
        };
        let timed_out = Error::new(ErrorKind::ContentNotReady, text).with_source(error);
        Err(match too_late {
            Some(retry_after) => timed_out.with_retry_after(retry_after),
            None => timed_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_ready(timeout: u64, retry_after: Option<u64>) -> NotReady {
        let error = Error::new(ErrorKind::Service, "busy").with_status(503);
        NotReady {
            timeout: Duration::from_secs(timeout),
            error: match retry_after {
                Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
                None => error,
            },
        }
    }

    #[test]
    fn retry_after_is_the_shortest_pause() {
        let mut backoff = ReadyBackoff::default();
        let mut pause = |retry_after| backoff.next(not_ready(100, retry_after)).unwrap();
        assert_eq!(pause(None), INITIAL_DELAY);
        assert_eq!(pause(Some(30)), Duration::from_secs(30));
        // The delays continue to grow from the previous one.
        assert_eq!(pause(None), INITIAL_DELAY * 4);
        assert_eq!(pause(Some(1)), INITIAL_DELAY * 8);
    }

    #[test]
    fn a_retry_after_beyond_the_timeout_fails_at_once() {
        let error = ReadyBackoff::default().next(not_ready(10, Some(11)));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContentNotReady);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
        assert!(error.to_string().contains("in 11.0 s"), "{error}");
        assert!(error.is_retryable());
        let error = ReadyBackoff::default().next(not_ready(0, Some(11)));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Service);
    }
}
