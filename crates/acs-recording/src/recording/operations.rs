//! Requests about one recording.

use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::models::{RecordingKind, RecordingState};
use crate::operation::{allow_not_found_after_retry, operation, value};

/// The properties of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingProperties {
    /// The recording's state. A paused recording is inactive.
    pub state: RecordingState,
    /// The product that records.
    pub kind: Option<RecordingKind>,
}

operation! {
    /// Gets the state of a recording; made by [`Recording::state`](crate::Recording::state).
    GetRecordingState(RecordingId) -> RecordingState, "get recording state"
}

impl GetRecordingState {
    async fn send(self) -> Result<RecordingState> {
        let client = self.client.with_options(&self.options)?;
        Ok(properties(&client, &self.id).await?.state)
    }
}

operation! {
    /// Gets the properties of a recording; made by
    /// [`Recording::properties`](crate::Recording::properties).
    GetRecordingProperties(RecordingId) -> RecordingProperties, "get recording state"
}

impl GetRecordingProperties {
    async fn send(self) -> Result<RecordingProperties> {
        let client = self.client.with_options(&self.options)?;
        properties(&client, &self.id).await
    }
}

operation! {
    /// Pauses a recording; made by [`Recording::pause`](crate::Recording::pause).
    PauseRecording(RecordingId) -> (), "pause recording"
}

impl PauseRecording {
    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let deadline = client.pipeline().deadline();
        let low_level = client.low_level();
        let sent = low_level.call_recording_pause_recording(self.id.as_str());
        match value(sent.await) {
            Err(error) if may_have_changed_state(&error) => {
                let client = client.with_deadline(deadline);
                confirm(&client, &self.id, RecordingState::Inactive, error).await
            }
            result => result,
        }
    }
}

operation! {
    /// Resumes a recording; made by [`Recording::resume`](crate::Recording::resume).
    ResumeRecording(RecordingId) -> (), "resume recording"
}

impl ResumeRecording {
    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let deadline = client.pipeline().deadline();
        let low_level = client.low_level();
        let sent = low_level.call_recording_resume_recording(self.id.as_str());
        match value(sent.await) {
            Err(error) if may_have_changed_state(&error) => {
                let client = client.with_deadline(deadline);
                confirm(&client, &self.id, RecordingState::Active, error).await
            }
            result => result,
        }
    }
}

operation! {
    /// Stops a recording; made by [`Recording::stop`](crate::Recording::stop).
    StopRecording(RecordingId) -> (), "stop recording"
}

impl StopRecording {
    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let low_level = client.low_level();
        let sent = low_level.call_recording_stop_recording(self.id.as_str());
        allow_not_found_after_retry(value(sent.await))
    }
}

pub(super) async fn properties(
    client: &ClientCore,
    id: &RecordingId,
) -> Result<RecordingProperties> {
    let low_level = client.low_level();
    let sent = low_level.call_recording_get_recording_properties(id.as_str());
    let properties = value(sent.await)?;
    let state = properties.recording_state.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidResponse,
            "the response does not contain the recording's state",
        )
    })?;
    Ok(RecordingProperties {
        state,
        kind: properties.recording_kind,
    })
}

/// Whether a retry found a conflict that an earlier attempt may have caused, whose response was lost.
fn may_have_changed_state(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.may_have_acted()
}

/// A success after all if the recording has the state that the request was to bring about.
async fn confirm(
    client: &ClientCore,
    id: &RecordingId,
    wanted: RecordingState,
    conflict: Error,
) -> Result<()> {
    match properties(client, id).await {
        Ok(properties) if properties.state == wanted => Ok(()),
        _ => Err(conflict),
    }
}
