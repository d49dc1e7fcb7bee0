//! What all operations of the generated client have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_call_automation::{Failure, ResponseValue};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result, ServiceCode};
use crate::transport::later;

/// How long the last question of a wait may take.
const LAST_QUESTION: Duration = Duration::from_secs(2);

/// What makes sending a request twice act once: an id, and when it was sent first.
pub(crate) fn repeatability() -> (Uuid, String) {
    (Uuid::new_v4(), http_date(SystemTime::now()))
}

/// A time as an HTTP date, which has those from 1970 to 9999.
pub(crate) fn http_date(time: SystemTime) -> String {
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
    /// The limit holds for questions too, but for the last, which is asked when it ends.
    pub(crate) async fn until<T, F, Fut>(self, what: &str, ask: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Result<T, String>>>,
    {
        let deadline = later(Instant::now(), self.limit);
        let mut still = "unknown".to_owned();
        loop {
            let begun = Instant::now();
            let limit = deadline.max(later(begun, LAST_QUESTION));
            match timeout_at(limit, ask()).await {
                Ok(Ok(Ok(value))) => return Ok(value),
                Ok(Ok(Err(state))) => still = state,
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
            if begun >= deadline || Instant::now() >= limit {
                let limit = self.limit.as_secs_f32();
                let message = format!("{what} is still {still} after {limit} s");
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            sleep_until(deadline.min(later(Instant::now(), self.interval))).await;
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
