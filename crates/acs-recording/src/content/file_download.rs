//! One download into a file, from the first request to the final name.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::debug;

use super::content_hash::ContentHash;
use super::journal::journal_key;
use super::options::{FileOptions, Overwrite};
use super::part_file::PartFile;
use super::permits::ConnectionPermit;
use super::progress::ProgressTracker;
use super::range::RequestedRange;
use super::readiness::{NotReady, ReadyBackoff};
use super::retry_budget::Restarts;
use super::source::ContentSource;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{file_error, run_blocking};

/// A file that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedFile {
    /// The path of the file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, if it was requested.
    pub sha256: Option<ContentHash>,
    /// The number of new bytes received by this download: fewer than the size if it resumed an
    /// earlier one, zero if the file already existed, more if it had to restart.
    ///
    /// Bytes that a server without ranges sends again do not count.
    pub transferred: u64,
}

impl SavedFile {
    /// A file that was received as a whole, for tests of code that gets one.
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self {
            path: path.into(),
            bytes,
            sha256: None,
            transferred: bytes,
        }
    }
}

/// A download into a file.
pub(super) struct FileDownload {
    pub(super) source: Arc<ContentSource>,
    pub(super) progress: Arc<ProgressTracker>,
    pub(super) range: RequestedRange,
    pub(super) options: FileOptions,
    pub(super) path: PathBuf,
    pub(super) check: Option<FileCheck>,
    /// Whether an existing file is skipped only if it is proven to be the content.
    pub(super) requires_proof: bool,
}

/// A check of a complete file before it gets its final name.
pub(super) type FileCheck = Arc<dyn Fn(&Path) -> Result<()> + Send + Sync>;

/// Why an attempt to download a file failed.
pub(super) enum Failure {
    /// Content is not ready. The number of bytes that are kept for the next attempt.
    NotReady(NotReady, u64),
    /// There was no response, after all retries of the transport.
    NotStarted(Error),
    /// The content is complete, but not what was announced.
    Rejected(Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl FileDownload {
    /// Downloads the file, and waits while content is not ready.
    pub(super) async fn run(self) -> Result<SavedFile> {
        let transferred_before = self.progress.transferred();
        let mut backoff = ReadyBackoff::default();
        let mut most_kept = 0;
        loop {
            let (not_ready, kept) = match self.attempt().await {
                Ok(saved) => {
                    let transferred = self.progress.transferred() - transferred_before;
                    return Ok(SavedFile {
                        transferred,
                        ..saved
                    });
                }
                Err(
                    Failure::Other(error) | Failure::NotStarted(error) | Failure::Rejected(error),
                ) => {
                    return Err(error);
                }
                Err(Failure::NotReady(not_ready, kept)) => (not_ready, kept),
            };
            if kept > most_kept {
                // It was ready in the meantime.
                backoff = ReadyBackoff::default();
                most_kept = kept;
            }
            let pause = backoff.next(not_ready);
            // During the pause, no connection permit is held and no file is open.
            sleep(pause.map_err(|error| mention_kept(error, kept))?).await;
        }
    }

    async fn attempt(&self) -> Result<SavedFile, Failure> {
        // Permits also limit the number of open files, so this comes first.
        let mut permit = ConnectionPermit::first(self.source.permits()).await;
        self.source.budget.renew(self.source.client.pipeline());
        if let Some(size) = self.existing_size().await? {
            match self.options.overwrite {
                Overwrite::Replace => {}
                Overwrite::Fail => {
                    return Err(file_error(io::ErrorKind::AlreadyExists.into(), &self.path).into());
                }
                Overwrite::Skip => {
                    if let Some(saved) = self.verify_existing(size).await? {
                        return Ok(saved);
                    }
                }
            }
        }
        let key = journal_key(self.source.location.as_url(), self.range);
        let path = self.path.clone();
        let (base, mode) = (self.range.start, self.options.file_mode);
        let file = self
            .run_blocking(move || PartFile::open(&path, key, base, mode))
            .await?;
        let (bytes, sha256) = self.download_to(&Arc::new(file), &mut permit).await?;
        Ok(SavedFile {
            path: self.path.clone(),
            bytes,
            sha256,
            transferred: 0,
        })
    }

    /// Receives all content, verifies it, and gives the file its final name. Restarts if content
    /// changed or is corrupt.
    async fn download_to(
        &self,
        file: &Arc<PartFile>,
        permit: &mut ConnectionPermit,
    ) -> Result<(u64, Option<ContentHash>), Failure> {
        let mut restarts = Restarts::new(file.identity().is_some(), self.progress.transferred());
        loop {
            let outcome = match self.fetch(file, permit).await {
                Ok(range) => self.verify_and_persist(file, range).await,
                Err(failure) => Err(failure),
            };
            let failure = match outcome {
                Ok(done) => return Ok(done),
                Err(Failure::NotStarted(error)) => {
                    self.keep_part_file(file).await;
                    return Err(error.into());
                }
                Err(Failure::Rejected(error)) => {
                    // An immediate retry would receive the same content.
                    self.discard_part_file(file).await;
                    return Err(Failure::Rejected(error));
                }
                Err(Failure::Other(error)) => self.source.not_ready(error),
                Err(Failure::NotReady(not_ready, _)) => Ok(not_ready),
            };
            let error = match failure {
                Ok(not_ready) => {
                    let kept = self.keep_part_file(file).await;
                    return Err(Failure::NotReady(not_ready, kept));
                }
                Err(error) => error,
            };
            let is_unidentified = file.identity().is_none();
            let is_useless = matches!(
                error.kind(),
                ErrorKind::ContentChanged | ErrorKind::CorruptContent
            );
            let should_restart = error.is_retryable()
                && (is_useless || (is_unidentified && error.status().is_none()));
            let received = self.progress.transferred();
            let pipeline = self.source.client.pipeline();
            let pause = restarts.next(&self.source.budget, pipeline, &error, received);
            let Some(pause) = pause.filter(|_| should_restart) else {
                let is_useless = is_useless
                    || should_restart
                    || restarts.changed.is_some()
                    || matches!(
                        error.kind(),
                        ErrorKind::ExpiredContent | ErrorKind::InvalidInput
                    );
                let kept = if is_useless {
                    self.discard_part_file(file).await;
                    0
                } else {
                    self.keep_part_file(file).await
                };
                let error = restarts.changed.unwrap_or(error);
                return Err(mention_kept(error, kept).into());
            };
            debug!(%error, "restarting the download");
            restarts.record_reason(error);
            self.progress.add_retry();
            let part_file = Arc::clone(file);
            self.run_blocking(move || part_file.restart()).await?;
            sleep(pause).await;
        }
    }

    /// Syncs the part file for a later run, or removes it if that could not resume it. Returns the
    /// number of bytes that are kept.
    async fn keep_part_file(&self, file: &Arc<PartFile>) -> u64 {
        let file = Arc::clone(file);
        let kept = spawn_blocking(move || {
            let synced = file.sync();
            let kept = file.resumable_bytes();
            if kept == 0 {
                // The error of the download says more than one from cleaning up.
                let _ = file.discard();
                return 0;
            }
            if synced.is_ok() { kept } else { 0 }
        });
        kept.await.unwrap_or_default()
    }

    async fn discard_part_file(&self, file: &Arc<PartFile>) {
        let file = Arc::clone(file);
        // The error of the download says more than one from cleaning up.
        let _ = spawn_blocking(move || file.discard()).await;
    }

    /// Verifies the complete part file and gives it its final name.
    async fn verify_and_persist(
        &self,
        file: &Arc<PartFile>,
        range: Range<u64>,
    ) -> Result<(u64, Option<ContentHash>), Failure> {
        let length = range.end - range.start;
        let part_file = Arc::clone(file);
        let missing = self
            .run_blocking(move || {
                part_file.sync()?;
                part_file.hash_synced(u64::MAX)?;
                Ok(part_file.missing(range))
            })
            .await?;
        if !missing.is_empty() {
            let text = format!("ranges of the content are missing: {missing:?}");
            return Err(Error::new(ErrorKind::CorruptContent, text).into());
        }
        let sha256 = file.take_hasher().finish()?;
        let sha256 = sha256.filter(|_| self.options.sha256);
        self.run_check(file.part_path()).await?;
        let compares = self.options.overwrite == Overwrite::Skip && self.requires_proof;
        let part_file = Arc::clone(file);
        if compares && self.equals_existing(sha256).await? {
            self.run_blocking(move || part_file.discard()).await?;
        } else {
            let replace = self.options.overwrite == Overwrite::Replace;
            self.run_blocking(move || part_file.persist(length, replace))
                .await?;
        }
        self.progress.set_connections(0);
        self.progress.set_existing(length, Some(length));
        Ok((length, sha256))
    }

    async fn run_check(&self, path: &Path) -> Result<(), Failure> {
        let Some(check) = self.check.clone() else {
            return Ok(());
        };
        let path = path.to_owned();
        let checked = spawn_blocking(move || check(&path)).await;
        let checked = checked.unwrap_or_else(|error| Err(file_error(error.into(), &self.path)));
        checked.map_err(|error| match error.kind() {
            ErrorKind::Io => Failure::Other(error),
            _ => Failure::Rejected(error),
        })
    }

    pub(super) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        run_blocking(&self.path, work).await
    }
}

/// Says that the next attempt will resume.
fn mention_kept(error: Error, kept: u64) -> Error {
    if kept == 0 {
        return error;
    }
    error.with_note(&format!("{kept} bytes are kept for the next attempt"))
}
