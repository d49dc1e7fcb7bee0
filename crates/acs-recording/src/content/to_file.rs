//! Downloading content into a file.

use std::path::PathBuf;
use std::sync::Arc;

use super::error_page::reject_error_page;
use super::file_download::{FileCheck, FileDownload, SavedFile};
use super::options::{FileOptions, file_options};
use super::request::{ContentRequest, DOWNLOAD, PreparedRequest};
use crate::error::Result;
use crate::operation::into_future;
use crate::telemetry::record_bytes;

/// A download into a file; made by [`Download::to_file`](super::Download::to_file).
///
/// # Errors
/// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file already exists or cannot be written,
/// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) or
///   [`ErrorKind::ExpiredContent`](crate::ErrorKind::ExpiredContent) if the content was deleted or is
///   older than 24 hours,
/// - [`ErrorKind::ContentNotReady`](crate::ErrorKind::ContentNotReady) if it was not ready in time,
/// - [`ErrorKind::ForbiddenHost`](crate::ErrorKind::ForbiddenHost) if the location is on a host that
///   gets no credentials,
/// - [`ErrorKind::ContentChanged`](crate::ErrorKind::ContentChanged) if it changed repeatedly,
/// - [`ErrorKind::CorruptContent`](crate::ErrorKind::CorruptContent) if it is not what the server
///   announced, or is an HTML page or an error document,
/// - [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) if a response contradicts
///   itself or the request,
/// - [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if an option is out of range.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct DownloadToFile {
    request: ContentRequest,
    path: PathBuf,
    files: FileOptions,
}

impl DownloadToFile {
    pub(super) fn new(request: ContentRequest, path: PathBuf) -> Self {
        Self {
            request,
            path,
            files: FileOptions::default(),
        }
    }

    async fn send(self) -> Result<SavedFile> {
        self.files.check()?;
        let PreparedRequest { source, range } = self.request.prepare()?;
        let check: FileCheck = Arc::new(reject_error_page);
        let download = FileDownload {
            source,
            progress: self.request.progress(),
            range,
            options: self.files,
            path: self.path,
            check: Some(check).filter(|_| range.start == 0),
            requires_proof: false,
        };
        let saved = Box::pin(download.run()).await?;
        record_bytes(saved.transferred);
        Ok(saved)
    }
}

file_options!(DownloadToFile);
into_future!(DownloadToFile -> SavedFile, DOWNLOAD);
