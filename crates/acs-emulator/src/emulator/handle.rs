//! The handle to a running emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::call::NewCall;
use super::incoming_call::IncomingCall;
use super::participant::Participant;
use super::synthetic_recording::{StoredRecording, SyntheticRecording, add};
use crate::auth::admin_token::AdminToken;
use crate::auth::keys::AccessKey;
use crate::delivery::event_grid::new_subscription::NewSubscription;
use crate::error::Error;
use crate::faults::Faults;
use crate::runtime::Runtime;
use crate::server::listeners::BoundAddresses;
use crate::service::clock::Clock;
use crate::service::script::CallPlan;

/// How long to wait for requests in progress when the emulator stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running emulator of one Communication Services resource on loopback.
///
/// Dropping it stops the emulator. [`Emulator::shutdown`] also waits until it has stopped.
pub struct Emulator {
    runtime: Arc<Runtime>,
    addresses: BoundAddresses,
    access_key: String,
    connection_string: String,
    #[cfg(feature = "tls")]
    ca: Option<String>,
    servers: Vec<JoinHandle<()>>,
}

impl Emulator {
    pub(super) fn new(
        runtime: Arc<Runtime>,
        addresses: BoundAddresses,
        #[cfg(feature = "tls")] ca: Option<String>,
        servers: Vec<JoinHandle<()>>,
    ) -> Self {
        let access_key = runtime.auth.keys.text(AccessKey::Primary);
        Self {
            connection_string: runtime.auth.connection_string(AccessKey::Primary),
            access_key,
            addresses,
            #[cfg(feature = "tls")]
            ca,
            servers,
            runtime,
        }
    }

    /// The connection string for clients: `endpoint=http://127.0.0.1:PORT/;accesskey=BASE64`. It
    /// contains the primary key that the emulator started with. Every emulator generates new keys,
    /// unless it uses the [well-known ones](crate::EmulatorBuilder::well_known_keys).
    pub fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The endpoint of the service without a trailing slash: `http://127.0.0.1:PORT`, or the HTTPS
    /// endpoint if plain HTTP is disabled.
    pub fn endpoint(&self) -> &str {
        &self.runtime.auth.endpoint
    }

    /// The primary access key that the emulator started with, in base64.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The current value of one of the two access keys, in base64.
    pub fn current_key(&self, key: AccessKey) -> String {
        self.runtime.auth.keys.text(key)
    }

    /// Regenerates one of the two access keys and returns it. Requests that are signed with the old
    /// key are denied from then on.
    pub fn regenerate(&self, key: AccessKey) -> String {
        self.runtime.regenerate_key(key)
    }

    /// Returns an access token that clients can use instead of an access key. Its scope is
    /// `https://communication.azure.com//.default`. It expires after `lifetime`, which is measured
    /// in real time, as for signatures.
    ///
    /// The emulator issues the tokens itself. Programs can request one with any client id and
    /// secret at `POST /{tenant}/oauth2/v2.0/token`.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] if the signing key cannot be generated.
    pub fn access_token(&self, lifetime: Duration) -> Result<String, Error> {
        let auth = &self.runtime.auth;
        let now = auth.server_time();
        auth.tokens.for_client("test", now, lifetime)
    }

    /// The immutable id of the resource, which is the audience of the tokens in callbacks.
    pub fn resource_id(&self) -> Uuid {
        self.runtime.service.resource
    }

    /// The plain HTTP endpoint, if enabled: `http://127.0.0.1:PORT`.
    pub fn http_endpoint(&self) -> Option<&str> {
        self.addresses.http.as_deref()
    }

    /// Starts the calls of the script, if the builder holds it.
    #[cfg(feature = "cli")]
    pub(crate) fn begin_script(&self) {
        self.runtime.service.begin_script();
    }

    #[cfg(test)]
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The HTTPS endpoint, if enabled: `https://127.0.0.1:PORT`.
    #[cfg(feature = "tls")]
    pub fn https_endpoint(&self) -> Option<&str> {
        self.addresses.https.as_deref()
    }

    /// The CA certificate in PEM format that clients of [`Emulator::https_endpoint`] must trust.
    #[cfg(feature = "tls")]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The URL of the admin interface, if enabled: `http://127.0.0.1:PORT/admin`. It requires a
    /// [token](Emulator::admin_token) unless it is on loopback. Requests from web pages other than the
    /// emulator's own, requests for hosts that are not
    /// [allowed](crate::EmulatorBuilder::admin_allowed_host), and requests from the emulator itself are
    /// refused with 403. Bodies must be `application/json`. Callbacks, webhooks and storage cannot use
    /// its address.
    ///
    /// - `GET /ready`: status 200. The service has it too.
    /// - `GET /admin/state`: calls, recordings, documents and subscriptions. A list contains at most
    ///   1,000 objects, or `limit`, from `offset` on; `nextOffset` is the offset of the next ones.
    /// - `GET /admin/keys`, `POST /admin/keys/primary:regenerate` (or `secondary`).
    /// - `POST /admin/clock:advance` with `{"ms": 1000}`.
    /// - `POST /admin/subscriptions` with `url` (a webhook) or `queue` (a URL with a SAS, or a name
    ///   with `connectionString`). Optional: `schema` (`event-grid`, the default, or
    ///   `cloud-events`), `events` (a list of types; default: all), `batch`, `duplicates`,
    ///   `reordered`.
    /// - `POST /admin/calls:ring` with `{"caller": "alice"}`: calls the application.
    pub fn admin_url(&self) -> Option<&str> {
        self.addresses.admin.as_deref()
    }

    /// The token that requests to the admin interface need: `Authorization: Bearer <token>`. A browser
    /// gets it as a cookie when it opens `/?token=<token>`. `None` if no token is needed, because the
    /// interface is on loopback and no token was [chosen](crate::EmulatorBuilder::admin_token).
    pub fn admin_token(&self) -> Option<&str> {
        self.runtime.site.admin_token.as_ref().map(AdminToken::text)
    }

    /// The clock of the service.
    pub fn clock(&self) -> &Clock {
        self.runtime.service.clock()
    }

    /// Subscribes a webhook to Event Grid events: `acs.subscribe(url).await?`. Any number of
    /// webhooks can be subscribed. Each receives the events that are published after it was
    /// subscribed. The schema, the event types and more can be set on [`NewSubscription`] before it
    /// is awaited.
    ///
    /// As on Azure, the webhook must first pass a handshake. In the Event Grid schema, it must
    /// respond to the validation event with status 200 and `{"validationResponse": "<code>"}`
    /// within 30 seconds. For `CloudEvents`, it must respond to `OPTIONS` with
    /// `WebHook-Allowed-Origin`.
    ///
    /// # Errors
    ///
    /// [`Error::WebhookUrl`] unless the URL is `https`, or `http` on loopback. [`Error::Handshake`]
    /// if the webhook cannot be reached or does not pass the handshake.
    pub fn subscribe(&self, url: impl AsRef<str>) -> NewSubscription<'_> {
        NewSubscription::webhook(&self.runtime.delivery, url.as_ref())
    }

    /// Subscribes a queue of Azure Storage to Event Grid events. The queue is given by its URL with
    /// a SAS that permits adding messages, `acs.subscribe_queue(url).await?`, or by its name with a
    /// [connection string](NewSubscription::connection_string):
    ///
    /// ```no_run
    /// # async fn example(acs: acs_emulator::Emulator) -> Result<(), acs_emulator::Error> {
    /// acs.subscribe_queue("recordings")
    ///     .connection_string("UseDevelopmentStorage=true") // a local Azurite
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Each event is a message of its own: a JSON object in base64. There is no handshake, and the
    /// queue may be created later. As on Azure, an event that the queue does not accept is retried
    /// on the published schedule. After status 400, 403 or 413 it is dropped. Both are logged.
    ///
    /// # Errors
    ///
    /// [`Error::Queue`] if the URL, name or connection string is invalid. Errors of the storage
    /// account occur later and are logged.
    pub fn subscribe_queue(&self, queue: impl AsRef<str>) -> NewSubscription<'_> {
        NewSubscription::queue(&self.runtime.delivery, queue.as_ref())
    }

    /// Calls the application as `caller`. The event `IncomingCall` is delivered to its subscribers,
    /// and the application can answer the call.
    pub fn incoming_call(&self, caller: impl Into<Participant>) -> IncomingCall {
        let caller: Participant = caller.into();
        let service = &self.runtime.service;
        let mut state = service.state();
        let ids = service.incoming_call(&mut state, caller.into(), CallPlan::default());
        ids.into()
    }

    /// Sets up a connected call: `acs.call(["alice", "bob"]).await`.
    ///
    /// All participants join immediately and speak from then on. Before awaiting, use
    /// [`NewCall::group`] or [`NewCall::room`] to make it a group or room call.
    pub fn call<P>(&self, participants: P) -> NewCall<'_>
    where
        P: IntoIterator<Item: Into<Participant>>,
    {
        let participants = participants.into_iter().map(Into::into).collect();
        NewCall::new(&self.runtime.service, participants)
    }

    /// Adds a recording to the store as if it had just been stopped: subscribers receive the event,
    /// and the content expires after the retention time.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the recording is consumed by adding it"
    )]
    pub fn add_recording(&self, recording: SyntheticRecording) -> StoredRecording {
        add(&self.runtime, &recording)
    }

    /// The faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.runtime.faults
    }

    /// Stops the emulator: it accepts no more connections and sends no more events. Waits up to
    /// five seconds for requests in progress. Requests that take longer are not aborted.
    pub async fn shutdown(mut self) {
        self.runtime.tasks.stop();
        let deadline = tokio::time::Instant::now() + SHUTDOWN_TIMEOUT;
        for mut server in std::mem::take(&mut self.servers) {
            if tokio::time::timeout_at(deadline, &mut server)
                .await
                .is_err()
            {
                server.abort();
            }
        }
        // Tasks stop at once, unless they are generating a key or a file.
        let finished = self.runtime.tasks.finished();
        let _ = tokio::time::timeout_at(deadline, finished).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.runtime.tasks.stop();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
