//! The settings of an emulator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use jiff::SignedDuration;
use url::Url;
use uuid::Uuid;

use super::handle::Emulator;
use super::script::Script;
use crate::auth::admin_token::AdminToken;
use crate::auth::authorities::Scheme;
use crate::error::Error;
use crate::http;
use crate::redact::without_secrets;
use crate::runtime::{Runtime, Settings, Site};
use crate::server::listeners::{self, Network};
use crate::service::ServiceSettings;
use crate::service::clock::Clock;
use crate::storage::settings::{Redirect, SasToken, StorageSettings};

impl Emulator {
    /// Starts an emulator with the default settings.
    ///
    /// # Errors
    ///
    /// See [`EmulatorBuilder::start`].
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder for an emulator with custom settings.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }
}

/// Settings of an emulator. Created by [`Emulator::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    pub(crate) settings: Settings,
    pub(crate) network: Network,
    holds_script: bool,
}

impl EmulatorBuilder {
    /// The clock of the service. The default is [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.service.clock = clock;
        self
    }

    /// The time from creating or answering a call, or adding a participant, until the connection is
    /// established. The default is 100 ms.
    pub fn connect_delay(mut self, delay: Duration) -> Self {
        self.settings.service.connect_delay = delay;
        self
    }

    /// The time from the response to a start request until the recording is active. The default is
    /// 200 ms.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.settings.service.start_delay = delay;
        self
    }

    /// The time from the end of a recording until `RecordingFileStatusUpdated` is sent. The default
    /// is 500 ms.
    pub fn event_delay(mut self, delay: Duration) -> Self {
        self.settings.event_delay = delay;
        self
    }

    /// The time from the end of a call until the emulator forgets it. From then on, requests for it
    /// receive "not found". A call to the application that is not answered ends after the same time.
    /// The default is one hour. At most 1,000 ended calls are kept.
    pub fn call_retention(mut self, retention: Duration) -> Self {
        self.settings.service.call_retention = retention;
        self
    }

    /// The time from the end of a recording until its content is deleted. The default is 24 hours.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.storage.retention = retention;
        self
    }

    /// The offset of the service's clock from real time when it checks the age of a signature. A
    /// positive offset means that the service is ahead. The default is zero. With an offset of more
    /// than five minutes in either direction, every request fails.
    pub fn server_time_offset(mut self, offset: SignedDuration) -> Self {
        self.settings.server_time_offset = offset;
        self
    }

    /// The factor by which the delays between delivery attempts for an event are multiplied. The
    /// default is 1, the published schedule. Values are clamped to the range from 0 to 1000. An
    /// event is dropped 24 hours after its first attempt, or later if the factor is greater than 1.
    pub fn retry_scale(mut self, factor: f64) -> Self {
        self.settings.retry_scale = if factor.is_nan() {
            1.0
        } else {
            factor.clamp(0.0, 1000.0)
        };
        self
    }

    /// Sets the script by which participants join, speak and leave. Without a script, everybody who
    /// is called or added connects and speaks.
    pub fn script(mut self, script: Script) -> Self {
        self.settings.service.script_steps = script.steps;
        self.settings.service.scripted_calls = script.calls;
        self
    }

    /// Lets the calls of the script wait until [`Emulator::begin_script`] is called.
    #[cfg(feature = "cli")]
    pub(crate) fn hold_script(mut self) -> Self {
        self.holds_script = true;
        self
    }

    /// Uses the access keys that the program `acs-emulator` has by default. They are the same for
    /// everybody, so that a connection string can be part of a configuration. By default, each
    /// emulator generates its own keys.
    pub fn well_known_keys(mut self) -> Self {
        self.settings.well_known_keys = true;
        self
    }

    /// The immutable id of the resource, which is the audience of the tokens in callbacks. By default,
    /// each emulator generates its own.
    pub fn resource_id(mut self, id: Uuid) -> Self {
        self.settings.resource = Some(id);
        self
    }

    /// The address to serve plain HTTP at. Port 0 selects a free port. The default is a free port
    /// of 127.0.0.1.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.network.http = Some(address);
        self
    }

    /// Disables plain HTTP.
    #[cfg(feature = "tls")]
    pub fn without_http(mut self) -> Self {
        self.network.http = None;
        self
    }

    /// The address to serve HTTPS at. Port 0 selects a free port. By default there is no HTTPS.
    ///
    /// The certificate covers loopback and all names that are added with [`EmulatorBuilder::name`].
    /// Clients must trust [`Emulator::ca_certificate`], which is different for every emulator unless
    /// it is kept in a [folder](EmulatorBuilder::ca_dir).
    #[cfg(feature = "tls")]
    pub fn https(mut self, address: SocketAddr) -> Self {
        self.network.https = Some(address);
        self
    }

    /// The folder of the certificate authority. It is created there on first use, in `ca.pem` and
    /// `ca-key.pem`, and reused from then on, so that clients have to trust it only once. Whoever can
    /// read `ca-key.pem` can deceive every program that trusts `ca.pem`.
    #[cfg(feature = "tls")]
    pub fn ca_dir(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.network.ca_dir = Some(folder.into());
        self
    }

    /// Adds a host name by which clients reach the emulator. `*.` in front matches the names of a
    /// domain. Can be called more than once.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.network.names.push(name.into());
        self
    }

    /// The origin of content locations, such as `https://us.asm.skype.com:0`. Port 0 is replaced by
    /// the emulator's port for this scheme. By default, the content of a recording is at the host that
    /// the request to start it names in `Host`, which is how the client reaches the emulator.
    ///
    /// # Errors
    ///
    /// [`Error::ContentUrl`] unless the URL is an `http` or `https` URL without a path and a user.
    pub fn content_url(mut self, url: impl AsRef<str>) -> Result<Self, Error> {
        let text = url.as_ref();
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        self.network.content_url =
            Some(url.ok_or_else(|| Error::ContentUrl(without_secrets(text).into_owned()))?);
        Ok(self)
    }

    /// The address to serve the admin interface at; see [`Emulator::admin_url`]. By default there is no
    /// admin interface. Unless the address is on loopback, requests need a
    /// [token](Emulator::admin_token).
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.network.admin = Some(address);
        self
    }

    /// The token that requests to the admin interface need. By default, a token is generated if the
    /// interface is not on loopback.
    ///
    /// # Errors
    ///
    /// [`Error::AdminToken`] if the token is empty or contains anything but ASCII letters, digits, `-`,
    /// `.`, `_` and `~`.
    pub fn admin_token(mut self, token: impl AsRef<str>) -> Result<Self, Error> {
        let token = AdminToken::parse(token.as_ref()).ok_or(Error::AdminToken)?;
        self.network.admin_token = Some(token);
        Ok(self)
    }

    /// Adds a host name by which clients reach the admin interface, such as that of a container.
    /// Loopback and the names of [`EmulatorBuilder::name`] are always allowed, and all IP addresses
    /// unless the interface is on loopback. Requests for other names are refused, because a web page
    /// can make a browser send them.
    pub fn admin_allowed_host(mut self, name: impl Into<String>) -> Self {
        self.network.admin_hosts.push(name.into());
        self
    }

    /// Allows plain HTTP for webhooks, callbacks and storage on other machines, such as other
    /// containers. By default, plain HTTP is allowed on loopback only.
    pub fn allow_http_webhooks(mut self) -> Self {
        self.network.allows_http = true;
        self
    }

    /// The maximum recorded time in one file. The default is four hours, the limit of the service.
    /// A longer recording consists of several chunks, at most 10,000, each with its own metadata
    /// document. All chunks but the last end with `ChunkMaximumTimeExceeded`.
    pub fn chunk_duration(mut self, duration: Duration) -> Self {
        self.settings.storage.chunk_duration = duration;
        self
    }

    /// The maximum size of a file in bytes. By default there is no limit. All chunks but the last
    /// end with `ChunkMaximumSizeExceeded`. A recording has at most 10,000 chunks; if the limit
    /// would require more, the chunks exceed it.
    pub fn chunk_size(mut self, bytes: u64) -> Self {
        self.settings.storage.chunk_size = Some(bytes);
        self
    }

    /// Interchanges the values of `contentType` and `channelType` in metadata documents. The
    /// service has been observed to do this.
    pub fn swap_metadata_types(mut self) -> Self {
        self.settings.storage.swap_metadata_types = true;
        self
    }

    /// Redirects requests for media and metadata with status 302 from 127.0.0.1, where the
    /// locations point, to the same port of `localhost`.
    pub fn redirect_content(mut self) -> Self {
        self.settings.storage.redirect = Redirect::Localhost;
        self
    }

    /// Like [`EmulatorBuilder::redirect_content`], but redirects to the origin of a URL that leads
    /// back to this emulator.
    pub fn redirect_content_to(mut self, origin: Url) -> Self {
        self.settings.storage.redirect = Redirect::To(origin);
        self
    }

    /// The shared access signature, a query string, with which the emulator writes to your own
    /// storage. A leading `?` is ignored. The service uses a managed identity instead, which
    /// storage emulators do not support.
    pub fn storage_sas(mut self, query: impl Into<String>) -> Self {
        let query = query.into();
        let query = query.trim_start_matches('?').to_owned();
        self.settings.storage.sas = Some(SasToken::from(query));
        self
    }

    /// Starts the emulator, by default on a free port of 127.0.0.1. This requires a tokio runtime
    /// with IO and time enabled. The emulator stops when the runtime does.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if a port cannot be opened, [`Error::Certificate`] if a name is not valid
    /// in a certificate, [`Error::AuthorityFolder`] if the certificate authority cannot be read or
    /// created, and [`Error::WebhookClient`] if the HTTP client for events cannot be created.
    pub async fn start(mut self) -> Result<Emulator, Error> {
        self.settings.storage.follows_host = self.network.content_url.is_none();
        let bound = self.network.bind().await?;
        let site = Site {
            endpoint: bound.addresses.endpoint(),
            admin: bound.admin_address(),
            admin_token: self.network.admin_token(),
            admin_hosts: self.network.admin_hosts.clone(),
            allows_http: self.network.allows_http,
            authorities: bound.authorities,
            content_origin: bound.content_origin,
            addresses: bound.addresses.clone(),
            host_names: self.network.names.clone(),
            #[cfg(feature = "tls")]
            ca: bound.ca.clone(),
            #[cfg(not(feature = "tls"))]
            ca: None,
        };
        let runtime = Arc::new(Runtime::new(self.settings, site)?);
        let http::Routers { service, admin } = http::routers(&runtime);
        let tasks = &runtime.tasks;
        let mut servers = Vec::new();
        if let Some(listener) = bound.http {
            let listener = listeners::without_delay(listener);
            let router = service.clone().layer(Extension(Scheme::Http));
            servers.push(listeners::serve(listener, router, tasks));
        }
        #[cfg(feature = "tls")]
        if let Some(listener) = bound.https {
            let router = service.clone().layer(Extension(Scheme::Https));
            servers.push(listeners::serve(listener, router, tasks));
        }
        if let Some(listener) = bound.admin {
            servers.push(listeners::serve(listener, admin, tasks));
        }
        if !self.holds_script {
            runtime.service.begin_script();
        }
        tracing::debug!(addresses = ?bound.addresses, "emulator started");
        Ok(Emulator::new(
            runtime,
            bound.addresses,
            #[cfg(feature = "tls")]
            bound.ca,
            servers,
        ))
    }
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            settings: Settings {
                service: ServiceSettings {
                    clock: Clock::system(),
                    connect_delay: Duration::from_millis(100),
                    start_delay: Duration::from_millis(200),
                    call_retention: Duration::from_secs(60 * 60),
                    script_steps: Vec::new(),
                    scripted_calls: Vec::new(),
                },
                storage: StorageSettings::default(),
                event_delay: Duration::from_millis(500),
                server_time_offset: SignedDuration::ZERO,
                retry_scale: 1.0,
                well_known_keys: false,
                resource: None,
            },
            network: Network::default(),
            holds_script: false,
        }
    }
}
