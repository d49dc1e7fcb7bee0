//! Spans and metrics, named by the semantic conventions of OpenTelemetry for HTTP and messaging.
//!
//! # Spans
//!
//! Spans are made with [`tracing`]. A subscriber of your own, such as `tracing-opentelemetry`,
//! exports them.
//!
//! | span | kind | fields |
//! |---|---|---|
//! | `acs.operation` | internal | `otel.name` and `acs.operation`: the name of the operation; `acs.recording_id`, where it is known; `acs.client_request_id`; `acs.attempts`; `acs.bytes` of a download; `http.response.status_code`; `error.type`; `otel.status_code` |
//! | `acs.attempt` | client, inside of an operation | `otel.name`; `http.request.method`; `server.address`; `server.port`; `url.scheme`; `url.template`, where it is known; `http.request.resend_count`; `http.response.status_code`; `error.type`; `otel.status_code` |
//!
//! Both have the level INFO. No span contains a URL, a token, or a key. `error.type` is the status
//! of a response that is not a success, or else the [name of the error's
//! kind](crate::ErrorKind::name).
//!
//! Requests carry a `traceparent` header when
//! [`RecordingClientBuilder::trace_context`](crate::RecordingClientBuilder::trace_context) is set.
//!
//! # Metrics
//!
//! Metrics go to the recorder that the program installs for the crate `metrics`. They need the
//! feature `metrics`; without it they cost nothing. Durations are in seconds.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | [`REQUEST_DURATION`] | histogram of attempts, in seconds | `http.request.method`; `url.template`, where it is known; `http.response.status_code`; `error.type` |
//! | [`REQUESTS`] | counter of attempts | the same |
//! | [`RETRIES`] | counter of attempts after the first | `http.request.method`, `url.template` |
//! | [`DOWNLOADED_BYTES`] | counter of bytes of content received | |
//! | [`ACTIVE_DOWNLOADS`] | gauge of running downloads | |
//! | [`CONNECTION_WAIT`] | histogram of waits for a download connection, in seconds | |
//! | [`EVENTS`] | counter of events that a webhook received or a spool processed | `messaging.system`, `messaging.operation.name`, `acs.event.type`, `acs.event.outcome`, `error.type` |
//! | [`EVENT_DURATION`] | histogram of the time that handling took, in seconds | the same |
//! | [`SPOOL_EVENTS`] | gauge of pending events in open spools | |
//!
//! `messaging.operation.name` is `receive` for a webhook and `process` for the worker of a spool.
//! `acs.event.type` is a type of [`EventPayload::KNOWN_TYPES`](crate::EventPayload::KNOWN_TYPES), or
//! `unknown`. `acs.event.outcome` is one of:
//!
//! | outcome | meaning |
//! |---|---|
//! | `handled` | the handler succeeded |
//! | `duplicate` | the event was handled before |
//! | `noted` | no attempt can handle the event, as after its content has expired |
//! | `rejected` | the handler rejected the event |
//! | `invalid` | the event cannot be read |
//! | `in_progress` | another delivery of the event is being handled, so it is delivered again |
//! | `deferred` | the handler failed or took too long, so the event is delivered or tried again |
//!
//! `error.type` is the name of the error's kind, `timeout`, or `_OTHER` for an error of the handler
//! that is not one of this crate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::HeaderValue;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::error::{Error, ErrorKind, Result};

/// How long one attempt of a request took, from sending it to the head of its response.
pub const REQUEST_DURATION: &str = "http.client.request.duration";
/// Attempts of requests that were sent.
pub const REQUESTS: &str = "acs.client.requests";
/// Attempts of requests after the first.
pub const RETRIES: &str = "acs.client.retries";
/// Bytes of content received.
pub const DOWNLOADED_BYTES: &str = "acs.download.bytes";
/// Running downloads.
pub const ACTIVE_DOWNLOADS: &str = "acs.download.active";
/// How long a download waited for one of the client's connections.
pub const CONNECTION_WAIT: &str = "acs.download.connection.wait";
/// Events that a webhook received, or that the worker of a spool processed.
pub const EVENTS: &str = "messaging.client.consumed.messages";
/// How long handling an event took.
pub const EVENT_DURATION: &str = "messaging.process.duration";
/// Pending events in open spools.
pub const SPOOL_EVENTS: &str = "acs.spool.events";

/// The name of the spans of operations.
const OPERATION_SPAN: &str = "acs.operation";

/// Describes each metric and its unit to the installed recorder of the crate `metrics`. Needs the
/// feature `metrics`.
#[cfg(feature = "metrics")]
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_histogram!(
        REQUEST_DURATION,
        Unit::Seconds,
        "Duration of an attempt of a request"
    );
    describe_counter!(REQUESTS, Unit::Count, "Attempts of requests");
    describe_counter!(RETRIES, Unit::Count, "Attempts of requests after the first");
    describe_counter!(DOWNLOADED_BYTES, Unit::Bytes, "Bytes of content received");
    describe_gauge!(ACTIVE_DOWNLOADS, Unit::Count, "Running downloads");
    describe_histogram!(
        CONNECTION_WAIT,
        Unit::Seconds,
        "Wait for a download connection"
    );
    describe_counter!(EVENTS, Unit::Count, "Events received or processed");
    describe_gauge!(SPOOL_EVENTS, Unit::Count, "Pending events in spools");
    describe_histogram!(
        EVENT_DURATION,
        Unit::Seconds,
        "Duration of handling an event"
    );
}

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

/// Runs an operation of the public API in its span, and records how it ends.
pub(crate) async fn operation<T>(name: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    let span = info_span!(
        OPERATION_SPAN,
        otel.name = name,
        otel.status_code = Empty,
        acs.operation = name,
        acs.recording_id = Empty,
        acs.client_request_id = Empty,
        acs.attempts = Empty,
        acs.bytes = Empty,
        http.response.status_code = Empty,
        error.r#type = Empty,
    );
    let outcome = future.instrument(span.clone()).await;
    if let Err(error) = &outcome {
        span.record("acs.attempts", error.attempts());
        if let Some(id) = error.recording_id() {
            span.record("acs.recording_id", id);
        }
        if let Some(status) = error.status() {
            span.record("http.response.status_code", status);
            span.record("error.type", tracing::field::display(status));
        } else {
            span.record("error.type", error.kind().name());
        }
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

/// Records the recording that the current operation is about.
pub(crate) fn record_recording_id(id: &str) {
    Span::current().record("acs.recording_id", id);
}

/// Records the size of the content that the current operation received.
pub(crate) fn record_bytes(bytes: u64) {
    Span::current().record("acs.bytes", bytes);
}

/// Whether the current span is that of an operation.
pub(crate) fn is_in_operation() -> bool {
    Span::current()
        .metadata()
        .is_some_and(|span| span.name() == OPERATION_SPAN)
}

/// Records a request in the span of its operation.
pub(crate) fn record_request(
    span: &Span,
    client_request_id: &HeaderValue,
    recording_id: Option<&str>,
) {
    if span.is_disabled() {
        return;
    }
    if let Ok(id) = client_request_id.to_str() {
        span.record("acs.client_request_id", id);
    }
    if let Some(id) = recording_id {
        span.record("acs.recording_id", id);
    }
}

/// Records the response to a request in the span of its operation.
pub(crate) fn record_response(span: &Span, status: u16, attempts: u32) {
    span.record("acs.attempts", attempts);
    span.record("http.response.status_code", status);
}

/// One attempt of a request.
pub(crate) struct Attempt<'a> {
    pub(crate) method: &'a Method,
    pub(crate) scheme: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: Option<u16>,
    /// The path with placeholders for ids, if it is known.
    pub(crate) template: Option<&'static str>,
    /// The number of earlier attempts.
    pub(crate) resend_count: u32,
}

/// How an attempt ended: with this status, or with an error.
pub(crate) type AttemptOutcome = Result<u16, ErrorKind>;

impl Attempt<'_> {
    /// The span of the attempt.
    pub(crate) fn span(&self) -> Span {
        let resend_count = Some(self.resend_count).filter(|count| *count > 0);
        info_span!(
            "acs.attempt",
            otel.name = self.method.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = self.method.as_str(),
            http.request.resend_count = resend_count,
            http.response.status_code = Empty,
            server.address = self.address,
            server.port = self.port,
            url.scheme = self.scheme,
            url.template = self.template,
            error.r#type = Empty,
        )
    }

    /// Records how the attempt ended, in its span and in the metrics.
    pub(crate) fn finish(&self, span: &Span, outcome: AttemptOutcome, elapsed: Duration) {
        match outcome {
            Ok(status) => {
                span.record("http.response.status_code", status);
                if status >= 400 {
                    span.record("error.type", tracing::field::display(status));
                    span.record("otel.status_code", "ERROR");
                }
            }
            Err(kind) => {
                span.record("error.type", kind.name());
                span.record("otel.status_code", "ERROR");
            }
        }
        self.count(outcome, elapsed);
    }

    #[cfg(feature = "metrics")]
    fn count(&self, outcome: AttemptOutcome, elapsed: Duration) {
        use metrics::{Label, SharedString, counter, histogram};

        let mut labels = vec![Label::new(
            "http.request.method",
            self.method.as_str().to_owned(),
        )];
        if let Some(template) = self.template {
            labels.push(Label::from_static_parts("url.template", template));
        }
        if self.resend_count > 0 {
            counter!(RETRIES, labels.clone()).increment(1);
        }
        match outcome {
            Ok(status) => {
                let status = SharedString::from(status.to_string());
                labels.push(Label::new("http.response.status_code", status.clone()));
                if matches!(outcome, Ok(400..)) {
                    labels.push(Label::new("error.type", status));
                }
            }
            Err(kind) => labels.push(Label::from_static_parts("error.type", kind.name())),
        }
        counter!(REQUESTS, labels.clone()).increment(1);
        histogram!(REQUEST_DURATION, labels).record(elapsed.as_secs_f64());
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(
        clippy::unused_self,
        reason = "with the feature `metrics` it is counted"
    )]
    fn count(&self, _outcome: AttemptOutcome, _elapsed: Duration) {}
}

/// A running download, which counts as active until it is dropped.
#[derive(Debug)]
pub(crate) struct ActiveDownload {
    #[cfg(feature = "metrics")]
    bytes: metrics::Counter,
}

impl ActiveDownload {
    pub(crate) fn begin() -> Self {
        #[cfg(feature = "metrics")]
        metrics::gauge!(ACTIVE_DOWNLOADS).increment(1);
        Self {
            #[cfg(feature = "metrics")]
            bytes: metrics::counter!(DOWNLOADED_BYTES),
        }
    }

    /// Counts received bytes of content.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(
            clippy::unused_self,
            reason = "with the feature `metrics` they are counted"
        )
    )]
    pub(crate) fn received(&self, bytes: u64) {
        #[cfg(feature = "metrics")]
        self.bytes.increment(bytes);
        #[cfg(not(feature = "metrics"))]
        let _ = bytes;
    }
}

impl Drop for ActiveDownload {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        metrics::gauge!(ACTIVE_DOWNLOADS).decrement(1);
    }
}

/// Counts a wait for one of the client's download connections.
pub(crate) fn waited_for_connection(wait: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(CONNECTION_WAIT).record(wait.as_secs_f64());
    #[cfg(not(feature = "metrics"))]
    let _ = wait;
}

/// The outcome of an event, as a label of metrics.
#[cfg(feature = "webhook")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventOutcome {
    Handled,
    /// It was handled before.
    Duplicate,
    /// No attempt can handle it.
    Noted,
    /// The handler rejected it.
    Rejected,
    /// It cannot be read.
    Invalid,
    /// Another delivery of it is being handled.
    InProgress,
    /// It is delivered or tried again.
    Deferred,
}

#[cfg(feature = "webhook")]
impl EventOutcome {
    #[cfg(feature = "metrics")]
    fn name(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Duplicate => "duplicate",
            Self::Noted => "noted",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::InProgress => "in_progress",
            Self::Deferred => "deferred",
        }
    }
}

/// An event that a webhook received, or that the worker of a spool processed.
#[cfg(feature = "webhook")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventMeasurement<'a> {
    /// `receive` or `process`.
    pub(crate) operation: &'static str,
    pub(crate) event_type: &'a str,
    pub(crate) outcome: EventOutcome,
    pub(crate) error_type: Option<&'static str>,
    pub(crate) elapsed: Duration,
}

#[cfg(feature = "webhook")]
impl EventMeasurement<'_> {
    /// Counts the event.
    #[cfg(feature = "metrics")]
    pub(crate) fn record(self) {
        use metrics::{Label, counter, histogram};

        // A sender must not be able to create any number of time series.
        let known_types = crate::event::EventPayload::KNOWN_TYPES.iter();
        let event_type = known_types
            .copied()
            .find(|known| *known == self.event_type)
            .unwrap_or("unknown");
        let mut labels = vec![
            Label::from_static_parts("messaging.system", "eventgrid"),
            Label::from_static_parts("messaging.operation.name", self.operation),
            Label::from_static_parts("acs.event.type", event_type),
            Label::from_static_parts("acs.event.outcome", self.outcome.name()),
        ];
        if let Some(error_type) = self.error_type {
            labels.push(Label::from_static_parts("error.type", error_type));
        }
        counter!(EVENTS, labels.clone()).increment(1);
        histogram!(EVENT_DURATION, labels).record(self.elapsed.as_secs_f64());
    }

    #[cfg(not(feature = "metrics"))]
    pub(crate) fn record(self) {
        let _ = self;
    }
}

/// Counts events that were added to a spool.
#[cfg(feature = "webhook")]
pub(crate) fn spool_events_added(events: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SPOOL_EVENTS).increment(u32::try_from(events).unwrap_or(u32::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = events;
}

/// Counts events that left a spool, or that are in a spool that was closed.
#[cfg(feature = "webhook")]
pub(crate) fn spool_events_removed(events: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SPOOL_EVENTS).decrement(u32::try_from(events).unwrap_or(u32::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = events;
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
