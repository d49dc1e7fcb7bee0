//! The queue of messages that could not be handled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, MAX_MESSAGES};
use crate::error::{ErrorKind, Result};
use crate::queue::Message;

/// How long messages are invisible while they are looked through.
const LEASE: Duration = Duration::from_secs(120);

/// A queue and its poison queue.
pub(super) struct Queues {
    pub(super) main: Client,
    pub(super) poison: Client,
}

/// The poison queue of a [`StorageQueue`](super::StorageQueue): messages that a worker could not
/// handle, unchanged. [`StorageQueue::poison_queue`](super::StorageQueue::poison_queue) returns it.
///
/// A queue that does not exist has no messages: a worker creates it when it needs it.
#[derive(Clone)]
pub struct PoisonQueue(pub(super) Arc<Queues>);

impl PoisonQueue {
    /// The address, without a SAS.
    pub fn url(&self) -> &str {
        self.0.poison.address().url().as_str()
    }

    /// The first messages, at most `max` and at most 32: the service shows no more without taking
    /// them out of sight. They stay where they are. Their pop receipts are empty.
    pub async fn peek(&self, max: usize) -> Result<Vec<Message>> {
        or_empty(self.0.poison.peek(max).await)
    }

    /// About how many messages there are; none if the credential permits no counting.
    pub async fn approximate_depth(&self) -> Result<Option<u64>> {
        match self.0.poison.depth().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(0)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
            other => other,
        }
    }

    /// Sends the messages that `select` returns true for back to the main queue, to be handled
    /// again, and returns how many. Each is sent before it is deleted here, so a failure in between
    /// leaves two messages and never none.
    ///
    /// Messages that are added meanwhile may be left out.
    pub async fn retry(&self, select: impl Fn(&Message) -> bool + Send + Sync) -> Result<usize> {
        self.take(&select, true).await
    }

    /// Deletes the messages that `select` returns true for, and returns how many.
    pub async fn remove(&self, select: impl Fn(&Message) -> bool + Send + Sync) -> Result<usize> {
        self.take(&select, false).await
    }

    async fn take(
        &self,
        select: &(dyn Fn(&Message) -> bool + Send + Sync),
        is_retry: bool,
    ) -> Result<usize> {
        let mut passed_over = Vec::new();
        let taken = self.take_all(select, is_retry, &mut passed_over).await;
        // Whatever happened, what was only looked at is visible again.
        for message in passed_over {
            match self.0.poison.release(&message, Duration::ZERO).await {
                Ok(_) => {}
                // The lease ran out while others were looked through.
                Err(error) if error.kind() == ErrorKind::LeaseLost => {}
                Err(error) => tracing::warn!(%error, "a poison message stays hidden for 2 minutes"),
            }
        }
        taken
    }

    async fn take_all(
        &self,
        select: &(dyn Fn(&Message) -> bool + Send + Sync),
        is_retry: bool,
        passed_over: &mut Vec<Message>,
    ) -> Result<usize> {
        let Queues { main, poison } = &*self.0;
        // A worker may bury again what is sent back, so there is an end to it.
        let mut left = match self.approximate_depth().await? {
            Some(depth) => usize::try_from(depth).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let mut taken = 0;
        while left > 0 {
            let messages = or_empty(poison.receive(left.min(MAX_MESSAGES), LEASE).await)?;
            if messages.is_empty() {
                break;
            }
            left = left.saturating_sub(messages.len());
            let mut messages = messages.into_iter();
            while let Some(message) = messages.next() {
                // One that was passed over came back: all others were seen, too.
                if passed_over.iter().any(|seen| seen.id == message.id) {
                    passed_over.push(message);
                    passed_over.extend(messages);
                    return Ok(taken);
                }
                if !select(&message) {
                    passed_over.push(message);
                    continue;
                }
                let handled = async {
                    if is_retry {
                        main.send(&message.body).await?;
                    }
                    poison.delete(&message).await
                };
                if let Err(error) = handled.await {
                    passed_over.push(message);
                    passed_over.extend(messages);
                    return Err(error);
                }
                taken += 1;
            }
        }
        Ok(taken)
    }
}

fn or_empty(messages: Result<Vec<Message>>) -> Result<Vec<Message>> {
    match messages {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

impl fmt::Debug for PoisonQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoisonQueue").field(&self.url()).finish()
    }
}
