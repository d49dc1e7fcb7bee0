//! A queue in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{EventQueue, Message};
use crate::error::{Error, ErrorKind, Result};

/// A queue in memory, with the lease semantics of Azure Storage Queue: for tests and for trying
/// the archive out.
///
/// It is cheap to clone, and clones are the same queue. Leases follow the clock of tokio, so tests
/// can pause it.
///
/// ```
/// # use std::time::Duration;
/// use acs_recording_archive::{EventQueue as _, InMemoryQueue};
///
/// # async fn run() -> acs_recording_archive::Result<()> {
/// let queue = InMemoryQueue::new();
/// queue.send(r#"{"id": "1", "eventType": "Example", "data": {}}"#);
/// let messages = queue.receive(32, Duration::from_secs(120)).await?;
/// queue.complete(&messages[0]).await?;
/// assert!(queue.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct InMemoryQueue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    poison: Vec<(Bytes, String)>,
    next_number: u64,
}

#[derive(Debug)]
struct Entry {
    id: String,
    body: Bytes,
    inserted_at: Timestamp,
    dequeue_count: u32,
    visible_at: Instant,
    /// That of the newest lease.
    pop_receipt: String,
}

impl InMemoryQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message, visible at once.
    pub fn send(&self, body: impl Into<Bytes>) {
        let mut state = self.lock();
        let id = format!("message-{}", state.number());
        state.entries.push_back(Entry {
            id,
            body: body.into(),
            inserted_at: Timestamp::now(),
            dequeue_count: 0,
            visible_at: Instant::now(),
            pop_receipt: String::new(),
        });
    }

    /// How many messages there are, leased ones included.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether no message is left, not even a leased one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buried messages, each with the reason.
    pub fn poison(&self) -> Vec<(Bytes, String)> {
        self.lock().poison.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Where the message is, if this lease is still the newest. As in Azure Storage Queue, a lease
    /// that ran out still counts until somebody else receives the message.
    fn find(&self, message: &Message) -> Result<usize> {
        let position = self.entries.iter().position(|entry| entry.id == message.id);
        let lost = |text: &str| {
            let text = format!("the lease of message {} is lost: {text}", message.id);
            Error::new(ErrorKind::LeaseLost, text)
        };
        let position = position.ok_or_else(|| lost("the message no longer exists"))?;
        let current = self.entries.get(position).map(|entry| &*entry.pop_receipt);
        if current == Some(message.pop_receipt()) {
            Ok(position)
        } else {
            Err(lost("another receiver holds the message"))
        }
    }

    fn update(&mut self, message: &Message, visible_in: Duration) -> Result<String> {
        let position = self.find(message)?;
        let pop_receipt = format!("receipt-{}", self.number());
        if let Some(entry) = self.entries.get_mut(position) {
            entry.visible_at = Instant::now() + visible_in;
            entry.pop_receipt.clone_from(&pop_receipt);
        }
        Ok(pop_receipt)
    }
}

#[async_trait]
impl EventQueue for InMemoryQueue {
    async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
        let mut state = self.lock();
        let State {
            entries,
            next_number,
            ..
        } = &mut *state;
        let now = Instant::now();
        let visible = entries.iter_mut().filter(|entry| entry.visible_at <= now);
        let messages = visible.take(max).map(|entry| {
            *next_number += 1;
            entry.dequeue_count += 1;
            entry.visible_at = now + lease;
            entry.pop_receipt = format!("receipt-{next_number}");
            let mut message = Message::new(&*entry.id, entry.body.clone(), &*entry.pop_receipt);
            message.dequeue_count = entry.dequeue_count;
            message.inserted_at = Some(entry.inserted_at);
            message
        });
        Ok(messages.collect())
    }

    async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()> {
        let pop_receipt = self.lock().update(message, lease)?;
        message.set_pop_receipt(pop_receipt);
        Ok(())
    }

    async fn complete(&self, message: &Message) -> Result<()> {
        let mut state = self.lock();
        let position = state.find(message)?;
        state.entries.remove(position);
        Ok(())
    }

    async fn release(&self, message: &Message, after: Duration) -> Result<()> {
        self.lock().update(message, after)?;
        Ok(())
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let mut state = self.lock();
        let position = state.find(message)?;
        if let Some(entry) = state.entries.remove(position) {
            state.poison.push((entry.body, reason.to_owned()));
        }
        Ok(())
    }

    async fn approximate_depth(&self) -> Result<Option<u64>> {
        Ok(u64::try_from(self.len()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    async fn receive(queue: &InMemoryQueue) -> Option<Message> {
        queue.receive(1, LEASE).await.unwrap().pop()
    }

    #[tokio::test(start_paused = true)]
    async fn a_leased_message_is_invisible_until_the_lease_runs_out() {
        let queue = InMemoryQueue::new();
        queue.send("a");
        let first = receive(&queue).await.unwrap();
        assert_eq!((first.dequeue_count, &first.body[..]), (1, &b"a"[..]));
        assert_eq!(receive(&queue).await, None);
        tokio::time::advance(LEASE).await;
        let second = receive(&queue).await.unwrap();
        assert_eq!((second.dequeue_count, &second.id), (2, &first.id));

        let lost = queue.complete(&first).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::LeaseLost);
        queue.complete(&second).await.unwrap();
        let gone = queue.release(&second, Duration::ZERO).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::LeaseLost);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_voids_the_earlier_receipt() {
        let queue = InMemoryQueue::new();
        queue.send("a");
        let mut message = receive(&queue).await.unwrap();
        let earlier = message.clone();
        tokio::time::advance(LEASE / 2).await;
        queue.renew(&mut message, LEASE).await.unwrap();
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(receive(&queue).await, None);
        assert!(queue.complete(&earlier).await.is_err());
        queue.complete(&message).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn released_and_buried_messages_leave_the_lease() {
        let queue = InMemoryQueue::new();
        queue.send("a");
        let message = receive(&queue).await.unwrap();
        queue.release(&message, LEASE * 2).await.unwrap();
        tokio::time::advance(LEASE).await;
        assert_eq!(receive(&queue).await, None);
        tokio::time::advance(LEASE).await;
        let message = receive(&queue).await.unwrap();
        queue.bury(&message, "no event").await.unwrap();
        assert!(queue.is_empty());
        assert_eq!(queue.poison(), [(Bytes::from("a"), "no event".to_owned())]);
    }
}
