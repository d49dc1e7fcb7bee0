//! A wait for one event.

use std::any::Any;
use std::fmt;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::dispatcher::{Dispatcher, Replay};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::panic::panic_message;

/// A wait for an event of an [`Inbox`](crate::Inbox); `await` it.
///
/// It considers recent events, and every event that arrives after it was created. Dropping it loses
/// nothing: the events remain for other waits.
///
/// # Errors
/// [`ErrorKind::Timeout`] if no event has arrived within the [`timeout`](Self::timeout), and
/// [`ErrorKind::InvalidInput`] if the function of a [`wait_for`](crate::Inbox::wait_for) panicked.
#[must_use = "a wait does nothing unless it is awaited"]
pub struct Wait<T> {
    operation: &'static str,
    /// The subject of errors, such as a recording with its id. It may be empty.
    subject: String,
    timeout: Duration,
    found: oneshot::Receiver<Result<T>>,
    _watch: Watch,
}

/// Removes the watcher when it is dropped.
struct Watch {
    dispatcher: Dispatcher,
    id: Option<u64>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.dispatcher.unwatch(id);
        }
    }
}

impl<T: Send + 'static> Wait<T> {
    pub(super) fn new(
        dispatcher: Dispatcher,
        operation: &'static str,
        replay: &Replay<'_>,
        mut matches: impl FnMut(&Arc<Event>) -> Option<Result<T>> + Send + 'static,
    ) -> Self {
        let (sender, found) = oneshot::channel();
        let mut sender = Some(sender);
        let watcher = Box::new(move |event: &Arc<Event>| {
            // A panic of the caller's code ends this wait only. Other waits and the streams still get
            // the event.
            let outcome = catch_unwind(AssertUnwindSafe(|| matches(event)));
            let result = match outcome {
                Ok(None) => return false,
                Ok(Some(result)) => result,
                Err(panic) => Err(panicked(panic.as_ref())),
            };
            if let Some(sender) = sender.take() {
                // The wait may have been dropped.
                let _ = sender.send(result);
            }
            true
        });
        let id = dispatcher.watch(replay, watcher);
        Self {
            operation,
            subject: String::new(),
            timeout: Duration::from_secs(60),
            found,
            _watch: Watch { dispatcher, id },
        }
    }

    /// Sets the subject of errors.
    pub(super) fn with_subject(mut self, subject: String) -> Self {
        self.subject = subject;
        self
    }
}

/// The error of a wait whose function panicked. The function is not called again.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = format!(
        "the function that matches events panicked: {}",
        panic_message(panic)
    );
    Error::new(ErrorKind::InvalidInput, message)
}

impl<T> Wait<T> {
    async fn wait(mut self) -> Result<T> {
        let outcome = match timeout(self.timeout, &mut self.found).await {
            Ok(Ok(outcome)) => outcome,
            // The sender is in the dispatcher, which is in `self`.
            Ok(Err(_)) => Err(Error::new(ErrorKind::Timeout, "the inbox was dropped")),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no event arrived within {:?}", self.timeout),
            )),
        };
        outcome.map_err(|error| {
            let error = match self.subject.as_str() {
                "" => error,
                subject => error.with_context(subject),
            };
            error.with_operation(self.operation)
        })
    }

    /// How long to wait after the `await` (default: 1 minute, or 15 minutes for a file).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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
            .field("operation", &self.operation)
            .field("subject", &self.subject)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
