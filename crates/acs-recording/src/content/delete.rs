//! Deleting content from the service.

use http::{HeaderMap, Method};

use super::{ContentUrl, refused};
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Hint, Result};
use crate::event::RecordingChunk;
use crate::operation::into_future;
use crate::transport::{RequestOptions, request_options};

const OPERATION: &str = "delete recording";

/// Deletes content from the service; made by
/// [`RecordingClient::delete`](crate::RecordingClient::delete).
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the event does not contain a delete location, like events before
/// 2022. [`ErrorKind::ForbiddenHost`] if the location is not that of an object on a host of the
/// service, or is that of another object than the chunk's media and metadata.
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before it is awaited"]
pub struct DeleteContent {
    client: ClientCore,
    location: Option<ContentUrl>,
    /// Locations that must be of the same object.
    belongs_to: Vec<ContentUrl>,
    options: RequestOptions,
}

impl DeleteContent {
    /// Deletes a location that the caller vouches for.
    pub(crate) fn at(client: ClientCore, location: ContentUrl) -> Self {
        Self {
            client,
            location: Some(location),
            belongs_to: Vec::new(),
            options: RequestOptions::new(),
        }
    }

    /// Deletes a chunk, by the location in its event.
    pub(crate) fn of(client: ClientCore, chunk: &RecordingChunk) -> Self {
        Self {
            client,
            location: chunk.delete_location.clone(),
            belongs_to: [&chunk.content_location, &chunk.metadata_location]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            options: RequestOptions::new(),
        }
    }

    async fn send(self) -> Result<()> {
        self.options.check()?;
        let Some(location) = self.location else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the event does not contain a delete location",
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
        let client = self.client.with_options(&self.options)?;
        let response = client
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

request_options!(DeleteContent);
into_future!(DeleteContent -> (), OPERATION);
