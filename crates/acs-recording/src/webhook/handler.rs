//! What a webhook or a spool does with events.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;

use crate::error::{Disposition, Error};
use crate::event::{Event, InvalidEvent};
use crate::panic::panic_message;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Handles events. `Ok` acknowledges an event, and it is not delivered again.
///
/// Return `Ok` only when what the event announces is safe: in a [`Spool`](crate::spool::Spool), in a
/// database, or in a queue that survives this process. Every closure from an [`Event`] to a future is
/// a handler. A pair of handlers is one, too: the second gets the events that the first has
/// acknowledged.
///
/// ```
/// use acs_recording::Inbox;
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(authenticator: Authenticator) -> acs_recording::Result<()> {
/// let (spool, inbox) = (Spool::open("spool").await?, Inbox::new());
/// // An event is written to disk first, and then ends the waits for it.
/// let webhook = Webhook::builder(authenticator).build((spool.clone(), inbox.clone()));
/// # Ok(())
/// # }
/// ```
///
/// Events arrive at least once and in any order. The events of one delivery are handled one after the
/// other, and several deliveries at the same time. A delivery has 25 seconds by default, so do
/// nothing in a handler that takes long, such as a download. A panic counts as a failure: the event
/// is delivered again, and the other events of the delivery are handled.
pub trait EventHandler: Send + Sync + 'static {
    /// Handles one event.
    ///
    /// # Errors
    /// The [disposition](HandlerError::disposition) of the error decides whether the event is
    /// delivered again.
    fn handle(&self, event: Event) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Handles an event that cannot be read, before its delivery is rejected with 400. Event Grid
    /// does not deliver it again then. It is lost unless it is kept here, or the event subscription
    /// has a dead-letter container.
    ///
    /// The default implementation logs a warning.
    ///
    /// # Errors
    /// The response is 503 instead, so that the delivery is repeated.
    fn handle_invalid(
        &self,
        error: &InvalidEvent,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        tracing::warn!(%error, "an event was rejected");
        std::future::ready(Ok(()))
    }
}

impl<F, Fut> EventHandler for F
where
    F: Fn(Event) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, event: Event) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(event)
    }
}

impl<A: EventHandler, B: EventHandler> EventHandler for (A, B) {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        self.0.handle(event.clone()).await?;
        self.1.handle(event).await
    }

    async fn handle_invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        self.0.handle_invalid(error).await?;
        self.1.handle_invalid(error).await
    }
}

/// Why an event was not handled.
///
/// `?` converts every error. After an error of this crate, the table of [`Disposition`] says whether
/// the event is delivered again. After any other error it is.
///
/// ```
/// # use acs_recording::webhook::HandlerError;
/// fn count(text: &str) -> Result<u32, HandlerError> {
///     if text.is_empty() {
///         return Err(HandlerError::permanent("there is nothing to count"));
///     }
///     Ok(text.parse()?)
/// }
/// # assert!(count("").unwrap_err().is_permanent());
/// # assert!(!count("x").unwrap_err().is_permanent());
/// ```
pub struct HandlerError {
    permanent: bool,
    source: BoxError,
}

impl HandlerError {
    /// The event can be handled later. It is delivered again, unless the error is one of this crate
    /// that no other delivery can avoid. `?` has the same meaning.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: false,
            source: error.into(),
        }
    }

    /// The event can never be handled. Its delivery is rejected with 400, and Event Grid drops it, or
    /// moves it to the dead-letter container of the event subscription.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: true,
            source: error.into(),
        }
    }

    /// Whether the event can never be handled.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Whether the event must be delivered again: by the table of [`Disposition`] for an error of this
    /// crate, or else by the constructor.
    pub fn disposition(&self) -> Disposition {
        match self.source.downcast_ref::<Error>() {
            _ if self.permanent => Disposition::Note,
            Some(error) => Disposition::of(error),
            None => Disposition::Retry,
        }
    }

    /// The type of the error, as a label of metrics.
    pub(crate) fn error_type(&self) -> &'static str {
        let own = self.source.downcast_ref::<Error>();
        own.map_or("_OTHER", |error| error.kind().name())
    }

    /// Converts into the underlying error.
    pub fn into_source(self) -> BoxError {
        self.source
    }

    /// The underlying error.
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self.source.as_ref()
    }
}

// `HandlerError` is not an `Error` itself, so that this does not overlap with `From<Self>`.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("permanent", &self.permanent)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>>;

/// An object-safe [`EventHandler`].
pub(super) trait DynHandler: Send + Sync {
    fn handle(&self, event: Event) -> HandlerFuture<'_>;

    fn handle_invalid<'a>(&'a self, error: &'a InvalidEvent) -> HandlerFuture<'a>;
}

impl<T: EventHandler> DynHandler for T {
    fn handle(&self, event: Event) -> HandlerFuture<'_> {
        Box::pin(unless_panicked(async move {
            EventHandler::handle(self, event).await
        }))
    }

    fn handle_invalid<'a>(&'a self, error: &'a InvalidEvent) -> HandlerFuture<'a> {
        Box::pin(unless_panicked(async move {
            EventHandler::handle_invalid(self, error).await
        }))
    }
}

/// Converts a panic into an error, so that it does not affect other events.
pub(crate) async fn unless_panicked(
    handling: impl Future<Output = Result<(), HandlerError>>,
) -> Result<(), HandlerError> {
    match AssertUnwindSafe(handling).catch_unwind().await {
        Ok(handled) => handled,
        Err(panic) => Err(HandlerError::retry(format!(
            "the handler panicked: {}",
            panic_message(panic.as_ref())
        ))),
    }
}
