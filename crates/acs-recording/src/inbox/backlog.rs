//! The events that are kept for waits that begin later.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::event::{Event, EventPayload};

/// How many bytes the kept events may have in all.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How many of them events about files have to themselves.
const FILE_BYTES: usize = MAX_BYTES / 2;
/// What an event takes beside its text and data.
const OVERHEAD: usize = 1024;
/// Without evictions for this long, the next one is reported again.
const QUIET: Duration = Duration::from_secs(60);

type Type = Discriminant<EventPayload>;

/// The latest events. An event takes room from events of its own type only, as far as it can: many
/// `ParticipantsUpdated` do not push out the one event about a file.
pub(super) struct Backlog {
    /// How many events of one type are kept.
    per_type: usize,
    /// In the order in which they came.
    events: BTreeMap<u64, Arc<Event>>,
    types: HashMap<Type, Kept>,
    next: u64,
    bytes: usize,
    last_eviction: Option<Instant>,
}

/// The events of one type.
struct Kept {
    order: VecDeque<u64>,
    bytes: usize,
    /// How many bytes no other type can take from it.
    reserved: usize,
}

impl Kept {
    fn of(kind: &EventPayload) -> Self {
        let is_file = matches!(kind, EventPayload::RecordingFileStatusUpdated(_));
        Self {
            order: VecDeque::new(),
            bytes: 0,
            reserved: if is_file { FILE_BYTES } else { 0 },
        }
    }
}

impl Backlog {
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

    pub(super) fn keep(&mut self, event: Arc<Event>) {
        let kind = discriminant(event.payload());
        let kept = self.types.entry(kind);
        let kept = kept.or_insert_with(|| Kept::of(event.payload()));
        kept.order.push_back(self.next);
        kept.bytes += size(&event);
        self.bytes += size(&event);
        self.events.insert(self.next, event);
        self.next += 1;
        if kept.order.len() > self.per_type {
            self.evict(kind);
        }
        while self.bytes > MAX_BYTES
            && let Some(kind) = self.largest()
        {
            self.evict(kind);
        }
    }

    /// The type whose events take the most room, beyond what is theirs alone.
    fn largest(&self) -> Option<Type> {
        let excess = |kept: &Kept| kept.bytes.saturating_sub(kept.reserved);
        let (kind, kept) = self.types.iter().max_by_key(|(_, kept)| excess(kept))?;
        (excess(kept) > 0).then_some(*kind)
    }

    /// Drops the oldest event of a type.
    fn evict(&mut self, kind: Type) {
        let Some(kept) = self.types.get_mut(&kind) else {
            return;
        };
        let Some(event) = kept
            .order
            .pop_front()
            .and_then(|number| self.events.remove(&number))
        else {
            return;
        };
        kept.bytes -= size(&event);
        self.bytes -= size(&event);
        let now = Instant::now();
        if self.last_eviction.is_none_or(|last| now - last >= QUIET) {
            warn!(
                event_type = event.event_type,
                kept = self.events.len(),
                "the inbox is full: from now on the oldest events of a type make room, and a wait \
                 that begins later does not see them"
            );
        }
        self.last_eviction = Some(now);
    }
}

/// What an event takes, about.
fn size(event: &Event) -> usize {
    event.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::super::tests::{event, file, state};
    use super::*;

    fn participants(size: usize) -> Event {
        let text = "x".repeat(size);
        event(&format!(
            r#"{{"id": "p", "type": "Microsoft.Communication.ParticipantsUpdated",
                "data": {{"callConnectionId": "{text}"}}}}"#
        ))
    }

    fn count(backlog: &Backlog, is_wanted: impl Fn(&EventPayload) -> bool) -> usize {
        let events = backlog.iter().filter(|event| is_wanted(event.payload()));
        events.count()
    }

    fn files(backlog: &Backlog) -> usize {
        count(backlog, |kind| {
            matches!(kind, EventPayload::RecordingFileStatusUpdated(_))
        })
    }

    fn check(backlog: &Backlog) {
        let held: usize = backlog.iter().map(|event| size(event)).sum();
        assert_eq!(backlog.bytes, held);
        assert!(backlog.bytes <= MAX_BYTES, "{}", backlog.bytes);
        let by_type: usize = backlog.types.values().map(|kept| kept.bytes).sum();
        assert_eq!(by_type, held);
    }

    #[test]
    fn a_flood_pushes_out_its_own_type_only() {
        let mut backlog = Backlog::new(100);
        backlog.keep(Arc::new(file("r")));
        backlog.keep(Arc::new(state("r", "active", 1)));
        for _ in 0..3000 {
            backlog.keep(Arc::new(participants(10)));
            backlog.keep(Arc::new(event(r#"{"id": "1", "type": "Contoso.Unknown"}"#)));
        }
        assert_eq!(files(&backlog), 1);
        let states = |kind: &EventPayload| matches!(kind, EventPayload::RecordingStateChanged(_));
        assert_eq!(count(&backlog, states), 1);
        assert_eq!(backlog.len(), 202);
        check(&backlog);
    }

    #[test]
    fn a_flood_of_large_events_does_not_either() {
        let mut backlog = Backlog::new(1000);
        // More than any other type has of its own.
        for _ in 0..1000 {
            backlog.keep(Arc::new(file(&"r".repeat(2000))));
        }
        let text = "x".repeat(10 * 1024);
        for _ in 0..1000 {
            for kind in ["PlayStarted", "PlayCompleted", "PlayFailed", "HoldFailed"] {
                backlog.keep(Arc::new(event(&format!(
                    r#"{{"id": "p", "type": "Microsoft.Communication.{kind}",
                        "data": {{"callConnectionId": "{text}"}}}}"#
                ))));
            }
            backlog.keep(Arc::new(participants(20 * 1024)));
        }
        assert_eq!(files(&backlog), 1000);
        check(&backlog);
    }

    #[test]
    fn it_is_bounded_in_bytes_wherever_an_event_is_large() {
        let large = "x".repeat(1 << 20);
        for members in [
            format!(r#""data": "{large}""#),
            format!(r#""data_base64": "{large}""#),
            format!(r#""subject": "{large}""#),
            format!(r#""extension": "{large}""#),
        ] {
            let mut backlog = Backlog::new(1000);
            let large = format!(r#"{{"id": "l", "type": "Contoso.Large", {members}}}"#);
            for _ in 0..40 {
                backlog.keep(Arc::new(event(&large)));
            }
            assert!((15..=21).contains(&backlog.len()), "{}", backlog.len());
            check(&backlog);
        }
        let mut backlog = Backlog::new(100_000);
        for _ in 0..40_000 {
            backlog.keep(Arc::new(file("r")));
        }
        check(&backlog);
        assert!(backlog.len() > 5000);
    }

    #[tokio::test(start_paused = true)]
    async fn evictions_are_reported_once_per_burst() {
        let (lines, subscriber) = super::super::tests::lines();
        let _guard = tracing::subscriber::set_default(subscriber);
        let mut backlog = Backlog::new(2);
        for burst in 1..3 {
            for _ in 0..10 {
                backlog.keep(Arc::new(participants(1)));
                tokio::time::advance(Duration::from_secs(50)).await;
            }
            let lines = lines();
            assert_eq!(lines.matches("the inbox is full").count(), burst, "{lines}");
            tokio::time::advance(Duration::from_secs(11)).await;
        }
    }
}
