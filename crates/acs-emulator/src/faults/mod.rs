//! Fault injection.

mod fault;
mod operation;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

pub(crate) use fault::ConnectionFault;
pub use fault::Fault;
pub use operation::Operation;

/// The faults of an emulator. Returned by [`Emulator::faults`](crate::Emulator::faults).
///
/// The first fault that matches a request is applied to it; faults are matched in the order in
/// which they were added. A fault that has been applied the maximum number of times no longer
/// matches. So a list of faults can describe a sequence of failures:
///
/// ```
/// # use acs_emulator::{Emulator, Fault, Operation};
/// # #[tokio::main]
/// # async fn main() -> Result<(), acs_emulator::Error> {
/// # let acs = Emulator::start().await?;
/// acs.faults().add(Fault::on(Operation::Stop).times(1).disconnect());
/// let busy = acs.faults().add(Fault::on(Operation::Stop).times(2).status(503));
/// // The next three requests to stop fail, and the fourth succeeds.
/// assert_eq!(busy.hits(), 0);
/// # acs.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<List>>, Arc<OnceLock<Observer>>);

/// Is told what happens to faults.
struct Observer(Box<dyn Fn(FaultChange) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// A fault that was added, applied or removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultChange {
    pub(crate) id: u64,
    pub(crate) hits: u32,
    pub(crate) removed: bool,
}

/// A fault to apply.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
}

#[derive(Debug, Default)]
struct List {
    last_id: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Fault,
    /// The number of requests that matched, whether or not the fault was applied.
    seen: u32,
    hits: u32,
    created_at: Timestamp,
}

impl Entry {
    /// Whether to apply the fault to this request. Counts the request.
    fn matches(&mut self, operation: Operation, path: &str) -> bool {
        let Fault {
            operation: of,
            target,
            after,
            times,
            ..
        } = &self.fault;
        let any = *of == Operation::Any && operation != Operation::Event;
        let applies = (any || *of == operation)
            && target.as_ref().is_none_or(|target| contains(path, target))
            && times.is_none_or(|times| self.hits < times);
        if !applies {
            return false;
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen <= *after {
            return false;
        }
        self.hits = self.hits.saturating_add(1);
        true
    }
}

/// Whether the path contains the target. Both may be percent-encoded.
fn contains(path: &str, target: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    decoded.contains(target) || decoded.contains(&*percent_decode_str(target).decode_utf8_lossy())
}

/// A fault that was added, as the admin interface lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ActiveFault {
    /// The number of the fault.
    pub id: u64,
    /// How often the fault has been applied.
    pub hits: u32,
    /// When the fault was added, in real time.
    pub created_at: Timestamp,
    /// The fault itself.
    pub fault: Fault,
}

impl Faults {
    /// Adds a fault after the existing ones.
    #[allow(clippy::must_use_candidate, reason = "most callers need no handle")]
    pub fn add(&self, fault: Fault) -> FaultHandle {
        if let Err(reason) = fault.check() {
            tracing::warn!(reason, "part of a fault has no effect");
        }
        let mut list = self.lock();
        list.last_id += 1;
        let id = list.last_id;
        list.entries.push(Entry {
            id,
            fault,
            seen: 0,
            hits: 0,
            created_at: Timestamp::now(),
        });
        drop(list);
        self.changed(id, 0, false);
        FaultHandle {
            faults: self.clone(),
            id,
        }
    }

    /// Removes all faults.
    pub fn clear(&self) {
        let removed = std::mem::take(&mut self.lock().entries);
        for entry in removed {
            self.changed(entry.id, entry.hits, true);
        }
    }

    /// All faults that were added and not removed, including those that no longer match.
    pub fn list(&self) -> Vec<ActiveFault> {
        let list = self.lock();
        let active = |entry: &Entry| ActiveFault {
            id: entry.id,
            hits: entry.hits,
            created_at: entry.created_at,
            fault: entry.fault.clone(),
        };
        list.entries.iter().map(active).collect()
    }

    /// The fault to apply to this request, if any.
    pub(crate) fn next_for(&self, operation: Operation, path: &str) -> Option<Applied> {
        let mut list = self.lock();
        let entry = list
            .entries
            .iter_mut()
            .find_map(|entry| entry.matches(operation, path).then_some(entry))?;
        tracing::debug!(id = entry.id, ?operation, path, "fault applied");
        let applied = Applied {
            id: entry.id,
            fault: entry.fault.clone(),
        };
        let hits = entry.hits;
        drop(list);
        self.changed(applied.id, hits, false);
        Some(applied)
    }

    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut list = self.lock();
        let Some(index) = list.entries.iter().position(|entry| entry.id == id) else {
            return false;
        };
        let entry = list.entries.remove(index);
        drop(list);
        self.changed(id, entry.hits, true);
        true
    }

    /// Calls `observer` whenever a fault is added, applied or removed. Only the first observer counts.
    pub(crate) fn observe(&self, observer: impl Fn(FaultChange) + Send + Sync + 'static) {
        let _ = self.1.set(Observer(Box::new(observer)));
    }

    fn changed(&self, id: u64, hits: u32, removed: bool) {
        if let Some(Observer(observer)) = self.1.get() {
            observer(FaultChange { id, hits, removed });
        }
    }

    /// No operation leaves the list in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to a fault that was added. Dropping it does not remove the fault.
#[derive(Clone, Debug)]
pub struct FaultHandle {
    faults: Faults,
    id: u64,
}

impl FaultHandle {
    /// The number of the fault.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How often the fault has been applied; 0 after it was removed.
    pub fn hits(&self) -> u32 {
        let list = self.faults.lock();
        let entry = list.entries.iter().find(|entry| entry.id == self.id);
        entry.map_or(0, |entry| entry.hits)
    }

    /// Removes the fault.
    pub fn remove(self) {
        self.faults.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(faults: &Faults, operation: Operation, path: &str, count: usize) -> Vec<u16> {
        (0..count)
            .map(|_| {
                faults
                    .next_for(operation, path)
                    .and_then(|applied| applied.fault.status)
                    .unwrap_or_default()
            })
            .collect()
    }

    #[test]
    fn faults_apply_in_the_order_in_which_they_were_added() {
        let faults = Faults::default();
        let first = faults.add(Fault::on(Operation::Pause).after(1).times(2).status(500));
        let second = faults.add(Fault::on(Operation::Pause).times(2).status(503));
        let got = statuses(&faults, Operation::Pause, "/r", 5);
        assert_eq!(got, [503, 500, 500, 503, 0]);
        assert_eq!((first.hits(), second.hits()), (2, 2));
        assert_eq!(faults.list().len(), 2);
        first.remove();
        assert_eq!(faults.list().len(), 1);
        faults.clear();
        assert_eq!(second.hits(), 0);
    }

    #[test]
    fn targets_can_be_given_as_ids_or_as_parts_of_a_path() {
        for target in ["8:acs:r_u", "8%3Aacs%3Ar_u", "8%3aacs%3ar_u"] {
            let faults = Faults::default();
            faults.add(
                Fault::on(Operation::GetParticipant)
                    .target(target)
                    .status(500),
            );
            for path in ["/participants/8:acs:r_u", "/participants/8%3Aacs%3Ar_u"] {
                let got = statuses(&faults, Operation::GetParticipant, path, 1);
                assert_eq!(got, [500], "{target} {path}");
            }
            assert_eq!(
                statuses(&faults, Operation::GetParticipant, "/8:acs:r_v", 1),
                [0]
            );
        }
        let faults = Faults::default();
        faults.add(Fault::on(Operation::Event).target("100%").status(500));
        assert_eq!(statuses(&faults, Operation::Event, "/100%/x", 1), [500]);
    }

    #[test]
    fn faults_apply_to_their_operation_and_target_only() {
        let faults = Faults::default();
        faults.add(Fault::on(Operation::Content).target("one").status(500));
        faults.add(Fault::on(Operation::Any).target("three").status(502));
        assert_eq!(statuses(&faults, Operation::Content, "/one", 1), [500]);
        assert_eq!(statuses(&faults, Operation::Content, "/two", 1), [0]);
        assert_eq!(statuses(&faults, Operation::Metadata, "/one", 1), [0]);
        assert_eq!(statuses(&faults, Operation::Metadata, "/three", 1), [502]);
        assert_eq!(statuses(&faults, Operation::Event, "/three", 1), [0]);
    }
}
