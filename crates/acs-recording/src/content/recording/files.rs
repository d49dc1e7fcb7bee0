//! Obtaining the files of a chunk: verified by an earlier run, or downloaded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::content_error::is_gone;
use super::super::file_download::{FileCheck, FileDownload, SavedFile};
use super::super::leftovers;
use super::super::manifest_store::{VerifiedBy, matches_manifest};
use super::super::options::{Overwrite, TransferOptions};
use super::super::progress::{ProgressListener, ProgressTracker};
use super::super::request::{ContentRequest, PreparedRequest};
use super::chunk::{ChunkDownload, file_name};
use super::file_names;
use super::media::{MediaInfo, inspect, reject_other_format};
use super::run::RecordingDownload;
use crate::content_url::ContentUrl;
use crate::error::Result;
use crate::fs::run_blocking;

/// How long after the end of a recording its metadata may not be ready.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// How long to wait for the metadata of a recent recording whose media are ready.
const METADATA_READY_TIMEOUT: Duration = Duration::from_secs(10);

impl RecordingDownload {
    /// Downloads one media file, unless an earlier run verified it.
    pub(super) async fn media_file(
        &self,
        chunk: &ChunkDownload,
        location: &ContentUrl,
        listener: Option<ProgressListener>,
    ) -> Result<(SavedFile, VerifiedBy, MediaInfo)> {
        let path = chunk.file_path(chunk.extension);
        let transfer = TransferOptions {
            listener,
            ..self.request.transfer.clone()
        };
        let (saved, verified_by) =
            if let Some(verified) = self.find_verified(&path, location, false).await? {
                let size = verified.0.bytes;
                let progress = ProgressTracker::new(transfer.listener, None);
                progress.set_existing(size, Some(size));
                verified
            } else {
                let format = self.request.file.format.as_ref();
                let announced = file_names::announced_formats(format, location.as_url().path());
                let check: FileCheck =
                    Arc::new(move |file: &Path| reject_other_format(file, announced));
                self.download(&path, location, transfer, Some(check))
                    .await?
            };
        let (file, extension) = (path.clone(), chunk.extension);
        let media = run_blocking(&path, move || inspect(&file, extension)).await?;
        Ok((saved, verified_by, media))
    }

    /// Downloads a metadata document, unchanged.
    pub(super) async fn metadata_file(
        &self,
        path: &Path,
        location: &ContentUrl,
    ) -> Result<(SavedFile, VerifiedBy)> {
        let is_recent = self.request.ended().is_some_and(|ended| {
            let age = Timestamp::now().duration_since(ended);
            Duration::try_from(age).unwrap_or_default() < RECENT
        });
        // The media are ready, so the document either is ready too, or will be soon.
        let default = if is_recent {
            METADATA_READY_TIMEOUT
        } else {
            Duration::ZERO
        };
        let configured = self.request.transfer.ready_timeout;
        let timeout = configured.map_or(default, |timeout| timeout.min(METADATA_READY_TIMEOUT));
        let transfer = TransferOptions {
            listener: None,
            ready_timeout: Some(timeout),
            ..self.request.transfer.clone()
        };
        self.download(path, location, transfer, None).await
    }

    async fn download(
        &self,
        path: &Path,
        location: &ContentUrl,
        transfer: TransferOptions,
        check: Option<FileCheck>,
    ) -> Result<(SavedFile, VerifiedBy)> {
        let request = ContentRequest {
            recorded_until: self.request.ended(),
            transfer,
            options: self.request.options.clone(),
            ..ContentRequest::new(self.request.client.clone(), location.clone())
        };
        let PreparedRequest { source, range } = request.prepare()?;
        let mut options = self.files.clone();
        // The manifest needs it.
        options.sha256 = true;
        let download = FileDownload {
            source,
            progress: request.progress(),
            range,
            options,
            path: path.to_owned(),
            check,
            requires_proof: true,
        };
        match Box::pin(download.run()).await {
            Ok(saved) => Ok((saved, VerifiedBy::ThisRun)),
            // An earlier run of the same download may have deleted it, and not have finished.
            Err(error) if self.dir.deletes && is_gone(&error) => {
                let verified = self.find_verified(path, location, true).await?;
                verified.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// A file with the checksum that an earlier run recorded. Unless existing files are skipped, only
    /// a run that did not finish counts, or every run with `any_run`.
    pub(super) async fn find_verified(
        &self,
        path: &Path,
        location: &ContentUrl,
        any_run: bool,
    ) -> Result<Option<(SavedFile, VerifiedBy)>> {
        let any_run = any_run || self.files.overwrite == Overwrite::Skip;
        let name = file_name(path);
        for (verified_by, file) in self.earlier.find(&name, location) {
            if !any_run && verified_by == VerifiedBy::Manifest {
                continue;
            }
            let (existing, expected) = (path.to_owned(), file.clone());
            let is_match = run_blocking(path, move || {
                let is_match = matches_manifest(&existing, &expected)?;
                if is_match {
                    leftovers::remove_all(&existing)?;
                }
                Ok(is_match)
            });
            if is_match.await? {
                let saved = SavedFile {
                    path: path.to_owned(),
                    bytes: file.bytes,
                    sha256: Some(file.sha256),
                    transferred: 0,
                };
                return Ok(Some((saved, verified_by)));
            }
        }
        Ok(None)
    }
}
