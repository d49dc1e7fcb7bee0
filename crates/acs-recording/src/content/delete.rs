//! Deleting content from the service.

use std::future::IntoFuture;
use std::pin::Pin;

use http::{HeaderMap, Method};

use super::{ContentUrl, refused};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Hint, Result};
use crate::event::RecordingChunk;

const OPERATION: &str = "delete recording";

/// Content about to be deleted; `await` it.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the event named no delete location, as events before 2022 did
/// not. [`ErrorKind::ForbiddenHost`] when the location is none of an object on a host of the
/// service, or of another object than the chunk's media and metadata.
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before it is awaited"]
pub struct DeleteContent {
    client: RecordingClient,
    location: Option<ContentUrl>,
    /// What must be of the same object.
    belongs_to: Vec<ContentUrl>,
}

impl DeleteContent {
    /// Deletes what a caller vouches for.
    pub(crate) fn at(client: RecordingClient, location: ContentUrl) -> Self {
        Self {
            client,
            location: Some(location),
            belongs_to: Vec::new(),
        }
    }

    /// Deletes a chunk, as its event says where.
    pub(crate) fn of(client: RecordingClient, chunk: &RecordingChunk) -> Self {
        Self {
            client,
            location: chunk.delete_location.clone(),
            belongs_to: [&chunk.content_location, &chunk.metadata_location]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        }
    }

    async fn send(self) -> Result<()> {
        let Some(location) = self.location else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the event names no delete location",
            ));
        };
        let is_other = |content: &&ContentUrl| !location.is_same_object(content);
        if let Some(other) = self.belongs_to.iter().find(is_other) {
            let message = format!(
                "nothing was deleted: the event's delete location {location} is another object \
                 than its content, {other}"
            );
            let error = Error::new(ErrorKind::ForbiddenHost, message);
            return Err(error.with_hint(Hint::CheckLocation));
        }
        let response = self
            .client
            .pipeline()
            .content(
                Method::DELETE,
                location.as_url(),
                HeaderMap::new(),
                OPERATION,
            )
            .await?;
        match response.status().as_u16() {
            200 | 202 | 204 => Ok(()),
            404 | 410 => match refused(response).await {
                // Something on the way says that, and the content may still be there.
                error if error.hint() == Some(Hint::CheckGateway) => Err(error),
                _ => Ok(()),
            },
            _ => Err(refused(response).await),
        }
    }
}

impl IntoFuture for DeleteContent {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.send()
                .await
                .map_err(|error| error.with_operation(OPERATION))
        })
    }
}
