//! Downloads a recording: media first, then metadata, then the manifest, then deletion.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::super::content_error::is_gone;
use super::super::file_download::SavedFile;
use super::super::manifest_store::{EarlierManifests, ManifestStore, VerifiedBy};
use super::super::options::FileOptions;
use super::super::progress::{Progress, ProgressListener};
use super::chunk::{
    ChunkDownload, document_warning, file_name, missing_location_warning, read_document,
};
use super::chunk_numbers::{NumberedChunks, number_chunks};
use super::known_chunks::{earlier_warnings, find_missing_files};
use super::lock::RecordingLock;
use super::request::{DirOptions, RecordingRequest};
use super::saved::SavedRecording;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::run_blocking;
use crate::manifest::ManifestChunk;

/// Downloads the recording into its folder.
pub(super) async fn run(
    request: RecordingRequest,
    files: FileOptions,
    dir: DirOptions,
) -> Result<SavedRecording> {
    files.check()?;
    request.transfer.check()?;
    request.options.check()?;
    request.check()?;
    let numbered = number_chunks(&request.file.chunks, Vec::new());
    let stem = request.stem(&numbered);
    let folder = dir.folder.clone();
    run_blocking(&dir.folder, move || std::fs::create_dir_all(folder)).await?;
    let _lock = RecordingLock::acquire(&dir.folder, &stem).await?;
    let store = ManifestStore::new(&dir.folder, &stem, files.file_mode);
    let reading = store.clone();
    let earlier = run_blocking(store.path(), move || reading.read()).await?;
    let numbered = number_chunks(&request.file.chunks, earlier.chunks());
    let missing_files = find_missing_files(&dir.folder, &numbered.unnamed).await?;
    let mut download = RecordingDownload::new(request, files, dir, store, earlier, numbered, &stem);
    download.lacks_earlier_files = !missing_files.is_empty();
    download.warnings.extend(missing_files);
    download.download_media().await?;
    download.download_metadata().await?;
    download.compare_durations();
    download.finish().await
}

/// The state of a running download.
pub(super) struct RecordingDownload {
    pub(super) request: RecordingRequest,
    pub(super) files: FileOptions,
    pub(super) dir: DirOptions,
    pub(super) store: ManifestStore,
    pub(super) earlier: EarlierManifests,
    /// The chunks that the event names.
    pub(super) chunks: Vec<ChunkDownload>,
    /// The chunks that only earlier events named.
    pub(super) unnamed: Vec<ManifestChunk>,
    pub(super) gaps: Vec<u64>,
    pub(super) warnings: Vec<String>,
    /// The errors of chunks that are not saved.
    pub(super) failures: Vec<Error>,
    /// Whether a metadata document could not be fetched.
    pub(super) lacks_metadata: bool,
    /// Whether a file of a chunk that this event does not name is missing.
    pub(super) lacks_earlier_files: bool,
}

impl RecordingDownload {
    fn new(
        request: RecordingRequest,
        files: FileOptions,
        dir: DirOptions,
        store: ManifestStore,
        earlier: EarlierManifests,
        numbered: NumberedChunks,
        stem: &str,
    ) -> Self {
        let mut warnings = numbered.warnings;
        if let Some(finished) = &earlier.finished {
            warnings.extend(earlier_warnings(&numbered.unnamed, finished));
        }
        let mut deleted: BTreeMap<_, _> = earlier
            .chunks()
            .into_iter()
            .filter_map(|chunk| Some((chunk.index, chunk.deleted_at?)))
            .collect();
        let format = request.file.format.as_ref();
        let chunks = numbered.chunks.into_iter();
        let chunks = chunks.map(|(index, chunk)| ChunkDownload {
            deleted_at: deleted.remove(&index),
            ..ChunkDownload::new(&dir.folder, stem, format, index, chunk)
        });
        Self {
            chunks: chunks.collect(),
            request,
            files,
            dir,
            store,
            earlier,
            unnamed: numbered.unnamed,
            gaps: numbered.gaps,
            warnings,
            failures: Vec::new(),
            lacks_metadata: false,
            lacks_earlier_files: false,
        }
    }

    /// Downloads the media of all chunks. A chunk that fails does not stop the others.
    async fn download_media(&mut self) -> Result<()> {
        let count = self.chunks.len();
        let mut bytes_before = 0;
        for position in 0..count {
            let Some(chunk) = self.chunks.get(position) else {
                continue;
            };
            let Some(location) = &chunk.chunk.content_location else {
                let warning = missing_location_warning(chunk);
                self.warnings.push(warning);
                continue;
            };
            let listener = self.chunk_listener(bytes_before, position, position + 1 == count);
            match self.media_file(chunk, location, listener).await {
                Ok((saved, verified_by, media)) => {
                    bytes_before += saved.bytes;
                    if let (Some(problem), name) = (media.problem, file_name(&saved.path)) {
                        self.warnings.push(format!("{name}: {problem}"));
                    }
                    if let Some(chunk) = self.chunks.get_mut(position) {
                        chunk.duration = media.duration;
                        chunk.media = Some((saved, verified_by));
                    }
                    if verified_by == VerifiedBy::ThisRun {
                        let (store, draft) = (self.store.clone(), self.manifest());
                        run_blocking(self.store.path(), move || store.write_draft(&draft)).await?;
                    }
                }
                Err(error) if is_chunk_failure(&error) => {
                    let text = format!("chunk {} is not saved: {error}", chunk.index);
                    self.warnings.push(text);
                    self.failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Downloads the metadata documents. Media are worth more: a document that does not exist or
    /// cannot be read is a warning.
    async fn download_metadata(&mut self) -> Result<()> {
        let finished = self.earlier.finished.as_ref();
        let was_complete = finished.is_some_and(|finished| finished.complete);
        for position in 0..self.chunks.len() {
            let Some(chunk) = self.chunks.get(position) else {
                continue;
            };
            let index = chunk.index;
            let Some(location) = &chunk.chunk.metadata_location else {
                if chunk.media.is_some() {
                    let text = format!("the event has no metadata location of chunk {index}");
                    self.warnings.push(text);
                }
                continue;
            };
            let has_earlier_media = matches!(chunk.media, Some((_, VerifiedBy::Manifest)));
            let path = chunk.file_path("json");
            let outcome = match self.find_verified(&path, location, false).await? {
                Some(verified) => Ok(verified),
                None if was_complete && has_earlier_media => Err(no_document()),
                None => self.metadata_file(&path, location).await,
            };
            match outcome {
                Ok(file) => self.add_document(position, file).await?,
                Err(error) if should_retry_first(&error) => {
                    let note = if self.failures.is_empty() {
                        "the media are saved, but the metadata are not"
                    } else {
                        "some media and the metadata are not saved"
                    };
                    return Err(error.with_note(note));
                }
                Err(error) if is_gone(&error) => {
                    let text = format!("the service has no metadata document of chunk {index}");
                    self.warnings.push(text);
                }
                Err(error) => {
                    let text =
                        format!("the metadata document of chunk {index} is not saved: {error}");
                    self.warnings.push(text);
                    self.lacks_metadata = true;
                }
            }
        }
        Ok(())
    }

    async fn add_document(
        &mut self,
        position: usize,
        (saved, verified_by): (SavedFile, VerifiedBy),
    ) -> Result<()> {
        let document = read_document(&saved.path).await?;
        let Some(chunk) = self.chunks.get_mut(position) else {
            return Ok(());
        };
        let warning = document.as_ref().map_or_else(
            |text| Some(format!("cannot be read: {text}")),
            |document| document_warning(document, chunk),
        );
        if let Some(warning) = warning {
            let text = format!("the metadata document of chunk {} {warning}", chunk.index);
            self.warnings.push(text);
        }
        chunk.document = document.ok();
        chunk.metadata = Some((saved, verified_by));
        Ok(())
    }

    /// Reports the progress of one chunk as that of the whole recording.
    fn chunk_listener(
        &self,
        bytes_before: u64,
        chunk: usize,
        is_last: bool,
    ) -> Option<ProgressListener> {
        let listener = Arc::clone(self.request.transfer.listener.as_ref()?);
        Some(Arc::new(move |progress: Progress| {
            listener(Progress {
                bytes: bytes_before + progress.bytes,
                // The sizes of later chunks are unknown until they begin.
                total: progress
                    .total
                    .filter(|_| is_last)
                    .map(|total| bytes_before + total),
                chunk,
                ..progress
            });
        }))
    }
}

/// Whether an error concerns one chunk only, so that others may succeed.
fn is_chunk_failure(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Authentication
            | ErrorKind::Throttled
            | ErrorKind::Service
            | ErrorKind::Timeout
            | ErrorKind::Connection
    )
}

/// Whether metadata that failed must be retried before anything else is done.
fn should_retry_first(error: &Error) -> bool {
    let is_from_disk = || {
        let source = std::error::Error::source(error);
        error.kind() == ErrorKind::Io
            && source.is_some_and(<dyn std::error::Error>::is::<io::Error>)
    };
    match error.kind() {
        ErrorKind::ContentNotReady => false,
        ErrorKind::Authentication => true,
        _ => error.is_retryable() || is_from_disk(),
    }
}

/// The error for a document that an earlier run found missing.
fn no_document() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "an earlier run found no metadata document",
    )
}
