//! The names and descriptions of metrics.

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
