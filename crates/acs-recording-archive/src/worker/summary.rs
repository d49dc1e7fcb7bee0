//! What a worker has done.

use super::update::Outcome;
use crate::archive::Archived;

/// What a worker has done: how many messages had which [`Outcome`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// See [`Outcome::Archived`].
    pub archived: u64,
    /// See [`Outcome::Already`].
    pub already: u64,
    /// See [`Outcome::Ignored`].
    pub ignored: u64,
    /// See [`Outcome::Released`].
    pub released: u64,
    /// See [`Outcome::Poisoned`].
    pub poisoned: u64,
    /// See [`Outcome::LeaseLost`].
    pub lease_lost: u64,
    /// See [`Outcome::Unsettled`].
    pub unsettled: u64,
    /// How many chunks were archived.
    pub chunks: u64,
    /// How many bytes of media.
    pub bytes: u64,
}

impl Summary {
    pub(super) fn count(&mut self, outcome: Outcome, archived: &[Archived]) {
        let counter = match outcome {
            Outcome::Archived => &mut self.archived,
            Outcome::Already => &mut self.already,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Released => &mut self.released,
            Outcome::Poisoned => &mut self.poisoned,
            Outcome::LeaseLost => &mut self.lease_lost,
            Outcome::Unsettled => &mut self.unsettled,
        };
        *counter += 1;
        let chunks = archived.iter().flat_map(|archived| &archived.chunks);
        self.chunks += chunks.filter(|chunk| chunk.is_new).count() as u64;
        self.bytes += archived.iter().map(Archived::bytes).sum::<u64>();
    }

    /// How many messages there were in all.
    pub fn messages(&self) -> u64 {
        self.archived
            + self.already
            + self.ignored
            + self.released
            + self.poisoned
            + self.lease_lost
            + self.unsettled
    }
}
