//! The metrics of events.

use std::time::Duration;

#[cfg(feature = "metrics")]
use super::names::{EVENT_DURATION, EVENTS, SPOOL_EVENTS};

/// The outcome of an event, as a label of metrics.
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
#[cfg_attr(
    not(feature = "metrics"),
    allow(
        dead_code,
        reason = "with the feature `metrics` the fields are recorded"
    )
)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventMeasurement<'a> {
    /// `receive` or `process`.
    pub(crate) operation: &'static str,
    pub(crate) event_type: &'a str,
    pub(crate) outcome: EventOutcome,
    pub(crate) error_type: Option<&'static str>,
    pub(crate) elapsed: Duration,
}

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
pub(crate) fn spool_events_added(events: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SPOOL_EVENTS).increment(u32::try_from(events).unwrap_or(u32::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = events;
}

/// Counts events that left a spool, or that are in a spool that was closed.
pub(crate) fn spool_events_removed(events: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SPOOL_EVENTS).decrement(u32::try_from(events).unwrap_or(u32::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = events;
}
