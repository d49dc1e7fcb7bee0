//! What a live view must read again.

use uuid::Uuid;

use crate::service::event::{CallChange, CallEvent, RecordingChange, RecordingEvent};
use crate::service::recordings::RecordingState;

/// Something that is different from before. The states are those of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The clock was advanced, held or released.
    Clock,
    /// An access key was regenerated.
    Keys,
    Call {
        id: Uuid,
        state: &'static str,
    },
    Recording {
        id: String,
        /// `None` for synthetic recordings.
        call: Option<Uuid>,
        state: &'static str,
    },
    Delivery {
        id: u64,
        state: &'static str,
    },
    Request {
        id: u64,
        status: Option<u16>,
    },
    Fault {
        id: u64,
        hits: u32,
        removed: bool,
    },
    Subscription {
        id: String,
        removed: bool,
    },
    /// So much has changed that everything must be read again.
    Reset,
}

impl From<&CallEvent> for Change {
    fn from(event: &CallEvent) -> Self {
        Self::Call {
            id: event.call.correlation_id,
            state: match &event.change {
                CallChange::Ended => "ended",
                CallChange::Removed => "removed",
                CallChange::Ringing { .. } => "ringing",
                _ if event.call.started_at.is_some() => "connected",
                _ => "connecting",
            },
        }
    }
}

impl From<&RecordingEvent> for Change {
    fn from(event: &RecordingEvent) -> Self {
        Self::Recording {
            id: event.recording_id.clone(),
            call: Some(event.correlation_id),
            state: match &event.change {
                RecordingChange::Started => "starting",
                RecordingChange::RecorderJoined(RecordingState::Active)
                | RecordingChange::Resumed => "active",
                RecordingChange::RecorderJoined(RecordingState::Inactive)
                | RecordingChange::Paused => "paused",
                RecordingChange::Ended(_) => "ended",
            },
        }
    }
}
