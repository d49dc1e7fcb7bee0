//! The settings of a client.

use std::sync::Arc;
use std::time::Duration;

use crate::client_core::ClientCore;
use crate::cloud::Cloud;
#[cfg(feature = "entra")]
use crate::credential::EntraCredential;
use crate::credential::{AccessKey, Credential, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::telemetry::{TraceContext, TraceContextHook};
use crate::transport::{
    AllowedHost, ApplicationId, HttpClients, HttpOptions, Limits, MAX_DOWNLOADS, Pipeline,
    RetryPolicy, Sender, Settings, Transport, default_retry_policy, user_agent,
};

/// Settings of a [`RecordingClient`](crate::RecordingClient).
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

/// How the client authenticates.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    Key(AccessKey),
    #[cfg(feature = "entra")]
    Token {
        credential: Arc<dyn azure_core::credentials::TokenCredential>,
        /// None for the scope of the cloud.
        scope: Option<String>,
    },
}

impl RecordingClientBuilder {
    pub(super) fn new(endpoint: Endpoint, identity: Identity) -> Self {
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

    /// The state of the client.
    pub(super) fn into_core(self) -> Result<ClientCore> {
        self.limits.check()?;
        if self.max_download_connections == 0 {
            let text = "max_download_connections of zero is out of range; give 1 or more";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let sender = self.sender()?;
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
            sender,
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
        Ok(ClientCore::new(pipeline))
    }

    /// What sends requests.
    fn sender(&self) -> Result<Sender> {
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
            return Ok(Sender::BuiltIn(HttpClients::with_client(client)));
        }
        if let Some(transport) = &self.transport {
            check("transport")?;
            return Ok(Sender::Custom(Arc::clone(transport)));
        }
        let first = self
            .custom_endpoint
            .as_ref()
            .unwrap_or(&self.endpoint)
            .url();
        let clients = HttpClients::new(self.http.clone(), first)?;
        Ok(Sender::BuiltIn(clients))
    }
}
