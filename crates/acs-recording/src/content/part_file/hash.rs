//! Computing the checksum of a part file while it grows.

use std::io;

use super::super::digest::Hasher;
use super::{PartFile, READ_BUFFER};

impl PartFile {
    /// Starts to compute the checksum.
    pub(in crate::content) fn set_hasher(&self, hasher: Hasher) {
        let mut state = self.lock();
        state.hasher = hasher;
        state.hashed = self.base;
    }

    /// Updates the checksum with contiguous durable bytes, at most `limit` of them.
    pub(in crate::content) fn hash_synced(&self, limit: u64) -> io::Result<()> {
        let _generation = self.lock_generation();
        let (mut hasher, start, synced_end) = {
            let mut state = self.lock();
            if state.hasher.is_idle() {
                return Ok(());
            }
            let synced_end = state.synced.contiguous_end(state.hashed);
            (std::mem::take(&mut state.hasher), state.hashed, synced_end)
        };
        let end = synced_end.min(start.saturating_add(limit));
        let mut buffer = vec![0; READ_BUFFER];
        let outcome = self.read(start..end, &mut buffer, |bytes| hasher.update(bytes));
        let mut state = self.lock();
        state.hasher = hasher;
        state.hashed = end;
        outcome
    }

    /// The checksum of all hashed bytes.
    pub(in crate::content) fn take_hasher(&self) -> Hasher {
        std::mem::take(&mut self.lock().hasher)
    }
}
