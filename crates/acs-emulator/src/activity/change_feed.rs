//! The latest changes, for views that are kept up to date.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::change::Change;

/// The number of changes that are kept, so that a view can resume after a lost connection.
const KEPT: usize = 2_000;

/// The latest changes, numbered from 1. A view asks for those after the last one that it knows, so a
/// slow one costs nothing.
#[derive(Debug)]
pub(crate) struct ChangeFeed {
    /// Differs each time the emulator starts.
    pub(crate) instance: Uuid,
    changes: Mutex<VecDeque<Change>>,
    /// The number of the newest change.
    newest: watch::Sender<u64>,
}

/// Changes that a view has not seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// With the number of the first one.
    Changes(u64, Vec<Change>),
    /// Some are no longer kept.
    Gap,
}

impl ChangeFeed {
    pub(super) fn new() -> Self {
        Self {
            instance: Uuid::new_v4(),
            changes: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    pub(crate) fn push(&self, change: Change) {
        let mut changes = self.changes();
        if changes.len() == KEPT {
            changes.pop_front();
        }
        changes.push_back(change);
        self.newest.send_modify(|newest| *newest += 1);
    }

    /// The number of the newest change.
    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Completes when there are changes after number `seen`.
    pub(crate) async fn wait_beyond(&self, seen: u64) {
        let mut newest = self.newest.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = newest.wait_for(|newest| *newest > seen).await;
    }

    /// All changes after number `seen`.
    pub(crate) fn after(&self, seen: u64) -> Unseen {
        let changes = self.changes();
        let newest = self.newest();
        let missing = newest.saturating_sub(seen);
        let kept = changes.len() as u64;
        if seen > newest || missing > kept {
            return Unseen::Gap;
        }
        let skipped = usize::try_from(kept - missing).unwrap_or(usize::MAX);
        Unseen::Changes(seen + 1, changes.iter().skip(skipped).cloned().collect())
    }

    /// No operation leaves the list in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_numbered_and_kept_for_a_while() {
        let feed = ChangeFeed::new();
        assert_eq!(feed.after(0), Unseen::Changes(1, Vec::new()));
        assert_eq!(feed.after(1), Unseen::Gap);
        feed.push(Change::Clock);
        feed.push(Change::Keys);
        assert_eq!(feed.after(1), Unseen::Changes(2, vec![Change::Keys]));
        for _ in 0..KEPT {
            feed.push(Change::Clock);
        }
        assert_eq!(feed.after(1), Unseen::Gap);
        let Unseen::Changes(3, all) = feed.after(2) else {
            panic!("all changes after the second are kept");
        };
        assert_eq!(all.len(), KEPT);
        assert_eq!(feed.newest(), 2 + KEPT as u64);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_next_change() {
        let feed = ChangeFeed::new();
        feed.push(Change::Clock);
        feed.wait_beyond(0).await;
        tokio::join!(feed.wait_beyond(1), async { feed.push(Change::Keys) });
    }
}
