//! Downloading content into memory.

use super::content_reader::ContentReader;
use super::request::{ContentRequest, DOWNLOAD};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::into_future;
use crate::telemetry::record_bytes;

/// The default of [`DownloadBytes::max_bytes`].
const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The most memory that is allocated because of a size that the server announces.
const MAX_RESERVED: u64 = 1024 * 1024;

/// A download into memory; made by [`Download::into_bytes`](super::Download::into_bytes).
///
/// # Errors
/// As [`DownloadToFile`](super::DownloadToFile), except for files.
/// [`ErrorKind::InvalidInput`] if the content is larger than [`max_bytes`](Self::max_bytes).
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct DownloadBytes {
    request: ContentRequest,
    max_bytes: u64,
}

impl DownloadBytes {
    pub(super) fn new(request: ContentRequest) -> Self {
        Self {
            request,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }

    /// The largest content to read, in bytes (default: 64 MiB).
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    pub(super) async fn send(self) -> Result<Vec<u8>> {
        let too_large = || {
            let text = format!(
                "the content is larger than the limit of {} bytes; raise `max_bytes`, or download \
                 it to a file",
                self.max_bytes
            );
            Error::new(ErrorKind::InvalidInput, text)
        };
        let mut reader = ContentReader::open(&self.request, false).await?;
        if reader
            .length()
            .is_some_and(|length| length > self.max_bytes)
        {
            return Err(too_large());
        }
        let reserved = reader.length().unwrap_or_default().min(MAX_RESERVED);
        let mut bytes = Vec::with_capacity(usize::try_from(reserved).unwrap_or_default());
        while let Some(received) = reader.next().await? {
            if (bytes.len() + received.len()) as u64 > self.max_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&received);
        }
        record_bytes(bytes.len() as u64);
        Ok(bytes)
    }
}

into_future!(DownloadBytes -> Vec<u8>, DOWNLOAD);
