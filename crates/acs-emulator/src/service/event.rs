//! Events of the service: everything that changes, and the callbacks that applications asked for.
//!
//! Events are plain data. Whoever receives them turns them into files, requests, log lines or a
//! live stream.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::call::{CallIds, CallState};
use super::disconnect_reason::DisconnectReason;
use super::recordings::{EndedRecording, RecordingState};

/// Receives the events of the service.
pub(crate) trait EventSink: Send + Sync {
    /// Called in the order of what happens, while the state of the service is locked. Must not wait,
    /// and must not call the service.
    fn emit(&self, event: ServiceEvent);
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum ServiceEvent {
    /// A call or one of its participants changed.
    Call(CallEvent),
    /// A recording changed.
    Recording(RecordingEvent),
    /// The application is to be notified at one of its addresses.
    Callback(Callback),
}

/// A change to a call.
#[derive(Clone, Debug)]
pub(crate) struct CallEvent {
    pub(crate) call: CallSummary,
    pub(crate) change: CallChange,
    pub(crate) at: Timestamp,
}

/// A call at the time of an event. Participants are raw ids.
#[derive(Clone, Debug)]
pub(crate) struct CallSummary {
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) ids: CallIds,
    /// The time at which the call began, if it has begun.
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) started_by: Option<String>,
    /// Everybody who is in the call, was in it, or is about to join.
    pub(crate) participants: Vec<String>,
    /// The names of participants who have one.
    pub(crate) names: HashMap<String, String>,
}

/// What changed in a call. Participants are raw ids.
#[derive(Clone, Debug)]
pub(crate) enum CallChange {
    Created,
    /// The application is called.
    Ringing {
        caller: String,
        recipient: String,
        /// The `incomingCallContext`.
        context: String,
    },
    /// A connection of the application is established.
    Connected {
        connection_id: String,
    },
    Started,
    ParticipantAdded {
        raw_id: String,
    },
    ParticipantRemoved {
        raw_id: String,
    },
    ParticipantMuted {
        raw_id: String,
    },
    ParticipantUnmuted {
        raw_id: String,
    },
    /// A participant speaks, until leaving if `until` is not set.
    ParticipantSpeaking {
        raw_id: String,
        until: Option<Timestamp>,
    },
    Ended,
    /// The call is no longer kept.
    Removed,
}

/// A change to a recording.
#[derive(Clone, Debug)]
pub(crate) struct RecordingEvent {
    pub(crate) recording_id: String,
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) change: RecordingChange,
    #[allow(dead_code, reason = "for subscribers that show a timeline")]
    pub(crate) at: Timestamp,
}

/// What changed in a recording.
#[derive(Clone, Debug)]
pub(crate) enum RecordingChange {
    /// The recording was started. It is inactive until the recorder has joined.
    Started,
    /// The recorder has joined the call.
    RecorderJoined(RecordingState),
    Paused,
    Resumed,
    Ended(Arc<EndedRecording>),
}

/// A callback to one address.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) connection_id: String,
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) content: CallbackContent,
    pub(crate) at: Timestamp,
}

/// What a callback reports. Participants are raw ids.
#[derive(Clone, Debug)]
pub(crate) enum CallbackContent {
    CallConnected {
        operation_context: Option<String>,
    },
    CallDisconnected {
        operation_context: Option<String>,
        reason: DisconnectReason,
    },
    ParticipantsUpdated {
        participants: Vec<ParticipantStatus>,
        sequence_number: u32,
    },
    AddParticipantSucceeded {
        raw_id: String,
        operation_context: Option<String>,
    },
    RemoveParticipantSucceeded {
        raw_id: String,
        operation_context: Option<String>,
    },
    RecordingStateChanged {
        recording_id: String,
        state: RecordingState,
        /// The time at which the recording became active for the first time.
        active_at: Option<Timestamp>,
    },
    /// The call ended before the recorder joined.
    StartRecordingFailed {
        recording_id: String,
    },
}

/// A participant who is in a call.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantStatus {
    pub(crate) raw_id: String,
    pub(crate) is_muted: bool,
}

impl From<&CallState> for CallSummary {
    fn from(call: &CallState) -> Self {
        let participants = call.participants.iter();
        Self {
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            ids: call.ids.clone(),
            started_at: call.started_at,
            started_by: call.starter(),
            participants: participants.map(|one| one.raw_id.clone()).collect(),
            names: HashMap::new(),
        }
    }
}
