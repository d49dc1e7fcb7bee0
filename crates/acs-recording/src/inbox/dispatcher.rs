//! Distributing events: to waits, to streams, and to the events that are kept for later waits.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use tracing::warn;

use super::recent::RecentEvents;
use super::stream::{EventStream, PendingSend, SendOutcome, Subscriber};
use crate::event::Event;

/// The number of events that are remembered because some streams had no room for them.
const MAX_INCOMPLETE: usize = 1000;

/// Distributes events. Clones share one state.
#[derive(Clone)]
pub(super) struct Dispatcher {
    state: Arc<Mutex<State>>,
}

/// Looks at an event, and returns `true` when it needs no more of them.
pub(super) type Watcher = Box<dyn FnMut(&Arc<Event>) -> bool + Send>;

/// The recent events that a new watcher is shown.
pub(super) enum Replay<'a> {
    All,
    /// The latest one of those that match.
    LatestOf(&'a dyn Fn(&Event) -> bool),
}

pub(super) struct State {
    recent: RecentEvents,
    pub(super) watchers: HashMap<u64, Watcher>,
    streams: Vec<Subscriber>,
    /// Events that some streams got and others had no room for.
    pub(super) incomplete: VecDeque<Incomplete>,
    next_id: u64,
}

/// An event that will be delivered again.
pub(super) struct Incomplete {
    source: Option<String>,
    id: String,
    /// The streams that do not need it any more.
    served: Vec<u64>,
}

impl Dispatcher {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                recent: RecentEvents::new(capacity),
                watchers: HashMap::new(),
                streams: Vec::new(),
                incomplete: VecDeque::new(),
                next_id: 0,
            })),
        }
    }

    /// Shows an event to all watchers, keeps it, and sends it to all streams. Returns whether every
    /// stream has it.
    pub(super) async fn deliver(&self, event: Event) -> bool {
        let event = Arc::new(event);
        let (pending, finished) = self.lock().accept(&event);
        // What a watcher holds is not ours, and may use this dispatcher when it is dropped.
        drop(finished);
        if pending.is_empty() {
            return true;
        }
        let sent = join_all(pending.into_iter().map(PendingSend::send)).await;
        self.lock().complete(&event, &sent)
    }

    /// A stream of the recent events and every later one.
    pub(super) fn subscribe(&self) -> EventStream {
        let mut state = self.lock();
        let id = state.next_id();
        let recent = state.recent.iter().cloned().collect();
        let (stream, subscriber) = EventStream::new(id, recent);
        state.streams.push(subscriber);
        stream
    }

    /// Shows recent events and then every later one to a watcher, until it needs no more. Returns
    /// the watcher's id if it needs more.
    pub(super) fn watch(&self, replay: &Replay<'_>, mut watcher: Watcher) -> Option<u64> {
        let mut state = self.lock();
        let is_finished = match replay {
            Replay::All => state.recent.iter().any(&mut watcher),
            Replay::LatestOf(matches) => {
                let matching = state.recent.iter().filter(|event| matches(event));
                matching
                    .max_by_key(|event| event.time)
                    .is_some_and(&mut watcher)
            }
        };
        if is_finished {
            return None;
        }
        let id = state.next_id();
        state.watchers.insert(id, watcher);
        Some(id)
    }

    pub(super) fn unwatch(&self, id: u64) {
        // The watcher is dropped after the lock.
        let _watcher = self.lock().watchers.remove(&id);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Shows an event to all watchers, keeps it, and sends it to the streams that have room.
    ///
    /// Returns the sends that have to wait, and the watchers that need no more.
    fn accept(&mut self, event: &Arc<Event>) -> (Vec<PendingSend>, Vec<Watcher>) {
        let finished = self.watchers.extract_if(|_, watcher| watcher(event));
        let finished = finished.map(|(_, watcher)| watcher).collect();
        let incomplete = self
            .incomplete(event)
            .and_then(|at| self.incomplete.remove(at));
        if incomplete.is_none() {
            self.recent.push(Arc::clone(event));
        }
        let served = incomplete.map(|event| event.served).unwrap_or_default();
        let mut now_served = Vec::new();
        let mut pending = Vec::new();
        self.streams.retain_mut(|stream| {
            if served.contains(&stream.id) {
                now_served.push(stream.id);
                return !stream.is_closed();
            }
            match stream.send(event) {
                SendOutcome::Queued => now_served.push(stream.id),
                SendOutcome::Closed => return false,
                SendOutcome::Full(_) if stream.is_stalled() => {
                    warn!("an event stream was not read for a minute and is closed");
                    stream.mark_lagged();
                    return false;
                }
                SendOutcome::Full(send) => pending.push(send),
            }
            true
        });
        if !pending.is_empty() {
            // This is noted before the wait, because the delivery may be dropped meanwhile.
            if self.incomplete.len() >= MAX_INCOMPLETE {
                self.incomplete.pop_front();
            }
            self.incomplete.push_back(Incomplete {
                source: event.source.clone(),
                id: event.id.clone(),
                served: now_served,
            });
        }
        (pending, finished)
    }

    /// Notes which streams got an event after a wait. Returns whether all have it now.
    fn complete(&mut self, event: &Event, sent: &[(u64, bool)]) -> bool {
        let done = sent.iter().filter(|(_, done)| *done).map(|(id, _)| *id);
        let done: Vec<u64> = done.collect();
        for stream in &mut self.streams {
            if done.contains(&stream.id) {
                stream.mark_read();
            }
        }
        let is_complete = done.len() == sent.len();
        if let Some(at) = self.incomplete(event) {
            if is_complete {
                self.incomplete.remove(at);
            } else if let Some(incomplete) = self.incomplete.get_mut(at) {
                incomplete.served.extend(done);
            }
        }
        is_complete
    }

    /// The position of an event among the incomplete ones.
    fn incomplete(&self, event: &Event) -> Option<usize> {
        let is_same = |known: &Incomplete| known.id == event.id && known.source == event.source;
        self.incomplete.iter().position(is_same)
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Dispatcher")
            .field("events", &state.recent.len())
            .field("waits", &state.watchers.len())
            .field("streams", &state.streams.len())
            .finish()
    }
}
