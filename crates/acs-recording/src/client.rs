//! The entry point: a client of one Communication Services resource.

use std::sync::Arc;
use std::time::Duration;

use crate::calls::Calls;
use crate::client_core::ClientCore;
use crate::cloud::Cloud;
use crate::content::{DeleteContent, Download, DownloadRecording, ReadMetadata};
use crate::content_url::ContentUrl;
#[cfg(feature = "entra")]
use crate::credential::EntraCredential;
use crate::credential::{AccessKey, ConnectionString, Credential, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::start::{RecordingTarget, StartRecording};
use crate::telemetry::{TraceContext, TraceContextHook};
use crate::transport::{
    AllowedHost, ApplicationId, HttpClients, HttpOptions, Limits, MAX_DOWNLOADS, Pipeline,
    RetryPolicy, Settings, Transport, default_retry_policy, request_builder, user_agent,
};

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
        Arc::clone(&self.core.pipeline().transport)
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

/// Settings of a [`RecordingClient`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the client"]
pub struct RecordingClientBuilder {
    endpoint: Endpoint,
    custom_endpoint: Option<Endpoint>,
    cloud: Option<Cloud>,
    identity: Identity,
    allowed_hosts: Vec<AllowedHost>,
    retry: Arc<dyn RetryPolicy>,
    limits: Limits,
    http: HttpOptions,
    transport: Option<Arc<dyn Transport>>,
    #[cfg(feature = "unstable-reqwest")]
    reqwest_client: Option<reqwest::Client>,
    application_id: Option<ApplicationId>,
    trace_context: Option<TraceContextHook>,
    max_download_connections: usize,
}

#[derive(Clone, Debug)]
enum Identity {
    Key(AccessKey),
    #[cfg(feature = "entra")]
    Token {
        credential: Arc<dyn azure_core::credentials::TokenCredential>,
        /// None for the scope of the cloud.
        scope: Option<String>,
    },
}

impl RecordingClientBuilder {
    fn new(endpoint: Endpoint, identity: Identity) -> Self {
        Self {
            endpoint,
            custom_endpoint: None,
            cloud: None,
            identity,
            allowed_hosts: Vec::new(),
            retry: default_retry_policy(),
            limits: Limits::default(),
            http: HttpOptions::default(),
            transport: None,
            #[cfg(feature = "unstable-reqwest")]
            reqwest_client: None,
            application_id: None,
            trace_context: None,
            max_download_connections: MAX_DOWNLOADS,
        }
    }

    /// The cloud of the resource, for an endpoint with a domain of your own, which does not determine
    /// it (default: [that of the endpoint](Cloud::of_endpoint), or else the public cloud). The cloud
    /// determines the scope of Entra ID tokens.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// The scope of Microsoft Entra ID tokens (default: [that of the cloud](Cloud::token_scope), which
    /// is documented for the public cloud and inferred for others). It has no effect with an access
    /// key. Needs the feature `entra`.
    #[cfg(feature = "entra")]
    pub fn token_scope(mut self, scope: &str) -> Self {
        if let Identity::Token { scope: current, .. } = &mut self.identity {
            *current = Some(scope.to_owned());
        }
        self
    }

    /// Sends requests for the resource to another endpoint: a front door, a private endpoint, a
    /// tunnel or a reverse proxy. They are still signed for the resource's own host, which the headers
    /// `x-ms-host` and `X-Forwarded-Host` contain.
    ///
    /// `Host` is the name of the custom endpoint, because front doors route by it. Configure such a
    /// front door to pass the resource's name on to its origin. If the custom endpoint is an IP
    /// address or on loopback, `Host` is the name of the resource. Content is still requested from
    /// the service's content hosts.
    ///
    /// ```
    /// # use acs_recording::{ConnectionString, RecordingClient, Result};
    /// # fn run(connection_string: ConnectionString) -> Result<()> {
    /// let client = RecordingClient::builder(connection_string)
    ///     .custom_endpoint("https://acs.contoso.example".parse()?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn custom_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.custom_endpoint = Some(endpoint);
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

    /// The largest response of the service to read, in bytes (default: 16 MiB). Responses usually have
    /// some kilobytes. A larger one fails with [`ErrorKind::InvalidResponse`].
    ///
    /// Recorded content does not count, and has limits of its own.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Sends credentials for content to one more host, or with a leading dot to all hosts below a
    /// domain.
    ///
    /// A port other than 443 must be included, as in `media.example:8443`. The hosts on which the
    /// service keeps recordings are already allowed. On every host, credentials are only sent to the
    /// paths of content: `/v1/objects/{id}` to delete, `/v1/objects/{id}/content/{name}` to read.
    ///
    /// Locations come with events, and so from outside. Allow a host because you operate it, and not
    /// because an event names it.
    pub fn allow_content_host(mut self, host: &str) -> Self {
        self.allowed_hosts.push(AllowedHost::parse(host));
        self
    }

    /// Trusts the certificate authorities of a PEM bundle, in addition to those of the system: for
    /// a proxy that inspects TLS, or for the emulator. It applies to requests to the resource and
    /// for content.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it contains no certificate, or one that cannot be read.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Result<Self> {
        self.http.add_root_certificates(pem)?;
        Ok(self)
    }

    /// Authenticates to servers and proxies with a client certificate: a private key and its
    /// certificate chain, all in PEM.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if key or certificate is missing, or cannot be read.
    pub fn client_certificate(mut self, pem: &[u8]) -> Result<Self> {
        self.http.set_client_certificate(pem)?;
        Ok(self)
    }

    /// The HTTP proxy for all requests, such as `http://user:password@proxy.example:3128` (default:
    /// that of the environment or the system). Requests to loopback addresses bypass the proxy.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not an `http` or `https` URL.
    pub fn proxy(mut self, url: &str) -> Result<Self> {
        self.http.set_proxy(url)?;
        Ok(self)
    }

    /// Uses no proxy, regardless of the environment and the system.
    pub fn no_proxy(mut self) -> Self {
        self.http.set_no_proxy();
        self
    }

    /// Time limit for connecting, TLS included (default: 10 seconds). It counts towards the
    /// [`attempt_timeout`](Self::attempt_timeout).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.http.set_connect_timeout(limit);
        self
    }

    /// How long an idle connection is kept (default: 90 seconds).
    pub fn pool_idle_timeout(mut self, limit: Duration) -> Self {
        self.http.set_pool_idle_timeout(limit);
        self
    }

    /// The maximum number of idle connections per host (default: no limit).
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.http.set_pool_max_idle_per_host(connections);
        self
    }

    /// The maximum number of simultaneous connections for downloads into files, shared by all clones
    /// of the client (default: 32). It bounds memory and open files. Further downloads wait.
    pub fn max_download_connections(mut self, connections: usize) -> Self {
        self.max_download_connections = connections;
        self
    }

    /// An id of your application in the `User-Agent` header, such as `contoso-archive/1.2`: 1 to 24
    /// characters without spaces.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is empty, too long, or contains a character that a user
    /// agent cannot have.
    pub fn application_id(mut self, id: &str) -> Result<Self> {
        self.application_id = Some(ApplicationId::new(id)?);
        Ok(self)
    }

    /// Sends the headers `traceparent` and `tracestate` with each attempt of a request, so that a
    /// distributed trace includes it. The function is called in the span of the attempt; see
    /// [`telemetry`](crate::telemetry).
    ///
    /// With `tracing-opentelemetry`:
    ///
    /// ```ignore
    /// use opentelemetry::trace::TraceContextExt as _;
    /// use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    ///
    /// let builder = builder.trace_context(|| {
    ///     let context = tracing::Span::current().context();
    ///     let span = context.span().span_context().clone();
    ///     let traceparent = format!(
    ///         "00-{}-{}-{:02x}",
    ///         span.trace_id(),
    ///         span.span_id(),
    ///         span.trace_flags(),
    ///     );
    ///     TraceContext::new(&traceparent).ok()
    /// });
    /// ```
    pub fn trace_context(
        mut self,
        context: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.trace_context = Some(TraceContextHook::new(context));
        self
    }

    /// Sends requests with a transport of your own: a fake in a unit test, or another HTTP client.
    /// See [`Transport`] for an example.
    ///
    /// Settings of the built-in transport, such as [`proxy`](Self::proxy), do not apply to it, and
    /// [`build`](Self::build) fails if one of them is set.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sends requests with this `reqwest::Client`. Needs the feature `unstable-reqwest`, which may
    /// take a newer major version of reqwest in any release of this crate.
    ///
    /// The client must not follow redirects (`redirect::Policy::none()`), must not decompress
    /// bodies (`no_gzip()` and its like), and should speak HTTP/1.1 only (`http1_only()`), because
    /// all ranges of a download would share one connection otherwise. Do not set a total timeout on
    /// it, which would end downloads, but do set a connect timeout. It is used for all requests,
    /// including those to loopback addresses, so its proxy applies to them.
    ///
    /// Settings of the built-in transport, such as [`proxy`](Self::proxy), do not apply to it, and
    /// [`build`](Self::build) fails if one of them is set.
    #[cfg(feature = "unstable-reqwest")]
    pub fn reqwest_client(mut self, client: reqwest::Client) -> Self {
        self.reqwest_client = Some(client);
        self
    }

    /// Builds the client. No request is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if a timeout or a number of connections is zero, if settings
    /// exclude each other, or if the system's TLS certificates cannot be read.
    pub fn build(self) -> Result<RecordingClient> {
        self.limits.check()?;
        if self.max_download_connections == 0 {
            let text = "max_download_connections of zero is out of range; give 1 or more";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let (transport, request_builder) = self.http_transport()?;
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
        let pipeline = Pipeline::new(Settings {
            transport,
            request_builder,
            endpoint: self.endpoint,
            custom_endpoint: self.custom_endpoint,
            credential,
            allowed_hosts: self.allowed_hosts,
            retry: self.retry,
            limits: self.limits,
            user_agent: user_agent(self.application_id.as_ref()),
            trace_context: self.trace_context,
            max_download_connections: self.max_download_connections,
        });
        Ok(RecordingClient {
            core: ClientCore::new(pipeline),
        })
    }

    /// The transport, and the client that builds the requests of the generated code.
    fn http_transport(&self) -> Result<(Arc<dyn Transport>, reqwest::Client)> {
        let check = |replaced_by: &str| match self.http.first_set() {
            None => Ok(()),
            Some(name) => {
                let text = format!(
                    "the setting {name} has no effect on a client with {replaced_by}; set one of \
                     the two"
                );
                Err(Error::new(ErrorKind::InvalidInput, text))
            }
        };
        #[cfg(feature = "unstable-reqwest")]
        if let Some(client) = &self.reqwest_client {
            check("reqwest_client")?;
            if self.transport.is_some() {
                let text = "reqwest_client and transport exclude each other; set one of the two";
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
            return Ok((Arc::new(HttpClients::with_client(client)), client.clone()));
        }
        if let Some(transport) = &self.transport {
            check("transport")?;
            return Ok((Arc::clone(transport), request_builder()?));
        }
        let first = self
            .custom_endpoint
            .as_ref()
            .unwrap_or(&self.endpoint)
            .url();
        let clients = HttpClients::new(self.http.clone(), first)?;
        let request_builder = clients.request_builder(first)?;
        Ok((Arc::new(clients), request_builder))
    }
}
