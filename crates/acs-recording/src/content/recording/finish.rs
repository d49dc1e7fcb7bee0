//! The end of a recording's download: the manifest, and then the deletion.

use jiff::Timestamp;

use super::super::content_error::is_gone;
use super::super::delete::DeleteContent;
use super::super::manifest_store::VerifiedBy;
use super::chunk::ChunkDownload;
use super::run::RecordingDownload;
use super::saved::{MissingChunk, SavedChunk, SavedRecording};
use crate::error::{Error, Result};
use crate::fs::run_blocking;
use crate::manifest::{ManifestChunk, RecordingManifest};
use crate::telemetry::record_bytes;

impl RecordingDownload {
    /// Writes the manifest, deletes the recording if requested, and returns the outcome.
    pub(super) async fn finish(mut self) -> Result<SavedRecording> {
        let mut manifest = self.manifest();
        if !self.failures.is_empty() {
            // If a chunk may succeed later, the next run continues from the draft. An existing
            // manifest is kept: the files in it may have been moved since.
            if self.earlier.finished.is_none() && self.failures.iter().all(is_gone) {
                self.write(&manifest).await?;
            }
            let retryable = self.failures.iter().position(Error::is_retryable);
            let error = self.failures.swap_remove(retryable.unwrap_or(0));
            let saved = self
                .chunks
                .iter()
                .filter(|chunk| chunk.media.is_some())
                .count();
            return Err(match saved {
                0 => error,
                _ => error.with_note(&format!(
                    "{saved} of {} chunks are saved",
                    self.chunks.len()
                )),
            });
        }
        self.write(&manifest).await?;
        let mut warning = None;
        if self.dir.deletes && !self.is_deleted(&manifest) {
            if manifest.complete || self.dir.deletes_incomplete {
                let outcome = self.delete(&mut manifest).await;
                self.write(&manifest).await?;
                outcome?;
            } else {
                warning = Some(
                    "the recording is incomplete, so the service's copy is not deleted".to_owned(),
                );
            }
        }
        Ok(self.outcome(&manifest, warning))
    }

    fn outcome(self, manifest: &RecordingManifest, warning: Option<String>) -> SavedRecording {
        let files = self.chunks.iter();
        let files = files.flat_map(|chunk| [&chunk.media, &chunk.metadata]);
        record_bytes(files.flatten().map(|(saved, _)| saved.transferred).sum());
        let deleted = self.is_deleted(manifest);
        let gaps = self.gaps.iter();
        let gaps = gaps.map(|index| MissingChunk::unannounced(*index));
        let without_media = manifest.chunks.iter().filter(|chunk| chunk.media.is_none());
        let mut missing: Vec<_> = gaps
            .chain(without_media.map(MissingChunk::announced))
            .collect();
        missing.sort_by_key(|chunk| chunk.index);
        let saved = self.chunks.into_iter().filter_map(|chunk| {
            Some(SavedChunk {
                index: chunk.index,
                media: chunk.media?.0,
                metadata: chunk.metadata.map(|(saved, _)| saved),
                document: chunk.document,
            })
        });
        SavedRecording {
            chunks: saved.collect(),
            missing,
            warnings: self.warnings.into_iter().chain(warning).collect(),
            manifest: self.store.path().to_owned(),
            deleted,
            complete: manifest.complete,
            lacks_metadata: self.lacks_metadata && !self.lacks_earlier_files,
        }
    }

    /// The manifest of all files verified so far.
    pub(super) fn manifest(&self) -> RecordingManifest {
        let old = self.earlier.finished.as_ref();
        let is_unchanged = self
            .chunks
            .iter()
            .flat_map(ChunkDownload::verified_by)
            .all(|run| run == VerifiedBy::Manifest);
        let unchanged = old.filter(|_| is_unchanged);
        let mut manifest = RecordingManifest::new(&self.request.file);
        manifest.event_id.clone_from(&self.request.event_id);
        manifest.event_time = self.request.event_time;
        if manifest.event_id.is_none() {
            manifest.event_id = old.and_then(|old| old.event_id.clone());
            manifest.event_time = old.and_then(|old| old.event_time);
        }
        if let Some(old) = old {
            keep_earlier(&mut manifest, old);
        }
        manifest.chunks = self.chunks.iter().map(ChunkDownload::to_manifest).collect();
        manifest.chunks.extend(self.unnamed.iter().cloned());
        manifest.chunks.sort_by_key(|chunk| chunk.index);
        manifest.gaps.clone_from(&self.gaps);
        manifest.warnings.clone_from(&self.warnings);
        let has_media = manifest.chunks.iter().all(|chunk| chunk.media.is_some());
        let has_all_media = has_media && self.gaps.is_empty() && !self.lacks_earlier_files;
        manifest.complete = has_all_media && !self.lacks_metadata;
        let saved_at = unchanged.and_then(|old| old.saved_at);
        manifest.saved_at = Some(saved_at.unwrap_or_else(Timestamp::now));
        manifest.deleted_at = all_deleted(&manifest.chunks);
        manifest
    }

    async fn write(&self, manifest: &RecordingManifest) -> Result<()> {
        let is_written = self.earlier.finished.as_ref() == Some(manifest);
        let (store, manifest) = (self.store.clone(), manifest.clone());
        run_blocking(self.store.path(), move || {
            if is_written {
                return store.remove_draft();
            }
            store.write(&manifest)
        })
        .await
    }

    /// Whether all saved chunks that the event names are deleted.
    fn is_deleted(&self, manifest: &RecordingManifest) -> bool {
        let is_named = |chunk: &&ManifestChunk| {
            let mut named = self.chunks.iter();
            named.any(|named| named.index == chunk.index)
        };
        all_deleted(manifest.chunks.iter().filter(is_named)).is_some()
    }

    /// Deletes all saved chunks that the event names. The first failure is returned after that.
    async fn delete(&self, manifest: &mut RecordingManifest) -> Result<()> {
        let mut outcome = Ok(());
        for saved in self.chunks.iter().filter(|chunk| chunk.media.is_some()) {
            let mut chunks = manifest.chunks.iter_mut();
            let chunk = chunks.find(|chunk| chunk.index == saved.index);
            let Some(chunk) = chunk.filter(|chunk| chunk.deleted_at.is_none()) else {
                continue;
            };
            let client = self.request.client.clone();
            match DeleteContent::of(client, &saved.chunk).await {
                Ok(()) => chunk.deleted_at = Some(Timestamp::now()),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        manifest.deleted_at = all_deleted(&manifest.chunks);
        outcome.map_err(|error| {
            error.with_note("the recording is saved, but not completely deleted from the service")
        })
    }
}

/// When the last of these chunks was deleted, if all saved ones are deleted.
fn all_deleted<'a>(chunks: impl IntoIterator<Item = &'a ManifestChunk>) -> Option<Timestamp> {
    let saved = chunks.into_iter().filter(|chunk| chunk.media.is_some());
    let deleted: Option<Vec<Timestamp>> = saved.map(|chunk| chunk.deleted_at).collect();
    deleted?.into_iter().max()
}

/// Keeps the values of an earlier event that this one does not have.
fn keep_earlier(manifest: &mut RecordingManifest, old: &RecordingManifest) {
    let or = |new: &mut Option<String>, old: &Option<String>| {
        if new.is_none() {
            new.clone_from(old);
        }
    };
    or(&mut manifest.call_id, &old.call_id);
    or(&mut manifest.session_end_reason, &old.session_end_reason);
    manifest.recording_id = manifest
        .recording_id
        .take()
        .or_else(|| old.recording_id.clone());
    let call = manifest.server_call_id.take();
    manifest.server_call_id = call.or_else(|| old.server_call_id.clone());
    manifest.start = manifest.start.or(old.start);
    manifest.duration_ms = manifest.duration_ms.or(old.duration_ms);
}
