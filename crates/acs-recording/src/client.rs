//! The entry point: a client of one Communication Services resource.

use std::sync::Arc;
use std::time::Duration;

use crate::calls::Calls;
use crate::client_core::ClientCore;
use crate::cloud::Cloud;
use crate::content::{ContentUrl, DeleteContent, Download, DownloadRecording, ReadMetadata};
#[cfg(feature = "entra")]
use crate::credential::EntraCredential;
use crate::credential::{AccessKey, ConnectionString, Credential, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::start::{RecordingTarget, StartRecording};
use crate::transport::{AllowedHost, Limits, Pipeline, RetryPolicy, default_retry_policy};

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
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) says what is wrong with the
    /// text, without repeating the key.
    pub fn from_connection_string(connection_string: &str) -> Result<Self> {
        Self::builder(connection_string.parse::<ConnectionString>()?).build()
    }

    /// Settings for a client of the resource and access key of a connection string.
    pub fn builder(connection_string: ConnectionString) -> RecordingClientBuilder {
        let (endpoint, access_key) = connection_string.into_parts();
        Self::with_key_credential(endpoint, access_key)
    }

    /// Settings for a client of the resource at `endpoint`.
    pub fn with_key_credential(
        endpoint: Endpoint,
        access_key: AccessKey,
    ) -> RecordingClientBuilder {
        RecordingClientBuilder::new(endpoint, Identity::Key(access_key))
    }

    /// Settings for a client of the resource at `endpoint` with tokens of Entra ID, as the
    /// credentials of the crate `azure_identity` give them. Needs the feature `entra`.
    ///
    /// Tokens are kept, and renewed five minutes before they expire.
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
    /// Nothing is sent before it is awaited. Dropping the future after that only ends the wait for
    /// the response: the service may have started the recording, which then continues until the call
    /// ends or somebody stops it, and only its events tell its id. So do not put a start into
    /// `select!` or under a timeout of your own. Limit it with
    /// [`timeout`](StartRecording::timeout), or spawn it and wait for the task. If you have to give
    /// up nonetheless, start again with the same [`repeatability`](StartRecording::repeatability)
    /// to learn the id of the recording that was started.
    pub fn start(&self, call: impl Into<RecordingTarget>) -> StartRecording {
        StartRecording::new(self.core.clone(), call.into())
    }

    /// Makes, answers and joins calls, to get the ids that recordings start from.
    pub fn calls(&self) -> Calls {
        Calls::new(self.core.clone())
    }

    /// The recording with this id, which may have been started elsewhere. Sends nothing.
    pub fn recording(&self, id: RecordingId) -> Recording {
        Recording::new(self.core.clone(), id)
    }

    /// Downloads content, from a `content_location` or `metadata_location` of an event.
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
    ///     .to_dir("recordings")
    ///     .on_progress(|progress| println!("{} bytes", progress.bytes))
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

    /// Reads the metadata document of a chunk. It tells who is on which channel, and when the recording
    /// was paused.
    pub fn metadata(&self, chunk: &RecordingChunk) -> ReadMetadata {
        ReadMetadata::new(self.core.clone(), chunk.metadata_location.clone())
    }

    /// Deletes the media and the metadata of a chunk from the service.
    ///
    /// It is a success if the content is gone already. Otherwise the service keeps content for 24
    /// hours. Local files are not checked;
    /// [`delete_after`](crate::SaveRecording::delete_after) only deletes what was saved and verified.
    ///
    /// Only the object that contains the chunk's media and metadata is deleted, whatever the event
    /// says.
    pub fn delete(&self, chunk: &RecordingChunk) -> DeleteContent {
        DeleteContent::of(self.core.clone(), chunk)
    }

    /// Deletes the object at a `delete_location`, without a chunk to compare it with. The caller
    /// vouches for it.
    ///
    /// Only objects on the service's hosts can be deleted. No location stops a recording or does
    /// anything else.
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
            "this client uses Entra ID and has no access key to change",
        ))
    }

    /// The resource's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.core.pipeline().endpoint
    }

    /// The rest of Call Automation: every operation of the service as a method, with this client's
    /// credentials, retries and timeouts. Needs the feature `unstable-low-level`.
    ///
    /// The low-level client is generated from the published description of the service, and its
    /// version is not tied to that of this crate: names, arguments and errors may change in any
    /// release. [`Error::from_low_level`] makes an error of this crate from one of its failures.
    #[cfg(feature = "unstable-low-level")]
    pub fn call_automation(&self) -> &crate::low_level::Client {
        self.core.low_level()
    }
}

/// Settings of a [`RecordingClient`].
#[derive(Clone, Debug)]
#[must_use = "it is the client that does something: `build` it"]
pub struct RecordingClientBuilder {
    endpoint: Endpoint,
    address: Option<Endpoint>,
    cloud: Option<Cloud>,
    identity: Identity,
    allowed_hosts: Vec<AllowedHost>,
    retry: Arc<dyn RetryPolicy>,
    limits: Limits,
    /// Trusted beside the system's.
    roots: Vec<reqwest::Certificate>,
}

#[derive(Clone, Debug)]
enum Identity {
    Key(AccessKey),
    #[cfg(feature = "entra")]
    Token {
        credential: Arc<dyn azure_core::credentials::TokenCredential>,
        /// None if it is that of the cloud.
        scope: Option<String>,
    },
}

impl RecordingClientBuilder {
    fn new(endpoint: Endpoint, identity: Identity) -> Self {
        Self {
            endpoint,
            address: None,
            cloud: None,
            identity,
            allowed_hosts: Vec::new(),
            retry: default_retry_policy(),
            limits: Limits::default(),
            roots: Vec::new(),
        }
    }

    /// The cloud that the resource is in, where its address does not tell: for a resource behind a
    /// name of your own. It decides what tokens of Entra ID are asked for.
    ///
    /// By default it is [that of the endpoint](Cloud::of_endpoint), or else the public one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// What tokens are asked for (default: [that of the cloud](Cloud::token_scope), which is
    /// documented for the public cloud and inferred for others). An access key has no scope.
    #[cfg(feature = "entra")]
    pub fn token_scope(mut self, wanted: &str) -> Self {
        if let Identity::Token { scope, .. } = &mut self.identity {
            *scope = Some(wanted.to_owned());
        }
        self
    }

    /// Sends requests for the resource to another address: a front door, a private endpoint, a
    /// tunnel or a proxy that passes them on. They are still signed for the resource's own host,
    /// which the address is told in `x-ms-host` and `X-Forwarded-Host`.
    ///
    /// `Host` is that of the address if it has a name, because front doors route by it; set such a
    /// front door to pass the resource's name on to its origin. It is the resource's if the address
    /// is an IP address or on loopback. Content goes to the service's content hosts all the same.
    ///
    /// ```
    /// # use acs_recording::{ConnectionString, RecordingClient, Result};
    /// # fn run(connection_string: ConnectionString) -> Result<()> {
    /// let client = RecordingClient::builder(connection_string)
    ///     .send_to("https://acs.contoso.example".parse()?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_to(mut self, address: Endpoint) -> Self {
        self.address = Some(address);
        self
    }

    /// Decides whether and when a failed request is sent again (default:
    /// [`ExponentialBackoff`](crate::ExponentialBackoff) with 5 attempts).
    ///
    /// ```
    /// # use acs_recording::{ConnectionString, ExponentialBackoff, RecordingClient, Result};
    /// use acs_recording::RetryPolicyExt as _;
    ///
    /// # fn run(connection_string: ConnectionString) -> Result<()> {
    /// let client = RecordingClient::builder(connection_string)
    ///     .retry_policy(ExponentialBackoff::default().with_attempt_limit(10))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry_policy(mut self, policy: impl RetryPolicy + 'static) -> Self {
        self.retry = Arc::new(policy);
        self
    }

    /// Time limit for one attempt, from sending a request to its response (default: 30 seconds).
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.limits.attempt = limit;
        self
    }

    /// Time limit for one operation, retries included (default: 2 minutes).
    ///
    /// For a download it limits the time until content begins to arrive, and after an interruption
    /// the time until more arrives.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.limits.total = limit;
        self
    }

    /// How many bytes a response of the service may have (default: 16 MiB). Recorded content does not
    /// count, and has limits of its own.
    ///
    /// Responses of the service have some kilobytes. A longer one ends in
    /// [`ErrorKind::InvalidResponse`], whatever sends it.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Sends credentials for content to one more host, or with a leading dot to all hosts below a
    /// domain.
    ///
    /// A port other than that of https has to be named, as in `media.example:8443`. The hosts on
    /// which the service keeps recordings are known already. There, too, nothing but the paths of
    /// content gets them: `/v1/objects/{id}` to delete, `/v1/objects/{id}/content/{name}` to read.
    ///
    /// Locations come with events, and so from outside: allow a host because you run it, and not
    /// because an event names it.
    pub fn allow_content_host(mut self, host: &str) -> Self {
        self.allowed_hosts.push(AllowedHost::parse(host));
        self
    }

    /// Trusts the certificate authorities of this PEM bundle too, beside the system's: those of a
    /// proxy that looks into TLS, or of the emulator. It counts for requests to the resource and
    /// for content.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is no certificate in it, or one that cannot be read.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Result<Self> {
        let unreadable = |error: reqwest::Error| {
            let text = "a root certificate cannot be read; give certificates in PEM";
            Error::new(ErrorKind::InvalidInput, text).with_source(error)
        };
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(unreadable)?;
        if roots.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "there is no root certificate in it; PEM has a line `-----BEGIN CERTIFICATE-----`",
            ));
        }
        // What is between the lines of PEM is looked at only here.
        let trial = reqwest::Client::builder().tls_certs_only(roots.clone());
        trial.build().map_err(unreadable)?;
        self.roots.extend(roots);
        Ok(self)
    }

    /// Makes the client. Sends nothing.
    ///
    /// # Errors
    /// A time limit is zero, or the system's TLS certificates cannot be read.
    pub fn build(self) -> Result<RecordingClient> {
        self.limits.check()?;
        let credential = match self.identity {
            Identity::Key(key) => Credential::key(key),
            #[cfg(feature = "entra")]
            Identity::Token { credential, scope } => {
                let cloud = self.cloud.or_else(|| Cloud::of_endpoint(&self.endpoint));
                let scope =
                    scope.unwrap_or_else(|| cloud.unwrap_or_default().token_scope().to_owned());
                Credential::Entra(EntraCredential::new(credential, scope))
            }
        };
        let pipeline = Pipeline::new(
            self.endpoint,
            self.address,
            credential,
            self.allowed_hosts,
            self.retry,
            self.limits,
            self.roots,
        )?;
        Ok(RecordingClient {
            core: ClientCore::new(pipeline),
        })
    }
}
