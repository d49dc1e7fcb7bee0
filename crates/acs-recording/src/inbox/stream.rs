//! All events, one after the other.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

use crate::event::Event;

/// The events of an [`Inbox`](super::Inbox); it ends with the last clone of the inbox.
#[must_use = "a stream that is not read fills up, and then the inbox takes no more"]
pub struct EventStream {
    kept: VecDeque<Arc<Event>>,
    coming: mpsc::Receiver<Arc<Event>>,
}

impl EventStream {
    pub(super) fn new(kept: VecDeque<Arc<Event>>, coming: mpsc::Receiver<Arc<Event>>) -> Self {
        Self { kept, coming }
    }

    /// The next event; none after the inbox is gone. Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.kept.pop_front() {
            Some(event) => Some(event),
            None => self.coming.recv().await,
        }
    }
}

impl Stream for EventStream {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.kept.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => self.coming.poll_recv(cx),
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ready", &(self.kept.len() + self.coming.len()))
            .finish()
    }
}
