//! One wait for one event.

use std::any::Any;
use std::fmt;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Inbox;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::panic::panic_message;

/// A wait for an event of an [`Inbox`]; `await` it.
///
/// It sees the events that are kept and every one that comes from its making on. Dropping it,
/// before it is awaited or meanwhile, loses nothing: the events stay for other waits.
///
/// # Errors
/// [`ErrorKind::Timeout`] when nothing has come [within](Self::timeout) the limit, and
/// [`ErrorKind::InvalidInput`] when the function of a [`wait_for`](Inbox::wait_for) panicked.
#[must_use = "it is for awaiting"]
pub struct Wait<T> {
    what: &'static str,
    /// Such as a recording with its id; empty if that is not known here.
    about: String,
    limit: Duration,
    found: oneshot::Receiver<Result<T>>,
    _watch: Watch,
}

/// Which of the kept events a wait looks at.
pub(super) enum Kept<'a> {
    All,
    /// The latest of those that it is about.
    Latest(&'a dyn Fn(&Event) -> bool),
}

/// A watcher in the inbox, as long as this lives.
struct Watch {
    inbox: Inbox,
    id: Option<u64>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.inbox.unwatch(id);
        }
    }
}

impl<T: Send + 'static> Wait<T> {
    pub(super) fn new(
        inbox: Inbox,
        what: &'static str,
        kept: &Kept<'_>,
        mut matches: impl FnMut(&Arc<Event>) -> Option<Result<T>> + Send + 'static,
    ) -> Self {
        let (sender, found) = oneshot::channel();
        let mut sender = Some(sender);
        let watcher = Box::new(move |event: &Arc<Event>| {
            // The caller's code must not end more than this wait: other waits and the streams get
            // the event too, whoever delivers it.
            let seen = catch_unwind(AssertUnwindSafe(|| matches(event)));
            let result = match seen {
                Ok(None) => return false,
                Ok(Some(result)) => result,
                Err(panic) => Err(panicked(panic.as_ref())),
            };
            if let Some(sender) = sender.take() {
                // Whoever waited may be gone.
                let _ = sender.send(result);
            }
            true
        });
        let id = inbox.watch(kept, watcher);
        Self {
            what,
            about: String::new(),
            limit: Duration::from_secs(60),
            found,
            _watch: Watch { inbox, id },
        }
    }

    /// What errors say that it is about.
    pub(super) fn about(mut self, about: String) -> Self {
        self.about = about;
        self
    }
}

/// The error of a wait whose function panicked. It is not called again.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = format!(
        "the function that looks at events panicked: {}",
        panic_message(panic)
    );
    Error::new(ErrorKind::InvalidInput, message)
}

impl<T> Wait<T> {
    async fn wait(mut self) -> Result<T> {
        let outcome = match timeout(self.limit, &mut self.found).await {
            Ok(Ok(outcome)) => outcome,
            // The sender lives in the inbox, which lives in `self`.
            Ok(Err(_)) => Err(Error::new(ErrorKind::Timeout, "the inbox is gone")),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no event came within {:?}", self.limit),
            )),
        };
        let about = |error: Error| match &*self.about {
            "" => error,
            about => error.with_context(about),
        };
        outcome.map_err(|error| about(error).with_operation(self.what))
    }

    /// How long to wait at the most, from the `await` on.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<T: Send + 'static> IntoFuture for Wait<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}

impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("what", &self.what)
            .field("about", &self.about)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
