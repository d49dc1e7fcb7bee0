//! The state of recordings in responses and callbacks.

use acs_call_automation::types::RecordingState as RecordingStateModel;

use crate::service::recordings::RecordingState;

impl From<RecordingState> for RecordingStateModel {
    fn from(state: RecordingState) -> Self {
        match state {
            RecordingState::Active => Self::Active,
            RecordingState::Inactive => Self::Inactive,
        }
    }
}
