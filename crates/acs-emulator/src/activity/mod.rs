//! Everything that happens in the emulator, in one place: it is logged, and can be subscribed to.

mod activity_log;
mod log_lines;
mod record;

pub(crate) use activity_log::ActivityLog;
pub(crate) use record::{Activity, Channel, DeliveryAttempt, DeliveryOutcome, RequestRecord};
