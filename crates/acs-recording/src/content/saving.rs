//! Saving a whole recording: media first, then metadata, then the manifest, then deleting.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::ContentUrl;
use super::disk::on_disk;
use super::download::{Download, Extras};
use super::earlier::{look_for, warnings_about};
use super::file::{Check, SavedFile};
use super::folder::{SaveRecording, SavedRecording};
use super::lock::Lock;
use super::media::{Look, agree, look, refuse};
use super::names;
use super::numbers::{Numbered, number};
use super::options::{Options, Overwrite};
use super::piece::{Piece, missing, name_of, oddity, read_document};
use super::progress::{Listener, Meter, Progress};
use super::proofs::{Proof, Proofs, Records, holds};
use super::sink::clear;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::ManifestChunk;
use crate::metadata::RecordingMetadata;
use jiff::Timestamp;

/// How long after the end of a recording its metadata may not be ready.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// How long the metadata of a recent recording are waited for, of which the media are there.
const METADATA_PATIENCE: Duration = Duration::from_secs(10);

const OPERATION: &str = "download recording";

impl IntoFuture for SaveRecording {
    type Output = Result<SavedRecording>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let saved = async move {
            let saved = run(&self).await;
            saved.map_err(|error| error.with_operation(OPERATION))
        };
        Box::pin(saved)
    }
}

async fn run(save: &SaveRecording) -> Result<SavedRecording> {
    save.options.check()?;
    save.what.check()?;
    let chunks = &save.what.file.chunks;
    let numbered = number(chunks, Vec::new());
    let stem = save.what.stem(&numbered);
    let folder = save.folder.clone();
    on_disk(&save.folder, move || std::fs::create_dir_all(folder)).await?;
    let _lock = Lock::acquire(&save.folder, &stem).await?;
    let records = Records::new(&save.folder, &stem, save.options.mode);
    let read = records.clone();
    let proofs = on_disk(records.path(), move || read.read()).await?;
    let numbered = number(chunks, proofs.chunks());
    let lost = look_for(&save.folder, &numbered.earlier).await?;
    let mut saving = Saving::new(save, numbered, &stem, records, proofs);
    saving.lacks_earlier = !lost.is_empty();
    saving.warnings.extend(lost);
    saving.media().await?;
    saving.metadata().await?;
    saving.compare_lengths();
    saving.finish().await
}

/// A recording that is being saved.
pub(super) struct Saving<'a> {
    pub(super) save: &'a SaveRecording,
    pub(super) records: Records,
    pub(super) proofs: Proofs,
    pub(super) pieces: Vec<Piece>,
    /// What earlier events announced, and this one does not.
    pub(super) earlier: Vec<ManifestChunk>,
    pub(super) gaps: Vec<u64>,
    pub(super) warnings: Vec<String>,
    /// Why chunks could not be saved.
    pub(super) failures: Vec<Error>,
    /// Whether there are metadata that could not be fetched.
    pub(super) lacks_metadata: bool,
    /// Whether a file is not here that an earlier run saved and this event does not name.
    pub(super) lacks_earlier: bool,
}

impl<'a> Saving<'a> {
    fn new(
        save: &'a SaveRecording,
        numbered: Numbered,
        stem: &str,
        records: Records,
        proofs: Proofs,
    ) -> Self {
        let chunks = numbered.chunks.into_iter();
        let mut warnings = numbered.warnings;
        if let Some(before) = &proofs.finished {
            warnings.extend(warnings_about(&numbered.earlier, before));
        }
        let mut deleted: BTreeMap<_, _> = proofs
            .chunks()
            .into_iter()
            .filter_map(|chunk| Some((chunk.index, chunk.deleted_at?)))
            .collect();
        let format = save.what.file.format.as_ref();
        let pieces = chunks.map(|(number, chunk)| Piece {
            deleted_at: deleted.remove(&number),
            ..Piece::new(&save.folder, stem, format, number, chunk)
        });
        Self {
            save,
            records,
            pieces: pieces.collect(),
            earlier: numbered.earlier,
            gaps: numbered.gaps,
            warnings,
            failures: Vec::new(),
            lacks_metadata: false,
            lacks_earlier: false,
            proofs,
        }
    }

    /// Saves the media of all chunks that have a location. A chunk that cannot be had stops no
    /// other.
    async fn media(&mut self) -> Result<()> {
        let count = self.pieces.len();
        let mut before = 0;
        for place in 0..count {
            let Some(piece) = self.pieces.get(place) else {
                continue;
            };
            let Some(location) = &piece.chunk.content_location else {
                let text = missing(piece);
                self.warnings.push(text);
                continue;
            };
            let listener = self.listener(before, place, place + 1 == count);
            match self.medium(piece, location, listener).await {
                Ok((saved, proof, look)) => {
                    before += saved.bytes;
                    if let (Some(oddity), name) = (look.oddity, name_of(&saved.path)) {
                        self.warnings.push(format!("{name}: {oddity}"));
                    }
                    if let Some(piece) = self.pieces.get_mut(place) {
                        piece.length = look.length;
                        piece.media = Some((saved, proof));
                    }
                    if proof == Proof::Now {
                        let (records, draft) = (self.records.clone(), self.manifest());
                        let path = self.records.path();
                        on_disk(path, move || records.write_draft(&draft)).await?;
                    }
                }
                Err(error) if is_of_one(&error) => {
                    let text = format!("chunk {} is not saved: {error}", piece.number);
                    self.warnings.push(text);
                    self.failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Saves one media file, unless it is there for certain.
    async fn medium(
        &self,
        piece: &Piece,
        location: &ContentUrl,
        listener: Option<Listener>,
    ) -> Result<(SavedFile, Proof, Look)> {
        let path = piece.base.with_added_extension(piece.ending);
        let meter = Meter::new(listener, self.save.options.bandwidth);
        let (saved, proof) = if let Some(proven) = self.proven(&path, location, false).await? {
            meter.set_base(proven.0.bytes, Some(proven.0.bytes));
            proven
        } else {
            let format = self.save.what.file.format.as_ref();
            let announced = names::announced(format, location.as_url().path());
            let check: Check = Arc::new(move |file: &Path| refuse(file, announced));
            let extras = Extras {
                meter: Some(meter),
                check: Some(check),
                wants_proof: true,
            };
            let options = self.save.options.clone();
            self.fetch(&path, location, options, extras).await?
        };
        let (file, ending) = (path.clone(), piece.ending);
        let look = on_disk(&path, move || look(&file, ending)).await?;
        Ok((saved, proof, look))
    }

    /// Saves the metadata documents. The media are worth more: a document that cannot be had, or
    /// not be read, is a warning.
    async fn metadata(&mut self) -> Result<()> {
        let finished = self.proofs.finished.as_ref();
        let is_settled = finished.is_some_and(|finished| finished.complete);
        for place in 0..self.pieces.len() {
            let Some(piece) = self.pieces.get(place) else {
                continue;
            };
            let number = piece.number;
            let Some(location) = &piece.chunk.metadata_location else {
                if piece.media.is_some() {
                    let text = format!("the event names no metadata document of chunk {number}");
                    self.warnings.push(text);
                }
                continue;
            };
            let has_old_media = matches!(piece.media, Some((_, Proof::Finished)));
            let path = piece.base.with_added_extension("json");
            let outcome = match self.proven(&path, location, false).await? {
                Some(proven) => Ok(proven),
                None if is_settled && has_old_media => Err(none_left()),
                None => self.document(&path, location).await,
            };
            match outcome {
                Ok((saved, proof)) => {
                    let read = read_document(&saved.path).await?;
                    let oddity = read.as_ref().map_or_else(
                        |text| Some(format!("cannot be read: {text}")),
                        |document| oddity(document, piece),
                    );
                    if let Some(oddity) = oddity {
                        let text = format!("the metadata document of chunk {number} {oddity}");
                        self.warnings.push(text);
                    }
                    if let Some(piece) = self.pieces.get_mut(place) {
                        piece.document = read.ok();
                        piece.metadata = Some((saved, proof));
                    }
                }
                Err(error) if is_passing(&error) => {
                    let advice = if self.failures.is_empty() {
                        "the media are saved, and the metadata are not"
                    } else {
                        "not all media are saved, nor the metadata"
                    };
                    return Err(error.with_note(advice));
                }
                Err(error) if is_gone(&error) => {
                    let text = format!("the service has no metadata document of chunk {number}");
                    self.warnings.push(text);
                }
                Err(error) => {
                    let text = format!(
                        "the metadata document of chunk {number} could not be saved: {error}"
                    );
                    self.warnings.push(text);
                    self.lacks_metadata = true;
                }
            }
        }
        Ok(())
    }

    /// Downloads a metadata document, as it is.
    async fn document(&self, path: &Path, location: &ContentUrl) -> Result<(SavedFile, Proof)> {
        let ended = self.save.what.ended();
        let recent = ended.is_some_and(|ended| {
            let age = Timestamp::now().duration_since(ended);
            Duration::try_from(age).unwrap_or_default() < RECENT
        });
        // The media are there, so it is either there, too, or about to come.
        let usual = if recent {
            METADATA_PATIENCE
        } else {
            Duration::ZERO
        };
        let limit = self.save.options.ready_timeout;
        let options = Options {
            listener: None,
            ready_timeout: Some(limit.map_or(usual, |limit| limit.min(METADATA_PATIENCE))),
            ..self.save.options.clone()
        };
        let extras = Extras {
            wants_proof: true,
            ..Extras::default()
        };
        self.fetch(path, location, options, extras).await
    }

    async fn fetch(
        &self,
        path: &Path,
        location: &ContentUrl,
        options: Options,
        extras: Extras,
    ) -> Result<(SavedFile, Proof)> {
        let options = Options {
            sha256: true,
            ..options
        };
        let mut download = Download::new(self.save.what.client.clone(), location.clone());
        if let Some(ended) = self.save.what.ended() {
            download = download.recorded_until(ended);
        }
        let saved = Box::pin(download.with(options).save(path.to_owned(), extras)).await;
        match saved {
            Ok(saved) => Ok((saved, Proof::Now)),
            // It was deleted by an earlier run of this same download, which must come to its end.
            Err(error) if self.save.deletes && is_gone(&error) => {
                let proven = self.proven(path, location, true).await?;
                proven.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// A file that is there and has the checksum that an earlier run wrote down. Where files are
    /// not to be taken as they are, only a run that did not come to its end counts, unless `any`
    /// will do.
    async fn proven(
        &self,
        path: &Path,
        location: &ContentUrl,
        any: bool,
    ) -> Result<Option<(SavedFile, Proof)>> {
        let any = any || self.save.options.overwrite == Overwrite::Skip;
        for (proof, file) in self.proofs.find(&name_of(path), location) {
            if !any && proof == Proof::Finished {
                continue;
            }
            let (place, expected) = (path.to_owned(), file.clone());
            let is_there = on_disk(path, move || {
                let is_there = holds(&place, &expected)?;
                if is_there {
                    clear(&place)?;
                }
                Ok(is_there)
            });
            if is_there.await? {
                let saved = SavedFile {
                    path: path.to_owned(),
                    bytes: file.bytes,
                    sha256: Some(file.sha256),
                    transferred: 0,
                };
                return Ok(Some((saved, proof)));
            }
        }
        Ok(None)
    }

    /// Says where the lengths that are told and those of the files differ. Nobody knows whether the
    /// service counts pauses.
    fn compare_lengths(&mut self) {
        let mut sum = Some(Duration::ZERO);
        for piece in &self.pieces {
            let told = piece
                .document
                .as_ref()
                .and_then(|document| document.duration);
            sum = sum
                .zip(piece.length.or(told))
                .map(|(sum, one)| sum.saturating_add(one));
            if let (Some(length), Some(told)) = (piece.length, told)
                && !agree(length, told)
            {
                let paused = piece.document.as_ref().map(RecordingMetadata::paused);
                let paused = paused.filter(|paused| !paused.is_zero());
                let aside = paused.map(|paused| format!(", with pauses of {paused:?}"));
                self.warnings.push(format!(
                    "chunk {} is {length:?} long, and its metadata document says {told:?}{}",
                    piece.number,
                    aside.unwrap_or_default()
                ));
            }
        }
        let is_whole = self.gaps.is_empty()
            && self.earlier.is_empty()
            && self.pieces.iter().all(|piece| piece.media.is_some());
        if let (Some(sum), Some(told), true) = (sum, self.save.what.file.duration, is_whole)
            && !agree(sum, told)
        {
            self.warnings.push(format!(
                "the chunks are {sum:?} long all in all, and the event says {told:?}"
            ));
        }
    }

    /// Tells progress of one chunk as that of the whole recording.
    fn listener(&self, before: u64, chunk: usize, is_last: bool) -> Option<Listener> {
        let listener = Arc::clone(self.save.options.listener.as_ref()?);
        Some(Arc::new(move |progress: Progress| {
            listener(Progress {
                bytes: before + progress.bytes,
                // How large the next chunks are shows when they begin.
                total: progress
                    .total
                    .filter(|_| is_last)
                    .map(|total| before + total),
                chunk,
                ..progress
            });
        }))
    }
}

/// Whether the other chunks of a recording may be there all the same.
fn is_of_one(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Authentication
            | ErrorKind::Throttled
            | ErrorKind::Service
            | ErrorKind::Timeout
            | ErrorKind::Connection
    )
}

/// Whether metadata that could not be had are to be tried again before anything else is done.
fn is_passing(error: &Error) -> bool {
    let is_disk = || {
        let source = std::error::Error::source(error);
        error.kind() == ErrorKind::Io
            && source.is_some_and(<dyn std::error::Error>::is::<io::Error>)
    };
    match error.kind() {
        ErrorKind::ContentNotReady => false,
        ErrorKind::Authentication => true,
        _ => error.is_retryable() || is_disk(),
    }
}

/// What stands for a document that an earlier run found missing.
fn none_left() -> Error {
    Error::new(ErrorKind::NotFound, "there was none before")
}

/// Whether the service does not have the content, and will not have it any more.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ExpiredContent
    )
}
