//! The request that an error is about.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

/// A request, in the extensions of its response, which may become an error.
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

/// A `Retry-After` that exceeds the rest of the operation timeout, in the extensions of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryAfterTooLong {
    pub(crate) retry_after: Duration,
    pub(crate) timeout: Duration,
}

impl fmt::Display for RetryAfterTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the service requests a delay of {} s, which exceeds the rest of the operation timeout \
             of {} s; try again later",
            self.retry_after.as_secs_f32(),
            self.timeout.as_secs_f32()
        )
    }
}
