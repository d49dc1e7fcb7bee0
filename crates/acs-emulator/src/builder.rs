//! Settings of an emulator, and starting it.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use crate::clock::Clock;
use crate::delivery::event_grid;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::network::{self, Network};
use crate::routes;
use crate::script::Script;
use crate::state::{Settings, Shared};
use crate::store::StoreSettings;

/// Settings of an emulator that is to be started. [`Emulator::builder`] makes it.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    pub(crate) settings: Settings,
    network: Network,
}

impl EmulatorBuilder {
    /// The clock of the service. The default is [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Time from creating or answering a call, or adding a participant, until they are connected.
    /// The default is 100 ms.
    pub fn connect_delay(mut self, delay: Duration) -> Self {
        self.settings.connect_delay = delay;
        self
    }

    /// Time from the answer to a start request until the recording is active. The default is
    /// 200 ms.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.settings.start_delay = delay;
        self
    }

    /// Time from the end of a recording until `RecordingFileStatusUpdated` is sent. The default is
    /// 500 ms.
    pub fn event_delay(mut self, delay: Duration) -> Self {
        self.settings.event_delay = delay;
        self
    }

    /// Time from the end of a recording until its content is gone. The default is 24 hours.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// How far the service is ahead of real time when it judges the age of a signature. The
    /// default is zero; more than five minutes in either direction make every request fail.
    pub fn server_time_offset(mut self, offset: SignedDuration) -> Self {
        self.settings.server_time_offset = offset;
        self
    }

    /// What the delays between attempts to deliver an event are multiplied with. The default is 1,
    /// the published schedule; values are held between 0 and 1000. An event is given up 24 hours
    /// after its first attempt, or later where the delays are longer than published.
    pub fn retry_scale(mut self, factor: f64) -> Self {
        self.settings.retry_scale = if factor.is_nan() {
            1.0
        } else {
            factor.clamp(0.0, 1000.0)
        };
        self
    }

    /// Lets people join, speak and leave by a script. Without one, everybody who is called or added
    /// connects and speaks.
    pub fn script(mut self, script: Script) -> Self {
        self.settings.script = script;
        self
    }

    /// The address for plain HTTP; port 0 picks a free one. The default is a free port of
    /// 127.0.0.1.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.network.http = Some(address);
        self
    }

    /// Opens no port for plain HTTP.
    #[cfg(feature = "tls")]
    pub fn without_http(mut self) -> Self {
        self.network.http = None;
        self
    }

    /// The address for HTTPS; port 0 picks a free one. There is none by default.
    ///
    /// The certificate is for loopback and for all names of [`EmulatorBuilder::name`]. Clients have
    /// to trust [`Emulator::ca_certificate`], which is made anew for every emulator.
    #[cfg(feature = "tls")]
    pub fn https(mut self, address: SocketAddr) -> Self {
        self.network.https = Some(address);
        self
    }

    /// A host name by which clients reach the emulator, or with `*.` in front the names of a
    /// domain. Can be called any number of times.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.network.names.push(name.into());
        self
    }

    /// The origin that locations of content begin with, such as `https://us.asm.skype.com:0`. Port
    /// 0 stands for the port that the emulator has for this scheme. The default is the endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::ContentUrl`] unless it is an `http` or `https` address without a path.
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

    /// Serves the admin interface at an address of loopback; see [`Emulator::admin_url`]. There is
    /// none by default.
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.network.admin = Some(address);
        self
    }

    /// Starts the emulator, by default on a free port of 127.0.0.1. It needs a tokio runtime with
    /// IO and time enabled, and lives as long as that.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if a port cannot be opened, [`Error::Certificate`] if a name cannot be put
    /// into a certificate, [`Error::Admin`] if the admin interface would not be on loopback, and
    /// [`Error::WebhookClient`] if the machine's HTTP client cannot be set up.
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
            },
            network: Network::default(),
        }
    }
}
