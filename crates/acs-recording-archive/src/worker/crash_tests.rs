//! A crash after each step: the next worker leaves exactly one recording, and nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use acs_emulator::{Clock, Emulator, StoredRecording, SyntheticRecording};
use acs_recording::{ConnectionString, ExponentialBackoff, RecordingClient, RetryPolicyExt as _};
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::json;

use super::Worker;
use crate::archive::{Archive, Depth};
use crate::queue::InMemoryQueue;
use crate::steps::{CrashPoint, Step};

/// More than a part.
const LARGE: u64 = 5 * 1024 * 1024 + 1000;
const LEASE: Duration = Duration::from_secs(1);

struct Setup {
    acs: Emulator,
    stored: StoredRecording,
    store: Arc<InMemory>,
    queue: InMemoryQueue,
}

impl Setup {
    async fn new() -> Self {
        let acs = Emulator::builder().clock(Clock::manual());
        let acs = acs.start().await.unwrap();
        let stored = acs.add_recording(SyntheticRecording::new(LARGE).chunk(5000));
        let queue = InMemoryQueue::new();
        queue.send(event(&stored).to_string());
        Self {
            acs,
            stored,
            store: Arc::new(InMemory::new()),
            queue,
        }
    }

    fn archive(&self, crash: CrashPoint) -> Archive {
        let text: ConnectionString = self.acs.connection_string().parse().unwrap();
        let policy = ExponentialBackoff::default()
            .initial_delay(Duration::from_millis(1))
            .with_attempt_limit(5);
        let client = RecordingClient::builder(text).retry_policy(policy).build();
        let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
        Archive::builder(client.unwrap(), store)
            .part_size(5 * 1024 * 1024)
            .delete_at_service()
            .crash(crash)
            .build()
            .unwrap()
    }

    fn worker(&self, crash: CrashPoint) -> Worker {
        Worker::new(self.archive(crash), self.queue.clone())
            .lease(LEASE)
            .poll_interval(Duration::from_millis(5), Duration::from_millis(20))
    }

    async fn names(&self) -> Vec<String> {
        let listed = self.store.list(None);
        let mut names: Vec<_> = listed
            .map_ok(|meta| meta.location.to_string())
            .try_collect()
            .await
            .unwrap();
        names.sort();
        names
    }

    /// Checks that the archive is whole, that nothing else is there, and that the service's copies
    /// are gone.
    async fn check(&self) {
        let catalogue = self.archive(CrashPoint::default()).catalogue();
        let entries: Vec<_> = catalogue.list().stream().try_collect().await.unwrap();
        assert_eq!(entries.len(), 2);
        for (entry, original) in entries.iter().zip(self.stored.chunks()) {
            let verification = catalogue.verify(entry, Depth::Content).await.unwrap();
            assert!(verification.is_sound(), "{verification:?}");
            let media = self.store.get(&entry.media().unwrap()).await.unwrap();
            let media = media.bytes().await.unwrap();
            assert_eq!(media.len() as u64, original.len());
            let mut at = 0;
            while at < media.len() {
                let piece = original.read(at as u64, 1 << 20);
                assert!(!piece.is_empty() && media[at..].starts_with(&piece), "{at}");
                at += piece.len();
            }
        }
        assert_eq!(self.names().await.len(), 3 + 3 + 1);
        assert!(self.queue.is_empty() && self.queue.poison().is_empty());
        let client = self.archive(CrashPoint::default());
        for chunk in self.stored.chunks() {
            let location = chunk.content_location().parse().unwrap();
            let gone = client.settings().client.download(&location).stream().await;
            assert!(gone.is_err());
        }
    }
}

fn event(stored: &StoredRecording) -> serde_json::Value {
    let chunks = stored.chunks().iter().enumerate().map(|(index, chunk)| {
        json!({
            "documentId": chunk.document_id(),
            "index": index,
            "contentLocation": chunk.content_location(),
            "metadataLocation": chunk.metadata_location(),
            "deleteLocation": chunk.delete_location(),
        })
    });
    json!({
        "id": "e1",
        "topic": "/t",
        "subject": format!("/recording/call/c/recordingId/{}", stored.recording_id()),
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {
            "recordingStorageInfo": {"recordingChunks": chunks.collect::<Vec<_>>()},
            "recordingFormatType": "wav",
        },
    })
}

/// What the names of the objects end with that are there after the crash.
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
    let names = setup.names().await;
    assert_eq!(names.len(), visible.len(), "{step:?}: {names:?}");
    for end in visible {
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

const EVENT: &str = "/event.e1.json";

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
