//! What a download does about a file that has its name already.

use std::io;
use std::sync::Arc;

use super::file::{Job, SavedFile, Stop};
use super::proofs::{Records, holds};
use super::reader::Reader;
use super::sink::tidy;
use super::verify::{Announced, ContentHash, Hasher};
use crate::error::{Error, ErrorKind, Result};

impl Job {
    /// The size of the file that is there already.
    pub(super) async fn look(&self) -> Result<Option<u64>> {
        let path = self.path.clone();
        self.on_disk(move || {
            tidy(&path)?;
            match std::fs::metadata(&path) {
                Ok(found) => Ok(Some(found.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Takes a file that is there for the content, if there is enough to go by; none if only the
    /// content itself can tell.
    pub(super) async fn compare(&self, found: u64) -> Result<Option<SavedFile>, Stop> {
        if let Some(saved) = self.vouched_for().await? {
            return Ok(Some(saved));
        }
        let Some(announced) = self.expect(found).await? else {
            return Ok(None);
        };
        self.meter.set_base(found, Some(found));
        let mut hasher = Hasher::new(announced, self.options.sha256);
        let path = self.path.clone();
        let hasher = self
            .on_disk(move || {
                if !hasher.is_idle() {
                    hasher.update_from(std::fs::File::open(&path)?)?;
                }
                Ok(hasher)
            })
            .await?;
        let sha256 = hasher.finish().map_err(|error| {
            self.left("has the size of the content, but not its checksum")
                .with_source(error)
        })?;
        Ok(Some(SavedFile {
            sha256: sha256.filter(|_| self.options.sha256),
            path: self.path.clone(),
            bytes: found,
            transferred: 0,
        }))
    }

    /// Takes a single file for the content if the manifest of its recording says so; none if there
    /// is no manifest beside it that knows it.
    ///
    /// # Errors
    /// The manifest says that it is something else.
    async fn vouched_for(&self) -> Result<Option<SavedFile>> {
        if self.wants_proof || !self.wanted.is_whole() {
            return Ok(None);
        }
        let (path, location) = (self.path.clone(), self.source.location.clone());
        let found = self.on_disk(move || {
            let Some((records, name)) = Records::beside(&path) else {
                return Ok(None);
            };
            // A manifest that cannot be read vouches for nothing.
            let proofs = records.read().unwrap_or_default();
            let files = proofs.find(&name, &location);
            for (_, file) in &files {
                if holds(&path, file)? {
                    return Ok(Some(Ok((*file).clone())));
                }
            }
            Ok((!files.is_empty()).then(|| Err(records.path().to_owned())))
        });
        match found.await? {
            None => Ok(None),
            Some(Err(manifest)) => {
                Err(self.left(&format!("is not what {} says", manifest.display())))
            }
            Some(Ok(file)) => {
                self.meter.set_base(file.bytes, Some(file.bytes));
                Ok(Some(SavedFile {
                    path: self.path.clone(),
                    bytes: file.bytes,
                    sha256: Some(file.sha256).filter(|_| self.options.sha256),
                    transferred: 0,
                }))
            }
        }
    }

    /// Finds out whether content may be in a file of this size, and which checksums it then has;
    /// none if that does not suffice.
    async fn expect(&self, found: u64) -> Result<Option<Announced>, Stop> {
        if self.wanted.is_empty() {
            self.expect_length(found, Some(0))?;
            return Ok(Some(Announced::default()));
        }
        let answer = match self.source.ask(self.wanted).await? {
            Ok(answer) => answer,
            Err(why) => return Err(Stop::NotReady(why, 0)),
        };
        let reader = Reader::of(answer, &self.source, &Arc::clone(&self.meter), self.wanted)?;
        let end = reader.end().filter(|_| reader.identity().total.is_some());
        let length = end.map(|end| end - self.wanted.start);
        let announced = self.announced(&reader);
        if self.wants_proof && (length.is_none() || announced.is_empty()) {
            if length.is_some() {
                self.expect_length(found, length)?;
            }
            return Ok(None);
        }
        self.expect_length(found, length)?;
        Ok(Some(announced))
    }

    /// Compares a file that is there with content that was downloaded beside it; whether they are
    /// the same. There may be none.
    ///
    /// # Errors
    /// They are not.
    pub(super) async fn is_the_same(&self, sha256: Option<ContentHash>) -> Result<bool> {
        let path = self.path.clone();
        let found = self.on_disk(move || match std::fs::File::open(&path) {
            Ok(file) => Hasher::of_file(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        match found.await? {
            None => Ok(false),
            found if found == sha256 => Ok(true),
            Some(_) => Err(self.left("is not the content")),
        }
    }

    fn expect_length(&self, found: u64, length: Option<u64>) -> Result<()> {
        match length {
            Some(length) if length == found => Ok(()),
            Some(_) => Err(self.left(&format!("has {found} bytes, not those of the content"))),
            None => Err(self.left("may be the content or not: the server does not tell its size")),
        }
    }

    fn left(&self, what: &str) -> Error {
        let path = self.path.display();
        let text = format!(
            "{path} exists and {what}; it was left as it is: move it away, or replace it by saying \
             so"
        );
        Error::new(ErrorKind::Io, text)
    }
}
