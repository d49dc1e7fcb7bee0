//! The entry point: a client of one Communication Services resource.

mod builder;

use std::sync::Arc;

use crate::calls::Calls;
use crate::client_core::ClientCore;
use crate::content::{DeleteContent, Download, DownloadRecording, ReadMetadata};
use crate::content_url::ContentUrl;
use crate::credential::{AccessKey, ConnectionString, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::start::{RecordingTarget, StartRecording};
use crate::transport::Transport;

use builder::Identity;
pub use builder::RecordingClientBuilder;

/// A client for the recordings of one Communication Services resource.
///
/// It is cheap to clone; clones share connections. Handles such as [`Recording`] hold one.
///
/// ```no_run
/// use acs_recording::{Media, RecordingClient, ServerCallId};
///
/// # async fn run(connection_string: &str, id: &str) -> acs_recording::Result<()> {
/// let client = RecordingClient::from_connection_string(connection_string)?;
/// let recording = client
///     .start(ServerCallId::new(id)?)
///     .media(Media::mixed_wav())
///     .await?;
/// println!("recording {}", recording.id());
/// recording.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RecordingClient {
    core: ClientCore,
}

impl RecordingClient {
    /// A client for the resource and access key of a connection string, with default settings.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the text is not a valid
    /// connection string. The message does not repeat the key.
    pub fn from_connection_string(connection_string: &str) -> Result<Self> {
        Self::builder(connection_string.parse::<ConnectionString>()?).build()
    }

    /// Settings for a client of the resource and access key of a connection string.
    pub fn builder(connection_string: ConnectionString) -> RecordingClientBuilder {
        let (endpoint, access_key) = connection_string.into_parts();
        Self::with_key_credential(endpoint, access_key)
    }

    /// Settings for a client of the resource at `endpoint`, which authenticates with an access key.
    pub fn with_key_credential(
        endpoint: Endpoint,
        access_key: AccessKey,
    ) -> RecordingClientBuilder {
        RecordingClientBuilder::new(endpoint, Identity::Key(access_key))
    }

    /// Settings for a client of the resource at `endpoint`, which authenticates with Microsoft Entra
    /// ID. The credential is one of the crate `azure_identity`, or of your own. Needs the feature
    /// `entra`.
    ///
    /// Tokens are cached, and renewed five minutes before they expire.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use acs_recording::{RecordingClient, Result};
    /// # fn run(credential: Arc<dyn azure_core::credentials::TokenCredential>) -> Result<()> {
    /// // let credential = azure_identity::DeveloperToolsCredential::new(None)?;
    /// let endpoint = "https://contoso.communication.azure.com".parse()?;
    /// let client = RecordingClient::with_token_credential(endpoint, credential).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "entra")]
    pub fn with_token_credential(
        endpoint: Endpoint,
        credential: Arc<dyn azure_core::credentials::TokenCredential>,
    ) -> RecordingClientBuilder {
        let identity = Identity::Token {
            credential,
            scope: None,
        };
        RecordingClientBuilder::new(endpoint, identity)
    }

    /// Starts recording a call; set options on the result, then `await` it.
    ///
    /// The call is usually given by its [`ServerCallId`](crate::ServerCallId);
    /// [`RecordingTarget`] lists the other ids.
    ///
    /// Nothing is sent before the result is awaited. Dropping the future after that only ends the
    /// wait for the response. The service may have started the recording, which then continues until
    /// the call ends or it is stopped, and only its events contain its id. So do not put a start into
    /// `select!` or under a timeout of your own. Limit it with
    /// [`timeout`](StartRecording::timeout), or spawn it and wait for the task. If you must give up
    /// anyway, start again with the same [`repeatability`](StartRecording::repeatability) to get the
    /// id of the recording that was started.
    pub fn start(&self, call: impl Into<RecordingTarget>) -> StartRecording {
        StartRecording::new(self.core.clone(), call.into())
    }

    /// Creates, answers and joins calls, to get the ids that recordings start from.
    pub fn calls(&self) -> Calls {
        Calls::new(self.core.clone())
    }

    /// The recording with this id, which may have been started elsewhere. Sends nothing.
    pub fn recording(&self, id: RecordingId) -> Recording {
        Recording::new(self.core.clone(), id)
    }

    /// Downloads the content at a `content_location` or `metadata_location` of an event.
    pub fn download(&self, location: &ContentUrl) -> Download {
        Download::new(self.core.clone(), location.clone())
    }

    /// Downloads a whole recording, all chunks and their metadata, into a folder, and leaves a
    /// [manifest](crate::RecordingManifest) beside them.
    ///
    /// ```no_run
    /// # use acs_recording::{RecordingClient, RecordingFileStatusUpdated, Result};
    /// # async fn run(client: &RecordingClient, file: &RecordingFileStatusUpdated) -> Result<()> {
    /// let saved = client
    ///     .download_recording(file)
    ///     .on_progress(|progress| println!("{} bytes", progress.bytes))
    ///     .to_dir("recordings")
    ///     .await?;
    /// println!("{}", saved.chunks[0].media.path.display());
    /// # Ok(())
    /// # }
    /// ```
    pub fn download_recording(&self, file: &RecordingFileStatusUpdated) -> DownloadRecording {
        let core = if file.is_for_own_storage() {
            self.core.for_own_storage()
        } else {
            self.core.clone()
        };
        DownloadRecording::new(core, file)
    }

    /// Reads the metadata document of a chunk. It contains the participants, their channels in an
    /// unmixed recording, and the pauses.
    pub fn metadata(&self, chunk: &RecordingChunk) -> ReadMetadata {
        ReadMetadata::new(self.core.clone(), chunk.metadata_location.clone())
    }

    /// Deletes the media and the metadata of a chunk from the service.
    ///
    /// Content that no longer exists counts as deleted. Content that is not deleted is kept by the
    /// service for 24 hours. Local files are not checked;
    /// [`delete_after`](crate::DownloadToDir::delete_after) deletes only what was saved and verified.
    ///
    /// Only the object that contains the chunk's media and metadata is deleted, whatever the event
    /// says.
    pub fn delete(&self, chunk: &RecordingChunk) -> DeleteContent {
        DeleteContent::of(self.core.clone(), chunk)
    }

    /// Deletes the object at a `delete_location`. Unlike [`delete`](Self::delete), this does not check
    /// that it is the object of a certain chunk.
    ///
    /// Only recorded content on the service's hosts can be deleted. Any other location is rejected.
    pub fn delete_at(&self, location: &ContentUrl) -> DeleteContent {
        DeleteContent::at(self.core.clone(), location.clone())
    }

    /// Replaces the access key, in all clones of this client.
    ///
    /// To rotate keys, switch to the resource's other key first, then regenerate the one that was in
    /// use.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if this client uses Microsoft Entra ID, which has no keys.
    pub fn set_access_key(&self, access_key: AccessKey) -> Result<()> {
        if self.core.pipeline().credential.set_key(access_key) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidInput,
            "this client uses Entra ID and has no access key to replace",
        ))
    }

    /// The endpoint of the resource.
    pub fn endpoint(&self) -> &Endpoint {
        &self.core.pipeline().endpoint
    }

    /// The transport of this client, to send other requests with its root certificates and its
    /// proxy. It adds no credentials.
    pub fn transport(&self) -> Arc<dyn Transport> {
        self.core.pipeline().sender.transport()
    }

    /// The rest of Call Automation: every operation of the service as a method, with this client's
    /// credentials, retry policy and timeouts. Needs the feature `unstable-low-level`.
    ///
    /// The low-level client is generated from the published description of the service, and its
    /// version is not tied to that of this crate: names, arguments and errors may change in any
    /// release. [`Error::from_low_level`] converts one of its failures to an error of this crate.
    #[cfg(feature = "unstable-low-level")]
    pub fn call_automation(&self) -> &crate::low_level::Client {
        self.core.low_level()
    }
}

impl RecordingClientBuilder {
    /// Builds the client. No request is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if a timeout or a number of connections is zero, if settings
    /// exclude each other, or if the system's TLS certificates cannot be read.
    pub fn build(self) -> Result<RecordingClient> {
        let core = self.into_core()?;
        Ok(RecordingClient { core })
    }
}
