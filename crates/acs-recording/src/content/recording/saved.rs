//! What the download of a recording results in.

use std::path::PathBuf;

use super::super::file_download::SavedFile;
use crate::ids::DocumentId;
use crate::manifest::ManifestChunk;
use crate::metadata::RecordingMetadata;

/// A recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedRecording {
    /// The saved chunks of the event, in order.
    pub chunks: Vec<SavedChunk>,
    /// The chunks that are not saved, because no event contains their location.
    pub missing: Vec<MissingChunk>,
    /// Inconsistencies of the recording, in words.
    pub warnings: Vec<String>,
    /// The path of the [manifest](crate::RecordingManifest).
    pub manifest: PathBuf,
    /// Whether the service's copy of the saved chunks is deleted.
    pub deleted: bool,
    pub(super) complete: bool,
    /// Whether metadata could not be fetched, and nothing else is missing.
    pub(super) lacks_metadata: bool,
}

/// A chunk of a recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedChunk {
    /// The number of the chunk, from 0, which is part of the names of its files.
    pub index: u64,
    /// The media file.
    pub media: SavedFile,
    /// The file with the metadata document, unchanged. None if the service has no document.
    pub metadata: Option<SavedFile>,
    /// The metadata document. None if it cannot be read.
    pub document: Option<RecordingMetadata>,
}

impl SavedChunk {
    /// A chunk without metadata, for tests of code that gets one.
    pub fn new(index: u64, media: SavedFile) -> Self {
        Self {
            index,
            media,
            metadata: None,
            document: None,
        }
    }
}

impl MissingChunk {
    /// A chunk of which nothing is known, for tests of code that gets one.
    pub fn new(index: u64) -> Self {
        Self {
            index,
            document_id: None,
            end_reason: None,
        }
    }
}

/// A chunk of a recording whose media are not saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingChunk {
    /// The number of the chunk, from 0.
    pub index: u64,
    /// Its id. None if no event announces the chunk, or its event has no id of it.
    pub document_id: Option<DocumentId>,
    /// Why the chunk ended, such as `ChunkUploadFailure`.
    pub end_reason: Option<String>,
}

impl MissingChunk {
    /// A chunk that no event announces.
    pub(super) fn unannounced(index: u64) -> Self {
        Self {
            index,
            document_id: None,
            end_reason: None,
        }
    }

    pub(super) fn announced(chunk: &ManifestChunk) -> Self {
        Self {
            index: chunk.index,
            document_id: chunk.document_id.clone(),
            end_reason: chunk.end_reason.clone(),
        }
    }
}

impl SavedRecording {
    /// A complete recording that is not deleted, for tests of code that gets one.
    pub fn new(chunks: Vec<SavedChunk>, manifest: impl Into<PathBuf>) -> Self {
        Self {
            chunks,
            missing: Vec::new(),
            warnings: Vec::new(),
            manifest: manifest.into(),
            deleted: false,
            complete: true,
            lacks_metadata: false,
        }
    }

    /// The total size of the media files in bytes.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.media.bytes).sum()
    }

    /// Whether everything that was recorded is saved: no chunk is missing, and every metadata
    /// document that the service has is saved too.
    ///
    /// An incomplete recording is deleted from the service only with
    /// [`delete_incomplete`](super::DownloadToDir::delete_incomplete).
    pub fn is_complete(&self) -> bool {
        self.complete && self.missing.is_empty()
    }

    /// Whether the same download may complete the recording later: all media are saved, and only a
    /// metadata document is not ready yet.
    pub fn may_be_completed(&self) -> bool {
        self.lacks_metadata && self.missing.is_empty()
    }
}
