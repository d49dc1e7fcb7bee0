//! All events, one after the other.

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

/// How many events a stream holds that were not read.
pub(super) const CAPACITY: u16 = 1000;
/// How many bytes these may have in all, about.
const CAPACITY_BYTES: usize = 16 * 1024 * 1024;
/// What a small event takes of them; a larger one counts as several.
const UNIT: usize = CAPACITY_BYTES / CAPACITY as usize;

/// How long a delivery waits for a stream that is full. Event Grid waits 30 s for an answer to all
/// events of a delivery together.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// A stream that was full for this long without being read is closed.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The events of an [`Inbox`](super::Inbox): those that are kept, and then every one that comes in.
///
/// It ends with the last clone of the inbox, or when it is closed because it was not read: see
/// [`has_lagged`](Self::has_lagged). Events may come twice.
#[must_use = "a stream that is not read fills up, and makes deliveries wait"]
pub struct EventStream {
    kept: VecDeque<Arc<Event>>,
    coming: mpsc::UnboundedReceiver<Queued>,
    room: Arc<Semaphore>,
    lagged: Arc<AtomicBool>,
}

/// An event in a stream's queue, and the room that it takes.
struct Queued {
    event: Arc<Event>,
    _room: OwnedSemaphorePermit,
}

/// The end of a stream that events go into.
pub(super) struct Subscriber {
    pub(super) id: u64,
    sender: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    lagged: Arc<AtomicBool>,
    full: Option<Full>,
}

/// There is an event that a stream has no room for.
#[derive(Clone, Copy)]
struct Full {
    since: Instant,
    /// How much room it has all the same. More of it later means that somebody reads.
    room: usize,
}

/// A delivery to a stream that is full.
pub(super) struct Pending {
    pub(super) id: u64,
    event: Arc<Event>,
    sender: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    deadline: Instant,
}

/// What became of an event for one stream.
pub(super) enum Sent {
    /// It is in the queue.
    Queued,
    /// Nobody wants it any more.
    Gone,
    /// There is no room yet.
    Full(Pending),
}

impl EventStream {
    /// A stream that begins with the events that are kept, and what the others go into.
    pub(super) fn new(id: u64, kept: VecDeque<Arc<Event>>) -> (Self, Subscriber) {
        let (sender, coming) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(CAPACITY.into()));
        let lagged = Arc::new(AtomicBool::new(false));
        let stream = Self {
            kept,
            coming,
            room: Arc::clone(&room),
            lagged: Arc::clone(&lagged),
        };
        let subscriber = Subscriber {
            id,
            sender,
            room,
            lagged,
            full: None,
        };
        (stream, subscriber)
    }

    /// The next event; none after the inbox is gone or the stream was closed. Dropping the future
    /// loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.kept.pop_front() {
            Some(event) => Some(event),
            None => Some(self.coming.recv().await?.event),
        }
    }

    /// Whether the inbox closed this stream because it was full and not read for a minute. Events
    /// are missing behind its end.
    pub fn has_lagged(&self) -> bool {
        self.lagged.load(Ordering::Acquire)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // Deliveries that wait for room need not any more.
        self.room.close();
    }
}

impl Subscriber {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether nobody reads the stream, which is full.
    pub(super) fn is_stalled(&self) -> bool {
        self.full
            .is_some_and(|full| full.since.elapsed() >= STALL_TIMEOUT)
    }

    /// An event that had to wait is in the queue now.
    pub(super) fn has_room(&mut self) {
        self.full = None;
    }

    /// Says to the stream that it lost events.
    pub(super) fn lag(&self) {
        self.lagged.store(true, Ordering::Release);
    }

    /// Puts an event into the queue, if there is room.
    pub(super) fn send(&mut self, event: &Arc<Event>) -> Sent {
        match Arc::clone(&self.room).try_acquire_many_owned(units(event)) {
            Ok(room) => {
                self.full = None;
                queue(&self.sender, event, room)
            }
            Err(tokio::sync::TryAcquireError::Closed) => Sent::Gone,
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                let room = self.room.available_permits();
                let known = self.full.filter(|full| room <= full.room);
                let full = known.unwrap_or_else(|| Full {
                    since: Instant::now(),
                    room,
                });
                self.full = Some(full);
                Sent::Full(Pending {
                    id: self.id,
                    event: Arc::clone(event),
                    sender: self.sender.clone(),
                    room: Arc::clone(&self.room),
                    // One stream costs a delivery of many events this time once.
                    deadline: full.since + DELIVERY_TIMEOUT,
                })
            }
        }
    }
}

impl Pending {
    /// Waits until the stream has room, for a limited time; whether the matter is done.
    pub(super) async fn send(self) -> (u64, bool) {
        let room = self.room.acquire_many_owned(units(&self.event));
        let done = match timeout_at(self.deadline, room).await {
            Ok(Ok(room)) => {
                let _ = queue(&self.sender, &self.event, room);
                true
            }
            // Nobody reads it any more.
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        (self.id, done)
    }
}

fn queue(
    sender: &mpsc::UnboundedSender<Queued>,
    event: &Arc<Event>,
    room: OwnedSemaphorePermit,
) -> Sent {
    let event = Arc::clone(event);
    match sender.send(Queued { event, _room: room }) {
        Ok(()) => Sent::Queued,
        Err(_) => Sent::Gone,
    }
}

/// How much room an event takes; the largest takes all there is.
fn units(event: &Event) -> u32 {
    let units = 1 + event.size() / UNIT;
    u32::try_from(units).map_or(u32::from(CAPACITY), |units| units.min(CAPACITY.into()))
}

impl Stream for EventStream {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.kept.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => self.coming.poll_recv(cx).map(|queued| Some(queued?.event)),
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ready", &(self.kept.len() + self.coming.len()))
            .field("has_lagged", &self.has_lagged())
            .finish_non_exhaustive()
    }
}
