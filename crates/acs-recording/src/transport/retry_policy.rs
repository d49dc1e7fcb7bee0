//! Retry policies: whether a failed request is sent again, and after how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ErrorKind;

/// Attempts of a request under the default policy, the first one included.
const DEFAULT_ATTEMPTS: u32 = 5;

/// Decides whether and when a failed request is sent again.
///
/// A policy is only consulted about failures that are safe to repeat: the request got no response,
/// or 408, 429, 500, 502, 503 or 504, and sending it twice does no harm. Starting a recording
/// carries a repeatability id; reading, pausing, resuming, stopping and deleting are idempotent.
/// Any other request is repeated only if the service cannot have acted on it: the connection
/// failed, or the response was 429, or a 503 with `Retry-After`. No policy can widen these rules,
/// or extend the operation's timeout.
///
/// The default is [`ExponentialBackoff`] with 5 attempts. Limit a policy with the methods of
/// [`RetryPolicyExt`], or write one:
///
/// ```
/// use std::time::Duration;
/// use acs_recording::{ErrorKind, FailedAttempt, RetryPolicy};
///
/// /// Retries once a second, and only while the service throttles.
/// #[derive(Debug)]
/// struct WhileThrottled;
///
/// impl RetryPolicy for WhileThrottled {
///     fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
///         let delay = failed.retry_after.unwrap_or(Duration::from_secs(1));
///         (failed.kind == ErrorKind::Throttled).then_some(delay)
///     }
/// }
///
/// let failed = FailedAttempt::new(1, ErrorKind::Throttled);
/// assert_eq!(WhileThrottled.next_delay(&failed), Some(Duration::from_secs(1)));
/// ```
pub trait RetryPolicy: fmt::Debug + Send + Sync {
    /// The delay before the next attempt, or `None` to give up.
    ///
    /// A delay that does not fit into the operation's timeout ends the operation at once.
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration>;
}

/// An attempt that failed, as a [`RetryPolicy`] sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// The number of attempts so far; 1 after the first.
    pub attempt: u32,
    /// The time since the first attempt began.
    pub elapsed: Duration,
    /// What went wrong.
    pub kind: ErrorKind,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// How long the service asks to wait, if it does.
    pub retry_after: Option<Duration>,
}

impl FailedAttempt {
    /// An attempt without a response; for tests of a policy.
    pub fn new(attempt: u32, kind: ErrorKind) -> Self {
        Self {
            attempt,
            elapsed: Duration::ZERO,
            kind,
            status: None,
            retry_after: None,
        }
    }

    /// Adds the time since the first attempt began.
    pub fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// Adds the HTTP status of the response.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds how long the service asks to wait.
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

/// Limits for any [`RetryPolicy`].
///
/// ```
/// use std::time::Duration;
/// use acs_recording::{ExponentialBackoff, RetryPolicyExt as _};
///
/// let patient = ExponentialBackoff::default()
///     .max_delay(Duration::from_secs(60))
///     .with_attempt_limit(10)
///     .with_time_limit(Duration::from_secs(90));
/// ```
pub trait RetryPolicyExt: RetryPolicy + Sized {
    /// Gives up after this many attempts, the first one included. There is always a first one.
    fn with_attempt_limit(self, attempts: u32) -> AttemptLimit<Self> {
        AttemptLimit {
            policy: self,
            attempts,
        }
    }

    /// Gives up if the next attempt would begin later than this after the first one began.
    fn with_time_limit(self, limit: Duration) -> TimeLimit<Self> {
        TimeLimit {
            policy: self,
            limit,
        }
    }
}

impl<P: RetryPolicy> RetryPolicyExt for P {}

/// A policy with a limit on attempts; made by [`RetryPolicyExt::with_attempt_limit`].
#[derive(Clone, Debug)]
pub struct AttemptLimit<P> {
    policy: P,
    attempts: u32,
}

impl<P: RetryPolicy> RetryPolicy for AttemptLimit<P> {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        if failed.attempt >= self.attempts {
            return None;
        }
        self.policy.next_delay(failed)
    }
}

/// A policy with a time limit; made by [`RetryPolicyExt::with_time_limit`].
#[derive(Clone, Debug)]
pub struct TimeLimit<P> {
    policy: P,
    limit: Duration,
}

impl<P: RetryPolicy> RetryPolicy for TimeLimit<P> {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        let delay = self.policy.next_delay(failed)?;
        (failed.elapsed.saturating_add(delay) <= self.limit).then_some(delay)
    }
}

impl<P: RetryPolicy + ?Sized> RetryPolicy for Arc<P> {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        (**self).next_delay(failed)
    }
}

impl<P: RetryPolicy + ?Sized> RetryPolicy for Box<P> {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        (**self).next_delay(failed)
    }
}

/// Sends every request once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeverRetry;

impl RetryPolicy for NeverRetry {
    fn next_delay(&self, _failed: &FailedAttempt) -> Option<Duration> {
        None
    }
}

/// Delays that double, with random jitter: by default from 0.5 up to 30 seconds.
///
/// A delay is never shorter than what the service asks for in `Retry-After`, and a little longer,
/// so that many clients do not come back at the same moment.
///
/// It does not limit the number of attempts; the operation's timeout ends them. Add
/// [`with_attempt_limit`](RetryPolicyExt::with_attempt_limit) to give up earlier.
#[derive(Clone, Debug)]
pub struct ExponentialBackoff {
    initial_delay: Duration,
    max_delay: Duration,
    jitter: Jitter,
}

impl Default for ExponentialBackoff {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            jitter: Jitter(fastrand::f64),
        }
    }
}

impl ExponentialBackoff {
    /// The delay before the second attempt, before jitter (default: 0.5 seconds).
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// The longest delay that the service does not ask for (default: 30 seconds). It is also the
    /// most that is added to a delay that the service asks for.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    #[cfg(test)]
    fn with_jitter(mut self, jitter: fn() -> f64) -> Self {
        self.jitter = Jitter(jitter);
        self
    }
}

impl RetryPolicy for ExponentialBackoff {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(failed.attempt.saturating_sub(1));
        let full = self
            .initial_delay
            .saturating_mul(doubled)
            .min(self.max_delay);
        // Half of it is certain, so that a server in trouble gets its rest.
        let delay = full.mul_f64(0.5 + 0.5 * self.jitter.next());
        let Some(asked) = failed.retry_after else {
            return Some(delay);
        };
        let spread = full.min(asked).max(asked / 4).min(self.max_delay);
        let asked = asked.saturating_add(spread.mul_f64(self.jitter.next()));
        Some(delay.max(asked))
    }
}

/// A source of random numbers from 0 to 1.
#[derive(Clone, Copy)]
struct Jitter(fn() -> f64);

impl Jitter {
    fn next(self) -> f64 {
        (self.0)()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// The policy of clients that are given no other.
pub(crate) fn default_retry_policy() -> Arc<dyn RetryPolicy> {
    Arc::new(ExponentialBackoff::default().with_attempt_limit(DEFAULT_ATTEMPTS))
}

/// A policy for a request that continues what other requests began: their failed attempts count.
#[derive(Debug)]
pub(crate) struct AfterFailures {
    pub(crate) policy: Arc<dyn RetryPolicy>,
    /// Attempts that failed before.
    pub(crate) attempts: u32,
    /// The time since the first of them began.
    pub(crate) elapsed: Duration,
}

impl RetryPolicy for AfterFailures {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        self.policy.next_delay(&FailedAttempt {
            attempt: failed.attempt.saturating_add(self.attempts),
            elapsed: failed.elapsed.saturating_add(self.elapsed),
            ..*failed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JITTERS: [fn() -> f64; 3] = [|| 0.0, || 0.5, || 1.0];

    fn failed(attempt: u32) -> FailedAttempt {
        FailedAttempt::new(attempt, ErrorKind::Service)
    }

    fn asked(attempt: u32, delay: Duration) -> FailedAttempt {
        failed(attempt).with_status(503).with_retry_after(delay)
    }

    #[test]
    fn delays_double_within_their_jitter() {
        let policy = ExponentialBackoff::default()
            .initial_delay(Duration::from_millis(100))
            .max_delay(Duration::from_millis(350));
        for (attempt, full) in [(1, 100), (2, 200), (3, 350), (4, 350), (u32::MAX, 350)] {
            let full = Duration::from_millis(full);
            let delay = |jitter| {
                policy
                    .clone()
                    .with_jitter(jitter)
                    .next_delay(&failed(attempt))
            };
            assert_eq!(delay(|| 0.0), Some(full / 2));
            assert_eq!(delay(|| 1.0), Some(full));
            // The one that is used.
            let delay = policy.next_delay(&failed(attempt)).unwrap();
            assert!(delay >= full / 2 && delay <= full, "{attempt}: {delay:?}");
        }
    }

    #[test]
    fn retry_after_is_the_least_delay() {
        let policy = ExponentialBackoff::default();
        for seconds in [1, 8, 90, u64::MAX] {
            let least = Duration::from_secs(seconds);
            let most = least
                .saturating_add(least / 2)
                .min(least.saturating_add(policy.max_delay));
            let delays = JITTERS.map(|jitter| {
                let policy = policy.clone().with_jitter(jitter);
                policy.next_delay(&asked(1, least)).unwrap()
            });
            assert!(delays.iter().all(|delay| (least..=most).contains(delay)));
            assert!(delays[0] < delays[2] || seconds == u64::MAX, "{seconds}");
        }
        assert_eq!(NeverRetry.next_delay(&asked(1, Duration::ZERO)), None);
    }

    #[test]
    fn a_retry_after_of_almost_nothing_is_a_usual_delay() {
        for least in [Duration::ZERO, Duration::from_millis(1)] {
            for jitter in JITTERS {
                let policy = ExponentialBackoff::default().with_jitter(jitter);
                let delay = policy.next_delay(&asked(2, least));
                assert_eq!(delay, policy.next_delay(&failed(2)));
                assert!(delay.unwrap() >= policy.initial_delay, "{delay:?}");
            }
        }
    }

    #[test]
    fn limits_end_any_policy() {
        /// Retries at once, for ever.
        #[derive(Clone, Debug)]
        struct AtOnce;
        impl RetryPolicy for AtOnce {
            fn next_delay(&self, _failed: &FailedAttempt) -> Option<Duration> {
                Some(Duration::from_secs(1))
            }
        }
        let second = Duration::from_secs(1);
        let three = AtOnce.with_attempt_limit(3);
        assert_eq!(three.next_delay(&failed(2)), Some(second));
        assert_eq!(three.next_delay(&failed(3)), None);
        assert_eq!(AtOnce.with_attempt_limit(0).next_delay(&failed(1)), None);

        let brief = AtOnce.with_time_limit(5 * second);
        assert_eq!(
            brief.next_delay(&failed(1).with_elapsed(4 * second)),
            Some(second)
        );
        let late = failed(1).with_elapsed(4 * second + Duration::from_millis(1));
        assert_eq!(brief.next_delay(&late), None);
        assert_eq!(
            brief.next_delay(&failed(1).with_elapsed(Duration::MAX)),
            None
        );

        // Whatever the order and the pointer.
        let both: Arc<dyn RetryPolicy> = Arc::new(brief.with_attempt_limit(3));
        assert_eq!(both.next_delay(&failed(3)), None);
        assert_eq!(both.next_delay(&late), None);
        assert_eq!(Box::new(both).next_delay(&failed(2)), Some(second));
    }

    #[test]
    fn attempts_of_earlier_requests_count() {
        let policy = AfterFailures {
            policy: default_retry_policy(),
            attempts: 3,
            elapsed: Duration::ZERO,
        };
        assert!(policy.next_delay(&failed(1)).is_some());
        assert_eq!(policy.next_delay(&failed(2)), None);
    }
}
