//! Requests about one recording.

use acs_call_automation::{Failure, ResponseValue};

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

impl RecordingProperties {
    /// The properties of a recording in this state, for tests of code that gets them.
    pub fn new(state: RecordingState) -> Self {
        Self { state, kind: None }
    }
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
    GetRecordingProperties(RecordingId) -> RecordingProperties, "get recording properties"
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
        let low_level = client.low_level();
        let request = low_level.call_recording_pause_recording(self.id.as_str(), None);
        change_state(&client, &self.id, RecordingState::Inactive, request).await
    }
}

operation! {
    /// Resumes a recording; made by [`Recording::resume`](crate::Recording::resume).
    ResumeRecording(RecordingId) -> (), "resume recording"
}

impl ResumeRecording {
    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let low_level = client.low_level();
        let request = low_level.call_recording_resume_recording(self.id.as_str(), None);
        change_state(&client, &self.id, RecordingState::Active, request).await
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
        let sent = low_level.call_recording_stop_recording(self.id.as_str(), None);
        allow_not_found_after_retry(value(sent.await))
    }
}

pub(super) async fn properties(
    client: &ClientCore,
    id: &RecordingId,
) -> Result<RecordingProperties> {
    let low_level = client.low_level();
    let sent = low_level.call_recording_get_recording_properties(id.as_str(), None);
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

/// Sends a request that changes the recording's state.
///
/// If a retry finds a conflict, an earlier attempt whose response was lost may have caused it. It is a
/// success if the recording is in the requested state.
async fn change_state(
    client: &ClientCore,
    id: &RecordingId,
    wanted: RecordingState,
    request: impl Future<Output = Result<ResponseValue<()>, Failure>>,
) -> Result<()> {
    let deadline = client.pipeline().deadline();
    match value(request.await) {
        Err(conflict) if conflict.kind() == ErrorKind::Conflict && conflict.may_have_acted() => {
            match properties(&client.with_deadline(deadline), id).await {
                Ok(properties) if properties.state == wanted => Ok(()),
                _ => Err(conflict),
            }
        }
        result => result,
    }
}
