//! Holding an emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::builder::EmulatorBuilder;
use crate::call::NewCall;
use crate::clock::Clock;
use crate::delivery::subscription::NewSubscription;
use crate::error::Error;
use crate::incoming::IncomingCall;
use crate::keys::AccessKey;
use crate::network::Addresses;
use crate::participant::Participant;
use crate::state::Shared;

/// How long to wait for requests once the emulator stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running emulator: one Communication Services resource on loopback.
///
/// It stops when it is dropped. [`Emulator::shutdown`] also waits until it has stopped.
pub struct Emulator {
    shared: Arc<Shared>,
    addresses: Addresses,
    access_key: String,
    connection_string: String,
    #[cfg(feature = "tls")]
    ca: Option<String>,
    servers: Vec<JoinHandle<()>>,
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
        EmulatorBuilder::default()
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        addresses: Addresses,
        #[cfg(feature = "tls")] ca: Option<String>,
        servers: Vec<JoinHandle<()>>,
    ) -> Self {
        let access_key = shared.keys.text(AccessKey::Primary);
        Self {
            connection_string: connection_string(&shared.endpoint, &access_key),
            access_key,
            addresses,
            #[cfg(feature = "tls")]
            ca,
            servers,
            shared,
        }
    }

    /// What clients take: `endpoint=http://127.0.0.1:PORT/;accesskey=BASE64`, with the primary key
    /// that the emulator started with. Keys are made anew for every emulator.
    pub fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The address of the service without a slash at its end: `http://127.0.0.1:PORT`, or the one
    /// for HTTPS if there is no other.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// The primary key that the emulator started with, in base64.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// One of the two keys as it is now, in base64.
    pub fn current_key(&self, key: AccessKey) -> String {
        self.shared.keys.text(key)
    }

    /// Makes one of the two keys anew and returns it. Requests that were signed with its old value
    /// are denied from now on.
    pub fn regenerate(&self, key: AccessKey) -> String {
        self.shared.keys.regenerate(key)
    }

    /// A token that clients may show instead of signing with a key, for the scope
    /// `https://communication.azure.com//.default`. It expires after `lifetime` of real time, as
    /// signatures do.
    ///
    /// The emulator is its own issuer. Programs get such tokens with any client id and secret at
    /// `POST /{tenant}/oauth2/v2.0/token`.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] if the key for tokens could not be made.
    pub fn access_token(&self, lifetime: Duration) -> Result<String, Error> {
        let now = self.shared.server_time();
        self.shared.tokens.for_client("test", now, lifetime)
    }

    /// The immutable id of the resource, which is the audience of the tokens in callbacks.
    pub fn resource_id(&self) -> Uuid {
        self.shared.resource
    }

    /// The address for plain HTTP, if there is one: `http://127.0.0.1:PORT`.
    pub fn http_endpoint(&self) -> Option<&str> {
        self.addresses.http.as_deref()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The address for HTTPS, if there is one: `https://127.0.0.1:PORT`.
    #[cfg(feature = "tls")]
    pub fn https_endpoint(&self) -> Option<&str> {
        self.addresses.https.as_deref()
    }

    /// The certificate in PEM that clients of [`Emulator::https_endpoint`] have to trust.
    #[cfg(feature = "tls")]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The address of the admin interface, if there is one: `http://127.0.0.1:PORT/admin`. It asks
    /// for no signature, and is for programs of this machine: requests of web pages, for a `Host`
    /// that is not loopback, and of the emulator itself are refused with 403. Callbacks, webhooks
    /// and storage cannot be at its address.
    ///
    /// - `GET /admin/state`: calls, recordings, documents and subscriptions.
    /// - `GET /admin/keys`, `POST /admin/keys/primary:regenerate` (or `secondary`).
    /// - `POST /admin/clock:advance` with `{"ms": 1000}`.
    /// - `POST /admin/subscriptions` with `url` (a webhook) or `queue` (an address with a SAS, or a
    ///   name with `connectionString`), and if wanted `schema` (`event-grid` or `cloud-events`),
    ///   `events` (types; all unless given), `batch`, `duplicates`, `reordered`.
    /// - `POST /admin/calls:ring` with `{"caller": "alice"}`: somebody calls the application.
    pub fn admin_url(&self) -> Option<&str> {
        self.addresses.admin.as_deref()
    }

    /// The clock of the service.
    pub fn clock(&self) -> &Clock {
        &self.shared.settings.clock
    }

    /// Subscribes a webhook to Event Grid events: `acs.subscribe(url).await?`. Any number of
    /// webhooks can be subscribed; each gets the events that come up from now on. Before awaiting,
    /// [`NewSubscription`] takes the schema, the types of events and more.
    ///
    /// As on Azure, the webhook has to pass a handshake first. In the Event Grid schema it answers
    /// the validation event with status 200 and `{"validationResponse": "<code>"}` within 30
    /// seconds; for `CloudEvents` it answers `OPTIONS` with `WebHook-Allowed-Origin`.
    ///
    /// # Errors
    ///
    /// [`Error::WebhookUrl`] unless the address is `https`, or `http` on loopback.
    /// [`Error::Handshake`] if the webhook cannot be reached or does not answer as it has to.
    pub fn subscribe(&self, url: impl AsRef<str>) -> NewSubscription<'_> {
        NewSubscription::webhook(&self.shared, url.as_ref())
    }

    /// Subscribes a queue of Azure Storage to Event Grid events. It is given by its address with a
    /// SAS that permits adding messages, `acs.subscribe_queue(url).await?`, or by its name with a
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
    /// queue may be created later. As on Azure, an event that the queue does not take is sent again
    /// on the published schedule, and is dropped, with a line in the log, after 400, 403 or 413.
    ///
    /// # Errors
    ///
    /// [`Error::Queue`] if the address, name or connection string is wrong. What the storage
    /// account says comes later, and is in the log.
    pub fn subscribe_queue(&self, queue: impl AsRef<str>) -> NewSubscription<'_> {
        NewSubscription::queue(&self.shared, queue.as_ref())
    }

    /// Lets somebody call the application. The event `IncomingCall` goes to the subscriptions that
    /// ask for it, and the application may answer.
    pub fn incoming_call(&self, caller: impl Into<Participant>) -> IncomingCall {
        self.shared.ring_as(caller.into())
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

    /// Stops the emulator: no more connections and no more events. Waits for up to five seconds
    /// until the requests that are being answered are complete; those that take longer are not cut
    /// off.
    pub async fn shutdown(mut self) {
        self.shared.stopped.send_replace(true);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for mut server in std::mem::take(&mut self.servers) {
            if tokio::time::timeout_at(deadline, &mut server)
                .await
                .is_err()
            {
                server.abort();
            }
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
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

pub(crate) fn connection_string(endpoint: &str, key: &str) -> String {
    format!("endpoint={endpoint}/;accesskey={key}")
}
