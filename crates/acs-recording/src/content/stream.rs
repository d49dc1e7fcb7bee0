//! Downloading content as a stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, ReadBuf};

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
}

impl DownloadStream {
    pub(super) fn new(request: ContentRequest) -> Self {
        Self { request }
    }

    async fn send(self) -> Result<ContentStream> {
        let reader = ContentReader::open(&self.request, false).await?;
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
    stream: BoxStream<'static, Result<Bytes>>,
    /// The bytes that the last read had no room for.
    unread: Bytes,
}

impl ContentStream {
    fn new(reader: ContentReader) -> Self {
        let length = reader.length();
        let stream = futures_util::stream::try_unfold(reader, |mut reader| async move {
            match reader.next().await {
                Ok(next) => Ok(next.map(|bytes| (bytes, reader))),
                Err(error) => Err(error.with_operation(DOWNLOAD)),
            }
        });
        Self {
            length,
            stream: stream.boxed(),
            unread: Bytes::new(),
        }
    }

    /// The size in bytes, if the server announced it.
    pub fn length(&self) -> Option<u64> {
        self.length
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
