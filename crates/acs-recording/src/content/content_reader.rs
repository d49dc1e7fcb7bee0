//! Reads content in order on one connection, verifies it, and reports progress.

use std::sync::Arc;

use bytes::Bytes;

use super::content_hash::ContentHash;
use super::digest::Hasher;
use super::error_page;
use super::progress::ProgressTracker;
use super::range_reader::RangeReader;
use super::readiness::ReadyBackoff;
use super::request::{ContentRequest, PreparedRequest};
use crate::error::Result;

/// Content in order.
pub(super) struct ContentReader {
    /// None if the range is empty.
    reader: Option<RangeReader>,
    progress: Arc<ProgressTracker>,
    hasher: Hasher,
    length: Option<u64>,
    etag: Option<String>,
    /// Set at the end of the content.
    sha256: Option<ContentHash>,
    /// Whether the next bytes are the first ones of the content.
    is_at_start: bool,
    has_ended: bool,
}

impl ContentReader {
    /// Sends the first request.
    pub(super) async fn open(request: &ContentRequest, sha256: bool) -> Result<Self> {
        let PreparedRequest { source, range } = request.prepare()?;
        let progress = request.progress();
        let mut expected = None;
        let mut length = Some(0);
        let mut etag = None;
        let mut reader = None;
        if !range.is_empty() {
            let opened = Box::pin(RangeReader::open(&source, &progress, range)).await?;
            let end = opened.end().filter(|_| opened.identity().total.is_some());
            length = end.map(|end| end - range.start);
            etag.clone_from(&opened.identity().etag);
            if range.is_whole() {
                expected = opened.expected_sha256();
            }
            reader = Some(opened);
        }
        progress.set_existing(0, length);
        progress.set_connections(1);
        Ok(Self {
            reader,
            progress,
            hasher: Hasher::new(expected, sha256),
            length,
            etag,
            sha256: None,
            is_at_start: range.start == 0,
            has_ended: false,
        })
    }

    /// The size of the requested content, if the server announced it.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The entity tag, if the server sent one.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The SHA-256, after the end of the content.
    pub(super) fn sha256(&self) -> Option<ContentHash> {
        self.sha256
    }

    /// The next bytes. None at the end, after the content is verified.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let bytes = match &mut self.reader {
            Some(reader) => next_when_ready(reader).await?,
            None => None,
        };
        if let Some(bytes) = bytes {
            if std::mem::take(&mut self.is_at_start) {
                error_page::reject(&bytes)?;
            }
            self.progress.throttle(bytes.len()).await;
            self.hasher.update(&bytes);
            self.progress.report_if_due();
            return Ok(Some(bytes));
        }
        if !std::mem::replace(&mut self.has_ended, true) {
            self.sha256 = std::mem::take(&mut self.hasher).finish()?;
        }
        self.progress.set_connections(0);
        self.progress.report();
        Ok(None)
    }
}

/// The next bytes, after waiting for content that is not ready when it is requested again.
async fn next_when_ready(reader: &mut RangeReader) -> Result<Option<Bytes>> {
    let mut backoff = ReadyBackoff::default();
    loop {
        match reader.next().await {
            Ok(next) => return Ok(next),
            Err(error) => {
                let not_ready = reader.not_ready(error)?;
                tokio::time::sleep(backoff.next(not_ready)?).await;
                reader.renew_budget();
            }
        }
    }
}
