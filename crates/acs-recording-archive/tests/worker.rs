//! Workers: what becomes of each message, and of the recordings that they announce.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_emulator::{Fault, Operation, SyntheticRecording};
use acs_recording_archive::{
    Activity, Archive, ErrorKind, EventQueue, InMemoryQueue, Message, Outcome, Result, Summary,
    Worker,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::faulty_store::{FaultyStore, On, busy, denied};
use common::{Announced, PART, Service, assert_archived, entries, is_at_service, names};
use futures_util::future::join_all;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

const SMALL: u64 = 5000;
const LARGE: u64 = PART + 1000;
const LIMIT: Duration = Duration::from_secs(60);

struct Setup {
    service: Service,
    store: Arc<dyn ObjectStore>,
    faulty: FaultyStore,
    queue: InMemoryQueue,
}

impl Setup {
    async fn new() -> Self {
        let faulty = FaultyStore::default();
        Self {
            service: Service::start().await,
            store: Arc::new(faulty.clone()),
            faulty,
            queue: InMemoryQueue::new(),
        }
    }

    fn archive(&self) -> Archive {
        let builder = self.service.archive(Arc::clone(&self.store));
        builder.build().unwrap()
    }

    fn worker(&self) -> Worker {
        quick(Worker::new(self.archive(), self.queue.clone()))
    }

    /// A recording whose event is in the queue.
    fn record(&self, bytes: u64) -> Announced {
        let announced = self.service.record(SyntheticRecording::new(bytes));
        self.queue.send(BASE64_STANDARD.encode(announced.body()));
        announced
    }

    /// Runs a worker until every message has had its first attempt.
    async fn first_attempts(&self, worker: Worker) -> Summary {
        let messages = self.queue.len();
        let (done, ended) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let signal = Arc::clone(&done);
        let worker = worker.on_update(move |update| {
            if let Activity::Finished { .. } = update.activity
                && ended.fetch_add(1, Ordering::Relaxed) + 1 == messages
            {
                signal.notify_one();
            }
        });
        let run = worker.run_until(async move { done.notified().await });
        timeout(LIMIT, run).await.unwrap().unwrap()
    }
}

fn quick(worker: Worker) -> Worker {
    worker.poll_interval(Duration::from_millis(5), Duration::from_millis(20))
}

async fn drained(worker: Worker) -> Summary {
    timeout(LIMIT, worker.drain()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_queue_of_recordings_is_archived_and_empty() {
    let setup = Setup::new().await;
    let mut recordings: Vec<_> = (0..6).map(|_| setup.record(SMALL)).collect();
    // As some write it: plain, or in an array.
    for plain in [false, true] {
        let announced = setup.service.record(SyntheticRecording::new(SMALL));
        let body = announced.body();
        setup
            .queue
            .send(if plain { body } else { format!("[{body}]") });
        recordings.push(announced);
    }
    let summary = drained(setup.worker()).await;
    assert_eq!((summary.archived, summary.messages()), (8, 8));
    assert_eq!((summary.chunks, summary.bytes), (8, 8 * SMALL));
    assert!(setup.queue.is_empty() && setup.queue.poison().is_empty());
    for recording in &recordings {
        assert_archived(&setup.store, &recording.stored).await;
    }
}

#[tokio::test]
async fn duplicates_over_three_workers_leave_one_recording() {
    let setup = Setup::new().await;
    let announced = setup
        .service
        .record(SyntheticRecording::new(LARGE).chunk(SMALL));
    for _ in 0..5 {
        setup.queue.send(announced.body());
    }
    let client = setup.service.client();
    let workers = (0..3).map(|_| {
        let builder = setup.service.archive(Arc::clone(&setup.store));
        let archive = builder.delete_at_service().build().unwrap();
        drained(quick(Worker::new(archive, setup.queue.clone())))
    });
    let summaries = join_all(workers).await;
    let total = |count: fn(&Summary) -> u64| summaries.iter().map(count).sum::<u64>();
    assert_eq!(total(|summary| summary.archived + summary.already), 5);
    assert_eq!(total(Summary::messages), 5);
    assert_eq!(total(|summary| summary.chunks), 2);
    assert_eq!(names(&setup.store).await.len(), 7);
    assert_archived(&setup.store, &announced.stored).await;
    for chunk in announced.stored.chunks() {
        assert!(!is_at_service(&client, chunk.content_location()).await);
    }
}

#[tokio::test]
async fn events_of_other_types_are_removed_and_counted() {
    let setup = Setup::new().await;
    for event_type in [
        "Microsoft.Communication.RecordingStateChanged",
        "Microsoft.Communication.CallEnded",
        "Contoso.Something",
    ] {
        let event = json!({"id": "1", "eventType": event_type, "subject": "/x", "data": {},
            "eventTime": "2026-01-01T00:00:00Z"});
        setup.queue.send(event.to_string());
    }
    let summary = drained(setup.worker()).await;
    assert_eq!((summary.ignored, summary.messages()), (3, 3));
    assert!(setup.queue.poison().is_empty());
}

#[tokio::test]
async fn poison_of_every_sort_is_moved_at_once_with_its_reason() {
    let setup = Setup::new().await;
    let event = |change: fn(&mut Announced)| {
        let mut announced = setup.service.record(SyntheticRecording::new(SMALL));
        change(&mut announced);
        announced.body()
    };
    let cases = [
        (String::new(), "invalid-event"),
        ("not base64 at all!".to_owned(), "invalid-event"),
        ("AAECAwQ=".to_owned(), "invalid-event"),
        ("{\"id\": \"1\"".to_owned(), "invalid-event"),
        ("[]".to_owned(), "invalid-event"),
        ("{\"a\": 1}".to_owned(), "invalid-event"),
        ("x".repeat(64 * 1024), "invalid-event"),
        (
            event(|it| {
                it.chunk(0)["contentLocation"] =
                    json!("https://evil.example/v1/objects/a/content/audiowav");
            }),
            "forbidden-host",
        ),
        (
            event(|it| it.chunk(0)["contentLocation"] = Value::Null),
            "invalid-event",
        ),
        (
            event(|it| it.event["data"]["recordingStorageInfo"] = Value::Null),
            "nothing-to-archive",
        ),
        (
            event(|it| {
                it.event["data"]["recordingStartTime"] = json!("2020-01-01T00:00:00Z");
                it.event["data"]["recordingDurationMs"] = json!(1000);
                let id = it.chunk(0)["documentId"].as_str().unwrap().to_owned();
                let location = it.chunk(0)["contentLocation"].as_str().unwrap();
                it.chunk(0)["contentLocation"] =
                    json!(location.replace(&id, "0-weu-d1-00000000000000000000000000000000"));
            }),
            "expired-content",
        ),
    ];
    for (body, _) in &cases {
        setup.queue.send(body.clone());
    }
    let summary = drained(setup.worker()).await;
    assert_eq!(summary.poisoned, cases.len() as u64);
    assert_eq!(summary.messages(), summary.poisoned);
    let poison = setup.queue.poison();
    for (body, reason) in &cases {
        let is_it = |(buried, _): &&(bytes::Bytes, String)| buried == body.as_bytes();
        let (_, given) = poison.iter().find(is_it).unwrap();
        assert!(given.starts_with(&format!("{reason}: ")), "{given}");
    }
    assert!(entries(&setup.store).await.is_empty());
}

#[tokio::test]
async fn events_beside_what_cannot_be_read_are_archived() {
    let setup = Setup::new().await;
    let announced = setup.service.record(SyntheticRecording::new(SMALL));
    let body = format!("[{{\"id\": \"broken\"}}, {}]", announced.body());
    setup.queue.send(body.clone());
    let summary = drained(setup.worker()).await;
    assert_eq!((summary.poisoned, summary.messages()), (1, 1));
    assert_eq!(setup.queue.poison()[0].0, body);
    assert_archived(&setup.store, &announced.stored).await;
}

#[tokio::test]
async fn media_is_archived_without_metadata_only_when_it_expires_soon() {
    for (minutes, is_archived) in [(60, false), (23 * 60 + 50, true)] {
        let setup = Setup::new().await;
        let fault = Fault::on(Operation::Metadata).status(500);
        setup.service.acs.faults().add(fault);
        let mut announced = setup.service.record(SyntheticRecording::new(SMALL));
        let start = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
        announced.event["data"]["recordingStartTime"] = json!(start.to_string());
        announced.event["data"]["recordingDurationMs"] = json!(1000);
        setup.queue.send(announced.body());
        let summary = setup.first_attempts(setup.worker()).await;
        assert_eq!(summary.archived, u64::from(is_archived), "{summary:?}");
        assert_eq!(summary.released, u64::from(!is_archived), "{summary:?}");
        let entries = entries(&setup.store).await;
        assert_eq!(entries.len(), usize::from(is_archived));
        assert!(entries.iter().all(|entry| !entry.receipt.is_complete()));
    }
}

#[tokio::test]
async fn what_may_pass_is_released_for_a_retry() {
    let setup = Setup::new().await;
    let announced = setup.record(SMALL);
    let faults = setup.service.acs.faults();
    let fault = faults.add(Fault::on(Operation::Content).status(500));
    let summary = setup.first_attempts(setup.worker()).await;
    assert_eq!((summary.released, summary.messages()), (1, 1));
    fault.remove();
    // In ten seconds it is visible again.
    assert_eq!(setup.queue.len(), 1);
    assert!(setup.queue.receive(1, LIMIT).await.unwrap().is_empty());
    assert!(setup.queue.poison().is_empty());
    drop(announced);
}

#[tokio::test]
async fn failures_about_the_recording_are_poison_after_the_last_attempt() {
    let setup = Setup::new().await;
    setup.record(SMALL);
    let fault = Fault::on(Operation::Content).corrupt(b'x');
    setup.service.acs.faults().add(fault);
    let summary = setup.first_attempts(setup.worker().max_attempts(1)).await;
    assert_eq!(summary.poisoned, 1);
    let (_, reason) = setup.queue.poison().remove(0);
    assert!(reason.starts_with("corrupt-content: "), "{reason}");
}

#[tokio::test]
async fn a_store_that_fails_makes_no_message_poison() {
    for error in [busy, denied] {
        let setup = Setup::new().await;
        setup.record(SMALL);
        setup.faulty.fail(On::Put, ".wav", error);
        let summary = setup.first_attempts(setup.worker().max_attempts(1)).await;
        assert_eq!((summary.released, summary.poisoned), (1, 0));
    }
}

#[tokio::test]
async fn no_more_is_received_than_can_be_handled() {
    #[derive(Debug, Default)]
    struct Counting {
        queue: InMemoryQueue,
        leased: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl EventQueue for Counting {
        async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
            let messages = self.queue.receive(max, lease).await?;
            let before = self.leased.fetch_add(messages.len(), Ordering::SeqCst);
            self.most
                .fetch_max(before + messages.len(), Ordering::SeqCst);
            Ok(messages)
        }
        async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()> {
            self.queue.renew(message, lease).await
        }
        async fn complete(&self, message: &Message) -> Result<()> {
            self.leased.fetch_sub(1, Ordering::SeqCst);
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

    let setup = Setup::new().await;
    for _ in 0..20 {
        setup.record(SMALL);
    }
    let queue = Arc::new(Counting {
        queue: setup.queue.clone(),
        ..Counting::default()
    });
    let shared = Arc::clone(&queue) as Arc<dyn EventQueue>;
    let worker = Worker::with_shared_queue(setup.archive(), shared).concurrency(3);
    assert_eq!(drained(quick(worker)).await.archived, 20);
    assert_eq!(queue.most.load(Ordering::SeqCst), 3);
}

/// A transfer that stands still after its first part, until it is dropped.
fn stall(setup: &Setup) {
    let fault = Fault::on(Operation::Content).bytes_per_second(LARGE / 4);
    setup.service.acs.faults().add(fault);
}

/// Runs a worker until content arrives, then calls back, and tells how it ended.
async fn until_arriving<F: Future<Output = ()> + Send>(
    worker: Worker,
    then: impl FnOnce() -> F + Send,
) -> Summary {
    let arriving = Arc::new(Notify::new());
    let signal = Arc::clone(&arriving);
    let worker = worker.on_update(move |update| {
        if let Activity::Progress(progress) = update.activity
            && progress.bytes > LARGE / 8
        {
            signal.notify_one();
        }
    });
    let run = worker.run_until(async move {
        arriving.notified().await;
        then().await;
    });
    timeout(LIMIT, run).await.unwrap().unwrap()
}

#[tokio::test]
async fn after_the_grace_period_a_transfer_is_released_at_once() {
    let setup = Setup::new().await;
    let announced = setup.record(LARGE);
    stall(&setup);
    let worker = setup.worker().grace(Duration::from_millis(10));
    let began = Instant::now();
    let summary = until_arriving(worker, || async {}).await;
    assert_eq!((summary.released, summary.messages()), (1, 1));
    assert!(began.elapsed() < Duration::from_secs(4));
    // Another worker has it at once.
    setup.service.acs.faults().clear();
    let summary = drained(setup.worker()).await;
    assert_eq!(summary.archived, 1);
    assert_archived(&setup.store, &announced.stored).await;
}

#[tokio::test]
async fn within_the_grace_period_a_transfer_is_finished() {
    let setup = Setup::new().await;
    let announced = setup.record(LARGE);
    setup.record(SMALL);
    stall(&setup);
    let worker = setup.worker().concurrency(1);
    let clear = || async { setup.service.acs.faults().clear() };
    let summary = until_arriving(worker, clear).await;
    assert_eq!((summary.archived, summary.messages()), (1, 1));
    assert_archived(&setup.store, &announced.stored).await;
    assert_eq!(setup.queue.len(), 1);
}

#[tokio::test]
async fn a_lost_lease_drops_the_transfer() {
    let setup = Setup::new().await;
    setup.record(LARGE);
    stall(&setup);
    let seen = Arc::new(Mutex::new(None));
    let log = Arc::clone(&seen);
    let queue = setup.queue.clone();
    let taken = Arc::new(Notify::new());
    let signal = Arc::clone(&taken);
    let worker = setup
        .worker()
        .lease(Duration::from_secs(1))
        .on_update(move |update| {
            match &update.activity {
                // Somebody else takes the message, as after a pause of this machine.
                Activity::Started => {
                    let (queue, message) = (queue.clone(), update.message.clone());
                    tokio::spawn(async move {
                        queue.release(&message, Duration::ZERO).await.unwrap();
                        queue.receive(1, LIMIT).await.unwrap();
                    });
                }
                Activity::Finished { outcome, error, .. } => {
                    *log.lock().unwrap() =
                        Some((*outcome, error.map(acs_recording_archive::Error::kind)));
                    signal.notify_one();
                }
                _ => {}
            }
        });
    let run = worker.run_until(async move { taken.notified().await });
    let summary = timeout(LIMIT, run).await.unwrap().unwrap();
    assert_eq!((summary.lease_lost, summary.messages()), (1, 1));
    let lost = Some((Outcome::LeaseLost, Some(ErrorKind::LeaseLost)));
    assert_eq!(*seen.lock().unwrap(), lost);
    assert_eq!(setup.queue.len(), 1);
    assert!(entries(&setup.store).await.is_empty());
}

#[tokio::test]
async fn leases_are_renewed_through_a_long_transfer() {
    let setup = Setup::new().await;
    let announced = setup.record(LARGE);
    // Four seconds.
    stall(&setup);
    let first = setup.worker().lease(Duration::from_secs(1));
    let second = setup.worker().lease(Duration::from_secs(1));
    let (first, second) = tokio::join!(drained(first), drained(second));
    assert_eq!(first.messages() + second.messages(), 1);
    assert_archived(&setup.store, &announced.stored).await;
}

#[tokio::test]
async fn a_busy_store_slows_all_slots_down() {
    let setup = Setup::new().await;
    setup.record(SMALL);
    setup.faulty.fail(On::Put, ".wav", busy);
    let ended = Arc::new(Mutex::new(Vec::new()));
    let (log, queue) = (Arc::clone(&ended), setup.queue.clone());
    let service = setup.service.record(SyntheticRecording::new(SMALL));
    let done = Arc::new(Notify::new());
    let signal = Arc::clone(&done);
    let worker = setup.worker().on_update(move |update| {
        if let Activity::Finished { outcome, .. } = update.activity {
            let mut log = log.lock().unwrap();
            log.push((outcome, Instant::now()));
            match log.len() {
                1 => queue.send(service.body()),
                _ => signal.notify_one(),
            }
        }
    });
    let run = worker.run_until(async move { done.notified().await });
    timeout(LIMIT, run).await.unwrap().unwrap();
    let ended = ended.lock().unwrap();
    let [(Outcome::Released, first), (Outcome::Archived, second)] = ended[..] else {
        panic!("{ended:?}");
    };
    assert!(
        second - first >= Duration::from_millis(900),
        "{:?}",
        second - first
    );
}

#[tokio::test]
async fn what_is_not_set_up_is_an_error_at_once() {
    #[derive(Debug)]
    struct Missing;

    #[async_trait]
    impl EventQueue for Missing {
        async fn receive(&self, _: usize, _: Duration) -> Result<Vec<Message>> {
            let text = "the queue `recordings` does not exist; create it";
            Err(acs_recording_archive::Error::new(ErrorKind::NotFound, text))
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

    let setup = Setup::new().await;
    let error = Worker::new(setup.archive(), Missing).drain().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    for worker in [
        setup.worker().concurrency(0),
        setup.worker().concurrency(1000),
        setup.worker().lease(Duration::ZERO),
        setup.worker().lease(Duration::from_secs(8 * 24 * 3600)),
        setup.worker().max_attempts(0),
    ] {
        let error = worker.drain().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[tokio::test]
async fn an_empty_queue_is_drained_and_polled_less_and_less() {
    let setup = Setup::new().await;
    assert_eq!(drained(setup.worker()).await, Summary::default());
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = setup.service.archive(store).build().unwrap();
    let worker = Worker::new(archive, setup.queue.clone());
    let stopped = worker.run_until(sleep(Duration::from_millis(300)));
    assert_eq!(stopped.await.unwrap().messages(), 0);
}
