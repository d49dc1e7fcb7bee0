//! Answering deliveries of events: from a request to handled events and a status.

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
mod token;
#[cfg(feature = "tower")]
mod tower;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use authenticator::{Authenticator, InvalidAuthenticator};
pub use dedup::{Claim, ClaimToken, DeduplicationStore, EventKey, MemoryStore, StoreFuture};
pub use handler::{EventHandler, HandlerError};
pub use token::TokenAuthenticator;
#[cfg(feature = "tower")]
pub use tower::ResponseBody;

use handler::DynHandler;
pub(crate) use handler::unless_panicked;

/// A batch of Event Grid is at most 1 MB, unless a single event is larger.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Event Grid gives up on an answer after 30 s.
const TIMEOUT: Duration = Duration::from_secs(25);

/// An endpoint for events: it answers handshakes, checks who posts, and gives events to a handler.
///
/// [`respond`](Self::respond) works with any HTTP server on the types of `http`. With the feature
/// `tower` it is a `tower::Service`, and with the feature `axum` it makes a router.
///
/// The status of its answer decides what becomes of the events, because Event Grid sends again what
/// was answered with 5xx, and gives up what was answered with 400, 401, 403 or 413: it goes to the
/// dead-letter container of the subscription if there is one, and is dropped otherwise. There is one
/// status for a whole batch, so every other event of it is handled before the batch is refused:
///
/// | answer | when |
/// |---|---|
/// | 200 | every event was handled, now or before, or can only be [noted](crate::Disposition) |
/// | 503 | a handler failed or took too long, an event that cannot be read could not be kept, another delivery of the event is still being handled, or the keys for a token cannot be fetched, or not yet again |
/// | 400 | everything else was handled, but an event cannot be read or its handler [refused](HandlerError::permanent) it |
/// | 401 | the request, be it a handshake, did not pass the [check](Authenticator) |
/// | 403 | a delivery of a subscription, or a handshake of an origin, that is not allowed |
/// | 405, 413, 415 | not a method, size or content type of deliveries |
///
/// ```
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(secret: &str) -> acs_recording::Result<()> {
/// let spool = Spool::open("spool").await?;
/// let webhook = Webhook::builder(Authenticator::secret("code", secret)?)
///     .allow_origin("eventgrid.azure.net")
///     // Answers 200 when the event is on disk; see `Spool` for what is done with it then.
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
#[must_use = "a webhook is made by `build`"]
pub struct WebhookBuilder {
    check: Authenticator,
    store: Option<Arc<dyn DeduplicationStore>>,
    origins: HashSet<String>,
    subscriptions: Option<HashSet<String>>,
    body_limit: usize,
    timeout: Duration,
}

impl Webhook {
    /// Begins a webhook that takes events from whoever passes the check.
    ///
    /// There is no default: [`Authenticator::allow_unauthenticated`] says that anybody may post.
    pub fn builder(check: Authenticator) -> WebhookBuilder {
        WebhookBuilder {
            check,
            store: Some(Arc::new(MemoryStore::default())),
            origins: HashSet::new(),
            subscriptions: None,
            body_limit: BODY_LIMIT,
            timeout: TIMEOUT,
        }
    }
}

impl WebhookBuilder {
    /// Allows an origin to deliver `CloudEvents`: it is Event Grid's handshake for these, and none
    /// is allowed at first. Event Grid's origin is `eventgrid.azure.net`, and in
    /// other clouds [another one](crate::Cloud::event_grid_origin).
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.insert(origin.into().to_ascii_lowercase());
        self
    }

    /// Allows a subscription by its name; others are refused then. All are allowed at first.
    ///
    /// Callbacks of Call Automation belong to no subscription and are taken all the same. The name
    /// is in a header that anybody can write, so this is no check of who posts.
    pub fn allow_subscription(mut self, name: impl Into<String>) -> Self {
        self.subscriptions
            .get_or_insert_default()
            .insert(name.into().to_ascii_uppercase());
        self
    }

    /// Remembers handled events elsewhere than in a [`MemoryStore`] of its own.
    pub fn deduplicate(mut self, store: impl DeduplicationStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Gives the handler an event as often as it is delivered.
    pub fn keep_duplicates(mut self) -> Self {
        self.store = None;
        self
    }

    /// The largest body (default: 2 MiB); larger ones are answered with 413, which loses them.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How long an answer may take (default: 25 s), and 28 s at the most, as Event Grid waits 30 and
    /// the store of handled events may take another.
    ///
    /// A handler that takes longer is dropped at its next `await`. What was handled by then is
    /// remembered, so that the next delivery goes on after it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit.min(Duration::from_secs(28));
        self
    }

    /// The webhook, with what it does with events: a function or an [`EventHandler`].
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
            .field("check", &self.check)
            .field("deduplicates", &self.store.is_some())
            .field("origins", &self.origins)
            .field("subscriptions", &self.subscriptions)
            .field("body_limit", &self.body_limit)
            .field("timeout", &self.timeout)
            .finish()
    }
}
