//! Which event is next: in memory, as the folder knows all else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

/// The events that are not finished, and when each is next.
#[derive(Debug)]
pub(super) struct Schedule {
    inner: Mutex<Inner>,
    /// Tells that something may be due, or that nothing is left.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How often each event has failed.
    failures: HashMap<String, u32>,
    due: BTreeMap<(Instant, u64), String>,
    /// What events are being handled about.
    busy: HashSet<String>,
    /// Events that wait until something is no longer busy.
    waiting: HashMap<String, Vec<String>>,
    next_number: u64,
}

/// An event that is being handled. When it is dropped the event is due again.
#[derive(Debug)]
pub(super) struct Lease {
    schedule: Arc<Schedule>,
    name: String,
    topics: Vec<String>,
    is_settled: bool,
}

impl Schedule {
    pub(super) fn new(names: Vec<String>) -> Self {
        let mut inner = Inner::default();
        let now = Instant::now();
        for name in names {
            inner.failures.insert(name.clone(), 0);
            inner.at(now, name);
        }
        Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
        }
    }

    /// An event is due, unless it is known.
    pub(super) fn add(&self, name: String) {
        let mut inner = self.lock();
        if inner.failures.contains_key(&name) {
            return;
        }
        inner.failures.insert(name.clone(), 0);
        inner.at(Instant::now(), name);
        drop(inner);
        self.changed.send_replace(());
    }

    /// How many events are not finished.
    pub(super) fn len(&self) -> usize {
        self.lock().failures.len()
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The next event, if it is due.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut inner = self.lock();
        let next = inner.due.first_entry()?;
        if next.key().0 > Instant::now() {
            return None;
        }
        Some(Lease {
            name: next.remove(),
            schedule: Arc::clone(self),
            topics: Vec::new(),
            is_settled: false,
        })
    }

    /// When the next event is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.due.first_key_value().map(|((at, _), _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn at(&mut self, time: Instant, name: String) {
        self.due.insert((time, self.next_number), name);
        self.next_number += 1;
    }
}

impl Lease {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How often the event has failed.
    pub(super) fn failures(&self) -> u32 {
        let inner = self.schedule.lock();
        inner.failures.get(&self.name).copied().unwrap_or_default()
    }

    /// Has these topics for itself, or else waits for its turn and gives nothing.
    pub(super) fn claim(mut self, topics: Vec<String>) -> Option<Self> {
        let schedule = Arc::clone(&self.schedule);
        let mut inner = schedule.lock();
        if let Some(topic) = topics.iter().find(|topic| inner.busy.contains(*topic)) {
            self.is_settled = true;
            let name = std::mem::take(&mut self.name);
            inner.waiting.entry(topic.clone()).or_default().push(name);
            return None;
        }
        inner.busy.extend(topics.iter().cloned());
        drop(inner);
        self.topics = topics;
        Some(self)
    }

    /// Nothing is left to do.
    pub(super) fn finish(mut self) {
        self.settle(|inner, name| {
            inner.failures.remove(&name);
        });
    }

    /// The event failed, and is due again at this time.
    pub(super) fn defer(mut self, time: Instant) {
        self.settle(|inner, name| {
            *inner.failures.entry(name.clone()).or_default() += 1;
            inner.at(time, name);
        });
    }

    fn settle(&mut self, change: impl FnOnce(&mut Inner, String)) {
        self.is_settled = true;
        let mut inner = self.schedule.lock();
        change(&mut inner, std::mem::take(&mut self.name));
        for topic in self.topics.drain(..) {
            inner.busy.remove(&topic);
            for name in inner.waiting.remove(&topic).unwrap_or_default() {
                inner.at(Instant::now(), name);
            }
        }
        drop(inner);
        self.schedule.changed.send_replace(());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle(|inner, name| inner.at(Instant::now(), name));
        }
    }
}
