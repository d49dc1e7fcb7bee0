//! The loop of a worker.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::Instrument as _;

use super::handle::{Delivery, Ended, Shared};
use super::idle::Idle;
use super::settings::Settings;
use super::summary::Summary;
use super::throttle::Throttle;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics;
use crate::queue::Message;

/// What a queue hands out at a time.
const MAX_RECEIVED: usize = 32;
/// How long the last requests to queue and store may take after the grace period.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How often the depth of the queue is looked up for its metric.
const DEPTH_EVERY: Duration = Duration::from_secs(30);

pub(super) async fn run(
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
    drains: bool,
) -> Result<Summary> {
    settings.check()?;
    metrics::describe();
    settings.archive.check().await?;
    let (stop, _) = watch::channel(false);
    let mut running = Running {
        shared: Arc::new(Shared {
            archive: settings.archive,
            queue: settings.queue,
            lease: settings.lease,
            max_attempts: settings.max_attempts,
            throttle: Throttle::default(),
            observer: settings.observer,
        }),
        slots: settings.concurrency,
        tasks: JoinSet::new(),
        expirations: BTreeMap::new(),
        summary: Summary::default(),
        stop,
        next_depth: Instant::now(),
    };
    let mut shutdown = pin!(shutdown);
    let outcome = running
        .receive_until(shutdown.as_mut(), settings.idle, drains)
        .await;
    running.finish(settings.grace).await;
    outcome.map(|()| running.summary)
}

struct Running {
    shared: Arc<Shared>,
    slots: usize,
    tasks: JoinSet<Ended>,
    /// When the content of the messages in progress expires.
    expirations: BTreeMap<Id, Timestamp>,
    summary: Summary,
    stop: watch::Sender<bool>,
    next_depth: Instant,
}

impl Running {
    async fn receive_until<S: Future<Output = ()> + Send>(
        &mut self,
        mut shutdown: Pin<&mut S>,
        mut idle: Idle,
        drains: bool,
    ) -> Result<()> {
        let mut has_received = false;
        loop {
            self.collect();
            let free = self.slots - self.tasks.len();
            let mut is_stopping = false;
            let wait_until = if free == 0 {
                None
            } else if let Some(until) = self.shared.throttle.until() {
                Some(until)
            } else {
                let leased_at = Instant::now();
                let max = free.min(MAX_RECEIVED);
                // A request that was sent is awaited, because its messages would be invisible for a
                // lease. After the shutdown signal, it gets only the time of the last requests.
                let received = {
                    let mut receive = self.shared.queue.receive(max, self.shared.lease);
                    tokio::select! {
                        biased;
                        received = &mut receive => received,
                        () = shutdown.as_mut() => {
                            is_stopping = true;
                            match timeout(LAST_REQUESTS, receive).await {
                                Ok(received) => received,
                                Err(_) => return Ok(()),
                            }
                        }
                    }
                };
                match received {
                    Ok(messages) if messages.is_empty() => {
                        has_received = true;
                        if drains && !is_stopping && self.tasks.is_empty() && self.is_empty().await
                        {
                            return Ok(());
                        }
                        Some(Instant::now() + idle.wait())
                    }
                    Ok(messages) => {
                        has_received = true;
                        idle.reset();
                        self.start(messages, leased_at);
                        // There may be more.
                        Some(Instant::now())
                    }
                    Err(error) if is_setup(&error) && (!has_received || drains) => {
                        return Err(error);
                    }
                    // Whoever runs the job can run it again, and sees why.
                    Err(error)
                        if drains
                            && self.tasks.is_empty()
                            && error.kind() == ErrorKind::Unavailable =>
                    {
                        return Err(error);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no messages are received");
                        if error.kind() == ErrorKind::Throttled {
                            self.shared.throttle.slow_down(error.retry_after());
                        }
                        Some(Instant::now() + idle.wait())
                    }
                }
            };
            if is_stopping {
                return Ok(());
            }
            self.report().await;
            tokio::select! {
                biased;
                () = shutdown.as_mut() => return Ok(()),
                Some(joined) = self.tasks.join_next_with_id() => self.note(joined),
                () = wait(wait_until) => {}
            }
        }
    }

    /// Begins to handle messages, those first whose content expires first.
    fn start(&mut self, messages: Vec<Message>, leased_at: Instant) {
        let deliveries = messages.into_iter();
        let mut deliveries: Vec<_> = deliveries
            .map(|message| Delivery::new(message, leased_at))
            .collect();
        deliveries.sort_by_key(|delivery| (delivery.expires_at().is_none(), delivery.expires_at()));
        for delivery in deliveries {
            let expires_at = delivery.expires_at();
            let span = delivery.span();
            let (shared, stop) = (Arc::clone(&self.shared), self.stop.subscribe());
            let handled = async move { shared.handle(delivery, stop).await };
            let task = self.tasks.spawn(handled.instrument(span));
            if let Some(expires_at) = expires_at {
                self.expirations.insert(task.id(), expires_at);
            }
        }
    }

    /// Takes note of messages that ended.
    fn collect(&mut self) {
        while let Some(joined) = self.tasks.try_join_next_with_id() {
            self.note(joined);
        }
    }

    fn note(&mut self, joined: Result<(Id, Ended), tokio::task::JoinError>) {
        match joined {
            Ok((id, ended)) => {
                self.expirations.remove(&id);
                self.summary.count(ended.outcome, &ended.archived);
            }
            Err(error) => {
                self.expirations.remove(&error.id());
                self.summary.unsettled += 1;
                metrics::message("unsettled");
                tracing::error!(%error, "handling a message failed; it comes again");
            }
        }
    }

    /// Whether the queue is empty, as far as it can tell.
    async fn is_empty(&self) -> bool {
        match self.shared.queue.approximate_depth().await {
            Ok(depth) => depth.unwrap_or_default() == 0,
            Err(error) => {
                tracing::warn!(%error, "the depth of the queue is unknown");
                false
            }
        }
    }

    async fn report(&mut self) {
        let now = Timestamp::now();
        let first = self.expirations.values().min();
        let left = first.map(|at| at.duration_since(now).as_secs_f64());
        metrics::in_flight(self.tasks.len(), left);
        if Instant::now() < self.next_depth {
            return;
        }
        self.next_depth = Instant::now() + DEPTH_EVERY;
        if let Ok(Some(depth)) = self.shared.queue.approximate_depth().await {
            metrics::queue_depth(depth);
        }
    }

    /// Lets what is in progress end within the grace period, then releases it.
    async fn finish(&mut self, grace: Duration) {
        let end = Instant::now() + grace;
        while let Ok(Some(joined)) = timeout_at(end, self.tasks.join_next_with_id()).await {
            self.note(joined);
        }
        self.stop.send_replace(true);
        let end = Instant::now() + LAST_REQUESTS;
        while let Ok(Some(joined)) = timeout_at(end, self.tasks.join_next_with_id()).await {
            self.note(joined);
        }
        if !self.tasks.is_empty() {
            let messages = self.tasks.len();
            tracing::warn!(messages, "messages come again when their leases run out");
            self.tasks.shutdown().await;
        }
        let _ = timeout_at(end, self.shared.archive.settle()).await;
        metrics::in_flight(0, None);
    }
}

/// Waits until then, or for something else to happen.
async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Whether somebody has to change something before any message can be received.
fn is_setup(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidInput
            | ErrorKind::NotFound
            | ErrorKind::Authentication
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use object_store::memory::InMemory;

    use acs_recording::RecordingClient;

    use super::*;
    use crate::{Archive, EventQueue, Worker};

    /// A queue that never responds, or fails to.
    #[derive(Debug)]
    struct StuckQueue {
        fails: Option<ErrorKind>,
    }

    #[async_trait]
    impl EventQueue for StuckQueue {
        async fn receive(&self, _: usize, _: Duration) -> Result<Vec<Message>> {
            match self.fails {
                Some(kind) => Err(Error::new(kind, "no response")),
                None => std::future::pending().await,
            }
        }
        async fn renew(&self, _: &mut Message, _: Duration) -> Result<()> {
            Ok(())
        }
        async fn complete(&self, _: &Message) -> Result<()> {
            Ok(())
        }
        async fn release(&self, _: &Message, _: Duration) -> Result<()> {
            Ok(())
        }
        async fn bury(&self, _: &Message, _: &str) -> Result<()> {
            Ok(())
        }
        async fn approximate_depth(&self) -> Result<Option<u64>> {
            Ok(None)
        }
    }

    fn worker(fails: Option<ErrorKind>) -> Worker {
        let text = "endpoint=https://contoso.communication.azure.com/;accesskey=a2V5";
        let client = RecordingClient::from_connection_string(text).unwrap();
        let archive = Archive::builder(client, Arc::new(InMemory::new()));
        Worker::new(archive.build().unwrap(), StuckQueue { fails })
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_cannot_be_reached_ends_a_drain_and_not_a_worker() {
        let error = worker(Some(ErrorKind::Unavailable)).drain().await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
        let worker = worker(Some(ErrorKind::Unavailable));
        let signal = tokio::time::sleep(Duration::from_secs(3600));
        worker.run_until(signal).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_does_not_respond_does_not_delay_the_shutdown() {
        let worker = worker(None);
        let began = Instant::now();
        let signal = tokio::time::sleep(Duration::from_secs(5));
        let summary = worker.run_until(signal).await.unwrap();
        assert_eq!(summary.messages(), 0);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
