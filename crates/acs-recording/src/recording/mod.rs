//! A recording that was started.

mod operations;
mod wait;

use crate::client_core::ClientCore;
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::models::{RecordingKind, RecordingState};

pub use operations::{
    GetRecordingProperties, GetRecordingState, PauseRecording, RecordingProperties,
    ResumeRecording, StopRecording,
};
pub use wait::WaitUntil;

/// A handle to one recording. It is cheap to clone, and dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct Recording {
    client: ClientCore,
    id: RecordingId,
    started: Option<Started>,
}

/// What is known of a recording that this program started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) response: StartResponse,
    /// The call, if the start named it so.
    pub(crate) server_call_id: Option<ServerCallId>,
    /// The application's connection to the call, if the start named it so.
    pub(crate) call_connection_id: Option<CallConnectionId>,
}

/// The service's response to a start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartResponse {
    /// Whether the service only accepted the start (202), as it does for a call connection id.
    /// `RecordingStateChanged` or `StartRecordingFailed` at the state callback then tells the outcome.
    pub outcome_pending: bool,
    /// The state at that time: usually inactive, because recording begins a moment later.
    pub state: Option<RecordingState>,
    /// The product that records.
    pub kind: Option<RecordingKind>,
}

impl Recording {
    pub(crate) fn new(client: ClientCore, id: RecordingId) -> Self {
        Self {
            client,
            id,
            started: None,
        }
    }

    pub(crate) fn started(client: ClientCore, id: RecordingId, started: Started) -> Self {
        Self {
            client,
            id,
            started: Some(started),
        }
    }

    /// The recording's id.
    pub fn id(&self) -> &RecordingId {
        &self.id
    }

    /// The response to the start; `None` if this handle was made from an id.
    pub fn start_response(&self) -> Option<&StartResponse> {
        self.started.as_ref().map(|started| &started.response)
    }

    /// The call that is recorded, if the recording was started through this handle and by this id.
    pub fn server_call_id(&self) -> Option<&ServerCallId> {
        self.started.as_ref()?.server_call_id.as_ref()
    }

    /// The application's connection to the call, if the recording was started through this handle
    /// and by this id.
    pub fn call_connection_id(&self) -> Option<&CallConnectionId> {
        self.started.as_ref()?.call_connection_id.as_ref()
    }

    /// Gets the recording's state: whether media is being recorded now.
    ///
    /// A recording is inactive before it begins, and while it is paused.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) once the recording was stopped or its
    /// call is over.
    pub fn state(&self) -> GetRecordingState {
        GetRecordingState::new(self.client.clone(), self.id.clone())
    }

    /// Gets the recording's properties.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn properties(&self) -> GetRecordingProperties {
        GetRecordingProperties::new(self.client.clone(), self.id.clone())
    }

    /// Pauses the recording. What is said until [`resume`](Self::resume) will not be in the file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) once the recording was stopped or its
    /// call is over.
    pub fn pause(&self) -> PauseRecording {
        PauseRecording::new(self.client.clone(), self.id.clone())
    }

    /// Resumes a paused recording, or begins one that was started paused.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self) -> ResumeRecording {
        ResumeRecording::new(self.client.clone(), self.id.clone())
    }

    /// Stops the recording. `RecordingFileStatusUpdated` announces its file, usually some minutes
    /// later.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it was stopped before or its call is
    /// over. It is a success if the response to a first attempt was lost and a retry finds the
    /// recording gone.
    pub fn stop(&self) -> StopRecording {
        StopRecording::new(self.client.clone(), self.id.clone())
    }

    /// Waits until the recording has this state.
    ///
    /// The wait polls the service, and polls again after a retryable error. To learn of changes
    /// without polling, set a [`state_callback`](crate::StartRecording::state_callback) at the
    /// start.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use acs_recording::{Recording, models::RecordingState};
    /// # async fn run(recording: Recording) -> acs_recording::Result<()> {
    /// recording
    ///     .wait_until(RecordingState::Active)
    ///     .timeout(Duration::from_secs(30))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) at the end; its source is the error of the
    /// last poll, if that failed. [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) once the
    /// recording was stopped or its call is over.
    pub fn wait_until(&self, state: RecordingState) -> WaitUntil {
        WaitUntil::new(self.client.clone(), self.id.clone(), state)
    }
}
