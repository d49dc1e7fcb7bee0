//! Queues of events.
//!
//! [`EventQueue`] is what a [worker](crate::Worker) needs of a queue: at-least-once delivery with
//! leases, and a place for messages that can never be handled.

mod memory;
mod storage_queue;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

pub use memory::InMemoryQueue;
pub use storage_queue::{PoisonQueue, StorageQueue, StorageQueueBuilder};

use crate::error::Result;

/// A queue that events arrive in.
///
/// Delivery is at least once and in any order. A message that was received is leased: it stays
/// invisible to other receivers until the lease runs out, it is [released](Self::release), or it
/// is removed for good by [`complete`](Self::complete) or [`bury`](Self::bury).
///
/// Implementations retry what is transient themselves. Methods that take a message fail with
/// [`ErrorKind::LeaseLost`](crate::ErrorKind::LeaseLost) when another receiver holds the message or
/// when it no longer exists. The message must not be used after that.
#[async_trait]
pub trait EventQueue: Send + Sync + Debug {
    /// Receives at most `max` messages and leases them for `lease`. Returns at once; no message
    /// means that none is visible.
    async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>>;

    /// Extends the lease of a message to `lease` from now.
    ///
    /// A successful renewal updates the message's [pop receipt](Message::pop_receipt). The future
    /// must not be dropped once it was polled: the queue may have issued a new pop receipt that
    /// would be lost with the response.
    async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()>;

    /// Removes a message that was handled.
    async fn complete(&self, message: &Message) -> Result<()>;

    /// Ends the lease: the message becomes visible again after `after`, or at once if that is zero.
    async fn release(&self, message: &Message, after: Duration) -> Result<()>;

    /// Moves a message to the poison queue, with its body unchanged: first adds it there, then
    /// removes it here. A failure in between leaves two messages and never none.
    async fn bury(&self, message: &Message, reason: &str) -> Result<()>;

    /// About how many messages the queue holds, leased ones included; none if the queue cannot
    /// tell.
    async fn approximate_depth(&self) -> Result<Option<u64>>;
}

/// A leased message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The message's id in the queue. It stays the same when the message is delivered again.
    pub id: String,
    /// The message as it is in the queue: an event, in base64 or plain.
    pub body: Bytes,
    /// How often the message was received, this time included; starts at 1.
    pub dequeue_count: u32,
    /// When the message was added to the queue.
    pub inserted_at: Option<Timestamp>,
    /// When the queue drops the message; none if it never does.
    pub expires_at: Option<Timestamp>,
    pop_receipt: String,
}

impl Message {
    /// A message that was received for the first time.
    ///
    /// The pop receipt identifies the lease and is opaque to everything but the queue.
    pub fn new(
        id: impl Into<String>,
        body: impl Into<Bytes>,
        pop_receipt: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            body: body.into(),
            dequeue_count: 1,
            inserted_at: None,
            expires_at: None,
            pop_receipt: pop_receipt.into(),
        }
    }

    /// Whether the queue has dropped the message by then.
    pub(crate) fn is_expired(&self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// What identifies the lease: a pop receipt of Azure Storage Queue, a lock token elsewhere.
    pub fn pop_receipt(&self) -> &str {
        &self.pop_receipt
    }

    /// Replaces the pop receipt, after a renewal.
    pub fn set_pop_receipt(&mut self, pop_receipt: impl Into<String>) {
        self.pop_receipt = pop_receipt.into();
    }
}

/// The body and the pop receipt may hold secrets.
impl Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("body_bytes", &self.body.len())
            .field("dequeue_count", &self.dequeue_count)
            .field("inserted_at", &self.inserted_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
