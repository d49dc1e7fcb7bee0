//! Periods of time.

use jiff::Timestamp;
use serde::Serialize;

use crate::service::participant;

/// A period of the service's time.
#[derive(Debug, Serialize)]
pub(super) struct Interval {
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

impl From<&participant::Interval> for Interval {
    fn from(interval: &participant::Interval) -> Self {
        Self {
            from: interval.from,
            until: interval.until,
        }
    }
}
