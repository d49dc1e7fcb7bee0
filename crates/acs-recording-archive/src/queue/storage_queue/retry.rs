//! Attempts at one operation.
//!
//! The client's own retries are off: their limits hold for all operations alike, and a renewal has
//! to end well before the lease does.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::failure::Failure;

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// How long an operation may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// One attempt.
    pub(super) attempt: Duration,
    /// All attempts together.
    pub(super) total: Duration,
}

/// What an operation came to.
pub(super) struct Outcome<T> {
    pub(super) result: Result<T, Failure>,
    /// Whether an earlier attempt got no response: the service may have done what it was asked.
    pub(super) is_ambiguous: bool,
}

/// Repeats an attempt while its failure may be transient and there is time.
pub(super) async fn attempt<T, F>(
    limits: Limits,
    mut attempt: impl FnMut() -> F + Send,
) -> Outcome<T>
where
    T: Send,
    F: Future<Output = azure_core::Result<T>> + Send,
{
    let end = Instant::now() + limits.total;
    let mut delay = FIRST_DELAY;
    let mut is_ambiguous = false;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let limit = limits.attempt.min(left);
        let failure = match timeout(limit, attempt()).await {
            Ok(Ok(value)) => {
                let result = Ok(value);
                return Outcome {
                    result,
                    is_ambiguous,
                };
            }
            Ok(Err(error)) => Failure::Azure(error),
            Err(_) => Failure::TimedOut(limit),
        };
        // Half of each delay is random, so that workers do not come back all at once.
        let jittered = delay.mul_f64(0.5 + fastrand::f64() / 2.0);
        let wait = failure.retry_after().unwrap_or_default().max(jittered);
        if !failure.is_transient() || Instant::now() + wait >= end {
            return Outcome {
                result: Err(failure),
                is_ambiguous,
            };
        }
        is_ambiguous |= failure.may_have_been_done();
        tracing::debug!(?wait, "a request to the queue failed and is tried again");
        sleep(wait).await;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use azure_core::error::ErrorKind;

    use super::*;

    const LIMITS: Limits = Limits {
        attempt: Duration::from_secs(10),
        total: Duration::from_secs(30),
    };

    fn error(kind: ErrorKind) -> azure_core::Error {
        azure_core::Error::with_message(kind, "test")
    }

    #[tokio::test(start_paused = true)]
    async fn transient_failures_are_repeated_until_the_limit() {
        let (start, attempts) = (Instant::now(), AtomicU32::new(0));
        let outcome: Outcome<()> = attempt(LIMITS, || {
            attempts.fetch_add(1, Ordering::Relaxed);
            async { Err(error(ErrorKind::Connection)) }
        })
        .await;
        assert!(outcome.result.is_err());
        assert!(!outcome.is_ambiguous, "nothing was sent");
        let attempts = attempts.into_inner();
        assert!((7..=16).contains(&attempts), "{attempts}");
        assert!(start.elapsed() <= LIMITS.total);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_responses_are_told() {
        let attempts = AtomicU32::new(0);
        let outcome = attempt(LIMITS, || {
            let number = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                match number {
                    1 => Err(error(ErrorKind::Io)),
                    2 => std::future::pending().await,
                    _ => Ok(number),
                }
            }
        })
        .await;
        assert_eq!(outcome.result.unwrap(), 3);
        assert!(outcome.is_ambiguous);
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_are_final() {
        let start = Instant::now();
        let outcome: Outcome<()> =
            attempt(LIMITS, || async { Err(error(ErrorKind::Credential)) }).await;
        assert!(outcome.result.is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
