//! Content as it comes in.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, ReadBuf};

use super::answer::{Readiness, Source};
use super::progress::Meter;
use super::range::Wanted;
use super::reader::Reader;
use super::sniff;
use super::verify::{Announced, ContentHash, Hasher};
use crate::error::{Error, Result};

/// Content as it comes in, in order and on one connection: a [`Stream`] of [`Bytes`], and an
/// [`AsyncRead`].
///
/// An interruption is taken up at the same byte, and shows only when that fails too often. The
/// stream ends when all of the content came; anything else is an error.
#[must_use = "nothing comes in before it is read"]
pub struct ContentStream {
    length: Option<u64>,
    etag: Option<String>,
    sha256: Arc<OnceLock<ContentHash>>,
    operation: &'static str,
    stream: BoxStream<'static, Result<Bytes>>,
    /// What a read left over.
    rest: Bytes,
}

impl ContentStream {
    pub(super) fn new(flow: Flow, sha256: bool, operation: &'static str) -> Self {
        let (length, etag) = (flow.length, flow.etag.clone());
        let finished = Arc::new(OnceLock::new());
        let hash = Arc::clone(&finished);
        let stream =
            futures_util::stream::try_unfold((flow, hash), |(mut flow, hash)| async move {
                let next = flow.next().await?;
                if let (None, Some(computed)) = (&next, flow.hash) {
                    let _ = hash.set(computed);
                }
                Ok(next.map(|bytes| (bytes, (flow, hash))))
            });
        Self {
            length,
            etag,
            sha256: if sha256 { finished } else { Arc::default() },
            operation,
            stream: stream.boxed(),
            rest: Bytes::new(),
        }
    }

    /// How many bytes will come in all, if the server told.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The content's entity tag, if the server sent one.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The SHA-256 of the content, if [`sha256`](crate::Download::sha256) asked for it; none until
    /// the stream has ended without an error.
    pub fn sha256(&self) -> Option<ContentHash> {
        self.sha256.get().copied()
    }
}

impl Stream for ContentStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        let operation = self.operation;
        let item = ready!(self.stream.poll_next_unpin(context));
        Poll::Ready(item.map(|item| item.map_err(|error| error.with_operation(operation))))
    }
}

impl AsyncRead for ContentStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.as_mut().poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(count));
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

/// Content in order, counted and checked.
pub(super) struct Flow {
    reader: Option<Reader>,
    meter: Arc<Meter>,
    hasher: Hasher,
    pub(super) length: Option<u64>,
    etag: Option<String>,
    pub(super) hash: Option<ContentHash>,
    /// Whether what comes next is the beginning of the content.
    is_first: bool,
}

impl Flow {
    pub(super) async fn begin(
        source: &Arc<Source>,
        meter: &Arc<Meter>,
        wanted: Wanted,
        sha256: bool,
    ) -> Result<Self> {
        let mut announced = Announced::default();
        let mut length = Some(0);
        let mut etag = None;
        let mut reader = None;
        if !wanted.is_empty() {
            let begun = Reader::begin(source, meter, wanted).await?;
            length = begun.end().filter(|_| begun.identity().total.is_some());
            length = length.map(|end| end - wanted.start);
            etag.clone_from(&begun.identity().tag);
            if wanted.is_whole() {
                announced = begun.announced();
            }
            reader = Some(begun);
        }
        meter.set_base(0, length);
        meter.set_parts(1);
        Ok(Self {
            reader,
            meter: Arc::clone(meter),
            hasher: Hasher::new(announced, sha256),
            length,
            etag,
            hash: None,
            is_first: wanted.start == 0,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let bytes = match &mut self.reader {
            Some(reader) => next(reader).await?,
            None => None,
        };
        if let Some(bytes) = bytes {
            if std::mem::take(&mut self.is_first) {
                sniff::refuse(&bytes)?;
            }
            self.meter.pace(bytes.len()).await;
            self.hasher.update(&bytes);
            self.meter.tell(false);
            return Ok(Some(bytes));
        }
        // Once; nothing follows the end.
        if self.hash.is_none() {
            self.hash = std::mem::take(&mut self.hasher).finish()?;
        }
        self.meter.set_parts(0);
        self.meter.tell(true);
        Ok(None)
    }
}

/// The next bytes, after waiting for content that is not ready any more when it is asked for again.
async fn next(reader: &mut Reader) -> Result<Option<Bytes>> {
    let mut readiness = Readiness::default();
    loop {
        match reader.next().await {
            Ok(next) => return Ok(next),
            Err(error) => {
                let not_ready = reader.not_ready(error)?;
                tokio::time::sleep(readiness.pause(not_ready)?).await;
                reader.renew();
            }
        }
    }
}

/// Copies all of it; tells how much that was.
pub(super) async fn copy<W>(flow: &mut Flow, writer: &mut W) -> Result<u64>
where
    W: tokio::io::AsyncWrite + Unpin + Send + ?Sized,
{
    use tokio::io::AsyncWriteExt as _;
    let failed = |error: io::Error| {
        let text = format!("the content cannot be handed on: {error}");
        Error::new(crate::error::ErrorKind::Io, text).with_source(error)
    };
    let mut copied = 0;
    while let Some(bytes) = flow.next().await? {
        writer.write_all(&bytes).await.map_err(failed)?;
        copied += bytes.len() as u64;
    }
    writer.flush().await.map_err(failed)?;
    Ok(copied)
}
