//! A recording that was started.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::models::{RecordingKind, RecordingState};
use crate::operation::{Wait, finish, gone_is_done};
use crate::transport::RetryPolicy;

/// A handle on one recording. It is cheap to clone, and dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct Recording {
    client: RecordingClient,
    id: RecordingId,
    started: Option<Started>,
}

/// What is known of a recording that this program started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) answer: StartResponse,
    /// The call, if the start named it so.
    pub(crate) server_call_id: Option<ServerCallId>,
    /// The application's connection to the call, if the start named it so.
    pub(crate) call_connection_id: Option<CallConnectionId>,
}

/// What the service answered when the recording was started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartResponse {
    /// Whether the start was only accepted (202), and `RecordingStateChanged` or
    /// `StartRecordingFailed` at the state callback tells how it ended. So it is with a call
    /// connection id.
    pub outcome_follows: bool,
    /// The state then: as a rule inactive, because recording begins a moment later.
    pub state: Option<RecordingState>,
    /// Which product records.
    pub kind: Option<RecordingKind>,
}

/// What the service says about a recording now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingProperties {
    /// The recording's state. Paused reads as inactive.
    pub state: RecordingState,
    /// Which product records.
    pub kind: Option<RecordingKind>,
}

impl Recording {
    pub(crate) fn new(client: RecordingClient, id: RecordingId) -> Self {
        Self {
            client,
            id,
            started: None,
        }
    }

    pub(crate) fn started(client: RecordingClient, id: RecordingId, started: Started) -> Self {
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

    /// The answer to the start; none if this handle was made from an id.
    pub fn start_response(&self) -> Option<&StartResponse> {
        self.started.as_ref().map(|started| &started.answer)
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

    /// Whether media is being recorded now.
    ///
    /// Inactive is a recording that has not begun yet, and one that is paused.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] once the recording was stopped or its call is over.
    pub async fn state(&self) -> Result<RecordingState> {
        Ok(self.properties().await?.state)
    }

    /// What the service says about the recording.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn properties(&self) -> Result<RecordingProperties> {
        const OPERATION: &str = "get recording state";
        let answer = self
            .client
            .call_automation()
            .call_recording_get_recording_properties(self.id.as_str())
            .await;
        let answer = finish(answer, OPERATION)?;
        let state = answer.recording_state.ok_or_else(|| {
            Error::new(ErrorKind::InvalidResponse, "the service told no state").during(OPERATION)
        })?;
        Ok(RecordingProperties {
            state,
            kind: answer.recording_kind,
        })
    }

    /// Pauses: what is said until [`resume`](Self::resume) will not be in the file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] once the recording was stopped or its call is over.
    pub async fn pause(&self) -> Result<()> {
        let low_level = self.client.call_automation();
        let answer = low_level
            .call_recording_pause_recording(self.id.as_str())
            .await;
        let outcome = finish(answer, "pause recording");
        self.unless_done_before(outcome, RecordingState::Inactive)
            .await
    }

    /// Goes on after a pause, or begins after a paused start.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<()> {
        let low_level = self.client.call_automation();
        let answer = low_level
            .call_recording_resume_recording(self.id.as_str())
            .await;
        let outcome = finish(answer, "resume recording");
        self.unless_done_before(outcome, RecordingState::Active)
            .await
    }

    /// A retry that finds a conflict is a success when the first attempt, whose answer got lost,
    /// did what it should: the state tells.
    async fn unless_done_before(&self, outcome: Result<()>, wanted: RecordingState) -> Result<()> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::Conflict && error.may_have_acted() => {
                match self.state().await {
                    Ok(state) if state == wanted => Ok(()),
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }

    /// Ends the recording. Its file is announced by `RecordingFileStatusUpdated`, as a rule some
    /// minutes later.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it was stopped before or its call is over. When the answer to a
    /// first attempt got lost and a retry finds the recording gone, that is a success.
    pub async fn stop(&self) -> Result<()> {
        let low_level = self.client.call_automation();
        let answer = low_level
            .call_recording_stop_recording(self.id.as_str())
            .await;
        gone_is_done(finish(answer, "stop recording"))
    }

    /// Waits until the recording has a state; `await` the result.
    ///
    /// It asks the service again and again, also after an error that may pass. To learn of changes
    /// without asking, give [`state_callback`](crate::StartRecording::state_callback) at the start.
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
    /// [`ErrorKind::Timeout`] at the limit; its source is the error of the last question, if that
    /// had no answer. [`ErrorKind::NotFound`] once the recording was stopped or its call is over.
    pub fn wait_until(&self, state: RecordingState) -> WaitUntil {
        WaitUntil {
            recording: self.clone(),
            state,
            wait: Wait {
                limit: Duration::from_secs(60),
                interval: Duration::from_secs(1),
            },
        }
    }
}

/// A wait for a state; made by [`Recording::wait_until`].
#[derive(Clone, Debug)]
#[must_use = "it waits when it is awaited"]
pub struct WaitUntil {
    recording: Recording,
    state: RecordingState,
    wait: Wait,
}

impl WaitUntil {
    /// How long to wait at the most (default: 1 minute); it is asked once more when that is over.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.wait.limit = limit;
        self
    }

    /// The pause between two questions (default: 1 second).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.wait.interval = interval;
        self
    }

    async fn wait(self) -> Result<()> {
        // The wait itself asks again.
        let client = self.recording.client.with_retry(RetryPolicy::none());
        let recording = client.recording(self.recording.id);
        let (recording, wanted) = (&recording, &self.state);
        let ask = || async move {
            let state = recording.state().await?;
            Ok(if state == *wanted {
                Ok(())
            } else {
                Err(state.to_string())
            })
        };
        let what = format!("recording {}", recording.id);
        self.wait.until(&what, ask).await
    }
}

impl IntoFuture for WaitUntil {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let state = self.state.clone();
        Box::pin(async move {
            self.wait().await.map_err(|error| match state {
                RecordingState::Active => error.during("wait until the recording is active"),
                RecordingState::Inactive => error.during("wait until the recording is inactive"),
                _ => error.during("wait for a state of the recording"),
            })
        })
    }
}
