//! Waiting for events.

mod record;
mod stream;
mod wait;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

pub use record::{Record, Recorded};
pub use stream::EventStream;
use wait::Kept;
pub use wait::Wait;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind, RecordingFileStatusUpdated, RecordingStateChanged};
use crate::ids::{CallConnectionId, RecordingId};
use crate::models::{CallConnected, RecordingState};

/// How many events are kept for waits that begin later.
const BACKLOG: usize = 1000;
/// How many bytes these may have in all.
const BACKLOG_BYTES: usize = 16 * 1024 * 1024;

/// Where events come in and waits for them end.
///
/// Give it to a webhook as its handler, or [`deliver`](Self::deliver) events yourself. It keeps the
/// latest events, so that it does not matter whether an event or the wait for it comes first. Clones
/// are the same inbox.
///
/// ```
/// use std::time::Duration;
///
/// use acs_recording::{Events, Inbox, RecordingId};
///
/// # async fn run(body: &[u8], recording: &RecordingId) -> acs_recording::Result<()> {
/// let inbox = Inbox::new();
/// for event in Events::parse(body) {
///     inbox.deliver(event?)?;
/// }
/// let file = inbox.file_ready(recording).within(Duration::from_mins(10)).await?;
/// println!("{} files", file.chunks.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<Mutex<Inner>>,
}

/// Looks at an event; `true` when it needs no more.
type Watcher = Box<dyn FnMut(&Arc<Event>) -> bool + Send>;

struct Inner {
    backlog: VecDeque<Arc<Event>>,
    capacity: usize,
    /// The size of the backlog.
    bytes: usize,
    watchers: HashMap<u64, Watcher>,
    next_watcher: u64,
    streams: Vec<mpsc::Sender<Arc<Event>>>,
}

impl Inbox {
    /// An empty inbox that keeps up to 1000 events.
    pub fn new() -> Self {
        Self::with_backlog(BACKLOG)
    }

    /// An empty inbox that keeps as many events as you say, and 16 MiB at the most.
    pub fn with_backlog(events: usize) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                backlog: VecDeque::new(),
                capacity: events,
                bytes: 0,
                watchers: HashMap::new(),
                next_watcher: 0,
                streams: Vec::new(),
            })),
        }
    }

    /// Takes an event in: it ends the waits that it matches and goes to all streams.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when a stream is full. Nobody has seen the event then; deliver it
    /// again later.
    pub fn deliver(&self, event: Event) -> Result<()> {
        let event = Arc::new(event);
        let mut inner = self.lock();
        inner.streams.retain(|stream| !stream.is_closed());
        if inner.streams.iter().any(|stream| stream.capacity() == 0) {
            let message = "the inbox is full: a stream of events is not read";
            return Err(Error::new(ErrorKind::Throttled, message));
        }
        for stream in &inner.streams {
            // There is room, and nobody else sends.
            let _ = stream.try_send(Arc::clone(&event));
        }
        inner.watchers.retain(|_, watcher| !watcher(&event));
        inner.keep(event);
        Ok(())
    }

    /// Waits until the files of a recording can be downloaded (default limit: 15 minutes).
    pub fn file_ready(&self, recording: &RecordingId) -> Wait<RecordingFileStatusUpdated> {
        let id = recording.clone();
        self.wait_for("wait for the file of a recording", move |event| {
            let EventKind::RecordingFileStatusUpdated(file) = event.kind() else {
                return None;
            };
            (file.recording_id.as_ref() == Some(&id)).then(|| Ok(file.clone()))
        })
        .within(Duration::from_mins(15))
    }

    /// Waits until a recording is active. `RecordingStateChanged` tells, so the start must have
    /// named a [`state_callback`](crate::StartRecording::state_callback).
    ///
    /// A recording that is active already counts.
    ///
    /// # Errors
    /// [`ErrorKind::Service`] when the start failed.
    pub fn recording_active(&self, recording: &RecordingId) -> Wait<RecordingStateChanged> {
        self.recording_state(recording, RecordingState::Active)
    }

    /// As [`recording_active`](Self::recording_active), for any state. Of the events that are there
    /// already only the latest counts, and of those that come none that is older.
    pub fn recording_state(
        &self,
        recording: &RecordingId,
        state: RecordingState,
    ) -> Wait<RecordingStateChanged> {
        let id = recording.clone();
        let about = move |event: &Event| {
            matches!(
                event.kind(),
                EventKind::RecordingStateChanged(_)
                    | EventKind::TeamsRecordingStateChanged(_)
                    | EventKind::TeamsComplianceRecordingStateChanged(_)
                    | EventKind::StartRecordingFailed(_)
            ) && event.recording_id().as_ref() == Some(&id)
        };
        let kept = Kept::Latest(&about.clone());
        let mut latest = None;
        Wait::new(
            self.clone(),
            "wait for a state of a recording",
            &kept,
            move |event| {
                // Events come in any order, and an older one says nothing of the state now.
                let is_old = event.time.is_some() && event.time < latest;
                if !about(event) || is_old {
                    return None;
                }
                latest = latest.max(event.time);
                match event.kind() {
                    EventKind::RecordingStateChanged(change)
                    | EventKind::TeamsRecordingStateChanged(change)
                    | EventKind::TeamsComplianceRecordingStateChanged(change) => {
                        (change.state.as_ref() == Some(&state)).then(|| Ok(change.clone()))
                    }
                    _ => Some(Err(failed(event))),
                }
            },
        )
    }

    /// Waits until the application is in a call.
    ///
    /// # Errors
    /// [`ErrorKind::Service`] when it could not get in.
    pub fn call_connected(&self, call: &CallConnectionId) -> Wait<CallConnected> {
        let id = call.clone();
        self.wait_for("wait for a call to connect", move |event| {
            (event.call_connection_id().as_ref() == Some(&id)).then(|| connected(event))?
        })
    }

    /// As [`call_connected`](Self::call_connected), by the operation context of the request.
    pub fn call_connected_in(&self, operation_context: impl Into<String>) -> Wait<CallConnected> {
        let context = operation_context.into();
        self.wait_for("wait for a call to connect", move |event| {
            (event.operation_context() == Some(&context)).then(|| connected(event))?
        })
    }

    /// Waits for the first event with an operation context: as a rule the outcome of the request
    /// that gave it, good or bad.
    ///
    /// Some requests have an event at their beginning as well, such as `PlayStarted`, and events
    /// come in any order. Where that matters, tell them apart with [`wait_for`](Self::wait_for).
    pub fn outcome_of(&self, operation_context: impl Into<String>) -> Wait<Arc<Event>> {
        let context = operation_context.into();
        self.wait_for("wait for the outcome of an operation", move |event| {
            (event.operation_context() == Some(&context)).then(|| Ok(Arc::clone(event)))
        })
    }

    /// Waits for the first event about which `matches` has something to say (default limit: 1
    /// minute). `what` is what the error is about when there is none, such as "wait for a key".
    ///
    /// `matches` sees one event after the other, under a lock: it must be quick and must not use
    /// the inbox.
    pub fn wait_for<T, F>(&self, what: &'static str, matches: F) -> Wait<T>
    where
        F: FnMut(&Arc<Event>) -> Option<Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        Wait::new(self.clone(), what, &Kept::All, matches)
    }

    /// All events: those that are kept, and then every one that comes in.
    ///
    /// A stream holds 1000 events. While one that lives is full the inbox takes no more, which a
    /// webhook answers so that they are delivered again.
    pub fn events(&self) -> EventStream {
        let mut inner = self.lock();
        let (sender, receiver) = mpsc::channel(BACKLOG);
        inner.streams.push(sender);
        EventStream::new(inner.backlog.clone(), receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a watcher what is kept and then all that comes, until it needs no more.
    fn watch(&self, kept: &Kept<'_>, mut watcher: Watcher) -> Option<u64> {
        let mut inner = self.lock();
        let found = match kept {
            Kept::All => inner.backlog.iter().any(&mut watcher),
            Kept::Latest(about) => {
                let about = inner.backlog.iter().filter(|event| about(event));
                about
                    .max_by_key(|event| event.time)
                    .is_some_and(&mut watcher)
            }
        };
        if found {
            return None;
        }
        let id = inner.next_watcher;
        inner.next_watcher += 1;
        inner.watchers.insert(id, watcher);
        Some(id)
    }

    fn unwatch(&self, id: u64) {
        self.lock().watchers.remove(&id);
    }
}

impl Inner {
    fn keep(&mut self, event: Arc<Event>) {
        self.bytes += event.size();
        self.backlog.push_back(event);
        while self.backlog.len() > self.capacity || self.bytes > BACKLOG_BYTES {
            let Some(oldest) = self.backlog.pop_front() else {
                return;
            };
            self.bytes -= oldest.size();
        }
    }
}

/// Whether an event of the right call says that it is connected, or that it never will be.
fn connected(event: &Event) -> Option<Result<CallConnected>> {
    match event.kind() {
        EventKind::CallConnected(data) => Some(Ok(data.as_ref().clone())),
        EventKind::CreateCallFailed(_)
        | EventKind::AnswerFailed(_)
        | EventKind::ConnectFailed(_)
        | EventKind::CallDisconnected(_) => Some(Err(failed(event))),
        _ => None,
    }
}

/// The error of an event that says that something failed.
fn failed(event: &Event) -> Error {
    let name = event.event_type.rsplit('.').next().unwrap_or_default();
    let result = event.result_information();
    let message = result.and_then(|result| result.message.as_deref());
    let error = Error::new(
        ErrorKind::Service,
        format!("{name}: {}", message.unwrap_or("no reason given")),
    );
    match result.and_then(|result| result.sub_code) {
        Some(code) => error.with_code(code.to_string()),
        None => error,
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Inbox")
            .field("events", &inner.backlog.len())
            .field("waits", &inner.watchers.len())
            .field("streams", &inner.streams.len())
            .finish()
    }
}

/// A full inbox makes the webhook ask for the event again.
#[cfg(feature = "webhook")]
impl crate::webhook::EventHandler for Inbox {
    async fn handle(&self, event: Event) -> Result<(), crate::webhook::HandlerError> {
        Ok(self.deliver(event)?)
    }
}

#[cfg(test)]
mod tests;
