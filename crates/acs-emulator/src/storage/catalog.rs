//! The recordings that the stored files belong to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::chunking::Chunk;
use super::locations::Locations;
use crate::service::recordings::EndedRecording;

/// The number of recordings that are listed at most.
const MOST: usize = 1_000;
/// The number of recordings that stay listed although their files have expired.
const MOST_EXPIRED: usize = 100;
/// The number of files of all listed recordings together. The newest recording is always listed.
const MOST_CHUNKS: usize = 20_000;

/// An ended recording with its files.
#[derive(Clone, Debug)]
pub(crate) struct CatalogEntry {
    pub(crate) recording: Arc<EndedRecording>,
    pub(crate) chunks: Arc<[Chunk]>,
    /// Whether it was added to the store and not made in a call.
    pub(crate) is_synthetic: bool,
    /// The locations of the files in your own storage, if they were exported.
    pub(crate) exported: Option<Arc<[Locations]>>,
}

/// The ended recordings, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    entries: Mutex<VecDeque<CatalogEntry>>,
    added: Notify,
}

impl Catalog {
    /// Lists a recording, and forgets the oldest ones if there are too many.
    pub(crate) fn add(
        &self,
        recording: Arc<EndedRecording>,
        chunks: Vec<Chunk>,
        is_synthetic: bool,
        now: Timestamp,
    ) {
        let mut entries = self.entries();
        entries.push_back(CatalogEntry {
            recording,
            chunks: chunks.into(),
            is_synthetic,
            exported: None,
        });
        let recent = entries.len().saturating_sub(MOST_EXPIRED);
        let mut index = 0;
        entries.retain(|entry| {
            let is_recent = index >= recent;
            index += 1;
            is_recent || entry.chunks.iter().any(|one| now < one.document.expires_at)
        });
        let mut chunks: usize = entries.iter().map(|entry| entry.chunks.len()).sum();
        self.added.notify_one();
        while entries.len() > MOST || (chunks > MOST_CHUNKS && entries.len() > 1) {
            chunks -= entries.pop_front().map_or(0, |entry| entry.chunks.len());
        }
    }

    /// Completes when a recording is added, or has been added since it last completed.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }

    /// The time at which a file expires next, after `now`.
    pub(crate) fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let entries = self.entries();
        let chunks = entries.iter().flat_map(|entry| entry.chunks.iter());
        let expiries = chunks.map(|chunk| chunk.document.expires_at);
        expiries.filter(|expires_at| *expires_at > now).min()
    }

    /// The recordings with files that expired after `before`, until `now`.
    pub(crate) fn expired(&self, before: Timestamp, now: Timestamp) -> Vec<CatalogEntry> {
        let expired = |chunk: &Chunk| {
            let expires_at = chunk.document.expires_at;
            before < expires_at && expires_at <= now
        };
        let entries = self.entries();
        let entries = entries.iter();
        entries
            .filter(|entry| entry.chunks.iter().any(expired))
            .cloned()
            .collect()
    }

    /// Notes where the files of a recording were exported to.
    pub(crate) fn set_exported(&self, recording_id: &str, locations: Vec<Locations>) {
        let mut entries = self.entries();
        let mut entries = entries.iter_mut();
        if let Some(entry) = entries.find(|one| one.recording.recording_id == recording_id) {
            entry.exported = Some(locations.into());
        }
    }

    /// All listed recordings, oldest first.
    pub(crate) fn list(&self) -> Vec<CatalogEntry> {
        self.entries().iter().cloned().collect()
    }

    pub(crate) fn get(&self, recording_id: &str) -> Option<CatalogEntry> {
        let entries = self.entries();
        let mut entries = entries.iter();
        entries
            .find(|one| one.recording.recording_id == recording_id)
            .cloned()
    }

    /// The recording that a document belongs to.
    pub(crate) fn of_document(&self, document_id: &str) -> Option<CatalogEntry> {
        let entries = self.entries();
        let contains = |entry: &&CatalogEntry| {
            entry
                .chunks
                .iter()
                .any(|one| one.document.id == document_id)
        };
        entries.iter().rev().find(contains).cloned()
    }

    /// Forgets all recordings.
    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    /// No operation leaves the list in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn entries(&self) -> MutexGuard<'_, VecDeque<CatalogEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
