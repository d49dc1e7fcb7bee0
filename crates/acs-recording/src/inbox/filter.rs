//! Which events are about a recording.

use std::fmt;

use crate::event::{Event, EventPayload};
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::recording::Recording;

/// Selects the events of one recording: by its id, and by its call if that is known.
///
/// Some events have the id of the call and not that of the recording. They match only if the filter
/// has the call, too. A filter from a [`Recording`] has it if the recording was started with a server
/// call id or a call connection id.
///
/// ```
/// use acs_recording::{RecordingFilter, RecordingId, ServerCallId};
///
/// # fn run(inbox: acs_recording::Inbox) -> acs_recording::Result<()> {
/// // The ids that the program stored when it started the recording.
/// let recording = RecordingFilter::new(RecordingId::new("eyJQbGF0Zm9ybSI6IjAifQ")?)
///     .server_call_id(ServerCallId::new("aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM")?);
/// let file = inbox.file_ready(recording);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFilter {
    id: RecordingId,
    server_call_id: Option<ServerCallId>,
    call_connection_id: Option<CallConnectionId>,
}

impl RecordingFilter {
    /// A filter by the recording's id alone.
    pub fn new(id: RecordingId) -> Self {
        Self {
            id,
            server_call_id: None,
            call_connection_id: None,
        }
    }

    /// The id of the recorded call.
    pub fn server_call_id(mut self, id: ServerCallId) -> Self {
        self.server_call_id = Some(id);
        self
    }

    /// The id of the application's connection to the recorded call.
    pub fn call_connection_id(mut self, id: CallConnectionId) -> Self {
        self.call_connection_id = Some(id);
        self
    }

    /// Whether an event is about the recording.
    ///
    /// A call may have several recordings, so the call is compared only if the event has no recording
    /// id.
    pub(super) fn matches(&self, event: &Event) -> bool {
        match event.recording_id() {
            Some(id) => id == self.id,
            None => self.matches_call(event) || self.matches_connection(event),
        }
    }

    /// Takes over the call of a matching event, if it is not known yet.
    pub(super) fn learn_call(&mut self, event: &Event) {
        if self.server_call_id.is_none() {
            self.server_call_id = event.server_call_id();
        }
    }

    fn matches_call(&self, event: &Event) -> bool {
        self.server_call_id.as_ref().is_some_and(|call| {
            event
                .server_call_id()
                .is_some_and(|id| is_same_call(call, &id))
        })
    }

    pub(super) fn matches_connection(&self, event: &Event) -> bool {
        self.call_connection_id.is_some() && event.call_connection_id() == self.call_connection_id
    }

    /// Whether an event says that the recorded call has ended for everybody.
    pub(super) fn matches_end_of_call(&self, event: &Event) -> bool {
        matches!(event.payload(), EventPayload::CallEnded(_)) && self.matches_call(event)
    }
}

impl fmt::Display for RecordingFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording {}", self.id)
    }
}

impl From<RecordingId> for RecordingFilter {
    fn from(id: RecordingId) -> Self {
        Self::new(id)
    }
}

impl From<&RecordingId> for RecordingFilter {
    fn from(id: &RecordingId) -> Self {
        Self::new(id.clone())
    }
}

impl From<&Recording> for RecordingFilter {
    fn from(recording: &Recording) -> Self {
        Self {
            id: recording.id().clone(),
            server_call_id: recording.server_call_id().cloned(),
            call_connection_id: recording.call_connection_id().cloned(),
        }
    }
}

/// Whether two server call ids are the same. Subjects of events omit the padding of base64, and both
/// alphabets occur.
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
