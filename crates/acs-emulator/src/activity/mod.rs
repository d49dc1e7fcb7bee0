//! Everything that happens in the emulator, in one place: it is logged, and can be subscribed to.

mod activity_log;
mod change;
mod change_feed;
mod log_lines;
mod record;
mod request_history;

pub(crate) use activity_log::ActivityLog;
pub(crate) use change::Change;
pub(crate) use change_feed::{ChangeFeed, Unseen};
pub(crate) use record::{
    Activity, Authentication, Channel, DeliveryAttempt, DeliveryOutcome, Denial, ErrorBody,
    RequestRecord, Scheme, Verdict,
};
pub(crate) use request_history::NumberedRequest;
