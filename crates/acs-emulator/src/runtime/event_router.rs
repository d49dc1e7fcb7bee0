//! What follows an event of the service.

use std::sync::Arc;

use super::recording_pipeline::RecordingPipeline;
use crate::activity::{Activity, ActivityLog};
use crate::delivery::Delivery;
use crate::service::event::{EventSink, RecordingChange, ServiceEvent};

/// Passes the events of the service on: to the log and its subscribers, to storage, and to delivery.
pub(super) struct EventRouter {
    pub(super) activity: ActivityLog,
    pub(super) recordings: Arc<RecordingPipeline>,
    pub(super) delivery: Arc<Delivery>,
}

impl EventSink for EventRouter {
    fn emit(&self, event: ServiceEvent) {
        if let ServiceEvent::Recording(event) = &event
            && let RecordingChange::Ended(recording) = &event.change
        {
            self.recordings.finalize(Arc::clone(recording));
        }
        self.delivery.dispatch(&event);
        self.activity.record(Activity::Service(event));
    }
}
