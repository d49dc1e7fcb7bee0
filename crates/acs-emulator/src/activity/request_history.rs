//! The latest requests to the service.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::RequestRecord;

/// The number of requests that are kept.
const KEPT: usize = 1_000;

/// A request with its number.
#[derive(Clone, Debug)]
pub(crate) struct NumberedRequest {
    pub(crate) id: u64,
    pub(crate) record: Arc<RequestRecord>,
}

/// The latest requests.
#[derive(Debug, Default)]
pub(crate) struct RequestHistory(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    last_id: u64,
    /// Oldest first.
    kept: VecDeque<NumberedRequest>,
}

impl RequestHistory {
    /// Keeps a request and returns its id. Later requests have greater ids.
    pub(super) fn add(&self, record: RequestRecord) -> u64 {
        let mut requests = self.requests();
        requests.last_id += 1;
        let id = requests.last_id;
        if requests.kept.len() == KEPT {
            requests.kept.pop_front();
        }
        requests.kept.push_back(NumberedRequest {
            id,
            record: Arc::new(record),
        });
        id
    }

    /// The requests that are kept, oldest first.
    pub(crate) fn list(&self) -> Vec<NumberedRequest> {
        self.requests().kept.iter().cloned().collect()
    }

    /// Forgets all requests.
    pub(crate) fn clear(&self) {
        self.requests().kept.clear();
    }

    /// No operation leaves the list in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
