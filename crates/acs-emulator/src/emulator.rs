//! Starting and holding an emulator.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::call::NewCall;
use crate::clock::Clock;
use crate::delivery::event_grid;
use crate::error::Error;
use crate::participant::Participant;
use crate::routes;
use crate::state::{Settings, Shared};

/// How long requests may take to complete once the emulator stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// Settings of an emulator that is to be started. [`Emulator::builder`] makes it.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmulatorBuilder {
    settings: Settings,
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

    /// Starts the emulator on a free port of 127.0.0.1. It needs a tokio runtime with IO and time
    /// enabled, and lives as long as that.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if no port can be opened, [`Error::WebhookClient`] if the machine's HTTP
    /// client cannot be set up.
    pub async fn start(self) -> Result<Emulator, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Listen)?;
        let authority = listener.local_addr().map_err(Error::Listen)?.to_string();
        let key: Vec<u8> = [Uuid::new_v4(), Uuid::new_v4()]
            .iter()
            .flat_map(|id| *id.as_bytes())
            .collect();
        let access_key = STANDARD.encode(&key);
        let webhooks = event_grid::client()?;
        let shared = Arc::new(Shared::new(self.settings, authority, key, webhooks));
        let router = routes::router(&shared);
        let server = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let stopped = async move { shared.until_stopped().await };
                let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
                if let Err(error) = serving.await {
                    tracing::error!(%error, "the emulator stopped serving");
                }
            }
        });
        let endpoint = format!("http://{}", shared.authority);
        tracing::debug!(endpoint, "emulator started");
        Ok(Emulator {
            connection_string: format!("endpoint={endpoint}/;accesskey={access_key}"),
            endpoint,
            access_key,
            server: Some(server),
            shared,
        })
    }
}

/// A running emulator: one Communication Services resource on loopback.
///
/// It stops when it is dropped. [`Emulator::shutdown`] also waits until it has stopped.
pub struct Emulator {
    shared: Arc<Shared>,
    endpoint: String,
    access_key: String,
    connection_string: String,
    server: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts an emulator with the defaults.
    ///
    /// # Errors
    ///
    /// See [`EmulatorBuilder::start`].
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// An emulator with settings of your own.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder {
            settings: Settings {
                clock: Clock::system(),
                connect_delay: Duration::from_millis(100),
                start_delay: Duration::from_millis(200),
                event_delay: Duration::from_millis(500),
                retention: Duration::from_hours(24),
                server_time_offset: SignedDuration::ZERO,
            },
        }
    }

    /// What clients take: `endpoint=http://127.0.0.1:PORT/;accesskey=BASE64`. The key is made anew
    /// for every emulator.
    pub fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The address of the service without a slash at its end: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The key that signs requests, in base64.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The clock of the service.
    pub fn clock(&self) -> &Clock {
        &self.shared.settings.clock
    }

    /// Subscribes a webhook to Event Grid events in the Event Grid schema. Any number of webhooks
    /// can be subscribed; each gets the events that come up from now on.
    ///
    /// As on Azure, the webhook has to pass the validation handshake first, here by its answer to
    /// the validation event: status 200 and `{"validationResponse": "<code>"}` within 30 seconds.
    ///
    /// # Errors
    ///
    /// [`Error::WebhookUrl`] unless the address is `https`, or `http` on loopback.
    /// [`Error::Handshake`] if the webhook cannot be reached or does not answer as it has to.
    pub async fn subscribe(&self, url: impl AsRef<str>) -> Result<(), Error> {
        event_grid::subscribe(&self.shared, url.as_ref()).await
    }

    /// Sets up a connected call: `acs.call(["alice", "bob"]).await`.
    ///
    /// Everybody joins at once and speaks from then on. Before awaiting, [`NewCall::group`] and
    /// [`NewCall::room`] give the call an id of that kind.
    pub fn call<P>(&self, participants: P) -> NewCall<'_>
    where
        P: IntoIterator<Item: Into<Participant>>,
    {
        let participants = participants.into_iter().map(Into::into).collect();
        NewCall::new(&self.shared, participants)
    }

    /// Stops the emulator: no more connections and no more events. Requests that are being
    /// answered may complete, for up to five seconds.
    pub async fn shutdown(mut self) {
        self.shared.stopped.send_replace(true);
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(PATIENCE, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shared.stopped.send_replace(true);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
