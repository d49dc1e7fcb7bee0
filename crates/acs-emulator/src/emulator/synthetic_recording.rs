//! Generated recordings of any size, for tests of downloads.

use std::sync::Arc;

use bytes::Bytes;

use crate::runtime::Runtime;
use crate::runtime::synthetic_recording::{SMALLEST, add_synthetic_recording};
use crate::storage::document::Document;
use crate::storage::locations::Locations;

/// A recording to add to the store. Its files are WAV files with noise that is generated as it is
/// read, so that tens of GiB need neither disk space nor memory.
///
/// The noise depends on the seed, the index of the chunk and the position in the file. Files larger
/// than 4 GiB use the RF64 format.
#[derive(Clone, Debug)]
#[must_use = "a recording is only stored when it is added"]
pub struct SyntheticRecording {
    chunks: Vec<u64>,
    seed: u64,
}

impl SyntheticRecording {
    /// A recording in one file of `bytes` bytes. The minimum size is 80. An odd size is rounded
    /// down.
    pub fn new(bytes: u64) -> Self {
        Self {
            chunks: vec![bytes],
            seed: 0,
        }
    }

    /// Adds another chunk of `bytes` bytes, with the same rules for its size.
    pub fn chunk(mut self, bytes: u64) -> Self {
        self.chunks.push(bytes);
        self
    }

    /// The seed of the noise. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A recording in the store.
#[derive(Clone, Debug)]
pub struct StoredRecording {
    recording_id: String,
    chunks: Vec<StoredChunk>,
}

impl StoredRecording {
    /// The id of the recording, as in the event.
    pub fn recording_id(&self) -> &str {
        &self.recording_id
    }

    /// The files of the recording, in order.
    pub fn chunks(&self) -> &[StoredChunk] {
        &self.chunks
    }
}

/// A file in the store.
#[derive(Clone, Debug)]
pub struct StoredChunk {
    document: Arc<Document>,
    locations: Locations,
    length: u64,
}

impl StoredChunk {
    /// The document id.
    pub fn document_id(&self) -> &str {
        &self.document.id
    }

    /// The location of the media.
    pub fn content_location(&self) -> &str {
        &self.locations.content
    }

    /// The location of the metadata document.
    pub fn metadata_location(&self) -> &str {
        &self.locations.metadata
    }

    /// The location for deleting the file.
    pub fn delete_location(&self) -> &str {
        self.locations.delete.as_deref().unwrap_or_default()
    }

    /// The size of the file in bytes, which is never zero.
    #[allow(clippy::len_without_is_empty, reason = "no file is empty")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The content of the file from `offset` on: at most `limit` bytes, and at least one byte
    /// unless `offset` is at or after the end. Tests compare a download with it, piece by piece.
    pub fn read(&self, offset: u64, limit: usize) -> Bytes {
        self.document.read(offset, limit)
    }
}

/// Adds a recording to the store and publishes its event.
pub(super) fn add(runtime: &Runtime, recording: &SyntheticRecording) -> StoredRecording {
    let (ended, chunks) = add_synthetic_recording(runtime, &recording.chunks, recording.seed);
    let stored = |document: &Arc<Document>| StoredChunk {
        locations: runtime.store.locations(document),
        length: document.streamed().unwrap_or(SMALLEST),
        document: Arc::clone(document),
    };
    StoredRecording {
        recording_id: ended.recording_id.clone(),
        chunks: chunks.iter().map(|chunk| stored(&chunk.document)).collect(),
    }
}
