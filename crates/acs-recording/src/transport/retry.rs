//! When a request is sent again, and after how long.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::Mutex;

/// How often and after what pauses a request is sent again.
///
/// Sent again are requests that got no answer, or 408, 429, 500, 502, 503 or 504 — as long as
/// sending twice does no harm: starting a recording carries a repeatability id, and reading,
/// pausing, resuming, stopping and deleting can be repeated by nature. Any other request is sent
/// again only when it cannot have been acted on: the connection failed, or the answer was 429, or
/// a 503 that asks to try again (one that does not may come from a gateway that lost the answer).
/// Pauses grow exponentially with random jitter. A pause is never shorter than what the service asks
/// for in `Retry-After`, and a little longer, so that many clients do not come back at the same
/// moment. A wait that is longer than the time limit of the operation ends the operation at once.
///
/// ```
/// use std::time::Duration;
/// use acs_recording::RetryPolicy;
///
/// let patient = RetryPolicy::default().max_attempts(10).max_delay(Duration::from_secs(60));
/// let never = RetryPolicy::none();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
}

impl Default for RetryPolicy {
    /// 5 attempts; pauses from 0.5 s, doubled each time, up to 30 s.
    fn default() -> Self {
        Self {
            max_attempts: 5,
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Every request is sent once.
    pub fn none() -> Self {
        Self::default().max_attempts(1)
    }

    /// How often a request is sent at the most, the first time included; at least once.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The pause before the second attempt.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// The longest pause that is not asked for by the service (default: 30 seconds), and the most
    /// that is added to one that is.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The same with fewer attempts, of which one is left at least.
    pub(crate) fn less(mut self, attempts: u32) -> Self {
        self.max_attempts = self.max_attempts.saturating_sub(attempts).max(1);
        self
    }

    /// The pause after attempt number `attempt`, or none when that was the last. It is not shorter
    /// than what the service `asked` for.
    pub(crate) fn pause(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        jitter: &Jitter,
    ) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempt - 1);
        let full = self
            .initial_delay
            .saturating_mul(doubled)
            .min(self.max_delay);
        // Half of it is certain, so that a server in trouble gets its rest.
        let pause = full.mul_f64(0.5 + 0.5 * jitter.next());
        let Some(asked) = asked else {
            return Some(pause);
        };
        let spread = full.min(asked).max(asked / 4).min(self.max_delay);
        let asked = asked.saturating_add(spread.mul_f64(jitter.next()));
        Some(pause.max(asked))
    }
}

/// What a request's method and headers say about sending it twice.
pub(crate) fn is_repeatable(request: &reqwest::Request) -> bool {
    *request.method() != Method::POST
        || request.headers().contains_key("repeatability-request-id")
        || request.url().path().ends_with(":pause")
        || request.url().path().ends_with(":resume")
}

/// Whether an answer is worth another attempt; `asked` if it asks for one.
pub(crate) fn is_passing(status: StatusCode, repeatable: bool, asked: bool) -> bool {
    match status.as_u16() {
        429 => true,
        503 => repeatable || asked,
        408 | 500 | 502 | 504 => repeatable,
        _ => false,
    }
}

/// Whether the service may have done what was asked in spite of this answer.
pub(crate) fn may_hide_success(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

/// Random numbers from 0 to 1, repeatable from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(Arc<Mutex<fastrand::Rng>>);

impl Jitter {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    #[cfg(test)]
    fn with_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    fn next(&self) -> f64 {
        self.0.lock().f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_jitter_and_end() {
        let policy = RetryPolicy::default()
            .initial_delay(Duration::from_millis(100))
            .max_delay(Duration::from_millis(350))
            .max_attempts(5);
        for seed in 0..100 {
            let jitter = Jitter::with_seed(seed);
            for (attempt, full) in [(1, 100), (2, 200), (3, 350), (4, 350)] {
                let pause = policy.pause(attempt, None, &jitter).unwrap();
                let full = Duration::from_millis(full);
                assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
            }
            assert_eq!(policy.pause(5, None, &jitter), None);
        }
    }

    #[test]
    fn what_the_service_asks_for_is_the_least() {
        let policy = RetryPolicy::default();
        for seconds in [1, 8, 90, u64::MAX] {
            let asked = Duration::from_secs(seconds);
            let pauses: Vec<_> = (0..100)
                .map(|seed| {
                    let jitter = Jitter::with_seed(seed);
                    policy.pause(1, Some(asked), &jitter).unwrap()
                })
                .collect();
            let most = asked
                .saturating_add(asked / 2)
                .min(asked.saturating_add(policy.max_delay));
            assert!(pauses.iter().all(|pause| (asked..=most).contains(pause)));
            let differ = pauses.iter().any(|pause| *pause != pauses[0]);
            assert!(differ || seconds == u64::MAX, "{seconds}");
        }
        let asked = Some(Duration::from_secs(90));
        let jitter = Jitter::with_seed(1);
        assert_eq!(RetryPolicy::none().pause(1, asked, &jitter), None);
    }

    #[test]
    fn a_wait_of_zero_or_next_to_it_is_a_usual_pause() {
        let policy = RetryPolicy::default();
        for asked in [Duration::ZERO, Duration::from_millis(1)] {
            for seed in 0..100 {
                let jitter = Jitter::with_seed(seed);
                let pause = policy.pause(2, Some(asked), &jitter).unwrap();
                assert_eq!(policy.pause(2, None, &Jitter::with_seed(seed)), Some(pause));
                assert!(pause >= policy.initial_delay, "{pause:?}");
            }
        }
    }

    #[test]
    fn only_what_does_no_harm_is_repeated() {
        let client = reqwest::Client::new();
        let post = |path: &str| client.post(format!("http://h.example{path}"));
        let start = post("/calling/recordings");
        assert!(!is_repeatable(&start.try_clone().unwrap().build().unwrap()));
        let start = start.header("Repeatability-Request-ID", "x");
        assert!(is_repeatable(&start.build().unwrap()));
        assert!(is_repeatable(
            &post("/calling/recordings/r:pause").build().unwrap()
        ));
        assert!(is_repeatable(
            &client.delete("http://h.example/").build().unwrap()
        ));
        for (status, repeatable, asked, passing) in [
            (429, false, false, true),
            (503, false, false, false),
            (503, false, true, true),
            (503, true, false, true),
            (500, false, true, false),
            (500, true, false, true),
            (504, true, false, true),
            (501, true, true, false),
            (404, true, true, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                is_passing(status, repeatable, asked),
                passing,
                "{status} {repeatable} {asked}"
            );
        }
    }
}
