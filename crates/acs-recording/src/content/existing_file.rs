//! Verifying a file that already exists under the name of a download.

use std::io;

use super::content_hash::ContentHash;
use super::digest::Hasher;
use super::file_download::{Failure, FileDownload, SavedFile};
use super::leftovers::remove_stale;
use super::manifest_store::{ManifestStore, matches_manifest};
use super::range_reader::RangeReader;
use crate::error::{Error, ErrorKind, Result};

/// What a file must match, besides its size, to be the content.
struct Expected {
    sha256: Option<ContentHash>,
}

impl FileDownload {
    /// The size of the existing file, if there is one.
    pub(super) async fn existing_size(&self) -> Result<Option<u64>> {
        let path = self.path.clone();
        self.run_blocking(move || {
            remove_stale(&path)?;
            match std::fs::metadata(&path) {
                Ok(found) => Ok(Some(found.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Verifies the existing file of this size. None if only the content itself can show whether it
    /// is the same.
    ///
    /// # Errors
    /// It is another file.
    pub(super) async fn verify_existing(&self, size: u64) -> Result<Option<SavedFile>, Failure> {
        if let Some(saved) = self.verify_by_manifest().await? {
            return Ok(Some(saved));
        }
        let Some(Expected { sha256 }) = self.expected_of_existing(size).await? else {
            return Ok(None);
        };
        self.progress.set_existing(size, Some(size));
        let mut hasher = Hasher::new(sha256, self.options.sha256);
        let path = self.path.clone();
        let hasher = self
            .run_blocking(move || {
                if !hasher.is_idle() {
                    hasher.update_from(std::fs::File::open(&path)?)?;
                }
                Ok(hasher)
            })
            .await?;
        let sha256 = hasher.finish().map_err(|error| {
            self.is_different("has the size of the content, but not its checksum")
                .with_source(error)
        })?;
        Ok(Some(SavedFile {
            sha256: sha256.filter(|_| self.options.sha256),
            path: self.path.clone(),
            bytes: size,
            transferred: 0,
        }))
    }

    /// Verifies a single file by the manifest of its recording. None if no manifest beside it has
    /// an entry for it.
    ///
    /// # Errors
    /// It does not match its entry.
    async fn verify_by_manifest(&self) -> Result<Option<SavedFile>> {
        if self.requires_proof || !self.range.is_whole() {
            return Ok(None);
        }
        let (path, location) = (self.path.clone(), self.source.location.clone());
        let found = self.run_blocking(move || {
            let Some((store, name)) = ManifestStore::beside(&path) else {
                return Ok(None);
            };
            // A manifest that cannot be read proves nothing.
            let manifests = store.read().unwrap_or_default();
            let files = manifests.find(&name, &location);
            for (_, file) in &files {
                if matches_manifest(&path, file)? {
                    return Ok(Some(Ok((*file).clone())));
                }
            }
            Ok((!files.is_empty()).then(|| Err(store.path().to_owned())))
        });
        match found.await? {
            None => Ok(None),
            Some(Err(manifest)) => {
                Err(self.is_different(&format!("does not match {}", manifest.display())))
            }
            Some(Ok(file)) => {
                self.progress.set_existing(file.bytes, Some(file.bytes));
                Ok(Some(SavedFile {
                    path: self.path.clone(),
                    bytes: file.bytes,
                    sha256: Some(file.sha256).filter(|_| self.options.sha256),
                    transferred: 0,
                }))
            }
        }
    }

    /// Requests the content and compares its size. Returns what else the file must match. None if
    /// that would not prove that it is the content.
    async fn expected_of_existing(&self, size: u64) -> Result<Option<Expected>, Failure> {
        if self.range.is_empty() {
            self.check_size(size, Some(0))?;
            return Ok(Some(Expected { sha256: None }));
        }
        let response = match self.source.open_first(self.range).await? {
            Ok(response) => response,
            Err(not_ready) => return Err(Failure::NotReady(not_ready, 0)),
        };
        let reader =
            RangeReader::from_response(response, &self.source, &self.progress, self.range)?;
        let end = reader.end().filter(|_| reader.identity().total.is_some());
        let length = end.map(|end| end - self.range.start);
        let sha256 = self.expected_sha256(&reader);
        if self.requires_proof && (length.is_none() || sha256.is_none()) {
            if length.is_some() {
                self.check_size(size, length)?;
            }
            return Ok(None);
        }
        self.check_size(size, length)?;
        Ok(Some(Expected { sha256 }))
    }

    /// Whether an existing file equals the content that was downloaded beside it. False if there is
    /// no such file.
    ///
    /// # Errors
    /// It is another file.
    pub(super) async fn equals_existing(&self, sha256: Option<ContentHash>) -> Result<bool> {
        let path = self.path.clone();
        let found = self.run_blocking(move || match std::fs::File::open(&path) {
            Ok(file) => Hasher::of_file(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        match found.await? {
            None => Ok(false),
            found if found == sha256 => Ok(true),
            Some(_) => Err(self.is_different("is not the content")),
        }
    }

    fn check_size(&self, size: u64, length: Option<u64>) -> Result<()> {
        match length {
            Some(length) if length == size => Ok(()),
            Some(length) => {
                Err(self.is_different(&format!("has {size} bytes, but the content has {length}")))
            }
            None => Err(self.is_different(
                "may be another file: the server does not announce the size of the content",
            )),
        }
    }

    fn is_different(&self, what: &str) -> Error {
        let path = self.path.display();
        let text = format!(
            "{path} already exists and {what}; it was left unchanged. Move it away, or choose to \
             replace it"
        );
        Error::new(ErrorKind::Io, text)
    }
}
