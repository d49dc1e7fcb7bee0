//! The log of activities, and those who follow it.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::change::Change;
use super::change_feed::ChangeFeed;
use super::log_lines;
use super::record::{Activity, RequestRecord};
use super::request_history::RequestHistory;
use crate::service::event::ServiceEvent;

/// The number of activities that a slow subscriber can be behind before it misses some.
const BUFFERED: usize = 1_024;

/// Logs all activities and passes them on to subscribers. Clones share the subscribers.
#[derive(Clone, Debug)]
pub(crate) struct ActivityLog {
    subscribers: broadcast::Sender<Activity>,
    pub(crate) feed: Arc<ChangeFeed>,
    pub(crate) requests: Arc<RequestHistory>,
}

impl ActivityLog {
    pub(crate) fn new() -> Self {
        Self {
            subscribers: broadcast::Sender::new(BUFFERED),
            feed: Arc::new(ChangeFeed::new()),
            requests: Arc::default(),
        }
    }

    pub(crate) fn record(&self, activity: Activity) {
        log_lines::write(&activity);
        match &activity {
            Activity::Service(ServiceEvent::Call(event)) => self.changed(event.into()),
            Activity::Service(ServiceEvent::Recording(event)) => self.changed(event.into()),
            Activity::Service(ServiceEvent::Callback(_)) | Activity::Delivery(_) => {}
            Activity::Request(record) => self.keep(record),
        }
        // An error means that there are no subscribers.
        let _ = self.subscribers.send(activity);
    }

    fn keep(&self, record: &RequestRecord) {
        let status = record.status.map(|status| status.as_u16());
        let id = self.requests.add(record.clone());
        self.changed(Change::Request { id, status });
    }

    /// Tells all views what they must read again.
    pub(crate) fn changed(&self, change: Change) {
        self.feed.push(change);
    }

    /// Receives all activities from now on.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "for whatever shows what the emulator does, live")
    )]
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.subscribers.subscribe()
    }
}
