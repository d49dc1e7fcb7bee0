//! Streams of all events.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::event::Event;

/// The maximum number of unread events in a stream.
pub(super) const CAPACITY: u16 = 1000;
/// Their approximate maximum size in total.
const CAPACITY_BYTES: usize = 16 * 1024 * 1024;
/// The size of a small event. A larger one counts as several.
const UNIT: usize = CAPACITY_BYTES / CAPACITY as usize;

/// How long a delivery waits for a full stream. Event Grid waits 30 s for the response to all events
/// of a delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// A full stream that is not read for this long is closed.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The recent events of an [`Inbox`](crate::Inbox), and then every later one.
///
/// It ends when the last clone of the inbox is dropped, or when it is closed because it was not read:
/// see [`has_lagged`](Self::has_lagged). An event may be in it twice.
#[must_use = "a stream that is not read fills up and delays deliveries"]
pub struct EventStream {
    recent: VecDeque<Arc<Event>>,
    receiver: mpsc::UnboundedReceiver<Queued>,
    capacity: Arc<Semaphore>,
    lagged: Arc<AtomicBool>,
}

/// An event in the queue of a stream, and the capacity that it uses.
struct Queued {
    event: Arc<Event>,
    _permit: OwnedSemaphorePermit,
}

/// The sending side of a stream.
pub(super) struct Subscriber {
    pub(super) id: u64,
    sender: mpsc::UnboundedSender<Queued>,
    capacity: Arc<Semaphore>,
    lagged: Arc<AtomicBool>,
    full: Option<Full>,
}

/// A stream has no capacity for an event.
#[derive(Clone, Copy)]
struct Full {
    since: Instant,
    /// The remaining capacity. If it grows, the stream is being read.
    available: usize,
}

/// A send to a full stream.
pub(super) struct PendingSend {
    pub(super) id: u64,
    event: Arc<Event>,
    sender: mpsc::UnboundedSender<Queued>,
    capacity: Arc<Semaphore>,
    deadline: Instant,
}

/// The outcome of sending an event to a stream.
pub(super) enum SendOutcome {
    /// It is in the queue.
    Queued,
    /// The stream was dropped.
    Closed,
    /// The stream is full.
    Full(PendingSend),
}

impl EventStream {
    /// A stream that begins with the recent events, and its sending side.
    pub(super) fn new(id: u64, recent: VecDeque<Arc<Event>>) -> (Self, Subscriber) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let capacity = Arc::new(Semaphore::new(CAPACITY.into()));
        let lagged = Arc::new(AtomicBool::new(false));
        let stream = Self {
            recent,
            receiver,
            capacity: Arc::clone(&capacity),
            lagged: Arc::clone(&lagged),
        };
        let subscriber = Subscriber {
            id,
            sender,
            capacity,
            lagged,
            full: None,
        };
        (stream, subscriber)
    }

    /// The next event. `None` after the inbox was dropped or the stream was closed. Dropping the future
    /// loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.recent.pop_front() {
            Some(event) => Some(event),
            None => Some(self.receiver.recv().await?.event),
        }
    }

    /// Whether the inbox closed this stream because it was full and not read for a minute. Events after
    /// its end are missing.
    pub fn has_lagged(&self) -> bool {
        self.lagged.load(Ordering::Acquire)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // Sends that wait for capacity end.
        self.capacity.close();
    }
}

impl Subscriber {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the stream has been full for too long.
    pub(super) fn is_stalled(&self) -> bool {
        self.full
            .is_some_and(|full| full.since.elapsed() >= STALL_TIMEOUT)
    }

    /// Notes that the stream was read, and is not full any more.
    pub(super) fn mark_read(&mut self) {
        self.full = None;
    }

    /// Notes that the stream lost events.
    pub(super) fn mark_lagged(&self) {
        self.lagged.store(true, Ordering::Release);
    }

    /// Puts an event into the queue, if there is capacity.
    pub(super) fn send(&mut self, event: &Arc<Event>) -> SendOutcome {
        match Arc::clone(&self.capacity).try_acquire_many_owned(units(event)) {
            Ok(permit) => {
                self.full = None;
                queue(&self.sender, event, permit)
            }
            Err(tokio::sync::TryAcquireError::Closed) => SendOutcome::Closed,
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                let available = self.capacity.available_permits();
                let known = self.full.filter(|full| available <= full.available);
                let full = known.unwrap_or_else(|| Full {
                    since: Instant::now(),
                    available,
                });
                self.full = Some(full);
                SendOutcome::Full(PendingSend {
                    id: self.id,
                    event: Arc::clone(event),
                    sender: self.sender.clone(),
                    capacity: Arc::clone(&self.capacity),
                    // A delivery of many events waits for one stream only once.
                    deadline: full.since + DELIVERY_TIMEOUT,
                })
            }
        }
    }
}

impl PendingSend {
    /// Waits for capacity, up to the deadline. Returns the stream's id, and whether it needs the event
    /// no more.
    pub(super) async fn send(self) -> (u64, bool) {
        let permit = self.capacity.acquire_many_owned(units(&self.event));
        let done = match timeout_at(self.deadline, permit).await {
            Ok(Ok(permit)) => {
                let _ = queue(&self.sender, &self.event, permit);
                true
            }
            // The stream was dropped.
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        (self.id, done)
    }
}

fn queue(
    sender: &mpsc::UnboundedSender<Queued>,
    event: &Arc<Event>,
    permit: OwnedSemaphorePermit,
) -> SendOutcome {
    let event = Arc::clone(event);
    let queued = Queued {
        event,
        _permit: permit,
    };
    match sender.send(queued) {
        Ok(()) => SendOutcome::Queued,
        Err(_) => SendOutcome::Closed,
    }
}

/// The capacity that an event uses, at most that of the whole stream.
fn units(event: &Event) -> u32 {
    let units = 1 + event.size() / UNIT;
    u32::try_from(units).map_or(u32::from(CAPACITY), |units| units.min(CAPACITY.into()))
}

impl Stream for EventStream {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.recent.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => self
                .receiver
                .poll_recv(cx)
                .map(|queued| Some(queued?.event)),
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ready", &(self.recent.len() + self.receiver.len()))
            .field("has_lagged", &self.has_lagged())
            .finish_non_exhaustive()
    }
}
