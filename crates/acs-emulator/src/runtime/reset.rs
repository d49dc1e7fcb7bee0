//! Removes everything, as if the emulator had just started.

use super::Runtime;
use crate::activity::Change;

/// What a reset does not remove.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keep {
    pub(crate) subscriptions: bool,
    pub(crate) faults: bool,
}

impl Runtime {
    /// Ends all calls and removes them, the recordings, documents, deliveries and requests, and,
    /// unless they are kept, the subscriptions and faults. Nobody is notified. Keys, names of
    /// participants and the clock stay as they are.
    pub(crate) fn reset(&self, keep: Keep) {
        // Nothing happens while the state is locked.
        let mut state = self.service.state();
        state.clear();
        self.tasks.reset();
        self.delivery.reset(keep.subscriptions);
        self.store.clear();
        self.activity.requests.clear();
        if !keep.faults {
            self.faults.clear();
        }
        self.activity.changed(Change::Reset);
    }
}
