//! The manifest of a recording on disk, and the files that earlier runs verified.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::digest::Hasher;
use crate::content_url::ContentUrl;
use crate::fs::{PRIVATE, open_to_read, remove, sync_parent, with_suffix, write_atomically};
use crate::manifest::{MAX_BYTES, ManifestChunk, ManifestFile, RecordingManifest};

/// The manifest of a recording on disk. All methods block.
///
/// During a download, a draft beside it, `ID.manifest.json.part`, lists the files verified so far,
/// so that a later run does not download them again.
#[derive(Clone, Debug)]
pub(super) struct ManifestStore {
    path: PathBuf,
    draft: PathBuf,
    mode: u32,
}

/// The manifests of earlier runs.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlierManifests {
    /// Of the last run that finished.
    pub(super) finished: Option<RecordingManifest>,
    /// Of a run that did not.
    pub(super) draft: Option<RecordingManifest>,
}

/// Which run verified a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerifiedBy {
    ThisRun,
    /// An earlier run that did not finish.
    Draft,
    /// An earlier run that finished.
    Manifest,
}

impl ManifestStore {
    pub(super) fn new(folder: &Path, stem: &str, mode: u32) -> Self {
        let path = with_suffix(&folder.join(stem), ".manifest.json");
        Self {
            draft: with_suffix(&path, ".part"),
            path,
            mode,
        }
    }

    /// The manifest of the recording that this file belongs to by its name. Also returns the name.
    pub(super) fn beside(file: &Path) -> Option<(Self, String)> {
        let name = file.file_name()?.to_str()?;
        let (base, _) = name.rsplit_once('.')?;
        let (stem, number) = base.rsplit_once('.')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let store = Self::new(file.parent()?, stem, PRIVATE);
        is_number.then(|| (store, name.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self) -> io::Result<EarlierManifests> {
        Ok(EarlierManifests {
            finished: read(&self.path)?,
            draft: read(&self.draft)?,
        })
    }

    pub(super) fn write_draft(&self, manifest: &RecordingManifest) -> io::Result<()> {
        write_atomically(&self.draft, &to_json(manifest)?, self.mode)
    }

    pub(super) fn write(&self, manifest: &RecordingManifest) -> io::Result<()> {
        write_atomically(&self.path, &to_json(manifest)?, self.mode)?;
        self.remove_draft()
    }

    pub(super) fn remove_draft(&self) -> io::Result<()> {
        for draft in [with_suffix(&self.draft, ".new"), self.draft.clone()] {
            if std::fs::symlink_metadata(&draft).is_ok() {
                remove(&draft)?;
                sync_parent(&draft)?;
            }
        }
        Ok(())
    }
}

/// None if the file does not exist or is not a manifest.
fn read(path: &Path) -> io::Result<Option<RecordingManifest>> {
    let Some(file) = open_to_read(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

fn to_json(manifest: &RecordingManifest) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    Ok(json)
}

impl EarlierManifests {
    /// The entries about a file with the content of this location.
    pub(super) fn find(
        &self,
        name: &str,
        location: &ContentUrl,
    ) -> Vec<(VerifiedBy, &ManifestFile)> {
        let manifests = [
            (VerifiedBy::Manifest, &self.finished),
            (VerifiedBy::Draft, &self.draft),
        ];
        let mut found = Vec::new();
        for (verified_by, manifest) in manifests {
            let chunks = manifest.iter().flat_map(|manifest| &manifest.chunks);
            let files = chunks.flat_map(files_of);
            let is_match = |(file, from): &(&ManifestFile, Option<&ContentUrl>)| {
                file.name == name && from.is_some_and(|from| is_same_content(from, location))
            };
            let file = files.into_iter().find(is_match);
            found.extend(file.map(|(file, _)| (verified_by, file)));
        }
        found
    }
}

/// The files of a chunk, with the locations that they came from.
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

/// Whether both locations are of the same content, which has the same path on all hosts of the
/// service.
pub(super) fn is_same_content(one: &ContentUrl, other: &ContentUrl) -> bool {
    let (one_path, other_path) = (one.as_url().path(), other.as_url().path());
    let is_object = one.object_id().is_some();
    one_path == other_path && (is_object || one.as_url().origin() == other.as_url().origin())
}

/// Whether a file has the size and checksum of its entry in a manifest. Reads the complete file.
pub(super) fn matches_manifest(path: &Path, file: &ManifestFile) -> io::Result<bool> {
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
