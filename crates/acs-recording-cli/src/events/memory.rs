//! What a webhook remembers of events, within bounds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use acs_recording::webhook::EventKey;

/// Some megabytes. Event Grid repeats what is at most a day old.
const CAPACITY: usize = 50_000;

/// The latest of what was put into it.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    known: HashSet<EventKey>,
    /// Oldest first.
    order: VecDeque<EventKey>,
}

impl Recent {
    /// Whether it is new.
    pub(super) fn insert(&self, key: EventKey) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.known.insert(key.clone()) {
            return false;
        }
        keys.order.push_back(key);
        if keys.order.len() > CAPACITY
            && let Some(oldest) = keys.order.pop_front()
        {
            keys.known.remove(&oldest);
        }
        true
    }

    pub(super) fn contains(&self, key: &EventKey) -> bool {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.known.contains(key)
    }

    pub(super) fn remove(&self, key: &EventKey) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.known.remove(key) {
            keys.order.retain(|known| known != key);
        }
    }
}

type Lock = Arc<tokio::sync::Mutex<()>>;

/// By the first document of a recording, a lock for its files: two downloads would be in each
/// other's way. It knows only those that somebody holds or waits for.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<String, Lock>>);

impl Places {
    pub(super) fn of(&self, document: &str) -> Lock {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| Arc::strong_count(place) > 1);
        Arc::clone(places.entry(document.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use acs_recording::Events;

    use super::*;

    fn key(number: usize) -> EventKey {
        let event = format!(r#"[{{"id": "{number}", "eventType": "x", "data": {{}}}}]"#);
        EventKey::of(&Events::parse(event.as_bytes()).next().unwrap().unwrap())
    }

    #[test]
    fn the_oldest_make_room() {
        let recent = Recent::default();
        for number in 0..=CAPACITY {
            assert!(recent.insert(key(number)));
        }
        assert!(!recent.insert(key(CAPACITY)));
        assert!(!recent.contains(&key(0)) && recent.contains(&key(1)));
        recent.remove(&key(1));
        assert!(recent.insert(key(1)));
        assert_eq!(recent.0.lock().unwrap().order.len(), CAPACITY);
    }

    #[test]
    fn places_are_known_while_they_are_held() {
        let places = Places::default();
        let held = places.of("a");
        for number in 0..10 {
            places.of(&number.to_string());
        }
        assert!(Arc::ptr_eq(&held, &places.of("a")));
        assert!(places.0.lock().unwrap().len() <= 2);
    }
}
