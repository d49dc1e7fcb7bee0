//! Waiting for events.

mod awaited;
mod backlog;
mod stream;
mod wait;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tracing::warn;

pub use awaited::AwaitedRecording;
use awaited::{FileWait, failed};
use backlog::Backlog;
pub use stream::EventStream;
use stream::{Pending, Sent, Subscriber};
use wait::Kept;
pub use wait::Wait;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventPayload, RecordingFileStatusUpdated, RecordingStateChanged};
use crate::ids::CallConnectionId;
use crate::models::{CallConnected, RecordingState};

/// How many events of one type are kept for waits that begin later.
const BACKLOG: usize = 1000;
/// How many deliveries are remembered that not all streams had room for.
const REMEMBERED: usize = 1000;

/// Where one process waits for events while it runs: for tests, and for short waits such as for a
/// call to connect. An event in an inbox is lost with the process.
///
/// An event that was taken in is acknowledged, and Event Grid does not send it again. So do not let
/// an inbox stand between the service and a recording that must not be lost: the spool takes an
/// event in only when it is on the disk. Both can be used side by side.
///
/// Give it to a webhook as its handler, or [`deliver`](Self::deliver) events yourself. It keeps the
/// latest events of each type, so that it does not matter whether an event or the wait for it comes
/// first. Clones are the same inbox.
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
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<Mutex<Inner>>,
}

/// Looks at an event; `true` when it needs no more.
type Watcher = Box<dyn FnMut(&Arc<Event>) -> bool + Send>;

struct Inner {
    backlog: Backlog,
    watchers: HashMap<u64, Watcher>,
    streams: Vec<Subscriber>,
    /// Deliveries that some streams got and others had no room for.
    partial: VecDeque<Partial>,
    next_id: u64,
}

/// A delivery that will come again.
struct Partial {
    source: Option<String>,
    id: String,
    /// The streams that do not need it any more.
    served: Vec<u64>,
}

impl Inbox {
    /// An empty inbox that keeps up to 1000 events of each type.
    pub fn new() -> Self {
        Self::with_backlog(BACKLOG)
    }

    /// An empty inbox that keeps as many events of each type as you say, and about 16 MiB in all, of
    /// which half is for [`RecordingFileStatusUpdated`] alone.
    ///
    /// When an event does not fit, the oldest of its type makes room. A warning tells of it, once
    /// for many in a row.
    pub fn with_backlog(events: usize) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                backlog: Backlog::new(events),
                watchers: HashMap::new(),
                streams: Vec::new(),
                partial: VecDeque::new(),
                next_id: 0,
            })),
        }
    }

    /// Takes an event in: it ends the waits that it matches and goes to all streams.
    ///
    /// Waits see it at once, whatever becomes of it. A stream that is full is waited for, up to 5
    /// seconds from when it was full first.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when a stream is still full. Deliver the event again later; the
    /// streams that got it do not get it once more. A stream that was full and not read for a minute
    /// is closed and counts no more, so an error does not come for ever.
    pub async fn deliver(&self, event: Event) -> Result<()> {
        let event = Arc::new(event);
        let (pending, done) = self.lock().accept(&event);
        drop(done);
        if pending.is_empty() {
            return Ok(());
        }
        let sent = join_all(pending.into_iter().map(Pending::send)).await;
        if self.lock().complete(&event, &sent) {
            return Ok(());
        }
        let message = "the inbox is full: a stream of events is not read; deliver the event again";
        Err(Error::new(ErrorKind::Throttled, message))
    }

    /// Waits until the files of a recording can be downloaded (default limit: 15 minutes).
    ///
    /// Give it the [`Recording`](crate::Recording), or the id alone. An event that names the call
    /// and no recording, as older ones do, counts only if the call is known: from the recording's
    /// start, from [`AwaitedRecording::call`], or from another event that names both. When such a
    /// call has several recordings, nothing tells whose file it is.
    ///
    /// # Errors
    /// At once when no file will come. [`ErrorKind::Service`]: the start failed
    /// (`StartRecordingFailed`, or `RecordingStateChanged` with an error before it was active), or
    /// the call did not come about. [`ErrorKind::NothingToDownload`]: the call is over
    /// (`CallEnded`), and the last that `RecordingStateChanged` told is that the recording had not
    /// begun, as after a paused start. The end of a call alone is no error, because files come
    /// after it.
    pub fn file_ready(
        &self,
        recording: impl Into<AwaitedRecording>,
    ) -> Wait<RecordingFileStatusUpdated> {
        let recording = recording.into();
        let about = recording.to_string();
        let mut wait = FileWait::new(recording);
        self.wait_for("wait for the file of a recording", move |event| {
            wait.see(event)
        })
        .about(about)
        .timeout(Duration::from_secs(15 * 60))
    }

    /// Waits until a recording is active. `RecordingStateChanged` tells, so the start must have
    /// named a [`state_callback`](crate::StartRecording::state_callback).
    ///
    /// A recording that is active already counts.
    ///
    /// # Errors
    /// [`ErrorKind::Service`] when the start failed, [`ErrorKind::NotFound`] when the call is over.
    pub fn recording_active(
        &self,
        recording: impl Into<AwaitedRecording>,
    ) -> Wait<RecordingStateChanged> {
        self.recording_state(recording, RecordingState::Active)
    }

    /// As [`recording_active`](Self::recording_active), for any state. Of the events that are there
    /// already only the latest counts, and of those that come none that is older. The end of the
    /// call ends a wait for [`RecordingState::Active`] only.
    pub fn recording_state(
        &self,
        recording: impl Into<AwaitedRecording>,
        state: RecordingState,
    ) -> Wait<RecordingStateChanged> {
        let recording = recording.into();
        let name = recording.to_string();
        let ends_with_call = state == RecordingState::Active;
        let about = move |event: &Event| match event.payload() {
            EventPayload::RecordingStateChanged(_)
            | EventPayload::TeamsRecordingStateChanged(_)
            | EventPayload::TeamsComplianceRecordingStateChanged(_)
            | EventPayload::StartRecordingFailed(_) => recording.is_about(event),
            _ => ends_with_call && recording.is_end_of_call(event),
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
                match event.payload() {
                    EventPayload::RecordingStateChanged(change)
                    | EventPayload::TeamsRecordingStateChanged(change)
                    | EventPayload::TeamsComplianceRecordingStateChanged(change) => {
                        (change.state.as_ref() == Some(&state)).then(|| Ok(change.clone()))
                    }
                    EventPayload::CallEnded(_) => {
                        let error = Error::new(ErrorKind::NotFound, "its call is over");
                        Some(Err(error))
                    }
                    _ => Some(Err(failed(event))),
                }
            },
        )
        .about(name)
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
        .about(format!("call connection {call}"))
    }

    /// As [`call_connected`](Self::call_connected), by the operation context of the request.
    pub fn call_connected_in(&self, operation_context: impl Into<String>) -> Wait<CallConnected> {
        let context = operation_context.into();
        let about = in_context(&context);
        self.wait_for("wait for a call to connect", move |event| {
            (event.operation_context() == Some(&context)).then(|| connected(event))?
        })
        .about(about)
    }

    /// Waits for the first event with an operation context: as a rule the outcome of the request
    /// that gave it, good or bad.
    ///
    /// Some requests have an event at their beginning as well, such as `PlayStarted`, and events
    /// come in any order. Where that matters, tell them apart with [`wait_for`](Self::wait_for).
    pub fn outcome_of(&self, operation_context: impl Into<String>) -> Wait<Arc<Event>> {
        let context = operation_context.into();
        let about = in_context(&context);
        self.wait_for("wait for the outcome of an operation", move |event| {
            (event.operation_context() == Some(&context)).then(|| Ok(Arc::clone(event)))
        })
        .about(about)
    }

    /// Waits for the first event about which `matches` has something to say (default limit: 1
    /// minute). `what` is what the error is about when there is none, such as "wait for a key".
    ///
    /// `matches` sees one event after the other, under a lock: it must be quick and must not use
    /// the inbox. An event that is delivered twice is seen twice. If it panics, that ends this wait
    /// with [`ErrorKind::InvalidInput`] and touches nothing else.
    pub fn wait_for<T, F>(&self, what: &'static str, matches: F) -> Wait<T>
    where
        F: FnMut(&Arc<Event>) -> Option<Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        Wait::new(self.clone(), what, &Kept::All, matches)
    }

    /// All events: those that are kept, and then every one that comes in.
    ///
    /// A stream holds 1000 events, or fewer large ones. While it is full, a
    /// [`deliver`](Self::deliver) waits for it and then fails, which a webhook answers so that the
    /// event comes again; waits and other streams go on. If it is not read for a minute, it is
    /// [closed](EventStream::has_lagged).
    pub fn events(&self) -> EventStream {
        let mut inner = self.lock();
        let id = inner.next_id();
        let kept = inner.backlog.iter().cloned().collect();
        let (stream, subscriber) = EventStream::new(id, kept);
        inner.streams.push(subscriber);
        stream
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
        let id = inner.next_id();
        inner.watchers.insert(id, watcher);
        Some(id)
    }

    fn unwatch(&self, id: u64) {
        // It is dropped without the lock.
        let _watcher = self.lock().watchers.remove(&id);
    }
}

impl Inner {
    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Shows an event to all waits, keeps it, and gives it to the streams that have room.
    ///
    /// The watchers that need no more are for the caller to drop, without the lock: what they hold
    /// is not ours, and may be another wait in this inbox.
    fn accept(&mut self, event: &Arc<Event>) -> (Vec<Pending>, Vec<Watcher>) {
        let done = self.watchers.extract_if(|_, watcher| watcher(event));
        let done = done.map(|(_, watcher)| watcher).collect();
        let partial = self.partial(event).and_then(|at| self.partial.remove(at));
        if partial.is_none() {
            self.backlog.keep(Arc::clone(event));
        }
        let served = partial.map(|partial| partial.served).unwrap_or_default();
        let mut now_served = Vec::new();
        let mut pending = Vec::new();
        self.streams.retain_mut(|stream| {
            if served.contains(&stream.id) {
                now_served.push(stream.id);
                return !stream.is_closed();
            }
            match stream.send(event) {
                Sent::Queued => now_served.push(stream.id),
                Sent::Gone => return false,
                Sent::Full(_) if stream.is_stalled() => {
                    warn!("a stream of events was not read for a minute and is closed");
                    stream.lag();
                    return false;
                }
                Sent::Full(wait) => pending.push(wait),
            }
            true
        });
        if !pending.is_empty() {
            // Before it is waited, because whoever waits may give up.
            if self.partial.len() >= REMEMBERED {
                self.partial.pop_front();
            }
            self.partial.push_back(Partial {
                source: event.source.clone(),
                id: event.id.clone(),
                served: now_served,
            });
        }
        (pending, done)
    }

    /// Notes which streams got an event after a wait; whether all have it now.
    fn complete(&mut self, event: &Event, sent: &[(u64, bool)]) -> bool {
        let done = sent.iter().filter(|(_, done)| *done).map(|(id, _)| *id);
        let done: Vec<u64> = done.collect();
        for stream in &mut self.streams {
            if done.contains(&stream.id) {
                stream.has_room();
            }
        }
        let is_complete = done.len() == sent.len();
        if let Some(at) = self.partial(event) {
            if is_complete {
                self.partial.remove(at);
            } else if let Some(partial) = self.partial.get_mut(at) {
                partial.served.extend(done);
            }
        }
        is_complete
    }

    /// Where it is noted that not all streams got an event.
    fn partial(&self, event: &Event) -> Option<usize> {
        let is_same = |partial: &Partial| partial.id == event.id && partial.source == event.source;
        self.partial.iter().position(is_same)
    }
}

/// Whether an event of the right call says that it is connected, or that it never will be.
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

/// What a wait with an operation context is about.
fn in_context(context: &str) -> String {
    format!("operation context {context:?}")
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

/// An event is acknowledged as soon as it is in memory. A full inbox makes the webhook ask for the
/// event again.
#[cfg(feature = "webhook")]
impl crate::webhook::EventHandler for Inbox {
    async fn handle(&self, event: Event) -> Result<(), crate::webhook::HandlerError> {
        Ok(self.deliver(event).await?)
    }
}

#[cfg(test)]
mod tests;
