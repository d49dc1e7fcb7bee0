//! The end of saving a recording: the manifest, and then deleting.

use jiff::Timestamp;

use super::delete::DeleteContent;
use super::disk::on_disk;
use super::folder::{MissingChunk, SavedChunk, SavedRecording};
use super::piece::{Piece, recorded};
use super::proofs::Proof;
use super::saving::{Saving, is_gone};
use crate::error::{Error, Result};
use crate::manifest::{ManifestChunk, RecordingManifest};

impl Saving<'_> {
    /// Writes the manifest, deletes what is to be deleted, and tells how it went.
    pub(super) async fn finish(mut self) -> Result<SavedRecording> {
        let mut manifest = self.manifest();
        if !self.failures.is_empty() {
            // What may come yet is tried again by the next run, which goes on from the draft. What an
            // earlier run wrote down stays: its files may have been moved since.
            if self.proofs.finished.is_none() && self.failures.iter().all(is_gone) {
                self.write(&manifest).await?;
            }
            let worst = self
                .failures
                .iter()
                .position(Error::is_retryable)
                .unwrap_or(0);
            let error = self.failures.swap_remove(worst);
            let saved = self
                .pieces
                .iter()
                .filter(|piece| piece.media.is_some())
                .count();
            return Err(match saved {
                0 => error,
                _ => error.with_note(&format!(
                    "{saved} of {} chunks are saved",
                    self.pieces.len()
                )),
            });
        }
        self.write(&manifest).await?;
        let mut kept = None;
        if self.save.deletes && !self.is_deleted(&manifest) {
            if manifest.complete || self.save.deletes_incomplete {
                let outcome = self.delete(&mut manifest).await;
                self.write(&manifest).await?;
                outcome?;
            } else {
                kept = Some(
                    "the recording is incomplete; the service's copy is not deleted".to_owned(),
                );
            }
        }
        Ok(self.outcome(&manifest, kept))
    }

    fn outcome(self, manifest: &RecordingManifest, kept: Option<String>) -> SavedRecording {
        let deleted = self.is_deleted(manifest);
        let gaps = self.gaps.iter().map(|gap| MissingChunk::gap(*gap));
        let without_media = manifest.chunks.iter().filter(|chunk| chunk.media.is_none());
        let mut missing: Vec<_> = gaps.chain(without_media.map(MissingChunk::of)).collect();
        missing.sort_by_key(|chunk| chunk.index);
        let saved = self.pieces.into_iter().filter_map(|piece| {
            Some(SavedChunk {
                index: piece.number,
                media: piece.media?.0,
                metadata: piece.metadata.map(|(saved, _)| saved),
                document: piece.document,
            })
        });
        SavedRecording {
            chunks: saved.collect(),
            missing,
            warnings: self.warnings.into_iter().chain(kept).collect(),
            manifest: self.records.path().to_owned(),
            deleted,
            complete: manifest.complete,
            lacks_metadata: self.lacks_metadata && !self.lacks_earlier,
        }
    }

    /// What is verified by now.
    pub(super) fn manifest(&self) -> RecordingManifest {
        let old = self.proofs.finished.as_ref();
        let is_old = self
            .pieces
            .iter()
            .flat_map(Piece::proofs)
            .all(|proof| proof == Proof::Finished);
        let old_files = old.filter(|_| is_old);
        let mut manifest = RecordingManifest::new(&self.save.what.file);
        manifest.event_id.clone_from(&self.save.what.event_id);
        manifest.event_time = self.save.what.event_time;
        if manifest.event_id.is_none() {
            manifest.event_id = old.and_then(|old| old.event_id.clone());
            manifest.event_time = old.and_then(|old| old.event_time);
        }
        if let Some(old) = old {
            keep(&mut manifest, old);
        }
        manifest.chunks = self.pieces.iter().map(recorded).collect();
        manifest.chunks.extend(self.earlier.iter().cloned());
        manifest.chunks.sort_by_key(|chunk| chunk.index);
        manifest.gaps.clone_from(&self.gaps);
        manifest.warnings.clone_from(&self.warnings);
        let has_media = manifest.chunks.iter().all(|chunk| chunk.media.is_some());
        let is_whole = has_media && self.gaps.is_empty() && !self.lacks_earlier;
        manifest.complete = is_whole && !self.lacks_metadata;
        let saved_at = old_files.and_then(|old| old.saved_at);
        manifest.saved_at = Some(saved_at.unwrap_or_else(Timestamp::now));
        manifest.deleted_at = all_deleted(&manifest.chunks);
        manifest
    }

    async fn write(&self, manifest: &RecordingManifest) -> Result<()> {
        let is_known = self.proofs.finished.as_ref() == Some(manifest);
        let (records, manifest) = (self.records.clone(), manifest.clone());
        on_disk(self.records.path(), move || {
            if is_known {
                return records.forget_draft();
            }
            records.write(&manifest)
        })
        .await
    }

    /// Whether all that the event names is deleted, as far as it is saved.
    fn is_deleted(&self, manifest: &RecordingManifest) -> bool {
        let is_named = |chunk: &&ManifestChunk| {
            let mut pieces = self.pieces.iter();
            pieces.any(|piece| piece.number == chunk.index)
        };
        all_deleted(manifest.chunks.iter().filter(is_named)).is_some()
    }

    /// Deletes all that the event names, is saved and can be deleted; the first failure is told
    /// after that.
    async fn delete(&self, manifest: &mut RecordingManifest) -> Result<()> {
        let mut outcome = Ok(());
        for piece in self.pieces.iter().filter(|piece| piece.media.is_some()) {
            let mut chunks = manifest.chunks.iter_mut();
            let chunk = chunks.find(|chunk| chunk.index == piece.number);
            let Some(chunk) = chunk.filter(|chunk| chunk.deleted_at.is_none()) else {
                continue;
            };
            let client = self.save.what.client.clone();
            match DeleteContent::of(client, &piece.chunk).await {
                Ok(()) => chunk.deleted_at = Some(Timestamp::now()),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        manifest.deleted_at = all_deleted(&manifest.chunks);
        outcome
            .map_err(|error| error.with_note("the recording is saved, and not all of it deleted"))
    }
}

/// When the last of these chunks was deleted, if all that are saved are.
fn all_deleted<'a>(chunks: impl IntoIterator<Item = &'a ManifestChunk>) -> Option<Timestamp> {
    let saved = chunks.into_iter().filter(|chunk| chunk.media.is_some());
    let deleted: Option<Vec<Timestamp>> = saved.map(|chunk| chunk.deleted_at).collect();
    deleted?.into_iter().max()
}

/// Keeps what an earlier event said and this one does not.
fn keep(manifest: &mut RecordingManifest, old: &RecordingManifest) {
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
