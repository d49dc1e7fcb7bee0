//! The trace context of a request.

use std::fmt;
use std::sync::Arc;

use http::header::HeaderValue;
use tracing::Span;

use crate::error::{Error, ErrorKind, Result};

/// A W3C trace context: the headers `traceparent` and `tracestate` of a request.
///
/// ```
/// use acs_recording::telemetry::TraceContext;
///
/// let context = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?
///     .tracestate("vendor=value")?;
/// # Ok::<(), acs_recording::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) traceparent: HeaderValue,
    pub(crate) tracestate: Option<HeaderValue>,
}

impl TraceContext {
    /// A trace context with this `traceparent`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not
    /// `version-trace id-parent id-flags` in lower-case hexadecimal digits.
    pub fn new(traceparent: &str) -> Result<Self> {
        let mut lengths = [2, 32, 16, 2].into_iter();
        let mut parts = traceparent.split('-');
        let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_valid = lengths.all(|length| {
            parts
                .next()
                .is_some_and(|part| part.len() == length && is_hex(part))
        }) && parts.next().is_none();
        let invalid = || {
            let text = "the traceparent is not valid; it has the form \
                        `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, in lower case";
            Error::new(ErrorKind::InvalidInput, text)
        };
        if !is_valid {
            return Err(invalid());
        }
        let traceparent =
            HeaderValue::from_str(traceparent).map_err(|error| invalid().with_source(error))?;
        Ok(Self {
            traceparent,
            tracestate: None,
        })
    }

    /// Sets the `tracestate`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it cannot be the value of a header.
    pub fn tracestate(mut self, tracestate: &str) -> Result<Self> {
        let tracestate = HeaderValue::from_str(tracestate).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the tracestate is not valid").with_source(error)
        })?;
        self.tracestate = Some(tracestate);
        Ok(self)
    }
}

/// Returns the trace context of the current span.
#[derive(Clone)]
pub(crate) struct TraceContextHook(Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>);

impl TraceContextHook {
    pub(crate) fn new(hook: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// The trace context of a span.
    pub(crate) fn context_of(&self, span: &Span) -> Option<TraceContext> {
        span.in_scope(|| (self.0)())
    }
}

impl fmt::Debug for TraceContextHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceContextHook")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_contexts_have_the_form_of_the_w3c() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::new(valid).unwrap().tracestate("a=b").unwrap();
        assert_eq!(context.traceparent, valid);
        assert_eq!(context.tracestate.unwrap(), "a=b");
        for invalid in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\n",
        ] {
            let error = TraceContext::new(invalid).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{invalid}");
        }
        let context = TraceContext::new(valid).unwrap();
        assert!(context.tracestate("a=b\r\nx: y").is_err());
    }
}
