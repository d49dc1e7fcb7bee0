//! The schedule of pending events, in memory. Everything else is in the folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::telemetry::{spool_events_added, spool_events_removed};

/// The pending events, and when each of them is due.
#[derive(Debug)]
pub(super) struct Schedule {
    inner: Mutex<Inner>,
    /// Signals that an event may be due, or that none is left.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of failures of each event.
    failures: HashMap<String, u32>,
    due: BTreeMap<(Instant, u64), String>,
    /// The keys of events that are being handled.
    locked: HashSet<String>,
    /// Events that wait for a key.
    waiting: HashMap<String, Vec<String>>,
    next_number: u64,
}

/// An event that is being handled. When this is dropped, the event is due again.
#[derive(Debug)]
pub(super) struct Lease {
    schedule: Arc<Schedule>,
    name: String,
    keys: Vec<String>,
    is_settled: bool,
}

impl Schedule {
    pub(super) fn new(names: Vec<String>) -> Self {
        let mut inner = Inner::default();
        let now = Instant::now();
        spool_events_added(names.len());
        for name in names {
            inner.failures.insert(name.clone(), 0);
            inner.schedule(now, name);
        }
        Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
        }
    }

    /// Adds an event that is due now, unless it is known.
    pub(super) fn add(&self, name: String) {
        let mut inner = self.lock();
        if inner.failures.contains_key(&name) {
            return;
        }
        inner.failures.insert(name.clone(), 0);
        inner.schedule(Instant::now(), name);
        drop(inner);
        spool_events_added(1);
        self.changed.send_replace(());
    }

    /// The number of pending events.
    pub(super) fn len(&self) -> usize {
        self.lock().failures.len()
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes the next event, if it is due.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut inner = self.lock();
        let next = inner.due.first_entry()?;
        if next.key().0 > Instant::now() {
            return None;
        }
        Some(Lease {
            name: next.remove(),
            schedule: Arc::clone(self),
            keys: Vec::new(),
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

/// The events stay on disk, but no open spool has them.
impl Drop for Schedule {
    fn drop(&mut self) {
        spool_events_removed(self.len());
    }
}

impl Inner {
    fn schedule(&mut self, time: Instant, name: String) {
        self.due.insert((time, self.next_number), name);
        self.next_number += 1;
    }
}

impl Lease {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The number of failures of the event.
    pub(super) fn failures(&self) -> u32 {
        let inner = self.schedule.lock();
        inner.failures.get(&self.name).copied().unwrap_or_default()
    }

    /// Locks these keys. If one of them is locked, the event waits for it, and this returns nothing.
    pub(super) fn lock(mut self, keys: Vec<String>) -> Option<Self> {
        let schedule = Arc::clone(&self.schedule);
        let mut inner = schedule.lock();
        if let Some(key) = keys.iter().find(|key| inner.locked.contains(*key)) {
            self.is_settled = true;
            let name = std::mem::take(&mut self.name);
            inner.waiting.entry(key.clone()).or_default().push(name);
            return None;
        }
        inner.locked.extend(keys.iter().cloned());
        drop(inner);
        self.keys = keys;
        Some(self)
    }

    /// The event was handled, or is given up.
    pub(super) fn finish(mut self) {
        self.settle(|inner, name| {
            inner.failures.remove(&name);
        });
        spool_events_removed(1);
    }

    /// The event failed, and is due again at this time.
    pub(super) fn defer(mut self, time: Instant) {
        self.settle(|inner, name| {
            *inner.failures.entry(name.clone()).or_default() += 1;
            inner.schedule(time, name);
        });
    }

    fn settle(&mut self, change: impl FnOnce(&mut Inner, String)) {
        self.is_settled = true;
        let mut inner = self.schedule.lock();
        change(&mut inner, std::mem::take(&mut self.name));
        for key in self.keys.drain(..) {
            inner.locked.remove(&key);
            for name in inner.waiting.remove(&key).unwrap_or_default() {
                inner.schedule(Instant::now(), name);
            }
        }
        drop(inner);
        self.schedule.changed.send_replace(());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle(|inner, name| inner.schedule(Instant::now(), name));
        }
    }
}
