//! What all operations have in common.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_call_automation::{Failure, ResponseValue};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result, ServiceCode};
use crate::transport::deadline_after;

/// What awaiting an operation becomes.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How long the poll at the end of a wait may take.
const FINAL_POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes a builder awaitable: its method `send` does the work, under the name of the operation.
macro_rules! into_future {
    ($builder:ident -> $output:ty, $operation:expr) => {
        impl ::std::future::IntoFuture for $builder {
            type Output = $crate::Result<$output>;
            type IntoFuture = $crate::operation::BoxFuture<Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                ::std::boxed::Box::pin(async move {
                    let sent = self.send().await;
                    sent.map_err(|error| error.with_operation($operation))
                })
            }
        }
    };
}

/// Declares an operation on what has an id: an owned builder with the options of its requests.
macro_rules! operation {
    ($(#[$doc:meta])* $builder:ident($id:ty) -> $output:ty, $operation:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is sent before it is awaited"]
        pub struct $builder {
            client: $crate::client_core::ClientCore,
            id: $id,
            options: $crate::RequestOptions,
        }

        impl $builder {
            pub(super) fn new(client: $crate::client_core::ClientCore, id: $id) -> Self {
                let options = $crate::RequestOptions::new();
                Self { client, id, options }
            }
        }

        $crate::transport::request_options!($builder);
        $crate::operation::into_future!($builder -> $output, $operation);
    };
}

/// The setter of a builder's field `repeatability`.
macro_rules! repeatability {
    ($builder:ident) => {
        impl $builder {
            /// Identifies the request, so that sending it again does not act twice (default: a new
            /// id and the current time, which clones share).
            ///
            /// For programs that may stop between sending the request and storing its result: choose
            /// an id, store it with the time, and after a restart send the request again with both.
            /// The service takes an id with another time for another request, or for an invalid one.
            /// It remembers them for a short time only.
            pub fn repeatability(
                mut self,
                id: ::uuid::Uuid,
                first_sent: ::std::time::SystemTime,
            ) -> Self {
                self.repeatability = $crate::operation::Repeatability { id, first_sent };
                self
            }
        }
    };
}

pub(crate) use {into_future, operation, repeatability};

/// What makes sending a request twice act once.
///
/// It is made together with the operation, so that a clone of that sends the same request.
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

    /// The value of `Repeatability-First-Sent`.
    pub(crate) fn first_sent(&self) -> String {
        http_date(self.first_sent)
    }
}

/// A time as an HTTP date, which has those from 1970 to 9999.
fn http_date(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST))
}

/// The response of the generated client, or the error that its failure stands for.
pub(crate) fn response<T>(result: Result<ResponseValue<T>, Failure>) -> Result<ResponseValue<T>> {
    Ok(result?)
}

/// The value of a response, or the error that a failure stands for.
pub(crate) fn value<T>(result: Result<ResponseValue<T>, Failure>) -> Result<T> {
    response(result).map(ResponseValue::into_inner)
}

/// Makes "not found" a success if an earlier attempt, whose response was lost, ended what a retry no
/// longer finds.
pub(crate) fn allow_not_found_after_retry(result: Result<()>) -> Result<()> {
    match result {
        Err(error)
            if error.may_have_acted() && error.service_code() == Some(ServiceCode::NotFound) =>
        {
            Ok(())
        }
        result => result,
    }
}

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
