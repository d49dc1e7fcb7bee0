//! An HTTP endpoint for events: handshakes, authentication, deduplication, handling. Needs the feature
//! `webhook`.

mod authenticate;
mod authenticator;
#[cfg(feature = "axum")]
mod axum;
mod dedup;
mod functions;
mod handler;
mod handshake;
mod jwt;
mod keys;
mod respond;
mod secret;
mod token;
#[cfg(feature = "tower")]
mod tower;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use authenticate::{AuthDecision, AuthFuture, Authenticate, InvalidAuthenticator};
pub use authenticator::Authenticator;
pub use dedup::{Claim, ClaimToken, DeduplicationStore, EventKey, MemoryStore, StoreFuture};
pub use handler::{EventHandler, HandlerError};
pub use token::TokenAuthenticator;
#[cfg(feature = "tower")]
pub use tower::ResponseBody;

use handler::DynHandler;
pub(crate) use handler::unless_panicked;

/// A batch of Event Grid has at most 1 MB, unless a single event is larger.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Event Grid waits 30 s for a response.
const TIMEOUT: Duration = Duration::from_secs(25);

/// An endpoint for events. It responds to handshakes, authenticates deliveries, recognizes repeated
/// ones, and passes events to a handler.
///
/// [`respond`](Self::respond) works with every HTTP server that uses the types of the crate `http`.
/// With the feature `tower` a webhook is a `tower::Service`, and with the feature `axum` it has a
/// router.
///
/// The status of the response decides what happens to the events. After 5xx, Event Grid delivers
/// them again. After 400, 401, 403 or 413 it gives up: it moves them to the dead-letter container of
/// the event subscription, or drops them if there is none. A batch has one status, so all its other
/// events are handled before it is rejected:
///
/// | status | reason |
/// |---|---|
/// | 200 | every event was handled, now or before, or can only be [noted](crate::Disposition) |
/// | 503 | a handler failed or took too long; an event that cannot be read could not be kept; another delivery of the event is still being handled; or the request cannot be [authenticated](AuthDecision::Unavailable) at the moment |
/// | 400 | everything else was handled, but an event cannot be read, or the handler [rejected](HandlerError::permanent) it |
/// | 401 | the [authenticator](Authenticator) denied the request, which may be a handshake |
/// | 403 | the event subscription, or the origin of a handshake, is not allowed |
/// | 405, 413, 415 | the method, size or content type is not that of a delivery |
///
/// ```
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(secret: &str) -> acs_recording::Result<()> {
/// let spool = Spool::open("spool").await?;
/// let webhook = Webhook::builder(Authenticator::header_secret("x-webhook-key", secret)?)
///     .allow_origin("eventgrid.azure.net")
///     // The response is 200 when the event is on disk. `Spool` describes what follows.
///     .build(spool.clone());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Webhook {
    inner: Arc<Inner>,
}

struct Inner {
    settings: WebhookBuilder,
    handler: Arc<dyn DynHandler>,
}

/// Settings of a [`Webhook`].
#[derive(Clone)]
#[must_use = "`build` makes the webhook"]
pub struct WebhookBuilder {
    authenticator: Authenticator,
    store: Option<Arc<dyn DeduplicationStore>>,
    origins: HashSet<String>,
    subscriptions: Option<HashSet<String>>,
    body_limit: usize,
    timeout: Duration,
}

impl Webhook {
    /// Settings of a webhook that accepts events from requests that pass the authenticator: an
    /// [`Authenticator`], a [`TokenAuthenticator`], or an [`Authenticate`] implementation.
    ///
    /// There is no default. [`Authenticator::allow_unauthenticated`] accepts every request.
    pub fn builder(authenticator: impl Into<Authenticator>) -> WebhookBuilder {
        WebhookBuilder {
            authenticator: authenticator.into(),
            store: Some(Arc::new(MemoryStore::default())),
            origins: HashSet::new(),
            subscriptions: None,
            body_limit: BODY_LIMIT,
            timeout: TIMEOUT,
        }
    }
}

impl WebhookBuilder {
    /// Allows an origin to deliver `CloudEvents` (default: none). Event Grid names it in the handshake:
    /// `eventgrid.azure.net`, or in other clouds [another one](crate::Cloud::event_grid_origin).
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.insert(origin.into().to_ascii_lowercase());
        self
    }

    /// Allows an event subscription by its name, and rejects others (default: all are allowed).
    ///
    /// Callbacks of Call Automation belong to no event subscription and are always accepted. The name
    /// is in a header that every client can send, so this is not authentication.
    pub fn allow_subscription(mut self, name: impl Into<String>) -> Self {
        self.subscriptions
            .get_or_insert_default()
            .insert(name.into().to_ascii_uppercase());
        self
    }

    /// Where handled events are remembered (default: a [`MemoryStore`]).
    pub fn deduplication_store(mut self, store: impl DeduplicationStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Passes an event to the handler as often as it is delivered.
    pub fn allow_duplicates(mut self) -> Self {
        self.store = None;
        self
    }

    /// The largest accepted body in bytes (default: 2 MiB). A larger one is rejected with 413, after
    /// which Event Grid does not deliver its events again.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How long a response may take (default: 25 s, at most 28 s). Event Grid waits 30 s, and the
    /// deduplication store may take another.
    ///
    /// A handler that takes longer is dropped at its next `await`. Events that were handled by then
    /// are remembered, so that the next delivery continues after them.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(28));
        self
    }

    /// Makes the webhook, with a function or another [`EventHandler`] for its events.
    pub fn build(self, handler: impl EventHandler) -> Webhook {
        Webhook {
            inner: Arc::new(Inner {
                settings: self,
                handler: Arc::new(handler),
            }),
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookBuilder")
            .field("authenticator", &self.authenticator)
            .field("deduplicates", &self.store.is_some())
            .field("origins", &self.origins)
            .field("subscriptions", &self.subscriptions)
            .field("body_limit", &self.body_limit)
            .field("timeout", &self.timeout)
            .finish()
    }
}
