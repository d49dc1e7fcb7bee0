//! The end of saving a recording: the manifest, and then deleting.

use jiff::Timestamp;

use super::folder::{MissingChunk, SavedChunk, SavedRecording};
use super::piece::{Piece, on_disk, recorded};
use super::proofs::Proof;
use super::saving::Saving;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::RecordingManifest;

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
                _ => error.advise(&format!(
                    "{saved} of {} chunks are saved",
                    self.pieces.len()
                )),
            });
        }
        self.write(&manifest).await?;
        let mut kept = None;
        if self.save.deletes && manifest.deleted_at.is_none() {
            if manifest.complete || self.save.deletes_incomplete {
                self.delete().await?;
                manifest.deleted_at = Some(Timestamp::now());
                self.write(&manifest).await?;
            } else {
                kept = Some(
                    "the recording is incomplete; the service's copy is not deleted".to_owned(),
                );
            }
        }
        Ok(self.outcome(&manifest, kept))
    }

    fn outcome(self, manifest: &RecordingManifest, kept: Option<String>) -> SavedRecording {
        let mut missing: Vec<_> = self
            .gaps
            .iter()
            .map(|gap| MissingChunk::new(*gap, None))
            .collect();
        let mut chunks = Vec::new();
        for piece in self.pieces {
            match piece.media {
                Some((media, _)) => chunks.push(SavedChunk {
                    index: piece.number,
                    media,
                    metadata: piece.metadata.map(|(saved, _)| saved),
                    document: piece.document,
                }),
                None => missing.push(MissingChunk::new(piece.number, Some(&piece.chunk))),
            }
        }
        missing.sort_by_key(|chunk| chunk.index);
        SavedRecording {
            chunks,
            missing,
            warnings: self.warnings.into_iter().chain(kept).collect(),
            manifest: self.records.path().to_owned(),
            deleted: manifest.deleted_at.is_some(),
            complete: manifest.complete,
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
        manifest.chunks = self.pieces.iter().map(recorded).collect();
        manifest.gaps.clone_from(&self.gaps);
        manifest.warnings.clone_from(&self.warnings);
        let has_media = self.pieces.iter().all(|piece| piece.media.is_some());
        manifest.complete = has_media && self.gaps.is_empty() && !self.lacks_metadata;
        let saved_at = old_files.and_then(|old| old.saved_at);
        manifest.saved_at = Some(saved_at.unwrap_or_else(Timestamp::now));
        manifest.deleted_at = old_files.and_then(|old| old.deleted_at);
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

    /// Deletes all that is saved and can be deleted; the first failure is told after that.
    async fn delete(&self) -> Result<()> {
        let mut outcome = Ok(());
        for piece in self.pieces.iter().filter(|piece| piece.media.is_some()) {
            let deleted = self.save.what.client.delete(&piece.chunk).await;
            outcome = outcome.and(deleted);
        }
        outcome.map_err(|error| error.advise("the recording is saved, and not all of it deleted"))
    }
}

/// Whether the service does not have the content, and will not have it any more.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ExpiredContent
    )
}
