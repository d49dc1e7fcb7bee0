//! What a download does about a file that has its name already.

use std::io;
use std::sync::Arc;

use super::answer::NotReady;
use super::file::{Job, Saved, Stop};
use super::reader::Reader;
use super::sink::tidy;
use super::verify::{Announced, Hasher};
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

    /// Takes a file that is there for the content, if it has its size.
    pub(super) async fn compare(&self, found: u64) -> Result<Saved, Stop> {
        let announced = self.expect(found).await?;
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
        self.check(&self.path).await?;
        Ok(Saved {
            sha256: sha256.filter(|_| self.options.sha256),
            path: self.path.clone(),
            bytes: found,
            transferred: 0,
        })
    }

    /// Finds out whether content may be in a file of this size, and which checksums it then has.
    async fn expect(&self, found: u64) -> Result<Announced, Stop> {
        if self.wanted.is_empty() {
            self.expect_length(found, Some(0))?;
            return Ok(Announced::default());
        }
        let answer = match self.source.ask(self.wanted).await {
            Ok(Ok(answer)) => answer,
            // The file got its name when all of it was there, and then this was deleted.
            Ok(Err(why)) if self.gone_is_done && why.is_gone() => return Ok(Announced::default()),
            Err(error) if self.gone_is_done && NotReady::tells_gone(&error) => {
                return Ok(Announced::default());
            }
            Ok(Err(why)) => return Err(Stop::NotReady(why, 0)),
            Err(error) => return Err(error.into()),
        };
        let reader = Reader::of(answer, &self.source, &Arc::clone(&self.meter), self.wanted)?;
        let end = reader.end().filter(|_| reader.identity().total.is_some());
        self.expect_length(found, end.map(|end| end - self.wanted.start))?;
        Ok(self.announced(&reader))
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
        let text = format!("{path} exists and {what}; it was left as it is");
        Error::new(ErrorKind::File, text)
    }
}
