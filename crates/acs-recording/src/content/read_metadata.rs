//! Reading the metadata document of a chunk.

use super::ContentUrl;
use super::download::Download;
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::RecordingMetadata;
use crate::operation::into_future;
use crate::transport::{RequestOptions, request_options};

const OPERATION: &str = "read metadata";
/// Documents are some kilobytes; one with every participant of a large meeting has more.
pub(super) const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a metadata document; made by [`RecordingClient::metadata`](crate::RecordingClient::metadata).
///
/// # Errors
/// Those of a download. [`ErrorKind::InvalidInput`] if the event does not contain a metadata
/// location, or the document is larger than [`max_bytes`](Self::max_bytes).
/// [`ErrorKind::InvalidResponse`] if the content is not a metadata document.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before it is awaited"]
pub struct ReadMetadata {
    client: ClientCore,
    location: Option<ContentUrl>,
    max_bytes: u64,
    options: RequestOptions,
}

impl ReadMetadata {
    pub(crate) fn new(client: ClientCore, location: Option<ContentUrl>) -> Self {
        Self {
            client,
            location,
            max_bytes: MAX_BYTES,
            options: RequestOptions::new(),
        }
    }

    /// The largest document to read, in bytes (default: 16 MiB).
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    async fn send(self) -> Result<RecordingMetadata> {
        let client = self.client.with_options(&self.options)?;
        let Some(location) = self.location else {
            let text = "the event does not contain a metadata location";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        let download = Download::new(client, location).named(OPERATION);
        let document = download.max_bytes(self.max_bytes).into_bytes().await?;
        Ok(RecordingMetadata::parse(&document)?)
    }
}

request_options!(ReadMetadata);
into_future!(ReadMetadata -> RecordingMetadata, OPERATION);
