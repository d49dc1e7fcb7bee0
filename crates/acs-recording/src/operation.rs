//! What all operations of the generated client have in common.

use std::time::SystemTime;

use acs_call_automation::{Failure, ResponseValue};
use uuid::Uuid;

use crate::error::{ErrorKind, Result, from_failure};

/// What makes sending a request twice act once: an id, and when it was sent first.
pub(crate) fn repeatability() -> (Uuid, String) {
    (Uuid::new_v4(), httpdate::fmt_http_date(SystemTime::now()))
}

/// The value of an answer, or the error that it stands for.
pub(crate) fn finish<T>(
    answer: Result<ResponseValue<T>, Failure>,
    operation: &'static str,
) -> Result<T> {
    match answer {
        Ok(answer) => Ok(answer.into_inner()),
        Err(failure) => Err(from_failure(failure).during(operation)),
    }
}

/// What a retry no longer finds, the first attempt ended, whose answer got lost.
pub(crate) fn gone_is_done(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound && error.attempts() > 1 => Ok(()),
        outcome => outcome,
    }
}
