//! The recent events, which are kept for later waits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::event::{Event, EventPayload};

/// The maximum size of all recent events, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The part of it that is reserved for file events.
const RESERVED_FOR_FILES: usize = MAX_BYTES / 2;
/// The size of an event beside its text and data.
const OVERHEAD: usize = 1024;
/// After this time without an eviction, the next one is logged again.
const BURST_PAUSE: Duration = Duration::from_secs(60);

type Type = Discriminant<EventPayload>;

/// The most recent events. If possible, an event replaces only events of its own type: many
/// `ParticipantsUpdated` do not replace the one file event.
pub(super) struct RecentEvents {
    /// The maximum number of events of one type.
    per_type: usize,
    /// In the order of their arrival.
    events: BTreeMap<u64, Arc<Event>>,
    types: HashMap<Type, TypeUsage>,
    next: u64,
    bytes: usize,
    last_eviction: Option<Instant>,
}

/// The events of one type.
struct TypeUsage {
    order: VecDeque<u64>,
    bytes: usize,
    /// The bytes that no other type can take.
    reserved: usize,
}

impl TypeUsage {
    fn of(payload: &EventPayload) -> Self {
        let is_file = matches!(payload, EventPayload::RecordingFileStatusUpdated(_));
        Self {
            order: VecDeque::new(),
            bytes: 0,
            reserved: if is_file { RESERVED_FOR_FILES } else { 0 },
        }
    }
}

impl RecentEvents {
    pub(super) fn new(per_type: usize) -> Self {
        Self {
            per_type,
            events: BTreeMap::new(),
            types: HashMap::new(),
            next: 0,
            bytes: 0,
            last_eviction: None,
        }
    }

    /// The events, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.values()
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        let event_type = discriminant(event.payload());
        let usage = self.types.entry(event_type);
        let usage = usage.or_insert_with(|| TypeUsage::of(event.payload()));
        usage.order.push_back(self.next);
        usage.bytes += size(&event);
        self.bytes += size(&event);
        self.events.insert(self.next, event);
        self.next += 1;
        if usage.order.len() > self.per_type {
            self.evict(event_type);
        }
        while self.bytes > MAX_BYTES
            && let Some(event_type) = self.largest()
        {
            self.evict(event_type);
        }
    }

    /// The type that uses the most bytes beyond those reserved for it.
    fn largest(&self) -> Option<Type> {
        let excess = |usage: &TypeUsage| usage.bytes.saturating_sub(usage.reserved);
        let (event_type, usage) = self.types.iter().max_by_key(|(_, usage)| excess(usage))?;
        (excess(usage) > 0).then_some(*event_type)
    }

    /// Drops the oldest event of a type.
    fn evict(&mut self, event_type: Type) {
        let Some(usage) = self.types.get_mut(&event_type) else {
            return;
        };
        let Some(event) = usage
            .order
            .pop_front()
            .and_then(|number| self.events.remove(&number))
        else {
            return;
        };
        usage.bytes -= size(&event);
        self.bytes -= size(&event);
        let now = Instant::now();
        if self
            .last_eviction
            .is_none_or(|last| now - last >= BURST_PAUSE)
        {
            warn!(
                event_type = event.event_type,
                kept = self.events.len(),
                "the inbox is full: the oldest events of a type are removed, and later waits do not \
                 get them"
            );
        }
        self.last_eviction = Some(now);
    }
}

/// The approximate size of an event, in bytes.
fn size(event: &Event) -> usize {
    event.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::tests::{event, file, state};

    fn participants(size: usize) -> Event {
        let text = "x".repeat(size);
        event(&format!(
            r#"{{"id": "p", "type": "Microsoft.Communication.ParticipantsUpdated",
                "data": {{"callConnectionId": "{text}"}}}}"#
        ))
    }

    fn count(recent: &RecentEvents, is_wanted: impl Fn(&EventPayload) -> bool) -> usize {
        let events = recent.iter().filter(|event| is_wanted(event.payload()));
        events.count()
    }

    fn files(recent: &RecentEvents) -> usize {
        count(recent, |payload| {
            matches!(payload, EventPayload::RecordingFileStatusUpdated(_))
        })
    }

    fn check(recent: &RecentEvents) {
        let held: usize = recent.iter().map(|event| size(event)).sum();
        assert_eq!(recent.bytes, held);
        assert!(recent.bytes <= MAX_BYTES, "{}", recent.bytes);
        let by_type: usize = recent.types.values().map(|usage| usage.bytes).sum();
        assert_eq!(by_type, held);
    }

    #[test]
    fn a_flood_evicts_only_its_own_type() {
        let mut recent = RecentEvents::new(100);
        recent.push(Arc::new(file("r")));
        recent.push(Arc::new(state("r", "active", 1)));
        for _ in 0..3000 {
            recent.push(Arc::new(participants(10)));
            recent.push(Arc::new(event(r#"{"id": "1", "type": "Contoso.Unknown"}"#)));
        }
        assert_eq!(files(&recent), 1);
        let states =
            |payload: &EventPayload| matches!(payload, EventPayload::RecordingStateChanged(_));
        assert_eq!(count(&recent, states), 1);
        assert_eq!(recent.len(), 202);
        check(&recent);
    }

    #[test]
    fn a_flood_of_large_events_evicts_no_file_events() {
        let mut recent = RecentEvents::new(1000);
        // More bytes than are reserved for any other type.
        for _ in 0..1000 {
            recent.push(Arc::new(file(&"r".repeat(2000))));
        }
        let text = "x".repeat(10 * 1024);
        for _ in 0..1000 {
            for kind in ["PlayStarted", "PlayCompleted", "PlayFailed", "HoldFailed"] {
                recent.push(Arc::new(event(&format!(
                    r#"{{"id": "p", "type": "Microsoft.Communication.{kind}",
                        "data": {{"callConnectionId": "{text}"}}}}"#
                ))));
            }
            recent.push(Arc::new(participants(20 * 1024)));
        }
        assert_eq!(files(&recent), 1000);
        check(&recent);
    }

    #[test]
    fn the_size_is_bounded_whichever_member_is_large() {
        let large = "x".repeat(1 << 20);
        for members in [
            format!(r#""data": "{large}""#),
            format!(r#""data_base64": "{large}""#),
            format!(r#""subject": "{large}""#),
            format!(r#""extension": "{large}""#),
        ] {
            let mut recent = RecentEvents::new(1000);
            let large = format!(r#"{{"id": "l", "type": "Contoso.Large", {members}}}"#);
            for _ in 0..40 {
                recent.push(Arc::new(event(&large)));
            }
            assert!((15..=21).contains(&recent.len()), "{}", recent.len());
            check(&recent);
        }
        let mut recent = RecentEvents::new(100_000);
        for _ in 0..40_000 {
            recent.push(Arc::new(file("r")));
        }
        check(&recent);
        assert!(recent.len() > 5000);
    }

    #[tokio::test(start_paused = true)]
    async fn evictions_are_logged_once_per_burst() {
        let (lines, subscriber) = crate::inbox::tests::lines();
        let _guard = tracing::subscriber::set_default(subscriber);
        let mut recent = RecentEvents::new(2);
        for burst in 1..3 {
            for _ in 0..10 {
                recent.push(Arc::new(participants(1)));
                tokio::time::advance(Duration::from_secs(50)).await;
            }
            let lines = lines();
            assert_eq!(lines.matches("the inbox is full").count(), burst, "{lines}");
            tokio::time::advance(Duration::from_secs(11)).await;
        }
    }
}
