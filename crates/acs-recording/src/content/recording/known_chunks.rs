//! What is known of a recording by earlier events about it.

use std::path::Path;

use super::disk::on_disk;
use super::proofs::{Proofs, files_of, holds, is_same};
use crate::error::Result;
use crate::event::RecordingChunk;
use crate::manifest::{ManifestChunk, RecordingManifest};

/// What all warnings about gaps begin with.
pub(super) const GAP: &str = "the event does not announce chunk";
/// What all warnings about files that were moved or altered end with.
const NOT_HERE: &str = "is not here any more as an earlier run saved it";

impl Proofs {
    /// The chunks that earlier runs wrote down, each with a number of its own.
    pub(super) fn chunks(&self) -> Vec<ManifestChunk> {
        let mut chunks: Vec<ManifestChunk> = Vec::new();
        // A draft is later than what the last run that came to its end wrote down.
        for manifest in self.draft.iter().chain(&self.finished) {
            for chunk in &manifest.chunks {
                let known = chunks.iter_mut().find(|other| other.index == chunk.index);
                let Some(known) = known else {
                    let mut chunk = chunk.clone();
                    let is_saved = chunk.media.is_some();
                    chunk.deleted_at = chunk
                        .deleted_at
                        .or(manifest.deleted_at.filter(|_| is_saved));
                    chunks.push(chunk);
                    continue;
                };
                if known.media.is_none() {
                    known.media.clone_from(&chunk.media);
                    known.deleted_at = chunk.deleted_at.or(manifest.deleted_at);
                }
                if known.metadata.is_none() {
                    known.metadata.clone_from(&chunk.metadata);
                }
            }
        }
        chunks.sort_by_key(|chunk| chunk.index);
        chunks
    }
}

/// Takes what is known about this chunk out of what is known.
pub(super) fn take_known(
    known: &mut Vec<ManifestChunk>,
    chunk: &RecordingChunk,
) -> Option<ManifestChunk> {
    let is_it = |one: &ManifestChunk| is_about(one, chunk);
    let same_number = |one: &ManifestChunk| chunk.index == Some(one.index);
    let place = known.iter().position(|one| is_it(one) && same_number(one));
    let place = place.or_else(|| known.iter().position(is_it))?;
    Some(known.remove(place))
}

fn is_about(known: &ManifestChunk, chunk: &RecordingChunk) -> bool {
    let documents = known.document_id.as_ref().zip(chunk.document_id.as_ref());
    if documents.is_some_and(|(one, other)| one != other) {
        return false;
    }
    let locations = known.content_location.as_ref();
    match locations.zip(chunk.content_location.as_ref()) {
        Some((one, other)) if is_same(one, other) => true,
        // The same document at another place.
        Some(_) => documents.is_some() && chunk.index.is_none_or(|index| index == known.index),
        None => documents.is_some() || chunk.index == Some(known.index),
    }
}

/// Fills in what the event leaves out. Where something may be deleted is not of this: that only the
/// event at hand can say.
pub(super) fn fill_in(chunk: &mut RecordingChunk, known: &ManifestChunk) {
    fn fill<T: Clone>(place: &mut Option<T>, known: Option<&T>) {
        if place.is_none() {
            *place = known.cloned();
        }
    }
    fill(&mut chunk.document_id, known.document_id.as_ref());
    fill(&mut chunk.end_reason, known.end_reason.as_ref());
    fill(&mut chunk.content_location, known.content_location.as_ref());
    let metadata = known.metadata_location.as_ref();
    fill(&mut chunk.metadata_location, metadata);
}

/// What an earlier run said about chunks that this event does not name.
pub(super) fn warnings_about(chunks: &[ManifestChunk], before: &RecordingManifest) -> Vec<String> {
    let is_about = |warning: &String, chunk: &ManifestChunk| {
        let files = files_of(chunk);
        let number = format!("chunk {}", chunk.index);
        let is_named = warning.match_indices(&number).any(|(at, number)| {
            let rest = warning.get(at + number.len()..).unwrap_or_default();
            !rest.starts_with(|letter: char| letter.is_ascii_digit())
        });
        is_named || files.iter().any(|(file, _)| warning.contains(&file.name))
    };
    let warnings = before.warnings.iter();
    warnings
        .filter(|warning| !warning.starts_with(GAP) && !warning.ends_with(NOT_HERE))
        .filter(|warning| chunks.iter().any(|chunk| is_about(warning, chunk)))
        .cloned()
        .collect()
}

/// Warns of files of these chunks that are not here, or not as they were saved.
pub(super) async fn look_for(folder: &Path, chunks: &[ManifestChunk]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (file, _) in chunks.iter().flat_map(files_of) {
        // Names in a manifest that anybody may have written lead nowhere else.
        let is_plain = Path::new(&file.name).file_name() == Some(file.name.as_ref());
        let (path, expected) = (folder.join(&file.name), file.clone());
        let is_here = is_plain && on_disk(folder, move || holds(&path, &expected)).await?;
        if !is_here {
            warnings.push(format!("{} {NOT_HERE}", file.name));
        }
    }
    Ok(warnings)
}
