//! What is done with events.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;

use crate::error::{Disposition, Error};
use crate::event::{Event, InvalidEvent};
use crate::panic::panic_message;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Handles events; with `Ok` an event is acknowledged, and nobody delivers it again.
///
/// So return `Ok` only when what the event is about is safe: in a [`Spool`](crate::spool::Spool), in
/// a database, in a queue that survives this process. Any closure from an [`Event`] to a future is a
/// handler, and so is a pair of handlers, of which the second gets what the first one has
/// acknowledged:
///
/// ```
/// use acs_recording::Inbox;
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(check: Authenticator) -> acs_recording::Result<()> {
/// let (spool, inbox) = (Spool::open("spool").await?, Inbox::new());
/// // First on disk, then to whoever waits for it.
/// let webhook = Webhook::builder(check).build((spool.clone(), inbox.clone()));
/// # Ok(())
/// # }
/// ```
///
/// Events come at least once and in no order. One delivery's events are handled one after the
/// other, several deliveries at the same time. A delivery has 25 seconds, so do nothing in it that
/// takes long, such as a download. A handler that panics has failed: the event comes again, and the
/// others of the delivery are handled.
pub trait EventHandler: Send + Sync + 'static {
    /// Handles one event. What becomes of it after an error is up to the error's
    /// [disposition](HandlerError::disposition).
    fn handle(&self, event: Event) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Learns of an event that cannot be read, before its delivery is refused with 400. Event Grid
    /// does not send it again then; it is lost unless it is kept here, or the subscription has a
    /// dead-letter container. An error asks for the delivery again instead.
    ///
    /// By default it is logged as a warning.
    fn invalid(
        &self,
        error: &InvalidEvent,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        tracing::warn!(%error, "an event was refused");
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

    async fn invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        self.0.invalid(error).await?;
        self.1.invalid(error).await
    }
}

/// Why an event was not handled.
///
/// Every error becomes one with `?`. For an error of this crate, the table of [`Disposition`] says
/// what becomes of the event; after any other it is delivered again later.
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
    /// The event may be handled later: it is delivered again, unless the error is one of this crate
    /// that no later delivery can change. This is what `?` makes, too.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: false,
            source: error.into(),
        }
    }

    /// The event can never be handled: its delivery is refused with 400, and Event Grid gives it up
    /// or puts it into the dead-letter container of the subscription.
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

    /// Whether the event must come again: by the table of [`Disposition`] if this is an error of
    /// this crate, or else as it was made.
    pub fn disposition(&self) -> Disposition {
        match self.source.downcast_ref::<Error>() {
            _ if self.permanent => Disposition::Note,
            Some(error) => Disposition::of(error),
            None => Disposition::Retry,
        }
    }

    /// What went wrong, to keep.
    pub fn into_source(self) -> BoxError {
        self.source
    }

    /// What went wrong.
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self.source.as_ref()
    }
}

// As this is no `Error` itself, every error can become one.
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

/// A handler behind a pointer.
pub(super) trait DynHandler: Send + Sync {
    fn handle(&self, event: Event) -> HandlerFuture<'_>;

    fn invalid<'a>(&'a self, error: &'a InvalidEvent) -> HandlerFuture<'a>;
}

impl<T: EventHandler> DynHandler for T {
    fn handle(&self, event: Event) -> HandlerFuture<'_> {
        Box::pin(unless_panicked(async move {
            EventHandler::handle(self, event).await
        }))
    }

    fn invalid<'a>(&'a self, error: &'a InvalidEvent) -> HandlerFuture<'a> {
        Box::pin(unless_panicked(async move {
            EventHandler::invalid(self, error).await
        }))
    }
}

/// A handler that panics has failed, and takes no other event with it.
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
