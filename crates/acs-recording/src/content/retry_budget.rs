//! How often and how long a download is retried while no content is received.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::transport::{AfterFailures, FailedAttempt, Pipeline, RetryPolicy};

/// A failure counts as the first one again after this many bytes.
pub(super) const PROGRESS_THRESHOLD: u64 = 16 * 1024;

/// The least time for the first bytes of a body, which may already be in a local buffer.
const MIN_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(1);

/// The attempts and the time that are left until content is received.
///
/// Retries of the transport, interruptions of a stream and restarts share one budget, so that their
/// attempts add up instead of multiplying. Clones share it too.
#[derive(Clone, Debug)]
pub(super) struct RetryBudget {
    /// The policy for everything after the first response.
    resume_policy: Arc<dyn RetryPolicy>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Failed attempts since content was received.
    failures: u32,
    started: Instant,
    deadline: Instant,
}

impl State {
    fn new(pipeline: &Pipeline) -> Self {
        Self {
            failures: 0,
            started: Instant::now(),
            deadline: pipeline.deadline(),
        }
    }
}

impl RetryBudget {
    /// The client's retry policy is the default of the resume policy.
    pub(super) fn new(pipeline: &Pipeline, resume_policy: Option<Arc<dyn RetryPolicy>>) -> Self {
        Self {
            resume_policy: resume_policy.unwrap_or_else(|| Arc::clone(&pipeline.retry)),
            state: Arc::new(Mutex::new(State::new(pipeline))),
        }
    }

    /// Another budget with the same policy, for one of several connections.
    pub(super) fn separate(&self, pipeline: &Pipeline) -> Self {
        Self::new(pipeline, Some(Arc::clone(&self.resume_policy)))
    }

    /// Resets the budget, because content was received or a wait with its own timeout is over.
    pub(super) fn renew(&self, pipeline: &Pipeline) {
        *self.lock() = State::new(pipeline);
    }

    /// Whether nothing failed since content was received.
    pub(super) fn is_unspent(&self) -> bool {
        self.lock().failures == 0
    }

    /// The time that is left.
    fn left(&self) -> Duration {
        self.lock()
            .deadline
            .saturating_duration_since(Instant::now())
    }

    /// The timeout of the first bytes of a body, which the operation timeout limits too.
    pub(super) fn first_byte_timeout(&self, read_timeout: Duration) -> Duration {
        read_timeout.min(self.left().max(MIN_FIRST_BYTE_TIMEOUT))
    }

    /// The transport for one request, limited to what is left.
    pub(super) fn limit(&self, pipeline: &Pipeline, is_resuming: bool) -> Pipeline {
        let mut limited = pipeline.clone();
        let (attempts, elapsed) = {
            let state = self.lock();
            (state.failures, state.started.elapsed())
        };
        limited.retry = Arc::new(AfterFailures {
            policy: if is_resuming {
                Arc::clone(&self.resume_policy)
            } else {
                limited.retry
            },
            attempts,
            elapsed,
        });
        // Zero is rejected as an invalid timeout.
        limited.limits.total = self.left().max(Duration::from_millis(1));
        limited
    }

    /// Counts failed attempts of the transport.
    pub(super) fn spend(&self, attempts: u32) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(attempts);
    }

    /// Counts a failure. Returns the pause before the next attempt, or none after the last one.
    pub(super) fn fail(&self, error: &Error) -> Option<Duration> {
        let failed = {
            let mut state = self.lock();
            state.failures = state.failures.saturating_add(1);
            FailedAttempt::new(state.failures, error.kind()).with_elapsed(state.started.elapsed())
        };
        let pause = self.resume_policy.next_delay(&failed)?;
        (pause < self.left()).then_some(pause)
    }

    /// The number of failed attempts since content was received.
    pub(super) fn failures(&self) -> u32 {
        self.lock().failures
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// How often a download was restarted from the beginning, and why.
pub(super) struct Restarts {
    count: u32,
    /// Whether an earlier run left a part file, which may be of another version.
    is_resumed: bool,
    /// Bytes that had been received at the last restart.
    received: u64,
    /// The error that the content changed, if it was the reason of the last restart.
    pub(super) changed: Option<Error>,
}

impl Restarts {
    pub(super) fn new(is_resumed: bool, received: u64) -> Self {
        Self {
            count: 0,
            is_resumed,
            received,
            changed: None,
        }
    }

    /// The pause before the next restart, if attempts and time are left.
    pub(super) fn next(
        &mut self,
        budget: &RetryBudget,
        pipeline: &Pipeline,
        error: &Error,
        received: u64,
    ) -> Option<Duration> {
        if received.saturating_sub(self.received) >= PROGRESS_THRESHOLD {
            budget.renew(pipeline);
            self.changed = None;
        }
        self.received = received;
        if std::mem::take(&mut self.is_resumed) && error.kind() == ErrorKind::ContentChanged {
            // This run did not fail.
            budget.renew(pipeline);
            return Some(Duration::ZERO);
        }
        self.count += 1;
        let failed = FailedAttempt::new(self.count, error.kind());
        let is_allowed = budget.resume_policy.next_delay(&failed).is_some();
        budget.fail(error).filter(|_| is_allowed)
    }

    /// Records the reason of a restart.
    pub(super) fn record_reason(&mut self, error: Error) {
        if error.kind() == ErrorKind::ContentChanged {
            self.changed = Some(error);
        }
    }
}
