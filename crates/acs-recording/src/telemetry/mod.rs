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

mod attempt;
mod download;
#[cfg(feature = "webhook")]
mod events;
mod names;
mod trace_context;

use http::header::HeaderValue;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::error::Result;

pub(crate) use attempt::Attempt;
pub(crate) use download::{ActiveDownload, waited_for_connection};
#[cfg(feature = "webhook")]
pub(crate) use events::{EventMeasurement, EventOutcome, spool_events_added, spool_events_removed};
#[cfg(feature = "metrics")]
pub use names::describe_metrics;
pub use names::{
    ACTIVE_DOWNLOADS, CONNECTION_WAIT, DOWNLOADED_BYTES, EVENT_DURATION, EVENTS, REQUEST_DURATION,
    REQUESTS, RETRIES, SPOOL_EVENTS,
};
pub use trace_context::TraceContext;
pub(crate) use trace_context::TraceContextHook;

/// The name of the spans of operations.
const OPERATION_SPAN: &str = "acs.operation";

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
