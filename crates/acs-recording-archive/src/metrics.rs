//! What an archive measures, by the facade of the crate `metrics`: install any recorder to get it.

use std::sync::Once;
use std::time::Duration;

use jiff::Timestamp;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const MESSAGES: &str = "acs_archive_messages_total";
const CHUNKS: &str = "acs_archive_chunks_total";
const BYTES: &str = "acs_archive_bytes_total";
const TRANSFER_SECONDS: &str = "acs_archive_transfer_seconds";
const AGE: &str = "acs_archive_age_at_archive_seconds";
const EXPIRES_IN: &str = "acs_archive_expires_in_seconds";
const IN_FLIGHT: &str = "acs_archive_in_flight";
const QUEUE_MESSAGES: &str = "acs_archive_queue_messages";
const RENEWALS: &str = "acs_archive_lease_renewals_total";
const POISON: &str = "acs_archive_poison_total";

/// Says what each metric means, once per process.
pub(crate) fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_counter!(MESSAGES, "Messages by what became of them");
        describe_counter!(CHUNKS, "Chunks that were archived");
        describe_counter!(BYTES, Unit::Bytes, "Bytes of media that were archived");
        describe_histogram!(
            TRANSFER_SECONDS,
            Unit::Seconds,
            "How long the media of a chunk took from the service into the store"
        );
        describe_histogram!(
            AGE,
            Unit::Seconds,
            "How long ago the recording had ended when its last chunk was archived; the service \
             drops content after 24 hours"
        );
        describe_gauge!(
            EXPIRES_IN,
            Unit::Seconds,
            "When the service drops the first of the recordings in progress"
        );
        describe_gauge!(IN_FLIGHT, "Messages in progress");
        describe_gauge!(
            QUEUE_MESSAGES,
            "Messages in the queue, about, leased ones included"
        );
        describe_counter!(RENEWALS, "Renewals of leases by their outcome");
        describe_counter!(
            POISON,
            "Messages that were moved to the poison queue by the reason"
        );
    });
}

pub(crate) fn message(outcome: &'static str) {
    counter!(MESSAGES, "outcome" => outcome).increment(1);
}

pub(crate) fn poisoned(reason: &'static str) {
    counter!(POISON, "reason" => reason).increment(1);
}

pub(crate) fn renewal(outcome: &'static str) {
    counter!(RENEWALS, "outcome" => outcome).increment(1);
}

pub(crate) fn chunk_archived(bytes: u64, elapsed: Duration) {
    counter!(CHUNKS).increment(1);
    counter!(BYTES).increment(bytes);
    histogram!(TRANSFER_SECONDS).record(elapsed);
}

pub(crate) fn archived(ended: Option<Timestamp>, now: Timestamp) {
    if let Some(ended) = ended {
        histogram!(AGE).record(now.duration_since(ended).as_secs_f64().max(0.0));
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "gauges are floating-point numbers"
)]
pub(crate) fn in_flight(messages: usize, expires_in: Option<f64>) {
    gauge!(IN_FLIGHT).set(messages as f64);
    if let Some(seconds) = expires_in {
        gauge!(EXPIRES_IN).set(seconds);
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "gauges are floating-point numbers"
)]
pub(crate) fn queue_depth(messages: u64) {
    gauge!(QUEUE_MESSAGES).set(messages as f64);
}
