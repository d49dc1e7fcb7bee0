//! Deleting content from the service.

use std::future::IntoFuture;
use std::pin::Pin;

use http::{HeaderMap, Method};

use super::{ContentUrl, refused};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "delete recording";

/// Content about to be deleted; `await` it.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the event named no delete location, as events before 2022 did
/// not.
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before it is awaited"]
pub struct DeleteContent {
    client: RecordingClient,
    location: Option<ContentUrl>,
}

impl DeleteContent {
    pub(crate) fn new(client: RecordingClient, location: Option<ContentUrl>) -> Self {
        Self { client, location }
    }

    async fn send(self) -> Result<()> {
        let Some(location) = self.location else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the event names no delete location",
            ));
        };
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
            200 | 202 | 204 | 404 | 410 => Ok(()),
            _ => Err(refused(response).await),
        }
    }
}

impl IntoFuture for DeleteContent {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send().await.map_err(|error| error.during(OPERATION)) })
    }
}
