//! Reading the metadata document of a chunk.

use std::future::IntoFuture;
use std::pin::Pin;

use super::ContentUrl;
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::RecordingMetadata;

const OPERATION: &str = "read metadata";
/// Documents are some kilobytes; one with every participant of a large meeting has more.
pub(super) const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A metadata document about to be read; `await` it.
///
/// # Errors
/// Those of a download; [`ErrorKind::InvalidInput`] when the event names no metadata location, or
/// when the document is larger than [`max_bytes`](Self::max_bytes);
/// [`ErrorKind::InvalidResponse`] when the content is no such document.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before it is awaited"]
pub struct ReadMetadata {
    client: RecordingClient,
    location: Option<ContentUrl>,
    max_bytes: u64,
}

impl ReadMetadata {
    pub(crate) fn new(client: RecordingClient, location: Option<ContentUrl>) -> Self {
        Self {
            client,
            location,
            max_bytes: MAX_BYTES,
        }
    }

    /// How large the document may be (default: 16 MiB).
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    async fn read(self) -> Result<RecordingMetadata> {
        let Some(location) = self.location else {
            let text = "the event names no metadata location";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        let download = self.client.download(&location).named(OPERATION);
        let document = download.max_bytes(self.max_bytes).into_bytes().await?;
        Ok(RecordingMetadata::parse(&document)?)
    }
}

impl IntoFuture for ReadMetadata {
    type Output = Result<RecordingMetadata>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.read().await.map_err(|error| error.during(OPERATION)) })
    }
}
