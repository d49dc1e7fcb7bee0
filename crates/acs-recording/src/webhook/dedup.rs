//! Which events were handled already.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::event::Event;

/// The answer of a [`SeenStore`], later.
pub type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Remembers which events were handled, so that a repeated delivery is not handled again.
///
/// An event is done when its handler succeeded, not when it arrived. When several processes share
/// an endpoint, put this on a store that they share, such as a database: `claim` is a conditional
/// insert with an expiry time, `done` an update, `release` a delete.
pub trait SeenStore: Send + Sync + 'static {
    /// Claims an event for the caller, unless it is done or claimed. A claim that is neither
    /// `done` nor `release`d ends by itself after `lease`.
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim>;

    /// Notes that a claimed event was handled.
    fn done<'a>(&'a self, event: &'a EventKey) -> StoreFuture<'a, ()>;

    /// Gives a claim back: the event was not handled.
    fn release<'a>(&'a self, event: &'a EventKey) -> StoreFuture<'a, ()>;
}

/// What a [`SeenStore`] says to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The event is the caller's to handle.
    Mine,
    /// Somebody else is handling it.
    Busy,
    /// It was handled.
    Done,
}

/// What makes an event the same event: its source and its id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventKey([u8; 32]);

impl EventKey {
    /// The key of an event.
    pub fn of(event: &Event) -> Self {
        let source = event.source.as_deref().unwrap_or_default();
        let mut hash = Sha256::new();
        // With the length in front, no two pairs run together into the same bytes.
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
        hash.update(&event.id);
        Self(hash.finalize().into())
    }

    /// A hash of source and id. It has the same size whatever they are.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({self})")
    }
}

/// Remembers events in memory, of this process alone.
///
/// It holds at most as many events as it is told, and each for a limited time. When it is full the
/// oldest make room; an event that is being handled keeps its place.
#[derive(Debug)]
pub struct MemoryStore {
    capacity: usize,
    keep: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    states: HashMap<EventKey, State>,
    /// Done events, oldest first.
    order: VecDeque<(EventKey, Instant)>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    ClaimedUntil(Instant),
    Done,
}

impl Default for MemoryStore {
    /// 100,000 events for 25 hours: Event Grid tries for 24.
    fn default() -> Self {
        Self::new(100_000, Duration::from_hours(25))
    }
}

impl MemoryStore {
    /// Remembers up to `capacity` events, each of them for `keep`.
    pub fn new(capacity: usize, keep: Duration) -> Self {
        Self {
            capacity: capacity.max(1),
            keep,
            seen: Mutex::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut seen)
    }

    fn claim_now(&self, event: &EventKey, lease: Duration) -> Claim {
        let now = Instant::now();
        self.with(|seen| {
            seen.forget(now, self.keep);
            match seen.states.get(event) {
                Some(State::Done) => return Claim::Done,
                Some(State::ClaimedUntil(end)) if *end > now => return Claim::Busy,
                Some(State::ClaimedUntil(_)) => {}
                None if seen.states.len() < self.capacity => {}
                None => {
                    if !seen.make_room(now) {
                        // Everything is being handled right now; this one waits its turn.
                        return Claim::Busy;
                    }
                }
            }
            let state = State::ClaimedUntil(now + lease);
            seen.states.insert(event.clone(), state);
            Claim::Mine
        })
    }
}

impl Seen {
    fn forget(&mut self, now: Instant, keep: Duration) {
        while let Some((event, _)) = self.order.pop_front_if(|(_, at)| now - *at >= keep) {
            self.states.remove(&event);
        }
    }

    /// Forgets the oldest done event, or claims that have run out.
    fn make_room(&mut self, now: Instant) -> bool {
        if let Some((event, _)) = self.order.pop_front() {
            return self.states.remove(&event).is_some();
        }
        let before = self.states.len();
        self.states
            .retain(|_, state| !matches!(state, State::ClaimedUntil(end) if *end <= now));
        self.states.len() < before
    }
}

impl SeenStore for MemoryStore {
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim> {
        Box::pin(async move { Ok(self.claim_now(event, lease)) })
    }

    fn done<'a>(&'a self, event: &'a EventKey) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(|seen| {
                if !matches!(
                    seen.states.insert(event.clone(), State::Done),
                    Some(State::Done)
                ) {
                    seen.order.push_back((event.clone(), Instant::now()));
                }
            });
            Ok(())
        })
    }

    fn release<'a>(&'a self, event: &'a EventKey) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(|seen| {
                if let Some(State::ClaimedUntil(_)) = seen.states.get(event) {
                    seen.states.remove(event);
                }
            });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
