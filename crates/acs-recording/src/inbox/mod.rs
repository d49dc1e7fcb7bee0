//! Waiting for events in one process.

mod dispatcher;
mod file_wait;
mod filter;
mod recent;
mod stream;
mod wait;

use std::sync::Arc;
use std::time::Duration;

pub use filter::RecordingFilter;
pub use stream::EventStream;
pub use wait::Wait;

use dispatcher::{Dispatcher, Replay};
use file_wait::{FileWait, failed};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventPayload, RecordingFileStatusUpdated, RecordingStateChanged};
use crate::ids::CallConnectionId;
use crate::models::{CallConnected, RecordingState};

/// The default number of recent events per type.
const CAPACITY: usize = 1000;

/// Lets one process wait for events: in tests, and for short waits such as for a call to connect.
///
/// The events are in memory and are lost with the process. A delivered event is acknowledged, and
/// Event Grid does not deliver it again. For a recording that must not be lost, use the spool, which
/// acknowledges an event when it is on disk. Both can be used side by side.
///
/// Pass an inbox to a webhook as its handler, or [`deliver`](Self::deliver) events yourself. It keeps
/// the most recent events of each type, so a wait may begin after its event has arrived. Clones are
/// the same inbox.
///
/// ```
/// use std::time::Duration;
///
/// use acs_recording::{Events, Inbox, Recording};
///
/// # async fn run(body: &[u8], recording: &Recording) -> acs_recording::Result<()> {
/// let inbox = Inbox::new();
/// for event in Events::parse(body).filter_map(Result::ok) {
///     inbox.deliver(event).await?;
/// }
/// let file = inbox.file_ready(recording).timeout(Duration::from_secs(10 * 60)).await?;
/// println!("{} files", file.chunks.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Inbox {
    dispatcher: Dispatcher,
}

impl Inbox {
    /// An empty inbox that keeps up to 1000 recent events of each type.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// An empty inbox that keeps up to `events` recent events of each type, and about 16 MiB in total.
    /// Half of that is reserved for [`RecordingFileStatusUpdated`].
    ///
    /// When an event does not fit, the oldest of its type is removed. A warning is logged, once for
    /// many in a row.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            dispatcher: Dispatcher::new(events),
        }
    }

    /// Delivers an event to the waits that it matches, and to all streams.
    ///
    /// Waits get it immediately. A full stream delays the delivery, up to 5 seconds after it became
    /// full.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] if a stream is still full. Deliver the event again later: streams that
    /// have it do not get it twice. A stream that was full and not read for a minute is closed, so
    /// the error does not persist.
    pub async fn deliver(&self, event: Event) -> Result<()> {
        if self.dispatcher.deliver(event).await {
            return Ok(());
        }
        let message =
            "the inbox is full because an event stream is not read; deliver the event again";
        Err(Error::new(ErrorKind::Throttled, message))
    }

    /// Waits until the files of a recording can be downloaded (default timeout: 15 minutes).
    ///
    /// Pass the [`Recording`](crate::Recording), or its id. An event with the id of the call and
    /// without that of the recording, as older versions of the service send it, counts only if the
    /// call is known: from the start of the recording, from [`RecordingFilter::server_call_id`], or
    /// from another event with both ids. If such a call has several recordings, it is unknown which
    /// of them the file belongs to.
    ///
    /// # Errors
    /// The wait ends immediately if there will be no file. [`ErrorKind::Service`]: the start failed
    /// (`StartRecordingFailed`, or `RecordingStateChanged` with an error before the recording was
    /// active), or the call could not be established. [`ErrorKind::NothingToDownload`]: the call has
    /// ended (`CallEnded`), and the recording was never active, as after a paused start. The end of
    /// the call alone is no error, because files follow it.
    pub fn file_ready(
        &self,
        recording: impl Into<RecordingFilter>,
    ) -> Wait<RecordingFileStatusUpdated> {
        let recording = recording.into();
        let subject = recording.to_string();
        let mut wait = FileWait::new(recording);
        self.wait_for("wait for the file of a recording", move |event| {
            wait.observe(event)
        })
        .with_subject(subject)
        .timeout(Duration::from_secs(15 * 60))
    }

    /// Waits until a recording is active (default timeout: 1 minute).
    ///
    /// `RecordingStateChanged` says so, which the service sends only if the start had a
    /// [`state_callback`](crate::StartRecording::state_callback). If the recording is already active,
    /// the wait ends immediately.
    ///
    /// # Errors
    /// [`ErrorKind::Service`] if the start failed, [`ErrorKind::NotFound`] if the call has ended.
    pub fn recording_active(
        &self,
        recording: impl Into<RecordingFilter>,
    ) -> Wait<RecordingStateChanged> {
        self.recording_state(recording, RecordingState::Active)
    }

    /// Like [`recording_active`](Self::recording_active), for any state.
    ///
    /// Of the recent events only the latest counts, and of later events none that is older. The end of
    /// the call ends only a wait for [`RecordingState::Active`].
    pub fn recording_state(
        &self,
        recording: impl Into<RecordingFilter>,
        state: RecordingState,
    ) -> Wait<RecordingStateChanged> {
        let recording = recording.into();
        let name = recording.to_string();
        let ends_with_call = state == RecordingState::Active;
        let matches = move |event: &Event| match event.payload() {
            EventPayload::RecordingStateChanged(_)
            | EventPayload::TeamsRecordingStateChanged(_)
            | EventPayload::TeamsComplianceRecordingStateChanged(_)
            | EventPayload::StartRecordingFailed(_) => recording.matches(event),
            _ => ends_with_call && recording.matches_end_of_call(event),
        };
        let replay_filter = matches.clone();
        let replay = Replay::LatestOf(&replay_filter);
        let mut latest = None;
        Wait::new(
            self.dispatcher.clone(),
            "wait for a state of a recording",
            &replay,
            move |event| {
                // Events arrive in any order, and an older one does not tell the current state.
                let is_old = event.time.is_some() && event.time < latest;
                if !matches(event) || is_old {
                    return None;
                }
                latest = latest.max(event.time);
                match event.payload() {
                    EventPayload::RecordingStateChanged(change)
                    | EventPayload::TeamsRecordingStateChanged(change)
                    | EventPayload::TeamsComplianceRecordingStateChanged(change) => {
                        (change.state.as_ref() == Some(&state)).then(|| Ok(change.clone()))
                    }
                    EventPayload::CallEnded(_) => {
                        let error = Error::new(ErrorKind::NotFound, "the call has ended");
                        Some(Err(error))
                    }
                    _ => Some(Err(failed(event))),
                }
            },
        )
        .with_subject(name)
    }

    /// Waits until the application is connected to a call (default timeout: 1 minute).
    ///
    /// # Errors
    /// [`ErrorKind::Service`] if it could not be connected.
    pub fn call_connected(&self, call: &CallConnectionId) -> Wait<CallConnected> {
        let id = call.clone();
        self.wait_for("wait for a call to connect", move |event| {
            (event.call_connection_id().as_ref() == Some(&id)).then(|| connected(event))?
        })
        .with_subject(format!("call connection {call}"))
    }

    /// Waits until `matches` returns a result for an event (default timeout: 1 minute). `operation` is
    /// the operation in the text of errors, such as "wait for a key".
    ///
    /// `matches` is called for one event at a time, under a lock. It must be quick, and must not use
    /// the inbox. If an event is delivered twice, it is called twice. If it panics, this wait ends with
    /// [`ErrorKind::InvalidInput`], and nothing else is affected.
    pub fn wait_for<T, F>(&self, operation: &'static str, matches: F) -> Wait<T>
    where
        F: FnMut(&Arc<Event>) -> Option<Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        Wait::new(self.dispatcher.clone(), operation, &Replay::All, matches)
    }

    /// A stream of the recent events and every later one.
    ///
    /// A stream buffers 1000 events, or fewer large ones. While it is full, [`deliver`](Self::deliver)
    /// waits for it and then fails, and a webhook responds so that the event is delivered again. Waits
    /// and other streams are not affected. A stream that is not read for a minute is
    /// [closed](EventStream::has_lagged).
    pub fn events(&self) -> EventStream {
        self.dispatcher.subscribe()
    }
}

/// The result of a wait for a call to connect, if an event of the call decides it.
fn connected(event: &Event) -> Option<Result<CallConnected>> {
    match event.payload() {
        EventPayload::CallConnected(data) => Some(Ok(data.as_ref().clone())),
        EventPayload::CreateCallFailed(_)
        | EventPayload::AnswerFailed(_)
        | EventPayload::ConnectFailed(_)
        | EventPayload::CallDisconnected(_) => Some(Err(failed(event))),
        _ => None,
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Acknowledges an event as soon as it is in memory. If the inbox is full, the event is delivered
/// again.
#[cfg(feature = "webhook")]
impl crate::webhook::EventHandler for Inbox {
    async fn handle(&self, event: Event) -> Result<(), crate::webhook::HandlerError> {
        Ok(self.deliver(event).await?)
    }
}

#[cfg(test)]
mod tests;
