//! Receiving the content of a file: from the beginning, or resuming an earlier run.

use std::ops::Range;
use std::sync::Arc;

use tracing::debug;

use super::connection_controller::ConnectionController;
use super::content_error::content_changed;
use super::content_hash::ContentHash;
use super::digest::Hasher;
use super::file_download::{Failure, FileDownload};
use super::identity::EntityIdentity;
use super::overlap::MAX_OVERLAP;
use super::part_file::PartFile;
use super::permits::ConnectionPermit;
use super::range_reader::RangeReader;
use super::scheduler::RangeScheduler;
use super::transfer::Transfer;
use super::write_buffer::{WriteBuffer, buffer_size};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::file_error;

impl FileDownload {
    /// Receives all missing bytes. Returns the range of the content that the file then has.
    pub(super) async fn fetch(
        &self,
        file: &Arc<PartFile>,
        permit: &mut ConnectionPermit,
    ) -> Result<Range<u64>, Failure> {
        if self.range.is_empty() {
            return Ok(self.range.start..self.range.start);
        }
        if !permit.is_held() {
            *permit = ConnectionPermit::first(self.source.permits()).await;
        }
        let (identity, range, first) = if let Some(identity) = file.identity() {
            let range = self.range.clamp_to(identity.total.unwrap_or_default());
            let first = self.resume(file, &identity, range.clone()).await?;
            (identity, range, first)
        } else {
            let reader = self.open().await?;
            let identity = reader.identity().clone();
            let Some(total) = identity.total else {
                return Ok(self.fetch_unsized(file, reader).await?);
            };
            let range = self.range.clamp_to(total);
            let expected = self.expected_sha256(&reader);
            let (part_file, content, extent) = (Arc::clone(file), identity.clone(), range.clone());
            self.run_blocking(move || part_file.begin(&content, expected, &extent))
                .await?;
            (identity, range, Some(reader))
        };
        let expected = file.expected_sha256();
        let expected = expected.or_else(|| self.expected_sha256(first.as_ref()?));
        file.set_hasher(Hasher::new(expected, self.options.sha256));
        let missing = file.missing(range.clone());
        let missing_bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let length = range.end - range.start;
        self.progress
            .set_existing(length - missing_bytes, Some(length));
        let Some(first) = first else {
            return Ok(range);
        };
        let controller = match self.options.connections {
            Some(connections) => ConnectionController::fixed(connections),
            None => ConnectionController::adaptive(missing_bytes),
        };
        let transfer = Transfer {
            source: Arc::clone(&self.source),
            progress: Arc::clone(&self.progress),
            file: Arc::clone(file),
            identity,
            scheduler: RangeScheduler::new(missing, controller.max()).into(),
            generation: file.generation(),
            length,
            path: self.path.clone(),
        };
        Box::pin(transfer.run(controller, first, permit)).await?;
        Ok(range)
    }

    /// Sends the first request for content of which nothing is known.
    async fn open(&self) -> Result<RangeReader, Failure> {
        let response = self.source.open_first(self.range).await;
        let response = response.map_err(Failure::NotStarted)?;
        let response = response.map_err(|not_ready| Failure::NotReady(not_ready, 0))?;
        let reader =
            RangeReader::from_response(response, &self.source, &self.progress, self.range)?;
        Ok(reader)
    }

    /// The announced SHA-256, if the complete content is downloaded.
    pub(super) fn expected_sha256(&self, reader: &RangeReader) -> Option<ContentHash> {
        reader.expected_sha256().filter(|_| self.range.is_whole())
    }

    /// Requests the first range that an earlier run left missing. None if nothing is missing.
    async fn resume(
        &self,
        file: &Arc<PartFile>,
        identity: &EntityIdentity,
        range: Range<u64>,
    ) -> Result<Option<RangeReader>> {
        let Some(range) = file.missing(range).into_iter().next() else {
            return Ok(None);
        };
        let position = range.start;
        debug!(position, "resuming an earlier download");
        let mut reader = self.resuming_reader(identity, range);
        if reader.needs_overlap() {
            let part_file = Arc::clone(file);
            let before = self.run_blocking(move || part_file.read_before(position, MAX_OVERLAP));
            let before = before.await?;
            if before.is_empty() {
                self.compare_first_range(file, identity).await?;
            }
            reader.set_overlap(before);
        }
        reader.reopen().await?;
        Ok(Some(reader))
    }

    /// Compares the end of the first range of an earlier run with the server's content.
    async fn compare_first_range(
        &self,
        file: &Arc<PartFile>,
        identity: &EntityIdentity,
    ) -> Result<()> {
        let Some(end) = file.first_synced_end() else {
            return Ok(());
        };
        let part_file = Arc::clone(file);
        let known = self
            .run_blocking(move || part_file.read_before(end, MAX_OVERLAP))
            .await?;
        let mut reader = self.resuming_reader(identity, end - known.len() as u64..end);
        let mut rest = known.as_slice();
        while let Some(bytes) = reader.next().await? {
            self.progress.discard(bytes.len() as u64);
            rest = rest.strip_prefix(&*bytes).ok_or_else(content_changed)?;
        }
        Ok(())
    }

    fn resuming_reader(&self, identity: &EntityIdentity, range: Range<u64>) -> RangeReader {
        RangeReader::for_range(&self.source, &self.progress, identity.clone(), range, true)
            .with_shared_budget()
    }

    /// Receives content of unknown size, on one connection and from the beginning.
    async fn fetch_unsized(
        &self,
        file: &Arc<PartFile>,
        mut reader: RangeReader,
    ) -> Result<Range<u64>> {
        let start = self.range.start;
        self.progress.set_existing(0, None);
        self.progress.set_connections(1);
        let is_delimited = reader.is_delimited();
        let expected = self.expected_sha256(&reader);
        let mut received = Hasher::for_comparison();
        let mut buffer = WriteBuffer::new(file, file.generation(), start, buffer_size(1));
        let file_error = |error| file_error(error, &self.path);
        while let Some(bytes) = reader.next().await? {
            self.progress.throttle(bytes.len()).await;
            self.progress.report_if_due();
            if !is_delimited {
                received.update(&bytes);
            }
            buffer.push(&bytes).await.map_err(file_error)?;
        }
        buffer.flush().await.map_err(file_error)?;
        let end = reader.position();
        if !is_delimited {
            self.receive_again(received).await?;
        }
        file.set_hasher(Hasher::new(expected, self.options.sha256));
        let part_file = Arc::clone(file);
        self.run_blocking(move || part_file.set_length(end - start))
            .await?;
        Ok(start..end)
    }

    /// Receives content a second time and compares it. Without a length, the end of the connection
    /// may be an interruption, which hardly ever happens twice at the same byte.
    async fn receive_again(&self, first: Hasher) -> Result<()> {
        let mut second = Hasher::for_comparison();
        let mut reader = RangeReader::open(&self.source, &self.progress, self.range).await?;
        while let Some(bytes) = reader.next().await? {
            self.progress.discard(bytes.len() as u64);
            self.progress.throttle(bytes.len()).await;
            second.update(&bytes);
        }
        if first.finish()? == second.finish()? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::CorruptContent,
            "the server does not say where the content ends, and it ended differently the second \
             time",
        ))
    }
}
