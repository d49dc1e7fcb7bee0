//! One chunk of a recording while that is saved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::disk::on_disk;
use super::file::SavedFile;
use super::names;
use super::proofs::Proof;
use super::read_metadata::MAX_BYTES;
use crate::error::Result;
use crate::event::RecordingChunk;
use crate::manifest::{ManifestChunk, ManifestFile};
use crate::metadata::RecordingMetadata;
use crate::models::RecordingFormatType;

/// A chunk that is being saved.
pub(super) struct Piece {
    pub(super) number: u64,
    pub(super) chunk: RecordingChunk,
    /// The path of its files, without their endings.
    pub(super) base: PathBuf,
    pub(super) ending: &'static str,
    pub(super) media: Option<(SavedFile, Proof)>,
    pub(super) metadata: Option<(SavedFile, Proof)>,
    pub(super) document: Option<RecordingMetadata>,
    pub(super) length: Option<Duration>,
    /// When an earlier run deleted what it had saved.
    pub(super) deleted_at: Option<Timestamp>,
}

impl Piece {
    pub(super) fn new(
        folder: &Path,
        stem: &str,
        format: Option<&RecordingFormatType>,
        number: u64,
        chunk: RecordingChunk,
    ) -> Self {
        let location = chunk.content_location.as_ref();
        let path = location.map_or("", |location| location.as_url().path());
        Self {
            number,
            base: folder.join(format!("{stem}.{number:03}")),
            ending: names::ending(format, path),
            chunk,
            media: None,
            metadata: None,
            document: None,
            length: None,
            deleted_at: None,
        }
    }

    pub(super) fn proofs(&self) -> impl Iterator<Item = Proof> {
        [&self.media, &self.metadata]
            .into_iter()
            .flatten()
            .map(|(_, proof)| *proof)
    }
}

pub(super) fn recorded(piece: &Piece) -> ManifestChunk {
    let file = |saved: &Option<(SavedFile, Proof)>| {
        let (saved, _) = saved.as_ref()?;
        let name = name_of(&saved.path);
        Some(ManifestFile::new(name, saved.bytes, saved.sha256?))
    };
    let mut chunk = ManifestChunk::new(piece.number, &piece.chunk);
    chunk.media = file(&piece.media);
    chunk.metadata = file(&piece.metadata);
    // What came just now is not deleted.
    let is_new = piece.proofs().any(|proof| proof == Proof::Now);
    chunk.deleted_at = piece.deleted_at.filter(|_| !is_new);
    chunk
}

/// Names are made of ASCII here.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(super) fn missing(piece: &Piece) -> String {
    let reason = match &piece.chunk.end_reason {
        Some(reason) => format!(" (it ended with {reason})"),
        None => String::new(),
    };
    format!(
        "the event does not say where the media of chunk {} are{reason}",
        piece.number
    )
}

/// The document in a file, or why there is none.
pub(super) async fn read_document(path: &Path) -> Result<Result<RecordingMetadata, String>> {
    let file = path.to_owned();
    on_disk(path, move || {
        if std::fs::metadata(&file)?.len() > MAX_BYTES {
            return Ok(Err(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let document = RecordingMetadata::parse(&std::fs::read(&file)?);
        Ok(document.map_err(|error| error.to_string()))
    })
    .await
}

/// What is odd about a document that can be read.
pub(super) fn oddity(document: &RecordingMetadata, piece: &Piece) -> Option<String> {
    if !document.unreadable.is_empty() {
        let list = document.unreadable.join(", ");
        return Some(format!("has members that cannot be read: {list}"));
    }
    let told = document.document_id.as_ref()?;
    let is_other = piece
        .chunk
        .document_id
        .as_ref()
        .is_some_and(|id| id != told);
    is_other.then(|| format!("says that it is about document {told}"))
}
