//! The chunks of a recording that earlier runs know.

use std::path::Path;

use super::super::manifest_store::{EarlierManifests, files_of, is_same_content, matches_manifest};
use crate::error::Result;
use crate::event::RecordingChunk;
use crate::fs::run_blocking;
use crate::manifest::{ManifestChunk, RecordingManifest};

/// The beginning of all warnings about gaps.
pub(super) const GAP: &str = "no event announces chunk";
/// The end of all warnings about files that were moved or altered.
const MISSING_FILE: &str = "is missing or differs from what an earlier run saved";

impl EarlierManifests {
    /// The chunks in the manifests of earlier runs, with their numbers.
    pub(super) fn chunks(&self) -> Vec<ManifestChunk> {
        let mut chunks: Vec<ManifestChunk> = Vec::new();
        // A draft is newer than the manifest of the last run that finished.
        for manifest in self.draft.iter().chain(&self.finished) {
            for chunk in &manifest.chunks {
                let known = chunks.iter_mut().find(|known| known.index == chunk.index);
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

/// Removes and returns the known chunk that this one is.
pub(super) fn take_known(
    known: &mut Vec<ManifestChunk>,
    chunk: &RecordingChunk,
) -> Option<ManifestChunk> {
    let is_same = |known: &ManifestChunk| is_same_chunk(known, chunk);
    let has_index = |known: &ManifestChunk| chunk.index == Some(known.index);
    let position = known
        .iter()
        .position(|known| is_same(known) && has_index(known));
    let position = position.or_else(|| known.iter().position(is_same))?;
    Some(known.remove(position))
}

fn is_same_chunk(known: &ManifestChunk, chunk: &RecordingChunk) -> bool {
    let documents = known.document_id.as_ref().zip(chunk.document_id.as_ref());
    if documents.is_some_and(|(one, other)| one != other) {
        return false;
    }
    let locations = known.content_location.as_ref();
    match locations.zip(chunk.content_location.as_ref()) {
        Some((one, other)) if is_same_content(one, other) => true,
        // The same document at another location.
        Some(_) => documents.is_some() && chunk.index.is_none_or(|index| index == known.index),
        None => documents.is_some() || chunk.index == Some(known.index),
    }
}

/// Fills in what the event leaves out, except the delete location: only the event itself may say what
/// to delete.
pub(super) fn fill_in(chunk: &mut RecordingChunk, known: &ManifestChunk) {
    fn fill<T: Clone>(value: &mut Option<T>, known: Option<&T>) {
        if value.is_none() {
            *value = known.cloned();
        }
    }
    fill(&mut chunk.document_id, known.document_id.as_ref());
    fill(&mut chunk.end_reason, known.end_reason.as_ref());
    fill(&mut chunk.content_location, known.content_location.as_ref());
    let metadata = known.metadata_location.as_ref();
    fill(&mut chunk.metadata_location, metadata);
}

/// The warnings of an earlier run about chunks that this event does not name.
pub(super) fn earlier_warnings(
    chunks: &[ManifestChunk],
    earlier: &RecordingManifest,
) -> Vec<String> {
    let is_about = |warning: &String, chunk: &ManifestChunk| {
        let files = files_of(chunk);
        let name = format!("chunk {}", chunk.index);
        let is_named = warning.match_indices(&name).any(|(position, name)| {
            let rest = warning.get(position + name.len()..).unwrap_or_default();
            !rest.starts_with(|letter: char| letter.is_ascii_digit())
        });
        is_named || files.iter().any(|(file, _)| warning.contains(&file.name))
    };
    let warnings = earlier.warnings.iter();
    warnings
        .filter(|warning| !warning.starts_with(GAP) && !warning.ends_with(MISSING_FILE))
        .filter(|warning| chunks.iter().any(|chunk| is_about(warning, chunk)))
        .cloned()
        .collect()
}

/// Warnings about files of these chunks that are missing or differ from what was saved.
pub(super) async fn find_missing_files(
    folder: &Path,
    chunks: &[ManifestChunk],
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (file, _) in chunks.iter().flat_map(files_of) {
        // A manipulated manifest must not lead out of the folder.
        let is_plain = Path::new(&file.name).file_name() == Some(file.name.as_ref());
        let (path, expected) = (folder.join(&file.name), file.clone());
        let is_intact =
            is_plain && run_blocking(folder, move || matches_manifest(&path, &expected)).await?;
        if !is_intact {
            warnings.push(format!("{} {MISSING_FILE}", file.name));
        }
    }
    Ok(warnings)
}
