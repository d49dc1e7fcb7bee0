//! Reading the metadata document of a chunk.

use super::bytes::DownloadBytes;
use super::request::ContentRequest;
use crate::client_core::ClientCore;
use crate::content_url::ContentUrl;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::RecordingMetadata;
use crate::operation::into_future;
use crate::transport::{RequestOptions, request_options};

const OPERATION: &str = "read metadata";
/// Documents have some kilobytes, and more with the participants of a large meeting.
pub(super) const MAX_METADATA_BYTES: u64 = 16 * 1024 * 1024;

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
            max_bytes: MAX_METADATA_BYTES,
            options: RequestOptions::new(),
        }
    }

    /// The largest document to read, in bytes (default: 16 MiB).
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    async fn send(self) -> Result<RecordingMetadata> {
        let Some(location) = self.location else {
            let text = "the event does not contain a metadata location";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        let request = ContentRequest {
            options: self.options,
            ..ContentRequest::new(self.client, location)
        };
        let download = DownloadBytes::new(request).max_bytes(self.max_bytes);
        let document = download.send().await?;
        Ok(RecordingMetadata::parse(&document)?)
    }
}

request_options!(ReadMetadata);
into_future!(ReadMetadata -> RecordingMetadata, OPERATION);
