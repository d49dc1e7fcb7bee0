//! What is known of the request that an error is about.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

/// What is known of a request, in the extensions of its response: for the error that this may
/// become.
#[derive(Clone, Debug)]
pub(crate) struct RequestInfo {
    pub(crate) client_request_id: HeaderValue,
    pub(crate) attempts: Attempts,
    /// The recording that the request is about.
    pub(crate) recording_id: Option<String>,
}

/// The attempts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// How often it was sent.
    pub(crate) count: u32,
    /// Whether the service may have acted on the request although its response was lost.
    pub(crate) may_have_acted: bool,
}

/// A `Retry-After` that the operation has no time for, in the extensions of its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryAfterTooLong {
    pub(crate) asked: Duration,
    pub(crate) limit: Duration,
}

impl fmt::Display for RetryAfterTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the service asks to wait {} s, which is longer than the rest of the {} s that the \
             operation may take: try again later",
            self.asked.as_secs_f32(),
            self.limit.as_secs_f32()
        )
    }
}
