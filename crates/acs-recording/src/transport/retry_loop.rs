//! Sends one request with retries.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use http::header::HeaderMap;
use http::{Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::attempt::{AttemptError, Call};
use super::pipeline::{Authentication, Pipeline, Request};
use super::receive::FromBody;
use super::retry::{is_idempotent, is_retryable_status, may_have_acted};
use super::retry_policy::FailedAttempt;
use crate::credential::content_hash;
use crate::error::{Attempts, Result, RetryAfterTooLong, kind_of_status, retry_after};

/// What follows a failed attempt.
enum Next<B> {
    /// Another attempt, after this delay.
    Retry(Duration),
    /// The outcome is final.
    Done(Box<Result<Response<B>>>),
}

impl Pipeline {
    /// Sends the request with retries. Also returns the attempts.
    pub(super) async fn send_with_retries<B: FromBody>(
        &self,
        request: Request,
        authentication: Authentication,
        deadline: Instant,
    ) -> (Attempts, Result<Response<B>>) {
        let content_hash = content_hash(&request.body);
        let mut call = Call {
            request,
            authentication,
            content_hash,
            deadline,
            started: Instant::now(),
            attempts: Attempts::default(),
            authorization: None,
            token_replaced: false,
        };
        loop {
            call.attempts.count += 1;
            let next = {
                // Pinned, because futures of this size should not move.
                let outcome = pin!(self.attempt(&mut call)).await;
                if matches!(&outcome, Ok(response) if response.status().is_success()) {
                    return (call.attempts, outcome.map_err(AttemptError::into_error));
                }
                self.after_failure(&mut call, outcome)
            };
            match next.await {
                Next::Retry(delay) => sleep(delay).await,
                Next::Done(outcome) => return (call.attempts, *outcome),
            }
        }
    }

    /// Decides whether to retry after a failed attempt.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn would hold the outcome twice"
    )]
    fn after_failure<B: FromBody>(
        &self,
        call: &mut Call,
        mut outcome: Result<Response<B>, AttemptError>,
    ) -> impl Future<Output = Next<B>> {
        async move {
            let (is_retryable, retry_after) = match &outcome {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                    if self.replace_rejected_token(call).await {
                        return Next::Retry(Duration::ZERO);
                    }
                    (false, None)
                }
                Ok(response) => call.classify(response.status(), response.headers()),
                Err(AttemptError::NotSent(_)) => {
                    call.attempts.count -= 1;
                    (false, None)
                }
                Err(AttemptError::NotConnected(_)) => (true, None),
                Err(AttemptError::BodyTooLarge(_)) => {
                    call.attempts.may_have_acted = true;
                    (false, None)
                }
                Err(AttemptError::NoResponse(_)) => {
                    call.attempts.may_have_acted = true;
                    (call.is_idempotent(), None)
                }
            };
            let attempt = call.attempts.count;
            let delay = is_retryable
                .then(|| {
                    let (kind, status) = match &outcome {
                        Ok(response) => {
                            let status = response.status();
                            (kind_of_status(status), Some(status.as_u16()))
                        }
                        Err(failed) => (failed.error().kind(), None),
                    };
                    self.retry.next_delay(&FailedAttempt {
                        attempt,
                        elapsed: call.started.elapsed(),
                        kind,
                        status,
                        retry_after,
                    })
                })
                .flatten();
            let left = call.deadline.saturating_duration_since(Instant::now());
            // The jitter on top of `Retry-After` is no reason to give up.
            let minimum = retry_after.filter(|delay| !delay.is_zero());
            let delay = delay.map(|delay| {
                if delay < left {
                    delay
                } else {
                    minimum.unwrap_or(delay)
                }
            });
            if let Some(delay) = delay.filter(|delay| *delay < left) {
                debug!(attempt, ?delay, "retrying the request");
                return Next::Retry(delay);
            }
            if let (Some(_), Some(retry_after), Ok(response)) = (delay, minimum, &mut outcome) {
                let timeout = self.limits.total;
                let too_long = RetryAfterTooLong {
                    retry_after,
                    timeout,
                };
                response.extensions_mut().insert(too_long);
            }
            Next::Done(Box::new(outcome.map_err(AttemptError::into_error)))
        }
    }

    /// Replaces the token once, because the service rejected it. Returns whether there is another one.
    async fn replace_rejected_token(&self, call: &mut Call) -> bool {
        if std::mem::replace(&mut call.token_replaced, true) {
            return false;
        }
        let replaced = self.replace_token(call.authorization.as_ref());
        matches!(timeout_at(call.deadline, replaced).await, Ok(true))
    }
}

impl Call {
    fn is_idempotent(&self) -> bool {
        let Request {
            method,
            url,
            headers,
            ..
        } = &self.request;
        is_idempotent(method, headers, url.path())
    }

    /// Whether the request may be retried after a response, and the delay that it requests.
    fn classify(&mut self, status: StatusCode, headers: &HeaderMap) -> (bool, Option<Duration>) {
        let retry_after = retry_after(headers, SystemTime::now());
        self.attempts.may_have_acted |= may_have_acted(status);
        let is_retryable = is_retryable_status(status, self.is_idempotent(), retry_after.is_some());
        (is_retryable, retry_after)
    }
}
