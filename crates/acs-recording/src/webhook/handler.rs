//! What is done with events.

use std::fmt;
use std::pin::Pin;

use crate::event::{Event, InvalidEvent};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a webhook does with events; any closure from an [`Event`] to a future is one.
///
/// Events come at least once and in no order. One delivery's events are handled one after the
/// other, several deliveries at the same time.
pub trait EventHandler: Send + Sync + 'static {
    /// Handles one event. With an error it is delivered again, unless the error is
    /// [permanent](HandlerError::permanent).
    fn handle(&self, event: Event) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Learns of an event that cannot be read. It is lost after this, or in the dead-letter
    /// container of the subscription.
    fn invalid(&self, error: &InvalidEvent) {
        tracing::warn!(%error, "an event was refused");
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

/// Why an event was not handled.
///
/// Every error becomes one with `?`, and the event is delivered again later.
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
    /// The event may be handled later: it is delivered again. This is what `?` makes, too.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: false,
            source: error.into(),
        }
    }

    /// The event can never be handled: Event Grid gives it up.
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

    fn invalid(&self, error: &InvalidEvent);
}

impl<T: EventHandler> DynHandler for T {
    fn handle(&self, event: Event) -> HandlerFuture<'_> {
        Box::pin(EventHandler::handle(self, event))
    }

    fn invalid(&self, error: &InvalidEvent) {
        EventHandler::invalid(self, error);
    }
}
