//! The settings of an emulator.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::delivery::event_grid;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::network::{self, Network};
use crate::routes;
use crate::script::Script;
use crate::state::{Settings, Shared};
use crate::store::StoreSettings;

/// Settings of an emulator. Created by [`Emulator::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    pub(crate) settings: Settings,
    pub(crate) network: Network,
}

impl EmulatorBuilder {
    /// The clock of the service. The default is [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// The time from creating or answering a call, or adding a participant, until the connection is
    /// established. The default is 100 ms.
    pub fn connect_delay(mut self, delay: Duration) -> Self {
        self.settings.connect_delay = delay;
        self
    }

    /// The time from the response to a start request until the recording is active. The default is
    /// 200 ms.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.settings.start_delay = delay;
        self
    }

    /// The time from the end of a recording until `RecordingFileStatusUpdated` is sent. The default
    /// is 500 ms.
    pub fn event_delay(mut self, delay: Duration) -> Self {
        self.settings.event_delay = delay;
        self
    }

    /// The time from the end of a recording until its content is deleted. The default is 24 hours.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
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
        self.settings.script = script;
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
    /// the emulator's port for this scheme. The default is the endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::ContentUrl`] unless the URL is an `http` or `https` URL without a path.
    pub fn content_url(mut self, url: impl AsRef<str>) -> Result<Self, Error> {
        let text = url.as_ref();
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        });
        self.network.content_url = Some(url.ok_or_else(|| Error::ContentUrl(text.to_owned()))?);
        Ok(self)
    }

    /// The address to serve the admin interface at, which must be on loopback; see
    /// [`Emulator::admin_url`]. By default there is no admin interface.
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.network.admin = Some(address);
        self
    }

    /// Starts the emulator, by default on a free port of 127.0.0.1. This requires a tokio runtime
    /// with IO and time enabled. The emulator stops when the runtime does.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if a port cannot be opened, [`Error::Certificate`] if a name is not valid
    /// in a certificate, [`Error::AuthorityFolder`] if the certificate authority cannot be read or
    /// created, [`Error::Admin`] if the address of the admin interface is not on loopback,
    /// and [`Error::WebhookClient`] if the HTTP client for events cannot be created.
    pub async fn start(self) -> Result<Emulator, Error> {
        let webhooks = event_grid::client()?;
        let bound = self.network.bind().await?;
        let shared = Shared::new(self.settings, &bound, webhooks);
        let router = routes::router(&shared);
        let mut servers = Vec::new();
        if let Some(listener) = bound.http {
            let listener = network::without_delay(listener);
            servers.push(network::serve(listener, router.clone(), &shared));
        }
        #[cfg(feature = "tls")]
        if let Some(listener) = bound.https {
            servers.push(network::serve(listener, router.clone(), &shared));
        }
        if let Some(listener) = bound.admin {
            servers.push(network::serve(listener, routes::admin(&shared), &shared));
        }
        tracing::debug!(addresses = ?bound.addresses, "emulator started");
        Ok(Emulator::new(
            shared,
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
                clock: Clock::system(),
                connect_delay: Duration::from_millis(100),
                start_delay: Duration::from_millis(200),
                event_delay: Duration::from_millis(500),
                retention: Duration::from_secs(24 * 60 * 60),
                server_time_offset: SignedDuration::ZERO,
                store: StoreSettings::default(),
                retry_scale: 1.0,
                script: Script::new(),
                well_known_keys: false,
                resource: None,
            },
            network: Network::default(),
        }
    }
}
