//! Downloading content as a stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, ReadBuf};

use super::content_hash::ContentHash;
use super::content_reader::ContentReader;
use super::request::{ContentRequest, DOWNLOAD};
use crate::error::Result;
use crate::operation::into_future;

/// A download as a stream; made by [`Download::stream`](super::Download::stream). Awaiting it sends
/// the first request and returns the stream.
///
/// # Errors
/// As [`DownloadToFile`](super::DownloadToFile), except for files. Items of the stream have the same
/// errors.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct DownloadStream {
    request: ContentRequest,
    sha256: bool,
}

impl DownloadStream {
    pub(super) fn new(request: ContentRequest) -> Self {
        Self {
            request,
            sha256: false,
        }
    }

    /// Computes the SHA-256 of the content, for [`ContentStream::sha256`].
    ///
    /// A SHA-256 that the server announces is compared in any case.
    pub fn sha256(mut self) -> Self {
        self.sha256 = true;
        self
    }

    async fn send(self) -> Result<ContentStream> {
        let reader = ContentReader::open(&self.request, self.sha256).await?;
        Ok(ContentStream::new(reader))
    }
}

into_future!(DownloadStream -> ContentStream, DOWNLOAD);

/// Content while it is received, in order and on one connection: a [`Stream`] of [`Bytes`], and an
/// [`AsyncRead`].
///
/// After an interruption it resumes at the same byte. It fails only when the resume policy gives up.
/// It ends after all content; everything else is an error.
#[must_use = "nothing is received before it is read"]
pub struct ContentStream {
    length: Option<u64>,
    etag: Option<String>,
    /// Set at the end of the stream.
    sha256: Arc<OnceLock<ContentHash>>,
    stream: BoxStream<'static, Result<Bytes>>,
    /// The bytes that the last read had no room for.
    unread: Bytes,
}

impl ContentStream {
    fn new(reader: ContentReader) -> Self {
        let (length, etag) = (reader.length(), reader.etag().map(str::to_owned));
        let sha256 = Arc::new(OnceLock::new());
        let state = (reader, Arc::clone(&sha256));
        let stream = futures_util::stream::try_unfold(state, |(mut reader, sha256)| async move {
            let next = reader.next().await;
            let next = next.map_err(|error| error.with_operation(DOWNLOAD))?;
            if let (None, Some(hash)) = (&next, reader.sha256()) {
                let _ = sha256.set(hash);
            }
            Ok(next.map(|bytes| (bytes, (reader, sha256))))
        });
        Self {
            length,
            etag,
            sha256,
            stream: stream.boxed(),
            unread: Bytes::new(),
        }
    }

    /// The size in bytes, if the server announced it.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The entity tag of the content, if the server sent one.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The SHA-256 of the content, if [`sha256`](DownloadStream::sha256) requested it or the server
    /// announced one. None until the stream has ended without an error.
    pub fn sha256(&self) -> Option<ContentHash> {
        self.sha256.get().copied()
    }
}

impl Stream for ContentStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        self.stream.poll_next_unpin(context)
    }
}

impl AsyncRead for ContentStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.as_mut().poll_next(context)) {
                Some(Ok(bytes)) => self.unread = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ContentStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentStream")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
