//! One server for all tests of a process that run at the same time.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Holds a server that others may be using.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The one that runs, or a new one.
    pub(crate) fn get(&self, start: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let server = Arc::new(start()?);
        *running = Arc::downgrade(&server);
        Some(server)
    }
}
