//! What earlier runs verified of a recording, and where that is written down.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::ContentUrl;
use super::disk::{PRIVATE, open_to_read, remove, sync_folder, with_suffix, write_atomically};
use super::verify::Hasher;
use crate::manifest::{MAX_BYTES, ManifestChunk, ManifestFile, RecordingManifest};

/// The manifest of a recording on the disk. All methods block.
///
/// While a download runs there is a draft beside it, `ID.manifest.json.part`, with the files that
/// are verified already, so that the next run does not download them again.
#[derive(Clone, Debug)]
pub(super) struct Records {
    path: PathBuf,
    draft: PathBuf,
    mode: u32,
}

/// What earlier runs wrote down.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs {
    /// By the last run that came to its end.
    pub(super) finished: Option<RecordingManifest>,
    /// By a run that did not.
    pub(super) draft: Option<RecordingManifest>,
}

/// Whose word a file is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// This run verified it.
    Now,
    Draft,
    Finished,
}

impl Records {
    pub(super) fn new(folder: &Path, stem: &str, mode: u32) -> Self {
        let path = with_suffix(&folder.join(stem), ".manifest.json");
        Self {
            draft: with_suffix(&path, ".part"),
            path,
            mode,
        }
    }

    /// Those of the recording of which this file is one, by its name, with that name.
    pub(super) fn beside(file: &Path) -> Option<(Self, String)> {
        let name = file.file_name()?.to_str()?;
        let (base, _) = name.rsplit_once('.')?;
        let (stem, number) = base.rsplit_once('.')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let records = Self::new(file.parent()?, stem, PRIVATE);
        is_number.then(|| (records, name.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self) -> io::Result<Proofs> {
        Ok(Proofs {
            finished: read(&self.path)?,
            draft: read(&self.draft)?,
        })
    }

    pub(super) fn write_draft(&self, manifest: &RecordingManifest) -> io::Result<()> {
        write_atomically(&self.draft, &text(manifest)?, self.mode)
    }

    pub(super) fn write(&self, manifest: &RecordingManifest) -> io::Result<()> {
        write_atomically(&self.path, &text(manifest)?, self.mode)?;
        self.forget_draft()
    }

    pub(super) fn forget_draft(&self) -> io::Result<()> {
        for draft in [with_suffix(&self.draft, ".new"), self.draft.clone()] {
            if std::fs::symlink_metadata(&draft).is_ok() {
                remove(&draft)?;
                sync_folder(&draft)?;
            }
        }
        Ok(())
    }
}

/// None if there is no manifest, or nothing that can be read as one.
fn read(path: &Path) -> io::Result<Option<RecordingManifest>> {
    let Some(file) = open_to_read(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

fn text(manifest: &RecordingManifest) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    Ok(text)
}

impl Proofs {
    /// What is known about a file with the content of this location.
    pub(super) fn find(&self, name: &str, location: &ContentUrl) -> Vec<(Proof, &ManifestFile)> {
        let records = [
            (Proof::Finished, &self.finished),
            (Proof::Draft, &self.draft),
        ];
        let mut found = Vec::new();
        for (proof, manifest) in records {
            let chunks = manifest.iter().flat_map(|manifest| &manifest.chunks);
            let files = chunks.flat_map(files_of);
            let is_it = |(file, from): &(&ManifestFile, Option<&ContentUrl>)| {
                file.name == name && from.is_some_and(|from| is_same(from, location))
            };
            let file = files.into_iter().find(is_it);
            found.extend(file.map(|(file, _)| (proof, file)));
        }
        found
    }
}

pub(super) fn files_of(chunk: &ManifestChunk) -> Vec<(&ManifestFile, Option<&ContentUrl>)> {
    let media = chunk
        .media
        .iter()
        .map(|file| (file, chunk.content_location.as_ref()));
    let metadata = chunk
        .metadata
        .iter()
        .map(|file| (file, chunk.metadata_location.as_ref()));
    media.chain(metadata).collect()
}

/// Whether two locations are of the same content: it has the same path on all hosts of the service.
pub(super) fn is_same(one: &ContentUrl, other: &ContentUrl) -> bool {
    let (one_path, other_path) = (one.as_url().path(), other.as_url().path());
    let is_object = one.object().is_some();
    one_path == other_path && (is_object || one.as_url().origin() == other.as_url().origin())
}

/// Whether a file is what a manifest says, which takes reading all of it.
pub(super) fn holds(path: &Path, file: &ManifestFile) -> io::Result<bool> {
    let found = match File::open(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let metadata = found.metadata()?;
    if !metadata.is_file() || metadata.len() != file.bytes {
        return Ok(false);
    }
    Ok(Hasher::of_file(found)? == file.sha256)
}
