//! The store of recorded files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::catalog::Catalog;
use super::chunking::{self, Chunk};
use super::document::Document;
use super::files::Files;
use super::locations::Locations;
use super::settings::StorageSettings;
use crate::media::EncodeError;
use crate::service::recordings::EndedRecording;

/// The number of documents at which expired ones are first removed.
const FIRST_SWEEP: usize = 512;

/// The store of the resource: documents, which expire, and the cache of generated files.
pub(crate) struct Store {
    pub(crate) settings: StorageSettings,
    /// The origin of content locations, such as `https://HOST:PORT`.
    content_origin: String,
    resource: Uuid,
    documents: Mutex<Documents>,
    files: Files,
    pub(crate) catalog: Catalog,
}

#[derive(Default)]
struct Documents {
    by_id: HashMap<String, Arc<Document>>,
    /// The number of documents at which expired ones are removed next.
    next_sweep: usize,
}

impl Store {
    pub(crate) fn new(settings: StorageSettings, content_origin: String, resource: Uuid) -> Self {
        Self {
            settings,
            content_origin,
            resource,
            documents: Mutex::default(),
            files: Files::new(),
            catalog: Catalog::default(),
        }
    }

    /// Cuts a recording into files and stores them. A recording without a single frame has no
    /// files.
    pub(crate) fn add(&self, recording: &EndedRecording) -> Vec<Chunk> {
        let chunks = chunking::cut(recording, self.resource, &self.settings);
        self.keep(&chunks, recording.ended_at);
        chunks
    }

    /// Stores files, and removes expired files if there are too many.
    pub(crate) fn keep(&self, chunks: &[Chunk], now: Timestamp) {
        let mut documents = self.documents();
        if documents.by_id.len() >= documents.next_sweep {
            documents
                .by_id
                .retain(|_, document| now < document.expires_at);
            documents.next_sweep = 2 * documents.by_id.len().max(FIRST_SWEEP);
        }
        for chunk in chunks {
            let document = &chunk.document;
            documents
                .by_id
                .insert(document.id.clone(), Arc::clone(document));
        }
    }

    /// A stored document that has not expired.
    pub(crate) fn document(&self, id: &str, now: Timestamp) -> Option<Arc<Document>> {
        let documents = self.documents();
        let document = documents.by_id.get(id)?;
        (now < document.expires_at).then(|| Arc::clone(document))
    }

    /// All documents that have not expired.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<Arc<Document>> {
        let documents = self.documents();
        let stored = documents.by_id.values().filter(|one| now < one.expires_at);
        stored.cloned().collect()
    }

    /// Deletes a document. Returns whether it existed.
    pub(crate) fn delete(&self, id: &str, now: Timestamp) -> bool {
        let deleted = self.documents().by_id.remove(id);
        self.files.remove(id);
        deleted.is_some_and(|document| now < document.expires_at)
    }

    /// Removes all documents and recordings.
    pub(crate) fn clear(&self) {
        self.documents().by_id.clear();
        self.files.clear();
        self.catalog.clear();
    }

    /// A whole file. Generating it may take a while; concurrent readers wait.
    pub(crate) fn file(&self, document: &Document) -> Result<Bytes, Arc<EncodeError>> {
        self.files.get(document)
    }

    /// The size of a file; `None` if it is encoded when it is first read and this has not happened.
    pub(crate) fn known_size(&self, document: &Document) -> Option<u64> {
        let exact = document.streamed().or_else(|| document.size_of_wav());
        exact.or_else(|| self.files.size(&document.id))
    }

    /// The locations of a document in this store.
    pub(crate) fn locations(&self, document: &Document) -> Locations {
        Locations::in_store(&self.content_origin, document)
    }

    /// No operation leaves the documents in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn documents(&self) -> MutexGuard<'_, Documents> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
