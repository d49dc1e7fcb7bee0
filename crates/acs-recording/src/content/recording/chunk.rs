//! One chunk of a recording that is being downloaded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::super::file_download::SavedFile;
use super::super::manifest_store::VerifiedBy;
use super::super::metadata::MAX_METADATA_BYTES;
use super::file_names;
use crate::error::Result;
use crate::event::RecordingChunk;
use crate::fs::{run_blocking, with_suffix};
use crate::manifest::{ManifestChunk, ManifestFile};
use crate::metadata::RecordingMetadata;
use crate::models::RecordingFormatType;

/// A chunk that is being downloaded.
pub(super) struct ChunkDownload {
    pub(super) index: u64,
    pub(super) chunk: RecordingChunk,
    /// The path of its files, without extension.
    pub(super) path: PathBuf,
    /// The extension of the media file.
    pub(super) extension: &'static str,
    pub(super) media: Option<(SavedFile, VerifiedBy)>,
    pub(super) metadata: Option<(SavedFile, VerifiedBy)>,
    pub(super) document: Option<RecordingMetadata>,
    /// The duration of the media, if the file contains it.
    pub(super) duration: Option<Duration>,
    /// When an earlier run deleted the chunk from the service.
    pub(super) deleted_at: Option<Timestamp>,
}

impl ChunkDownload {
    pub(super) fn new(
        folder: &Path,
        stem: &str,
        format: Option<&RecordingFormatType>,
        index: u64,
        chunk: RecordingChunk,
    ) -> Self {
        let location = chunk.content_location.as_ref();
        let path = location.map_or("", |location| location.as_url().path());
        Self {
            index,
            path: folder.join(format!("{stem}.{index:03}")),
            extension: file_names::media_extension(format, path),
            chunk,
            media: None,
            metadata: None,
            document: None,
            duration: None,
            deleted_at: None,
        }
    }

    /// The path of a file of the chunk.
    pub(super) fn file_path(&self, extension: &str) -> PathBuf {
        with_suffix(&self.path, &format!(".{extension}"))
    }

    /// Which runs verified its files.
    pub(super) fn verified_by(&self) -> impl Iterator<Item = VerifiedBy> {
        [&self.media, &self.metadata]
            .into_iter()
            .flatten()
            .map(|(_, verified_by)| *verified_by)
    }

    /// The entry of the chunk in the manifest.
    pub(super) fn to_manifest(&self) -> ManifestChunk {
        let file = |saved: &Option<(SavedFile, VerifiedBy)>| {
            let (saved, _) = saved.as_ref()?;
            let name = file_name(&saved.path);
            Some(ManifestFile::new(name, saved.bytes, saved.sha256?))
        };
        let mut chunk = ManifestChunk::new(self.index, &self.chunk);
        chunk.media = file(&self.media);
        chunk.metadata = file(&self.metadata);
        // A file downloaded by this run still exists at the service.
        let is_new = self.verified_by().any(|run| run == VerifiedBy::ThisRun);
        chunk.deleted_at = self.deleted_at.filter(|_| !is_new);
        chunk
    }
}

/// The name of a file of the recording, which is ASCII.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The warning about a chunk without content location.
pub(super) fn missing_location_warning(chunk: &ChunkDownload) -> String {
    let reason = match &chunk.chunk.end_reason {
        Some(reason) => format!(" (it ended with {reason})"),
        None => String::new(),
    };
    format!(
        "the event has no content location of chunk {}{reason}",
        chunk.index
    )
}

/// The document in a file, or why it cannot be read.
pub(super) async fn read_document(path: &Path) -> Result<Result<RecordingMetadata, String>> {
    let file = path.to_owned();
    run_blocking(path, move || {
        if std::fs::metadata(&file)?.len() > MAX_METADATA_BYTES {
            return Ok(Err(format!("it is larger than {MAX_METADATA_BYTES} bytes")));
        }
        let document = RecordingMetadata::parse(&std::fs::read(&file)?);
        Ok(document.map_err(|error| error.to_string()))
    })
    .await
}

/// The warning about a document that can be read, without its subject.
pub(super) fn document_warning(
    document: &RecordingMetadata,
    chunk: &ChunkDownload,
) -> Option<String> {
    if !document.unreadable.is_empty() {
        let list = document.unreadable.join(", ");
        return Some(format!("has members that cannot be read: {list}"));
    }
    let id = document.document_id.as_ref()?;
    let is_other = chunk
        .chunk
        .document_id
        .as_ref()
        .is_some_and(|expected| expected != id);
    is_other.then(|| format!("describes another document, {id}"))
}
