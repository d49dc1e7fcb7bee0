//! What the tests share: recordings of the emulator, their events, and stores that fail on demand.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

pub mod faulty_store;

use std::sync::Arc;
use std::time::Duration;

use acs_emulator::{Clock, Emulator, StoredRecording, SyntheticRecording};
use acs_recording::{
    ConnectionString, Event, EventPayload, Events, ExponentialBackoff, RecordingClient,
    RecordingFileStatusUpdated, RetryPolicyExt as _,
};
use acs_recording_archive::{Archive, ArchiveBuilder, Catalogue, Depth, Entry};
use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Value, json};

/// The size of a part in tests.
pub const PART: u64 = 5 * 1024 * 1024;

/// The recording service.
pub struct Service {
    pub acs: Emulator,
}

/// A recording of the service, and its event.
pub struct Announced {
    pub stored: StoredRecording,
    pub event: Value,
}

impl Service {
    pub async fn start() -> Self {
        let builder = Emulator::builder().clock(Clock::manual());
        Self {
            acs: builder.start().await.unwrap(),
        }
    }

    pub fn client(&self) -> RecordingClient {
        let text: ConnectionString = self.acs.connection_string().parse().unwrap();
        let policy = ExponentialBackoff::default()
            .initial_delay(Duration::from_millis(1))
            .max_delay(Duration::from_millis(2))
            .with_attempt_limit(5);
        RecordingClient::builder(text)
            .retry_policy(policy)
            .build()
            .unwrap()
    }

    pub fn archive(&self, store: Arc<dyn ObjectStore>) -> ArchiveBuilder {
        let part = usize::try_from(PART).unwrap();
        Archive::builder(self.client(), store).part_size(part)
    }

    pub fn record(&self, recording: SyntheticRecording) -> Announced {
        let stored = self.acs.add_recording(recording);
        let event = event_of(&stored);
        Announced { stored, event }
    }
}

pub fn event_of(stored: &StoredRecording) -> Value {
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
        "id": format!("event-of-{}", stored.chunks()[0].document_id()),
        "topic": "/subscriptions/s",
        "subject": format!("/recording/call/c-1/serverCallId/abc/recordingId/{}", stored.recording_id()),
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2026-01-02T00:00:00Z",
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "data": {
            "recordingStorageInfo": {"recordingChunks": chunks.collect::<Vec<_>>()},
            "recordingFormatType": "wav",
        },
    })
}

impl Announced {
    pub fn body(&self) -> String {
        self.event.to_string()
    }

    pub fn event(&self) -> Event {
        let mut events = Events::parse(self.body().as_bytes());
        events.next().unwrap().unwrap()
    }

    pub fn file(&self) -> RecordingFileStatusUpdated {
        match self.event().into_payload() {
            EventPayload::RecordingFileStatusUpdated(file) => file,
            other => panic!("{other:?}"),
        }
    }

    /// The chunk in the event.
    pub fn chunk(&mut self, index: usize) -> &mut Value {
        &mut self.event["data"]["recordingStorageInfo"]["recordingChunks"][index]
    }
}

/// Checks that every byte of the recording is in the store, under a receipt that says so.
pub async fn assert_archived(store: &Arc<dyn ObjectStore>, stored: &StoredRecording) {
    let entries = entries(store).await;
    let catalogue = Catalogue::new(Arc::clone(store));
    for original in stored.chunks() {
        let is_it = |entry: &&Entry| {
            let id = entry.receipt.document_id.as_ref();
            id.is_some_and(|id| id.as_str() == original.document_id())
        };
        let entry = entries.iter().find(is_it).unwrap();
        let verification = catalogue.verify(entry, Depth::Content).await.unwrap();
        assert!(verification.is_sound(), "{verification:?}");
        let media = store.get(&entry.media().unwrap()).await.unwrap();
        let media = media.bytes().await.unwrap();
        assert_eq!(media.len() as u64, original.len());
        let mut at = 0;
        while at < media.len() {
            let piece = original.read(at as u64, 1 << 20);
            assert!(!piece.is_empty() && media[at..].starts_with(&piece), "{at}");
            at += piece.len();
        }
    }
}

pub async fn entries(store: &Arc<dyn ObjectStore>) -> Vec<Entry> {
    let catalogue = Catalogue::new(Arc::clone(store));
    catalogue.list().stream().try_collect().await.unwrap()
}

/// The names of all objects, in order.
pub async fn names(store: &Arc<dyn ObjectStore>) -> Vec<String> {
    let listed = store.list(None).map_ok(|meta| meta.location.to_string());
    let mut names: Vec<_> = listed.try_collect().await.unwrap();
    names.sort();
    names
}

/// Whether the service still has a chunk.
pub async fn is_at_service(client: &RecordingClient, location: &str) -> bool {
    client
        .download(&location.parse().unwrap())
        .stream()
        .await
        .is_ok()
}
