//! Downloading content into a writer.

use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::content_hash::ContentHash;
use super::content_reader::ContentReader;
use super::request::{ContentRequest, DOWNLOAD};
use crate::error::{Error, ErrorKind, Result};
use crate::telemetry;

/// The content that was written to a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedContent {
    /// The number of bytes.
    pub bytes: u64,
    /// Their SHA-256, if it was requested.
    pub sha256: Option<ContentHash>,
}

/// A download into a writer; made by [`Download::to_writer`](super::Download::to_writer).
///
/// # Errors
/// As [`DownloadToFile`](super::DownloadToFile), except that
/// [`ErrorKind::Io`] means that the writer failed. Bytes written before an error may be incomplete,
/// and are not verified yet.
#[must_use = "nothing is downloaded before it is awaited"]
pub struct DownloadToWriter<'w> {
    request: ContentRequest,
    writer: Box<dyn AsyncWrite + Unpin + Send + 'w>,
    sha256: bool,
}

impl<'w> DownloadToWriter<'w> {
    pub(super) fn new(
        request: ContentRequest,
        writer: Box<dyn AsyncWrite + Unpin + Send + 'w>,
    ) -> Self {
        Self {
            request,
            writer,
            sha256: false,
        }
    }

    /// Computes the SHA-256 of the content.
    ///
    /// A SHA-256 that the server announces is compared in any case.
    pub fn sha256(mut self) -> Self {
        self.sha256 = true;
        self
    }

    async fn send(mut self) -> Result<CopiedContent> {
        let failed = |error: io::Error| {
            let text = format!("the content cannot be written to the writer: {error}");
            Error::new(ErrorKind::Io, text).with_source(error)
        };
        let mut reader = ContentReader::open(&self.request, self.sha256).await?;
        let mut copied = 0;
        while let Some(bytes) = reader.next().await? {
            self.writer.write_all(&bytes).await.map_err(failed)?;
            copied += bytes.len() as u64;
        }
        self.writer.flush().await.map_err(failed)?;
        telemetry::record_bytes(copied);
        Ok(CopiedContent {
            bytes: copied,
            sha256: reader.sha256().filter(|_| self.sha256),
        })
    }
}

impl<'w> IntoFuture for DownloadToWriter<'w> {
    type Output = Result<CopiedContent>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'w>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let sent = telemetry::operation(DOWNLOAD, self.send()).await;
            sent.map_err(|error| error.with_operation(DOWNLOAD))
        })
    }
}

impl fmt::Debug for DownloadToWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadToWriter")
            .field("request", &self.request)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}
