//! Keeps the lease of a message during the work on it.

use std::pin::{Pin, pin};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind};
use crate::metrics;
use crate::queue::{EventQueue, Message};

/// How the work on a message ended.
#[derive(Debug)]
pub(super) enum Held<T> {
    /// It is finished, and the lease is held.
    Finished(T),
    /// The lease was lost, and the work dropped.
    Lost(Error),
    /// The worker stops, and the work was dropped. The lease is held.
    Stopped,
}

/// The shortest lease that queues give.
const MIN_LEASE: Duration = Duration::from_secs(1);
/// How far the clock of the queue may be ahead of this machine's.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// A lease that is kept.
pub(super) struct Keeper<'a> {
    pub(super) queue: &'a dyn EventQueue,
    pub(super) message: &'a mut Message,
    pub(super) lease: Duration,
    /// When the request was sent that gave or last renewed the lease.
    pub(super) since: Instant,
    /// Becomes true when the worker stops.
    pub(super) stop: watch::Receiver<bool>,
}

impl Keeper<'_> {
    /// Does the work, and renews the lease each time a third of it has passed.
    ///
    /// A renewal that was sent is always awaited: the queue may have issued a new pop receipt, and
    /// without it the message can no longer be removed.
    ///
    /// No lease is asked for beyond the time when the queue drops the message. Nobody else receives
    /// the message then, so the work is finished without a lease.
    pub(super) async fn hold<T: Send>(
        mut self,
        work: Pin<Box<dyn Future<Output = T> + Send + '_>>,
    ) -> Held<T> {
        let mut work = Some(work);
        let end = self.end();
        let mut leased = self.lease;
        let mut due = self.since + leased / 3;
        loop {
            if end.is_some_and(|end| self.since + leased >= end) {
                return self.finish(work, None).await;
            }
            let sent = tokio::select! {
                biased;
                done = poll(&mut work) => return Held::Finished(done),
                () = stopped(&mut self.stop) => return Held::Stopped,
                () = sleep_until(due) => Instant::now(),
            };
            let deadline = self.since + leased;
            let left = end.map(|end| end.saturating_duration_since(sent));
            let wanted = left.unwrap_or(self.lease).clamp(MIN_LEASE, self.lease);
            let mut ended = None;
            let renewed = {
                let mut renewal = pin!(self.queue.renew(self.message, wanted));
                loop {
                    tokio::select! {
                        biased;
                        renewed = &mut renewal => break renewed,
                        done = poll(&mut work), if work.is_some() => {
                            work = None;
                            ended = Some(Held::Finished(done));
                        }
                        () = stopped(&mut self.stop), if work.is_some() => {
                            work = None;
                            ended = Some(Held::Stopped);
                        }
                        () = sleep_until(deadline), if work.is_some() => {
                            work = None;
                            ended = Some(Held::Lost(expired()));
                        }
                    }
                }
            };
            match renewed {
                Ok(()) => {
                    metrics::renewal("renewed");
                    self.since = sent;
                    leased = wanted;
                    due = sent + leased / 3;
                    // The renewal came late and was accepted: the lease is held after all, but the
                    // work is gone.
                    if let Some(Held::Lost(_)) = ended {
                        return Held::Stopped;
                    }
                }
                // The queue dropped the message, so nobody else holds it: without this work the
                // recording would be lost.
                Err(error) if error.kind() == ErrorKind::LeaseLost && self.is_expired() => {
                    tracing::warn!(message = %self.message.id, %error, "the message has expired");
                    return self.finish(work, ended).await;
                }
                Err(error) if error.kind() == ErrorKind::LeaseLost => {
                    metrics::renewal("lost");
                    return match ended {
                        // Whether the message is still ours shows when it is removed.
                        Some(Held::Finished(done)) => Held::Finished(done),
                        _ => Held::Lost(error),
                    };
                }
                Err(error) => {
                    metrics::renewal("failed");
                    tracing::warn!(message = %self.message.id, %error, "the lease is not renewed");
                    if ended.is_none() && Instant::now() >= deadline {
                        return Held::Lost(error);
                    }
                    due = (Instant::now() + leased / 12).min(deadline);
                }
            }
            if let Some(ended) = ended {
                return ended;
            }
        }
    }
}

impl Keeper<'_> {
    /// Finishes the work on a message that the queue drops soon or has dropped.
    async fn finish<T: Send>(
        &mut self,
        work: Option<Pin<Box<dyn Future<Output = T> + Send + '_>>>,
        ended: Option<Held<T>>,
    ) -> Held<T> {
        let Some(work) = work else {
            return ended.unwrap_or_else(|| Held::Lost(expired()));
        };
        let expires_at = self.message.expires_at.map(tracing::field::display);
        tracing::warn!(
            message = %self.message.id,
            expires_at,
            "the lease is not renewed, because the queue drops the message"
        );
        tokio::select! {
            biased;
            done = work => Held::Finished(done),
            () = stopped(&mut self.stop) => Held::Stopped,
        }
    }

    /// When the queue drops the message.
    fn end(&self) -> Option<Instant> {
        let left = self.message.expires_at?.duration_since(Timestamp::now());
        // A time that is too far away is none.
        Instant::now().checked_add(Duration::try_from(left).unwrap_or_default())
    }

    /// Whether the queue may have dropped the message.
    fn is_expired(&self) -> bool {
        self.message.is_expired(Timestamp::now() + CLOCK_SKEW)
    }
}

fn expired() -> Error {
    let text = "the lease ran out before it could be renewed";
    Error::new(ErrorKind::LeaseLost, text)
}

async fn poll<T>(work: &mut Option<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::error::Result;
    use crate::queue::InMemoryQueue;

    const LEASE: Duration = Duration::from_secs(30);

    /// A queue whose renewals take a while, and fail when told to.
    #[derive(Clone, Debug, Default)]
    struct Slow {
        queue: InMemoryQueue,
        takes: Duration,
        fails: u32,
        renewals: Arc<AtomicU32>,
        /// What the renewals asked for.
        wanted: Arc<Mutex<Vec<Duration>>>,
    }

    #[async_trait]
    impl EventQueue for Slow {
        async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
            self.queue.receive(max, lease).await
        }
        async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()> {
            self.wanted.lock().unwrap().push(lease);
            if self.renewals.fetch_add(1, Ordering::Relaxed) < self.fails {
                return Err(Error::new(ErrorKind::Unavailable, "no response"));
            }
            // The receipt changes at once, and the response takes its time.
            let mut renewed = message.clone();
            self.queue.renew(&mut renewed, lease).await?;
            sleep(self.takes).await;
            *message = renewed;
            Ok(())
        }
        async fn complete(&self, message: &Message) -> Result<()> {
            self.queue.complete(message).await
        }
        async fn release(&self, message: &Message, after: Duration) -> Result<()> {
            self.queue.release(message, after).await
        }
        async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
            self.queue.bury(message, reason).await
        }
        async fn approximate_depth(&self) -> Result<Option<u64>> {
            self.queue.approximate_depth().await
        }
    }

    struct Outcome<T> {
        held: Held<T>,
        message: Message,
    }

    async fn hold<T: Send + 'static>(
        queue: &Slow,
        stop: watch::Receiver<bool>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Outcome<T> {
        queue.queue.send("a");
        let since = Instant::now();
        let mut message = queue.receive(1, LEASE).await.unwrap().pop().unwrap();
        let keeper = Keeper {
            queue,
            message: &mut message,
            lease: LEASE,
            since,
            stop,
        };
        let held = keeper.hold(Box::pin(work)).await;
        Outcome { held, message }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_for_as_long_as_the_work_takes() {
        let queue = Slow::default();
        let (_stop, stopped) = watch::channel(false);
        let held = hold(&queue, stopped, sleep(LEASE * 5)).await;
        assert!(matches!(held.held, Held::Finished(())));
        assert_eq!(queue.renewals.load(Ordering::Relaxed), 14);
        queue.complete(&held.message).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_on_its_way_is_awaited_when_the_work_ends() {
        let queue = Slow {
            takes: Duration::from_secs(3),
            ..Slow::default()
        };
        let (stop, stopped) = watch::channel(false);
        let held = hold(
            &queue,
            stopped.clone(),
            sleep(LEASE / 3 + Duration::from_secs(1)),
        )
        .await;
        assert!(matches!(held.held, Held::Finished(())));
        queue.complete(&held.message).await.unwrap();

        tokio::spawn(async move {
            sleep(LEASE / 3 + Duration::from_secs(1)).await;
            stop.send_replace(true);
        });
        let held = hold(&queue, stopped, sleep(LEASE * 9)).await;
        assert!(matches!(held.held, Held::Stopped));
        queue.release(&held.message, Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_is_repeated_within_the_lease() {
        let queue = Slow {
            fails: 2,
            ..Slow::default()
        };
        let (_stop, stopped) = watch::channel(false);
        let held = hold(&queue, stopped, sleep(LEASE)).await;
        assert!(matches!(held.held, Held::Finished(())));
        queue.complete(&held.message).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_the_lease_cannot_be_renewed_in_time() {
        let queue = Slow {
            fails: 1000,
            ..Slow::default()
        };
        let (_stop, stopped) = watch::channel(false);
        let began = Instant::now();
        let held = hold(&queue, stopped, sleep(LEASE * 9)).await;
        assert!(matches!(held.held, Held::Lost(_)));
        assert!(began.elapsed() < LEASE + LEASE / 6, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn work_on_a_message_that_has_expired_is_finished() {
        let queue = InMemoryQueue::new();
        let (_stop, stop) = watch::channel(false);
        // The queue has dropped it.
        let mut message = Message::new("message-1", "", "receipt-1");
        message.expires_at = Some(Timestamp::UNIX_EPOCH);
        let keeper = Keeper {
            queue: &queue,
            message: &mut message,
            lease: LEASE,
            since: Instant::now(),
            stop,
        };
        let held = keeper.hold(Box::pin(sleep(LEASE * 9))).await;
        assert!(matches!(held, Held::Finished(())), "{held:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_lease_outlives_its_message() {
        let queue = Slow::default();
        queue.queue.send("a");
        let since = Instant::now();
        let mut message = queue.receive(1, LEASE).await.unwrap().pop().unwrap();
        message.expires_at = Some(Timestamp::now() + LEASE * 3 / 2);
        let (_stop, stop) = watch::channel(false);
        let keeper = Keeper {
            queue: &queue,
            message: &mut message,
            lease: LEASE,
            since,
            stop,
        };
        let held = keeper.hold(Box::pin(sleep(LEASE * 9))).await;
        assert!(matches!(held, Held::Finished(())), "{held:?}");
        // After a third of the lease, and once more for the rest of the message's life.
        let wanted = queue.wanted.lock().unwrap().clone();
        assert_eq!((wanted.len(), wanted[0]), (2, LEASE), "{wanted:?}");
        let rest = LEASE * 5 / 6;
        let missing = rest.checked_sub(wanted[1]).unwrap();
        assert!(missing < Duration::from_secs(5), "{wanted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_somebody_else_has_the_message() {
        let queue = Slow::default();
        let (_stop, stopped) = watch::channel(false);
        let other = queue.queue.clone();
        tokio::spawn(async move {
            // As if this machine had slept.
            sleep(Duration::from_secs(1)).await;
            let mut message = Message::new("message-1", "", "receipt-2");
            other.renew(&mut message, LEASE).await.unwrap();
        });
        let held = hold(&queue, stopped, sleep(LEASE * 9)).await;
        match held.held {
            Held::Lost(error) => assert_eq!(error.kind(), ErrorKind::LeaseLost),
            other => panic!("{other:?}"),
        }
        advance(LEASE).await;
    }
}
