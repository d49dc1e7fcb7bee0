//! Downloading content: what to request, and then the destination.

use std::ops::RangeBounds;
use std::path::PathBuf;

use jiff::Timestamp;
use tokio::io::AsyncWrite;

use super::bytes::DownloadBytes;
use super::options::transfer_options;
use super::range::RequestedRange;
use super::request::ContentRequest;
use super::stream::DownloadStream;
use super::to_file::DownloadToFile;
use super::to_writer::DownloadToWriter;
use crate::client_core::ClientCore;
use crate::content_url::ContentUrl;
use crate::transport::{RequestOptions, request_options};

/// A download without a destination; made by
/// [`RecordingClient::download`](crate::RecordingClient::download).
///
/// What to request and how to transfer it is set here. Then a method names the destination, and
/// options of that destination follow: [`to_file`](Self::to_file), [`to_writer`](Self::to_writer),
/// [`stream`](Self::stream), [`into_bytes`](Self::into_bytes).
///
/// ```no_run
/// # use acs_recording::{ContentUrl, RecordingClient, Result};
/// # async fn run(client: &RecordingClient, location: &ContentUrl) -> Result<()> {
/// let saved = client
///     .download(location)
///     .on_progress(|progress| println!("{} bytes", progress.bytes))
///     .to_file("call.wav")
///     .sha256()
///     .await?;
/// println!("{:?}", saved.sha256);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before a destination is set and awaited"]
pub struct Download {
    request: ContentRequest,
    options: RequestOptions,
}

impl Download {
    pub(crate) fn new(client: ClientCore, location: ContentUrl) -> Self {
        Self {
            request: ContentRequest::new(client, location),
            options: RequestOptions::new(),
        }
    }

    /// Downloads only these bytes: `0..1024`, `1024..`, `..=99`.
    ///
    /// A range that ends beyond the content ends with the content. One that begins beyond the
    /// content, or ends before it begins, is
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput). An empty one sends no request.
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.request.range = RequestedRange::new(&bytes);
        self
    }

    /// When the recording ended. It distinguishes content that is not ready from content that no
    /// longer exists.
    ///
    /// Less than 15 minutes after that, the download waits for the end of 404 and 503 responses.
    /// More than 24 hours after that, 404 is
    /// [`ErrorKind::ExpiredContent`](crate::ErrorKind::ExpiredContent).
    pub fn recorded_until(mut self, end: Timestamp) -> Self {
        self.request.recorded_until = Some(end);
        self
    }

    /// Writes the content to a file.
    ///
    /// A file appears under its final name only when it is complete and verified. Until then, it is
    /// called `NAME.part` and has a journal, `NAME.part.journal`. If the download fails or is
    /// dropped, or the process is killed, these are kept, and the next download of the same content
    /// to the same file resumes. They are removed if they are of no use.
    ///
    /// Large files are received over several connections, if the server supports ranges. A broken
    /// connection is resumed at the same byte, as long as the
    /// [`resume_policy`](Self::resume_policy) allows.
    ///
    /// All bytes of a file are of one version of the content, by its entity tag or modification
    /// time. If the server sends neither, the last known bytes are requested again and compared.
    /// Content that changed is downloaded again from the beginning.
    pub fn to_file(self, path: impl Into<PathBuf>) -> DownloadToFile {
        DownloadToFile::new(self.into_request(), path.into())
    }

    /// Writes the content to a writer, in order.
    ///
    /// The writer can be owned, or borrowed as `&mut writer`. The future is `'static` only if it
    /// owns its writer.
    pub fn to_writer<'w>(
        self,
        writer: impl AsyncWrite + Unpin + Send + 'w,
    ) -> DownloadToWriter<'w> {
        DownloadToWriter::new(self.into_request(), Box::new(writer))
    }

    /// Opens the content as a stream of bytes, which is also an
    /// [`AsyncRead`](tokio::io::AsyncRead).
    pub fn stream(self) -> DownloadStream {
        DownloadStream::new(self.into_request())
    }

    /// Reads the content into memory, for metadata and for media that is known to be small.
    pub fn into_bytes(self) -> DownloadBytes {
        DownloadBytes::new(self.into_request())
    }

    fn into_request(self) -> ContentRequest {
        ContentRequest {
            options: self.options,
            ..self.request
        }
    }
}

transfer_options!(Download);
request_options! {
    Download,
    /// Time limit until content begins to arrive, and after an interruption until more arrives,
    /// retries included (default: the client's
    /// [`operation_timeout`](crate::RecordingClientBuilder::operation_timeout)).
}
