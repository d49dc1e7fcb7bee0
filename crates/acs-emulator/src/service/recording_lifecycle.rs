//! Changes to recordings, whether they are caused by a request or by the end of a call.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Service;
use super::clock::after;
use super::error::ServiceError;
use super::event::{RecordingChange, RecordingEvent, ServiceEvent};
use super::ids;
use super::recording_request::{CallTarget, StartRecording};
use super::recordings::{EndReason, RecordingState};
use super::schedule::ScheduledStep;
use super::state::{State, StateCallback};

impl Service {
    /// Starts a recording and returns its id.
    pub(crate) fn start_recording(&self, start: StartRecording) -> Result<String, ServiceError> {
        let mut state = self.state();
        let now = state.now;
        let ready_at = after(now, self.settings.start_delay);
        let call = state.calls.find(&start.call, now)?;
        let endpoint = match start.call {
            CallTarget::Connection(id) => id,
            _ => ids::new_id().to_string(),
        };
        let times = (now, ready_at);
        let id = state
            .recordings
            .start(call, &endpoint, start.spec, start.paused, times)?;
        let callback = StateCallback {
            url: start.state_callback_uri,
            connection: endpoint,
            call,
            recorder_joined: false,
            active_at: None,
        };
        state.recording_callbacks.insert(id.clone(), callback);
        self.recording_changed(&state, &id, RecordingChange::Started, now);
        self.recording_state_changed(&mut state, &id, RecordingState::Inactive, now);
        let step = ScheduledStep::RecorderJoined { id: id.clone() };
        state.schedule.add(ready_at, step);
        Ok(id)
    }

    pub(super) fn recorder_joined(&self, state: &mut State, id: &str, at: Timestamp) {
        if let Some(callback) = state.recording_callbacks.get_mut(id) {
            callback.recorder_joined = true;
        }
        let Ok(recording) = state.recordings.get(id) else {
            return; // stopped before the recorder joined
        };
        let now = recording.state(at);
        self.recording_changed(state, id, RecordingChange::RecorderJoined(now), at);
        if now == RecordingState::Active {
            self.recording_state_changed(state, id, now, at);
        }
    }

    /// Pauses or resumes a recording. Repeating it has no effect.
    pub(crate) fn switch_recording(
        &self,
        state: &mut State,
        id: &str,
        on: bool,
        now: Timestamp,
    ) -> Result<Uuid, ServiceError> {
        let before = state.recordings.get(id)?.state(now);
        let call = state.recordings.switch(id, on, now)?;
        let change = if on {
            RecordingChange::Resumed
        } else {
            RecordingChange::Paused
        };
        self.recording_changed(state, id, change, now);
        let after = state.recordings.get(id)?.state(now);
        if after != before {
            self.recording_state_changed(state, id, after, now);
        }
        Ok(state.calls.get(call).correlation_id)
    }

    /// Stops a recording and returns the correlation id of its call.
    pub(crate) fn stop_recording(&self, id: &str) -> Result<Uuid, ServiceError> {
        let mut state = self.state();
        let now = state.now;
        self.end_recording(&mut state, id, EndReason::Stopped, now)
    }

    /// Ends a recording and returns the correlation id of its call.
    pub(super) fn end_recording(
        &self,
        state: &mut State,
        id: &str,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<Uuid, ServiceError> {
        let State {
            calls, recordings, ..
        } = state;
        let recording = recordings.get(id)?;
        let call = recording.call;
        let active = recording.state(at) == RecordingState::Active;
        let ended = recordings.end(id, reason, calls.get(call), at)?;
        // The files exist when a request to stop has returned.
        self.emit(ServiceEvent::Recording(RecordingEvent {
            recording_id: id.to_owned(),
            server_call_id: ended.server_call_id.clone(),
            correlation_id: ended.correlation_id,
            change: RecordingChange::Ended(Arc::new(ended)),
            at,
        }));
        let callback = state.recording_callbacks.get(id);
        let never = callback.is_some_and(|callback| !callback.recorder_joined);
        if active {
            self.recording_state_changed(state, id, RecordingState::Inactive, at);
        } else if never && reason == EndReason::CallEnded {
            self.recording_failed(state, id, at);
        }
        state.recording_callbacks.remove(id);
        Ok(state.calls.get(call).correlation_id)
    }

    fn recording_changed(&self, state: &State, id: &str, change: RecordingChange, at: Timestamp) {
        let Ok(recording) = state.recordings.get(id) else {
            return;
        };
        let call = state.calls.get(recording.call);
        self.emit(ServiceEvent::Recording(RecordingEvent {
            recording_id: id.to_owned(),
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            change,
            at,
        }));
    }
}
