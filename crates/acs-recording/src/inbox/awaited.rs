//! What a wait for a recording goes by, and which events mean that there will be no file.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventPayload, RecordingFileStatusUpdated, RecordingStateChanged};
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::models::RecordingState;
use crate::recording::Recording;

/// The recording that a wait is for: its id, and its call as far as that is known.
///
/// Some events name the call and no recording. They count only if the call is known here. A
/// [`Recording`] that was started by the id of its call, or of a call connection, knows it.
///
/// ```
/// use acs_recording::{AwaitedRecording, RecordingId, ServerCallId};
///
/// # fn run(inbox: acs_recording::Inbox) -> acs_recording::Result<()> {
/// // The ids as the program that started the recording noted them.
/// let recording = AwaitedRecording::new(RecordingId::new("eyJQbGF0Zm9ybSI6IjAifQ")?)
///     .call(ServerCallId::new("aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM")?);
/// let file = inbox.file_ready(recording);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedRecording {
    id: RecordingId,
    call: Option<ServerCallId>,
    connection: Option<CallConnectionId>,
}

impl AwaitedRecording {
    /// The recording with this id, in a call that is not known.
    pub fn new(id: RecordingId) -> Self {
        Self {
            id,
            call: None,
            connection: None,
        }
    }

    /// The call that is recorded.
    pub fn call(mut self, id: ServerCallId) -> Self {
        self.call = Some(id);
        self
    }

    /// The application's connection to the call that is recorded.
    pub fn call_connection(mut self, id: CallConnectionId) -> Self {
        self.connection = Some(id);
        self
    }

    /// Whether an event is about this recording.
    ///
    /// An event that names a recording goes by that alone: a call may have several. One that names
    /// none goes by its call.
    pub(super) fn is_about(&self, event: &Event) -> bool {
        match event.recording_id() {
            Some(id) => id == self.id,
            None => self.is_about_call(event) || self.is_about_connection(event),
        }
    }

    fn is_about_call(&self, event: &Event) -> bool {
        let call = self.call.as_ref();
        call.is_some_and(|call| {
            event
                .server_call_id()
                .is_some_and(|id| is_same_call(call, &id))
        })
    }

    fn is_about_connection(&self, event: &Event) -> bool {
        self.connection.is_some() && event.call_connection_id() == self.connection
    }

    /// Whether an event says that the call that is recorded is over, for everybody.
    pub(super) fn is_end_of_call(&self, event: &Event) -> bool {
        matches!(event.payload(), EventPayload::CallEnded(_)) && self.is_about_call(event)
    }
}

impl fmt::Display for AwaitedRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording {}", self.id)
    }
}

impl From<RecordingId> for AwaitedRecording {
    fn from(id: RecordingId) -> Self {
        Self::new(id)
    }
}

impl From<&RecordingId> for AwaitedRecording {
    fn from(id: &RecordingId) -> Self {
        Self::new(id.clone())
    }
}

impl From<&Recording> for AwaitedRecording {
    fn from(recording: &Recording) -> Self {
        Self {
            id: recording.id().clone(),
            call: recording.server_call_id().cloned(),
            connection: recording.call_connection_id().cloned(),
        }
    }
}

/// Whether two server call ids are the same. Subjects of events leave the padding of base64 away,
/// and either alphabet occurs.
fn is_same_call(one: &ServerCallId, other: &ServerCallId) -> bool {
    fn bytes(id: &ServerCallId) -> impl Iterator<Item = u8> {
        let text = id.as_str().trim_end_matches('=');
        text.bytes().map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
    }
    bytes(one).eq(bytes(other))
}

/// A wait for the files of a recording: what it has seen so far.
#[derive(Debug)]
pub(super) struct FileWait {
    recording: AwaitedRecording,
    /// The id of the call in logs, which the oldest events about files have instead of any other.
    correlation_id: Option<String>,
    /// Whether the recording was active at some time, so that there is something in a file.
    began: bool,
    /// Whether an event said that the recording has not begun.
    has_not_begun: bool,
    call_is_over: bool,
}

impl FileWait {
    pub(super) fn new(recording: AwaitedRecording) -> Self {
        Self {
            recording,
            correlation_id: None,
            began: false,
            has_not_begun: false,
            call_is_over: false,
        }
    }

    /// What an event means for the wait.
    pub(super) fn see(&mut self, event: &Event) -> Option<Result<RecordingFileStatusUpdated>> {
        self.learn_call(event);
        let is_named = event.recording_id().is_some();
        match event.payload() {
            EventPayload::RecordingFileStatusUpdated(file)
                if self.recording.is_about(event) || self.is_file_of_call(file) =>
            {
                Some(Ok(file.clone()))
            }
            // A call may have several starts, of which one has begun and another fails.
            EventPayload::StartRecordingFailed(_)
                if self.recording.is_about(event) && (is_named || !self.began) =>
            {
                Some(Err(failed(event)))
            }
            EventPayload::RecordingStateChanged(change)
            | EventPayload::TeamsRecordingStateChanged(change)
            | EventPayload::TeamsComplianceRecordingStateChanged(change)
                if self.recording.is_about(event) =>
            {
                self.see_state(event, change)
            }
            EventPayload::CallEnded(_) => {
                self.call_is_over |= self.recording.is_end_of_call(event);
                self.over_without_a_recording()
            }
            EventPayload::CreateCallFailed(_)
            | EventPayload::AnswerFailed(_)
            | EventPayload::ConnectFailed(_)
                if self.recording.is_about_connection(event) && !self.began =>
            {
                Some(Err(failed(event)))
            }
            _ => None,
        }
    }

    fn see_state(
        &mut self,
        event: &Event,
        change: &RecordingStateChanged,
    ) -> Option<Result<RecordingFileStatusUpdated>> {
        if change.state == Some(RecordingState::Active) || change.start.is_some() {
            self.began = true;
            return None;
        }
        self.has_not_begun = true;
        let result = change.result_information.as_ref();
        let is_failure = result
            .and_then(|result| result.code)
            .is_some_and(|code| code >= 400);
        if is_failure && !self.began {
            return Some(Err(failed(event)));
        }
        self.over_without_a_recording()
    }

    /// The end of a call alone means nothing: the file comes after it, and without a state callback
    /// nothing tells that the recording has begun.
    fn over_without_a_recording(&self) -> Option<Result<RecordingFileStatusUpdated>> {
        let is_over = self.call_is_over && self.has_not_begun && !self.began;
        is_over.then(|| {
            let message = "its call is over, and it was never active: there is no file";
            Err(Error::new(ErrorKind::NothingToDownload, message))
        })
    }

    fn is_file_of_call(&self, file: &RecordingFileStatusUpdated) -> bool {
        let is_nameless = file.recording_id.is_none() && file.server_call_id.is_none();
        is_nameless && file.call_id.is_some() && file.call_id == self.correlation_id
    }

    /// Learns more about the call from an event that names it beside what is known.
    fn learn_call(&mut self, event: &Event) {
        if !self.recording.is_about(event) {
            return;
        }
        if self.recording.call.is_none() {
            self.recording.call = event.server_call_id();
        }
        if self.correlation_id.is_none() {
            self.correlation_id = event.correlation_id().map(str::to_owned);
        }
    }
}

/// The error of an event that says that something failed.
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
