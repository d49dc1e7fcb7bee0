//! A crash after each step: the next worker leaves exactly one recording, and nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use acs_emulator::SyntheticRecording;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::Worker;
use crate::queue::InMemoryQueue;
use crate::steps::{CrashPoint, Step};
use common::{Announced, PART, Service, assert_archived, entries, is_at_service, names};

#[path = "../../tests/common/mod.rs"]
mod common;

/// More than a part.
const LARGE: u64 = PART + 1000;
const LEASE: Duration = Duration::from_secs(1);

struct Setup {
    service: Service,
    announced: Announced,
    store: Arc<dyn ObjectStore>,
    queue: InMemoryQueue,
}

impl Setup {
    async fn new() -> Self {
        let service = Service::start().await;
        let announced = service.record(SyntheticRecording::new(LARGE).chunk(5000));
        let queue = InMemoryQueue::new();
        queue.send(announced.body());
        Self {
            service,
            announced,
            store: Arc::new(InMemory::new()),
            queue,
        }
    }

    fn worker(&self, crash: CrashPoint) -> Worker {
        let archive = self.service.archive(Arc::clone(&self.store));
        let archive = archive.delete_at_service().crash(crash).build().unwrap();
        Worker::new(archive, self.queue.clone())
            .lease(LEASE)
            .poll_interval(Duration::from_millis(5), Duration::from_millis(20))
    }

    /// The end of the name of the event.
    fn event(&self) -> String {
        let id = self.announced.event["id"].as_str().unwrap();
        format!("/event.{id}.json")
    }

    /// Checks that the archive is complete, that it has nothing else, and that the service's copies
    /// are gone.
    async fn check(&self) {
        let stored = &self.announced.stored;
        assert_archived(&self.store, stored).await;
        assert_eq!(entries(&self.store).await.len(), 2);
        assert_eq!(names(&self.store).await.len(), 3 + 3 + 1);
        assert!(self.queue.is_empty() && self.queue.poison().is_empty());
        for chunk in stored.chunks() {
            assert!(!is_at_service(&self.service.client(), chunk.content_location()).await);
        }
    }
}

/// Crashes after a step, checks which objects exist then by the ends of their names, and lets another
/// worker finish.
async fn crash_after(step: Step, visible: &[&str]) {
    let setup = Setup::new().await;
    let crash = CrashPoint::at(step);
    {
        let mut worker = std::pin::pin!(setup.worker(crash.clone()).drain());
        tokio::select! {
            ended = &mut worker => panic!("no crash after {step:?}: {ended:?}"),
            () = crash.crashed() => {}
        }
    }
    let names = names(&setup.store).await;
    assert_eq!(names.len(), visible.len(), "{step:?}: {names:?}");
    let event = setup.event();
    for end in visible {
        let end = if *end == EVENT { &event } else { *end };
        assert!(
            names.iter().any(|name| name.ends_with(end)),
            "{end}: {names:?}"
        );
    }
    let summary = setup.worker(CrashPoint::default()).drain().await.unwrap();
    let is_left = step != Step::Completed;
    assert_eq!(summary.messages(), u64::from(is_left), "{step:?}");
    setup.check().await;
}

/// Stands for the name of the event.
const EVENT: &str = "event";

#[tokio::test]
async fn after_the_receive_the_message_comes_again() {
    crash_after(Step::Received, &[]).await;
}

#[tokio::test]
async fn after_the_check_for_receipts_the_next_worker_begins() {
    crash_after(Step::Checked, &[]).await;
}

#[tokio::test]
async fn uploaded_parts_without_a_commit_are_invisible() {
    crash_after(Step::PartsUploaded, &[EVENT]).await;
}

#[tokio::test]
async fn media_without_a_receipt_is_written_again() {
    crash_after(Step::MediaStored, &[EVENT, ".wav"]).await;
}

#[tokio::test]
async fn metadata_without_a_receipt_is_taken() {
    crash_after(Step::MetadataStored, &[EVENT, ".wav", ".json"]).await;
}

#[tokio::test]
async fn a_chunk_with_a_receipt_is_not_carried_again() {
    crash_after(
        Step::ReceiptStored,
        &[EVENT, ".wav", ".json", ".receipt.json"],
    )
    .await;
}

#[tokio::test]
async fn what_was_deleted_at_the_service_is_only_removed_from_the_queue() {
    let all = [
        EVENT,
        ".wav",
        ".json",
        ".receipt.json",
        ".wav",
        ".json",
        ".json",
    ];
    crash_after(Step::DeletedAtService, &all).await;
}

#[tokio::test]
async fn after_the_last_step_nothing_is_left_to_do() {
    let all = [
        EVENT,
        ".wav",
        ".json",
        ".receipt.json",
        ".wav",
        ".json",
        ".json",
    ];
    crash_after(Step::Completed, &all).await;
}

#[tokio::test]
async fn without_a_crash_everything_is_there_at_once() {
    let setup = Setup::new().await;
    let summary = setup.worker(CrashPoint::default()).drain().await.unwrap();
    assert_eq!((summary.archived, summary.chunks), (1, 2));
    assert_eq!(summary.bytes, LARGE - LARGE % 2 + 5000);
    setup.check().await;
}
