//! Recognizing events that were handled before.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::event::Event;
use crate::format::Hex;

/// The future of a [`DeduplicationStore`] operation.
pub type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Remembers which events were handled, so that a repeated delivery is not handled again.
///
/// An event is complete when its handler has succeeded, not when it has arrived. If several processes
/// share an endpoint, implement this on a store that they share, such as a database: `claim` is a
/// conditional insert with a token and an expiry time, `complete` is an update, and `release` is a
/// delete, both of them only if the stored token is the given one.
///
/// Keep completed events for at least 25 hours: Event Grid tries to deliver an event for 24.
///
/// An error of `claim` leads to another delivery of the event. An error of the other two is logged:
/// the event may be handled twice, or a little later.
pub trait DeduplicationStore: Send + Sync + 'static {
    /// Claims an event for the caller, unless it is claimed or complete. A claim that is neither
    /// completed nor released expires after `lease`, and the event can be claimed again.
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim>;

    /// Records that a claimed event was handled. This must not change a claim with another token,
    /// which was made after this one had expired.
    fn complete<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()>;

    /// Gives up a claim because the event was not handled. This must not change a claim with another
    /// token.
    fn release<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()>;
}

/// The result of [`DeduplicationStore::claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The caller handles the event, until the claim with this token expires.
    Acquired(ClaimToken),
    /// Another delivery of the event is being handled.
    InProgress,
    /// The event was handled.
    Completed,
}

/// Identifies one claim among all claims, including earlier ones on the same event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimToken(u128);

impl ClaimToken {
    /// A new token, from 122 random bits.
    pub fn random() -> Self {
        Self(Uuid::new_v4().as_u128())
    }
}

/// 32 hexadecimal digits, for stores that hold text.
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

/// Identifies an event by its source and its id, which repeated deliveries have in common.
///
/// `Display` writes 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventKey([u8; 32]);

impl EventKey {
    /// The key of an event.
    pub fn of(event: &Event) -> Self {
        let source = event.source.as_deref().unwrap_or_default();
        let mut hash = Sha256::new();
        // The length in front keeps different pairs from being the same bytes.
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
        hash.update(&event.id);
        Self(hash.finalize().into())
    }

    /// The SHA-256 hash of source and id.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({self})")
    }
}

/// Remembers events in the memory of this process. This is the default of a webhook.
///
/// It holds a limited number of events, each for a limited time. When it is full, expired claims are
/// removed first and the oldest completed events next. An event that is being handled is never
/// removed.
#[derive(Debug)]
pub struct MemoryStore {
    capacity: usize,
    retention: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    states: HashMap<EventKey, State>,
    /// Claimed events by the expiry of their claims.
    claims: BTreeMap<(Instant, ClaimToken), EventKey>,
    /// Completed events, oldest first.
    completed: VecDeque<(EventKey, Instant)>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Claimed { until: Instant, token: ClaimToken },
    Completed,
}

impl Default for MemoryStore {
    /// 100,000 events for 25 hours. Event Grid tries to deliver an event for 24.
    fn default() -> Self {
        Self::new(100_000, Duration::from_secs(25 * 60 * 60))
    }
}

impl MemoryStore {
    /// Remembers up to `capacity` events, at least one, for `retention` after they were completed.
    pub fn new(capacity: usize, retention: Duration) -> Self {
        Self {
            capacity: capacity.max(1),
            retention,
            entries: Mutex::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        change(&mut self.entries.lock())
    }
}

impl Entries {
    fn claim(&mut self, event: &EventKey, until: Instant, capacity: usize) -> Claim {
        match self.states.get(event).copied() {
            Some(State::Completed) => return Claim::Completed,
            Some(State::Claimed { .. }) => return Claim::InProgress,
            // Every remembered event is being handled, so this one is delivered again later.
            None if !self.make_room(capacity) => return Claim::InProgress,
            None => {}
        }
        let token = ClaimToken::random();
        self.claims.insert((until, token), event.clone());
        let state = State::Claimed { until, token };
        self.states.insert(event.clone(), state);
        Claim::Acquired(token)
    }

    fn complete(&mut self, event: &EventKey, token: ClaimToken, now: Instant, capacity: usize) {
        match self.states.get(event).copied() {
            Some(State::Claimed { until, token: held }) if held == token => {
                self.claims.remove(&(until, token));
            }
            // The claim has expired, but the event was handled and nobody else has claimed it.
            None if self.make_room(capacity) => {}
            _ => return,
        }
        self.states.insert(event.clone(), State::Completed);
        self.completed.push_back((event.clone(), now));
    }

    fn release(&mut self, event: &EventKey, token: ClaimToken) {
        if let Some(State::Claimed { until, token: held }) = self.states.get(event).copied()
            && held == token
        {
            self.claims.remove(&(until, token));
            self.states.remove(event);
        }
    }

    /// Removes expired claims, and completed events after their retention.
    fn expire(&mut self, now: Instant, retention: Duration) {
        while let Some(claim) = self.claims.first_entry()
            && claim.key().0 <= now
        {
            self.states.remove(&claim.remove());
        }
        while let Some((event, at)) = self.completed.front()
            && now - *at >= retention
        {
            self.states.remove(event);
            self.completed.pop_front();
        }
    }

    /// Whether there is room for one more event, if necessary in place of the oldest completed one.
    fn make_room(&mut self, capacity: usize) -> bool {
        if self.states.len() < capacity {
            return true;
        }
        let oldest = self.completed.pop_front();
        oldest.is_some_and(|(event, _)| self.states.remove(&event).is_some())
    }
}

impl DeduplicationStore for MemoryStore {
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim> {
        let now = Instant::now();
        let claim = self.with(|entries| {
            entries.expire(now, self.retention);
            entries.claim(event, now + lease, self.capacity)
        });
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn complete<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()> {
        let now = Instant::now();
        self.with(|entries| {
            entries.expire(now, self.retention);
            entries.complete(event, token, now, self.capacity);
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn release<'a>(&'a self, event: &'a EventKey, token: ClaimToken) -> StoreFuture<'a, ()> {
        self.with(|entries| entries.release(event, token));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests;
