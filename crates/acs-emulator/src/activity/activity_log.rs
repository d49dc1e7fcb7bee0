//! The log of activities, and its subscribers.

use tokio::sync::broadcast;

use super::log_lines;
use super::record::Activity;

/// The number of activities that a slow subscriber can be behind before it misses some.
const BUFFERED: usize = 1_024;

/// Logs all activities and passes them on to subscribers. Clones share the subscribers.
#[derive(Clone, Debug)]
pub(crate) struct ActivityLog(broadcast::Sender<Activity>);

impl ActivityLog {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BUFFERED))
    }

    pub(crate) fn record(&self, activity: Activity) {
        log_lines::write(&activity);
        // An error means that there are no subscribers.
        let _ = self.0.send(activity);
    }

    /// Receives all activities from now on.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "for whatever shows what the emulator does, live")
    )]
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.0.subscribe()
    }
}
