//! How often and for how long a download is tried while no content comes in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::transport::{AfterFailures, FailedAttempt, Pipeline};

/// Content that has to come in between two failures for the second to count as the first.
pub(super) const ENOUGH_CONTENT: u64 = 16 * 1024;

/// How long content may take that is on this machine already, whatever time is left.
const AT_HAND: Duration = Duration::from_secs(1);

/// The attempts and the time that are left until content comes in.
///
/// There is one for everything that is done in turn: the requests of the transport, the
/// interruptions of a stream, and starting over. Each of them counts here, so that they add up and
/// do not multiply. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct RetryBudget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Attempts that failed since enough content came in.
    failures: u32,
    begun: Instant,
    deadline: Instant,
}

impl State {
    fn new(pipeline: &Pipeline) -> Self {
        Self {
            failures: 0,
            begun: Instant::now(),
            deadline: pipeline.deadline(),
        }
    }
}

impl RetryBudget {
    pub(super) fn new(pipeline: &Pipeline) -> Self {
        Self(Arc::new(Mutex::new(State::new(pipeline))))
    }

    /// Begins anew, because content came in or the wait for it has a limit of its own.
    pub(super) fn renew(&self, pipeline: &Pipeline) {
        *self.lock() = State::new(pipeline);
    }

    /// Whether nothing failed since enough content came in.
    pub(super) fn is_unspent(&self) -> bool {
        self.lock().failures == 0
    }

    /// How much time is left.
    fn left(&self) -> Duration {
        self.lock()
            .deadline
            .saturating_duration_since(Instant::now())
    }

    /// How long the first bytes of a body may take, which count for the time that is left.
    pub(super) fn first_bytes_within(&self, stall: Duration) -> Duration {
        stall.min(self.left().max(AT_HAND))
    }

    /// The transport for one request, which may use up what is left and no more.
    pub(super) fn limit(&self, pipeline: &Pipeline) -> Pipeline {
        let mut limited = pipeline.clone();
        let (attempts, elapsed) = {
            let state = self.lock();
            (state.failures, state.begun.elapsed())
        };
        limited.retry = Arc::new(AfterFailures {
            policy: limited.retry,
            attempts,
            elapsed,
        });
        // Not zero, which nobody may ask for.
        limited.limits.total = self.left().max(Duration::from_millis(1));
        limited
    }

    /// Counts attempts of the transport that failed.
    pub(super) fn spend(&self, attempts: u32) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(attempts);
    }

    /// Counts a failure. The pause before the next attempt, or none if that was the last.
    pub(super) fn fail(&self, pipeline: &Pipeline, error: &Error) -> Option<Duration> {
        let failed = {
            let mut state = self.lock();
            state.failures = state.failures.saturating_add(1);
            FailedAttempt::new(state.failures, error.kind()).with_elapsed(state.begun.elapsed())
        };
        let pause = pipeline.retry.next_delay(&failed)?;
        (pause < self.left()).then_some(pause)
    }

    /// How many attempts failed since enough content came in.
    pub(super) fn failures(&self) -> u32 {
        self.lock().failures
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often content was started over, and why.
pub(super) struct Restarts {
    count: u32,
    /// Whether an earlier run left something, which may turn out to be of other content.
    resumes: bool,
    /// Bytes that had come by the last time.
    came: u64,
    /// That the content changed, if nothing worth mentioning came since.
    pub(super) changed: Option<Error>,
}

impl Restarts {
    pub(super) fn new(resumes: bool, came: u64) -> Self {
        Self {
            count: 0,
            resumes,
            came,
            changed: None,
        }
    }

    /// The pause before the next one, if the operation has attempts and time left.
    pub(super) fn next(
        &mut self,
        budget: &RetryBudget,
        pipeline: &Pipeline,
        error: &Error,
        came: u64,
    ) -> Option<Duration> {
        if came.saturating_sub(self.came) >= ENOUGH_CONTENT {
            budget.renew(pipeline);
            self.changed = None;
        }
        self.came = came;
        if std::mem::take(&mut self.resumes) && error.kind() == ErrorKind::ContentChanged {
            // That is no failure of this run.
            budget.renew(pipeline);
            return Some(Duration::ZERO);
        }
        self.count += 1;
        let failed = FailedAttempt::new(self.count, error.kind());
        let is_allowed = pipeline.retry.next_delay(&failed).is_some();
        budget.fail(pipeline, error).filter(|_| is_allowed)
    }

    /// Notes down why content is started over.
    pub(super) fn because(&mut self, error: Error) {
        if error.kind() == ErrorKind::ContentChanged {
            self.changed = Some(error);
        }
    }
}
