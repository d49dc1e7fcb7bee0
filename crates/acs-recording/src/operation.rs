//! What all operations of the generated client have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_call_automation::{Failure, ResponseValue};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result, ServiceCode};
use crate::transport::later;

/// How long the last question of a wait may take.
const LAST_QUESTION: Duration = Duration::from_secs(2);

/// What makes sending a request twice act once.
///
/// It is made together with what it stands for, so that whoever sends that again, or a clone of it,
/// sends the same request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeatability {
    pub(crate) id: Uuid,
    pub(crate) first_sent: SystemTime,
}

impl Repeatability {
    pub(crate) fn new() -> Self {
        Self {
            id: Uuid::new_v4(),
            first_sent: SystemTime::now(),
        }
    }

    /// When the request was sent first, as its header says it.
    pub(crate) fn first_sent(&self) -> String {
        http_date(self.first_sent)
    }
}

/// A time as an HTTP date, which has those from 1970 to 9999.
fn http_date(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST))
}

/// The value of an answer, or the error that it stands for.
pub(crate) fn finish<T>(
    answer: Result<ResponseValue<T>, Failure>,
    operation: &'static str,
) -> Result<T> {
    match answer {
        Ok(answer) => Ok(answer.into_inner()),
        Err(failure) => Err(Error::from(failure).during(operation)),
    }
}

/// What is asked for again and again, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) limit: Duration,
    pub(crate) interval: Duration,
}

impl Wait {
    /// Asks until there is a value; in its place a question gives what `what` still is.
    ///
    /// An error that may pass is no answer, and it is asked again. The limit holds for questions
    /// too, but for the last, which is asked when it ends.
    pub(crate) async fn until<T, F, Fut>(self, what: &str, ask: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Result<T, String>>>,
    {
        let deadline = later(Instant::now(), self.limit);
        let mut still = "unknown".to_owned();
        let mut failure = None;
        loop {
            let begun = Instant::now();
            let limit = deadline.max(later(begun, LAST_QUESTION));
            let mut pause = self.interval;
            match timeout_at(limit, ask()).await {
                Ok(Ok(Ok(value))) => return Ok(value),
                Ok(Ok(Err(state))) => {
                    still = state;
                    failure = None;
                }
                Ok(Err(error)) if error.is_retryable() => {
                    debug!(%error, "asking again");
                    pause = pause.max(error.retry_after().unwrap_or_default());
                    failure = Some(error);
                }
                Ok(Err(error)) => return Err(error.about(what)),
                Err(_) => {}
            }
            if begun >= deadline || Instant::now() >= limit {
                return Err(self.timed_out(what, &still, failure));
            }
            sleep_until(deadline.min(later(Instant::now(), pause))).await;
        }
    }

    /// The error at the end, with the reason why the last question had no answer.
    fn timed_out(self, what: &str, still: &str, failure: Option<Error>) -> Error {
        let limit = self.limit.as_secs_f32();
        let mut message = format!("{what} is still {still} after {limit} s");
        if let Some(failure) = &failure {
            message = format!("{message}, and the last question failed: {failure}");
        }
        let error = Error::new(ErrorKind::Timeout, message);
        match failure {
            Some(failure) => error.with_source(failure),
            None => error,
        }
    }
}

/// What a retry no longer finds, the first attempt ended, whose answer got lost.
pub(crate) fn gone_is_done(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error)
            if error.may_have_acted() && error.service_code() == Some(ServiceCode::NotFound) =>
        {
            Ok(())
        }
        outcome => outcome,
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
        answer: impl Fn(u32) -> Result<Result<u32, String>> + Send + Sync,
    ) -> Result<u32> {
        let wait = Wait {
            limit: Duration::from_secs(limit),
            interval: Duration::from_secs(1),
        };
        let (asked, answer) = (AtomicU32::new(0), &answer);
        let ask = || {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move { answer(number) }
        };
        wait.until("recording r", ask).await
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_may_pass_do_not_end_a_wait() {
        let answer = |number| match number {
            0 => Ok(Err("inactive".to_owned())),
            1..4 => Err(busy()),
            _ => Ok(Ok(number)),
        };
        assert_eq!(wait(60, answer).await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_wait_tells_what_it_was_about_and_why_there_was_no_answer() {
        let begun = Instant::now();
        let answer = |number| match number {
            0 => Ok(Err("inactive".to_owned())),
            _ => Err(busy()),
        };
        let error = wait(30, answer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(
            error.to_string(),
            "recording r is still inactive after 30 s, and the last question failed: the service \
             answered 503"
        );
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(begun.elapsed(), Duration::from_secs(30));

        // What it was before is not what it is.
        let answer = |number| match number {
            0 => Err(busy()),
            _ => Ok(Err("inactive".to_owned())),
        };
        let error = wait(30, answer).await.unwrap_err().to_string();
        assert_eq!(error, "recording r is still inactive after 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_the_service_asks_for_is_kept_within_the_limit() {
        let begun = Instant::now();
        let answer = |number| match number {
            0 => Err(busy().with_retry_after(Duration::from_secs(20))),
            _ => Ok(Ok(number)),
        };
        assert_eq!(wait(60, answer).await.unwrap(), 1);
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
        let begun = Instant::now();
        let answer = |_| Err(busy().with_retry_after(Duration::from_secs(60 * 60)));
        wait(60, answer).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_last_end_a_wait_at_once() {
        let gone = |_| Err(Error::new(ErrorKind::NotFound, "it is gone"));
        let begun = Instant::now();
        let error = wait(60, gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "recording r: it is gone");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
