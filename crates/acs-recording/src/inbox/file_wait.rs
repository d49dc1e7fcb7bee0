//! Whether a recording has a file, and which events mean that there will be none.

use super::filter::RecordingFilter;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventPayload, RecordingFileStatusUpdated, RecordingStateChanged};
use crate::models::RecordingState;

/// The state of a wait for the files of a recording.
#[derive(Debug)]
pub(super) struct FileWait {
    recording: RecordingFilter,
    /// The id of the call in logs, which is the only id in the oldest file events.
    correlation_id: Option<String>,
    /// Whether the recording was active at some time, so that it has a file.
    was_active: bool,
    /// Whether an event said that the recording is inactive and has not started.
    was_not_started: bool,
    call_has_ended: bool,
}

impl FileWait {
    pub(super) fn new(recording: RecordingFilter) -> Self {
        Self {
            recording,
            correlation_id: None,
            was_active: false,
            was_not_started: false,
            call_has_ended: false,
        }
    }

    /// The result of the wait, if an event decides it.
    pub(super) fn observe(&mut self, event: &Event) -> Option<Result<RecordingFileStatusUpdated>> {
        self.learn_call(event);
        let has_recording_id = event.recording_id().is_some();
        match event.payload() {
            EventPayload::RecordingFileStatusUpdated(file)
                if self.recording.matches(event) || self.is_file_of_call(file) =>
            {
                Some(Ok(file.clone()))
            }
            // Of several starts in one call, one may succeed and another fail.
            EventPayload::StartRecordingFailed(_)
                if self.recording.matches(event) && (has_recording_id || !self.was_active) =>
            {
                Some(Err(failed(event)))
            }
            EventPayload::RecordingStateChanged(change)
            | EventPayload::TeamsRecordingStateChanged(change)
            | EventPayload::TeamsComplianceRecordingStateChanged(change)
                if self.recording.matches(event) =>
            {
                self.observe_state(event, change)
            }
            EventPayload::CallEnded(_) => {
                self.call_has_ended |= self.recording.matches_end_of_call(event);
                self.ended_without_recording()
            }
            EventPayload::CreateCallFailed(_)
            | EventPayload::AnswerFailed(_)
            | EventPayload::ConnectFailed(_)
                if self.recording.matches_connection(event) && !self.was_active =>
            {
                Some(Err(failed(event)))
            }
            _ => None,
        }
    }

    fn observe_state(
        &mut self,
        event: &Event,
        change: &RecordingStateChanged,
    ) -> Option<Result<RecordingFileStatusUpdated>> {
        if change.state == Some(RecordingState::Active) || change.start.is_some() {
            self.was_active = true;
            return None;
        }
        self.was_not_started = true;
        let result = change.result_information.as_ref();
        let is_failure = result
            .and_then(|result| result.code)
            .is_some_and(|code| code >= 400);
        if is_failure && !self.was_active {
            return Some(Err(failed(event)));
        }
        self.ended_without_recording()
    }

    /// The end of the call alone is no error: the file follows it, and without a state callback no
    /// event says that the recording has started.
    fn ended_without_recording(&self) -> Option<Result<RecordingFileStatusUpdated>> {
        let has_no_file = self.call_has_ended && self.was_not_started && !self.was_active;
        has_no_file.then(|| {
            let message = "the call has ended and the recording was never active: there is no file";
            Err(Error::new(ErrorKind::NothingToDownload, message))
        })
    }

    fn is_file_of_call(&self, file: &RecordingFileStatusUpdated) -> bool {
        let has_no_id = file.recording_id.is_none() && file.server_call_id.is_none();
        has_no_id && file.call_id.is_some() && file.call_id == self.correlation_id
    }

    /// Takes over ids of the call from an event of the recording.
    fn learn_call(&mut self, event: &Event) {
        if !self.recording.matches(event) {
            return;
        }
        self.recording.learn_call(event);
        if self.correlation_id.is_none() {
            self.correlation_id = event.correlation_id().map(str::to_owned);
        }
    }
}

/// The error that a failure event stands for.
pub(super) fn failed(event: &Event) -> Error {
    let name = event.event_type.rsplit('.').next().unwrap_or_default();
    let result = event.result_information();
    let message = result.and_then(|result| result.message.as_deref());
    let error = Error::new(
        ErrorKind::Service,
        format!("{name}: {}", message.unwrap_or("no reason given")),
    );
    // Whatever the reason was, this one is not tried again.
    let error = error.with_retryable(false);
    match result.and_then(|result| result.sub_code) {
        Some(code) => error.with_code(code.to_string()),
        None => error,
    }
}
