//! Which events were handled already.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::event::Event;

/// The answer of a [`DeduplicationStore`], later.
pub type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Remembers which events were handled, so that a repeated delivery is not handled again.
///
/// An event is done when its handler succeeded, not when it arrived. When several processes share
/// an endpoint, put this on a store that they share, such as a database: `claim` is a conditional
/// insert with a token and an expiry time, `done` an update and `release` a delete, both of them
/// only where the stored token is the given one.
pub trait DeduplicationStore: Send + Sync + 'static {
    /// Claims an event for the caller, unless it is done or claimed. A claim that is neither
    /// `done` nor `release`d expires after `lease`, and the event can be claimed again.
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim>;

    /// Notes that a claimed event was handled. This must not touch a claim with another token,
    /// which somebody made after this one had expired.
    fn done<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()>;

    /// Gives a claim back: the event was not handled. This must not touch a claim with another
    /// token.
    fn release<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()>;
}

/// What a [`DeduplicationStore`] says to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The event is the caller's to handle, until the claim with this token expires.
    Mine(ClaimToken),
    /// Somebody else is handling it.
    Busy,
    /// It was handled.
    Done,
}

/// Tells one claim from all others, those on the same event included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimToken(u128);

impl ClaimToken {
    /// A new token, from 122 random bits.
    pub fn random() -> Self {
        Self(Uuid::new_v4().as_u128())
    }
}

/// 32 hexadecimal digits, for stores that keep text.
impl fmt::Display for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimToken({self})")
    }
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
/// It holds at most as many events as it is told, and each for a limited time. When it is full, the
/// oldest handled events make room, after all claims that have expired. An event that is being
/// handled keeps its place.
#[derive(Debug)]
pub struct MemoryStore {
    capacity: usize,
    keep: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    states: HashMap<EventKey, State>,
    /// Claimed events, by when their claims expire.
    claims: BTreeMap<(Instant, ClaimToken), EventKey>,
    /// Done events, oldest first.
    order: VecDeque<(EventKey, Instant)>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Claimed { until: Instant, token: ClaimToken },
    Done,
}

impl Default for MemoryStore {
    /// 100,000 events for 25 hours: Event Grid tries for 24.
    fn default() -> Self {
        Self::new(100_000, Duration::from_secs(25 * 60 * 60))
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
}

impl Seen {
    fn claim(&mut self, event: &EventKey, until: Instant, capacity: usize) -> Claim {
        match self.states.get(event).copied() {
            Some(State::Done) => return Claim::Done,
            Some(State::Claimed { .. }) => return Claim::Busy,
            // If everything is being handled right now, this one waits its turn.
            None if !self.make_room(capacity) => return Claim::Busy,
            None => {}
        }
        let token = ClaimToken::random();
        self.claims.insert((until, token), event.clone());
        let state = State::Claimed { until, token };
        self.states.insert(event.clone(), state);
        Claim::Mine(token)
    }

    fn done(&mut self, event: &EventKey, token: ClaimToken, now: Instant, capacity: usize) {
        match self.states.get(event).copied() {
            Some(State::Claimed { until, token: held }) if held == token => {
                self.claims.remove(&(until, token));
            }
            // The claim expired. What was handled was handled, unless somebody else is at it.
            None if self.make_room(capacity) => {}
            _ => return,
        }
        self.states.insert(event.clone(), State::Done);
        self.order.push_back((event.clone(), now));
    }

    fn release(&mut self, event: &EventKey, token: ClaimToken) {
        if let Some(State::Claimed { until, token: held }) = self.states.get(event).copied()
            && held == token
        {
            self.claims.remove(&(until, token));
            self.states.remove(event);
        }
    }

    /// Forgets claims that have expired, and done events after their time.
    fn forget(&mut self, now: Instant, keep: Duration) {
        while let Some(claim) = self.claims.first_entry()
            && claim.key().0 <= now
        {
            self.states.remove(&claim.remove());
        }
        while let Some((event, _)) = self.order.pop_front_if(|(_, at)| now - *at >= keep) {
            self.states.remove(&event);
        }
    }

    /// Whether there is room for one more, if need be in place of the oldest done event.
    fn make_room(&mut self, capacity: usize) -> bool {
        if self.states.len() < capacity {
            return true;
        }
        let oldest = self.order.pop_front();
        oldest.is_some_and(|(event, _)| self.states.remove(&event).is_some())
    }
}

impl DeduplicationStore for MemoryStore {
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim> {
        let now = Instant::now();
        let claim = self.with(|seen| {
            seen.forget(now, self.keep);
            seen.claim(event, now + lease, self.capacity)
        });
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn done<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()> {
        let now = Instant::now();
        self.with(|seen| {
            seen.forget(now, self.keep);
            seen.done(event, token, now, self.capacity);
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn release<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()> {
        self.with(|seen| seen.release(event, token));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests;
