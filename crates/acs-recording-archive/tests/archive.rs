//! Storing recordings: what is in the store afterwards, whatever happened on the way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::sync::{Arc, Mutex};

use acs_emulator::{Fault, Operation, SyntheticRecording};
use acs_recording_archive::{Entry, ErrorKind, OwnStorage, StoreBuilder};
use common::faulty_store::{FaultyStore, On, busy, denied, invalid_block_list, unavailable};
use common::{Announced, PART, Service, assert_archived, entries, is_at_service, names};
use futures_util::future::join_all;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Value, json};

const SMALL: u64 = 5000;
/// Three parts.
const LARGE: u64 = 2 * PART + 1000;

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// The media of the only chunk.
async fn media_name(store: &Arc<dyn ObjectStore>) -> Path {
    entries(store).await[0].media().unwrap()
}

#[tokio::test]
async fn a_recording_is_in_every_store_as_it_was_at_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let local = StoreBuilder::new(folder.path().to_str().unwrap());
    for store in [memory(), local.unwrap().build().unwrap()] {
        let service = Service::start().await;
        let recording = SyntheticRecording::new(LARGE)
            .chunk(SMALL)
            .chunk(PART)
            .chunk(PART + 2);
        let announced = service.record(recording);
        let archive = service.archive(Arc::clone(&store)).build().unwrap();
        archive.check().await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let stored = archive
            .store(&announced.file())
            .event(&announced.event())
            .on_progress(move |progress| log.lock().unwrap().push(progress))
            .await
            .unwrap();
        assert_eq!(stored.chunks.len(), 4);
        assert_eq!(stored.warnings, Vec::<String>::new());
        assert_eq!(stored.bytes(), LARGE + SMALL + 2 * PART + 2);
        assert_archived(&store, &announced.stored).await;

        let names = names(&store).await;
        assert_eq!(names.len(), 4 * 3 + 1, "{names:?}");
        for name in &names {
            assert!(name.starts_with("2026/01/02/c-1/"), "{name}");
        }
        let event = names.iter().find(|name| name.contains("/event.")).unwrap();
        let event = store.get(&Path::from(event.as_str())).await.unwrap();
        let event: Value = serde_json::from_slice(&event.bytes().await.unwrap()).unwrap();
        assert_eq!(event, announced.event);

        let seen = seen.lock().unwrap();
        let last = seen.last().unwrap();
        assert_eq!((last.chunk, last.chunks), (4, 4));
        assert_eq!((last.bytes, last.total), (PART + 2, Some(PART + 2)));
        assert!(
            seen.iter()
                .any(|progress| progress.chunk == 1 && progress.bytes > PART)
        );
    }
}

#[tokio::test]
async fn a_receipt_says_what_was_archived_and_no_secret() {
    let service = Service::start().await;
    let store = memory();
    let mut announced = service.record(SyntheticRecording::new(SMALL));
    announced.event["data"]["recordingStartTime"] = json!("2025-12-31T23:59:59Z");
    announced.event["data"]["recordingDurationMs"] = json!(1000);
    let location = announced.chunk(0)["contentLocation"].as_str().unwrap();
    announced.chunk(0)["contentLocation"] = json!(format!("{location}?sig=s3cret"));
    let tagged = Fault::on(Operation::Content).etag("\"v1\"");
    service.acs.faults().add(tagged);
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive
        .store(&announced.file())
        .event(&announced.event())
        .await
        .unwrap();
    let entry = entries(&store).await.remove(0);
    let text = store.get(&entry.name).await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let receipt = entry.receipt;
    assert_eq!((receipt.schema, receipt.index), (1, 0));
    assert_eq!(receipt.call_id.as_deref(), Some("c-1"));
    assert_eq!(
        receipt.recording_id.as_ref().unwrap().as_str(),
        announced.stored.recording_id()
    );
    assert_eq!(receipt.event_id, Some(announced.event().id));
    assert_eq!(receipt.duration_ms, Some(1000));
    assert_eq!(receipt.content_etag.as_deref(), Some("\"v1\""));
    assert!(receipt.is_complete());
    assert!(entry.name.as_ref().starts_with("2025/12/31/"));
}

#[tokio::test]
async fn storing_again_sends_nothing_twice() {
    let service = Service::start().await;
    let faulty = FaultyStore::default();
    let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
    let announced = service.record(SyntheticRecording::new(SMALL));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    let store_it = || async {
        let stored = archive.store(&announced.file()).event(&announced.event());
        stored.await.unwrap()
    };
    assert!(store_it().await.is_new());
    // One read of the receipt, four writes and a look at the media.
    assert_eq!(faulty.log().len(), 6, "{:?}", faulty.log());
    let again = store_it().await;
    assert!(!again.is_new());
    assert_eq!((again.bytes(), again.chunks.len()), (0, 1));
    assert_eq!(faulty.log().len(), 7, "{:?}", faulty.log());
}

#[tokio::test]
async fn many_at_once_leave_one_recording() {
    let service = Service::start().await;
    let store = memory();
    let announced = service.record(SyntheticRecording::new(LARGE).chunk(SMALL));
    let archives = (0..5).map(|_| service.archive(Arc::clone(&store)).build().unwrap());
    let attempts = archives.map(|archive| {
        let announced = &announced;
        async move {
            let stored = archive.store(&announced.file()).event(&announced.event());
            stored.await.unwrap()
        }
    });
    let stored = join_all(attempts).await;
    let new = stored.iter().flat_map(|one| &one.chunks);
    assert_eq!(new.filter(|chunk| chunk.is_new).count(), 2);
    assert_eq!(names(&store).await.len(), 7);
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn a_lost_response_of_the_store_costs_nothing() {
    for (on, end) in [
        (On::Put, "/event.e.json"),
        (On::Put, ".wav"),
        (On::Put, ".json"),
        (On::Put, ".receipt.json"),
        (On::Complete, ".wav"),
    ] {
        let service = Service::start().await;
        let faulty = FaultyStore::default();
        let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
        let size = if on == On::Complete { LARGE } else { SMALL };
        let mut announced = service.record(SyntheticRecording::new(size));
        announced.event["id"] = json!("e");
        faulty.lose_response(on, end);
        let archive = service.archive(Arc::clone(&store)).build().unwrap();
        let attempt = || async {
            let stored = archive.store(&announced.file()).event(&announced.event());
            stored.await
        };
        match attempt().await {
            Ok(_) => assert_eq!(on, On::Complete),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                attempt().await.unwrap();
            }
        }
        assert_archived(&store, &announced.stored).await;
        assert_eq!(names(&store).await.len(), 4, "{on:?} {end}");
    }
}

#[tokio::test]
async fn the_object_decides_when_a_commit_is_rejected() {
    let service = Service::start().await;
    let faulty = FaultyStore::default();
    let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
    let announced = service.record(SyntheticRecording::new(LARGE));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive.store(&announced.file()).await.unwrap();
    let media = media_name(&store).await;
    let receipt = entries(&store).await[0].name.clone();

    // Another worker completed the same object.
    store.delete(&receipt).await.unwrap();
    faulty.fail(On::Complete, ".wav", invalid_block_list);
    assert!(archive.store(&announced.file()).await.unwrap().is_new());
    assert_archived(&store, &announced.stored).await;

    // What is there is of the same size, and something else.
    store.delete(&receipt).await.unwrap();
    let other = vec![7; usize::try_from(LARGE).unwrap()];
    store.put(&media, other.into()).await.unwrap();
    faulty.fail(On::Complete, ".wav", invalid_block_list);
    let error = archive.store(&announced.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("InvalidBlockList"), "{error}");
    assert!(entries(&store).await.is_empty());
    archive.store(&announced.file()).await.unwrap();
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn a_failed_upload_is_aborted() {
    let service = Service::start().await;
    let faulty = FaultyStore::default();
    let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
    let announced = service.record(SyntheticRecording::new(LARGE));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    for error in [busy, unavailable, denied] {
        faulty.fail(On::PutPart, ".wav", error);
        let error = archive.store(&announced.file()).await.unwrap_err();
        assert!(
            [
                ErrorKind::Throttled,
                ErrorKind::Unavailable,
                ErrorKind::PermissionDenied
            ]
            .contains(&error.kind())
        );
    }
    while faulty
        .log()
        .iter()
        .filter(|line| line.starts_with("Abort"))
        .count()
        < 3
    {
        tokio::task::yield_now().await;
    }
    assert!(names(&store).await.is_empty());
}

#[tokio::test]
async fn media_without_a_receipt_is_compared_or_replaced() {
    let service = Service::start().await;
    let store = memory();
    let announced = service.record(SyntheticRecording::new(SMALL));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive.store(&announced.file()).await.unwrap();
    let entry = entries(&store).await.remove(0);
    let (media, metadata) = (entry.media().unwrap(), entry.metadata().unwrap());
    for spoiled in [None, Some("torn"), Some("")] {
        store.delete(&entry.name).await.unwrap();
        if let Some(bytes) = spoiled {
            store.put(&media, bytes.into()).await.unwrap();
            store.put(&metadata, bytes.into()).await.unwrap();
        }
        assert!(archive.store(&announced.file()).await.unwrap().is_new());
        assert_archived(&store, &announced.stored).await;
    }
}

#[tokio::test]
async fn a_receipt_for_something_else_is_never_replaced() {
    let service = Service::start().await;
    let store = memory();
    let announced = service.record(SyntheticRecording::new(SMALL));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive.store(&announced.file()).await.unwrap();
    let entry = entries(&store).await.remove(0);
    let bytes = store.get(&entry.name).await.unwrap().bytes().await.unwrap();
    let mut other: Value = serde_json::from_slice(&bytes).unwrap();
    other["documentId"] = json!("0-weu-d1-other");
    for broken in [other.to_string(), "{".to_owned()] {
        store.put(&entry.name, broken.clone().into()).await.unwrap();
        let error = archive.store(&announced.file()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let kept = store.get(&entry.name).await.unwrap().bytes().await.unwrap();
        assert_eq!(kept, broken);
    }
}

#[tokio::test]
async fn the_service_keeps_its_copies_until_every_chunk_has_its_receipt() {
    let service = Service::start().await;
    let client = service.client();
    let store = memory();
    let announced = service.record(SyntheticRecording::new(SMALL).chunk(SMALL));
    let [first, second] = announced.stored.chunks() else {
        panic!("two chunks");
    };
    let fault = Fault::on(Operation::Content).target(second.document_id());
    let fault = service.acs.faults().add(fault.status(404));
    let builder = service.archive(Arc::clone(&store)).delete_at_service();
    let archive = builder.build().unwrap();
    let error = archive.store(&announced.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentNotFound, "{error}");
    assert_eq!(entries(&store).await.len(), 1);
    assert!(is_at_service(&client, first.content_location()).await);

    fault.remove();
    let stored = archive.store(&announced.file()).await.unwrap();
    assert!(stored.is_deleted);
    for chunk in [first, second] {
        assert!(!is_at_service(&client, chunk.content_location()).await);
    }
    // Deleted content counts as deleted.
    assert!(archive.store(&announced.file()).await.unwrap().is_deleted);
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn nothing_is_deleted_on_the_word_of_a_receipt_without_its_objects() {
    for is_removed in [Entry::media, Entry::metadata] {
        let service = Service::start().await;
        let store = memory();
        let announced = service.record(SyntheticRecording::new(SMALL));
        let keeping = service.archive(Arc::clone(&store)).build().unwrap();
        keeping.store(&announced.file()).await.unwrap();
        let removed = is_removed(&entries(&store).await[0]).unwrap();
        store.delete(&removed).await.unwrap();
        let deleting = service.archive(Arc::clone(&store)).delete_at_service();
        let stored = deleting.build().unwrap().store(&announced.file()).await;
        assert!(stored.unwrap().is_deleted);
        assert_archived(&store, &announced.stored).await;
    }
}

#[tokio::test]
async fn media_without_metadata_is_archived_and_not_deleted() {
    let service = Service::start().await;
    let store = memory();
    let mut announced = service.record(SyntheticRecording::new(SMALL).chunk(SMALL));
    let missing = announced.stored.chunks()[0].document_id().to_owned();
    let fault = Fault::on(Operation::Metadata).target(missing);
    service.acs.faults().add(fault.status(404));
    announced.chunk(1)["metadataLocation"] = Value::Null;
    let builder = service.archive(Arc::clone(&store)).delete_at_service();
    let stored = builder
        .build()
        .unwrap()
        .store(&announced.file())
        .await
        .unwrap();
    assert!(!stored.is_deleted);
    assert_eq!(stored.warnings.len(), 3, "{:?}", stored.warnings);
    assert!(!stored.chunks[0].receipt.is_complete());
    assert!(stored.chunks[1].receipt.is_complete());
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn a_chunk_that_cannot_be_had_keeps_no_other_from_the_archive() {
    type Spoil = fn(&mut Announced);
    let cases: [(ErrorKind, Spoil); 4] = [
        (ErrorKind::InvalidEvent, |announced| {
            announced.chunk(0)["contentLocation"] = Value::Null;
        }),
        (ErrorKind::InvalidEvent, |announced| {
            *announced.chunk(0) = json!({});
        }),
        (ErrorKind::ForbiddenHost, |announced| {
            announced.chunk(0)["contentLocation"] =
                json!("https://evil.example/v1/objects/0-weu-d1-a/content/audiowav");
        }),
        (ErrorKind::CorruptContent, |announced| {
            announced.event["data"]["recordingFormatType"] = json!("mp3");
            let location = announced.chunk(0)["contentLocation"].as_str().unwrap();
            announced.chunk(0)["contentLocation"] = json!(location.replace("wav", "mp3"));
        }),
    ];
    for (kind, spoil) in cases {
        let service = Service::start().await;
        let client = service.client();
        let store = memory();
        let mut announced = service.record(SyntheticRecording::new(SMALL).chunk(SMALL));
        spoil(&mut announced);
        let builder = service.archive(Arc::clone(&store)).delete_at_service();
        let archive = builder.build().unwrap();
        let error = archive.store(&announced.file()).await.unwrap_err();
        let is_gone = error.kind() == ErrorKind::ContentNotFound;
        assert!(error.kind() == kind || is_gone, "{kind}: {error}");
        assert!(error.to_string().contains("chunk 0"), "{error}");
        let kept = announced.stored.chunks()[1].content_location();
        assert!(is_at_service(&client, kept).await);
        assert_eq!(entries(&store).await.len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn an_event_without_content_is_an_error_of_its_own() {
    let service = Service::start().await;
    let mut announced = service.record(SyntheticRecording::new(SMALL));
    announced.event["data"]["recordingStorageInfo"]["recordingChunks"] = json!([]);
    let archive = service.archive(memory()).build().unwrap();
    let error = archive.store(&announced.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NothingToArchive);
}

#[tokio::test]
async fn an_event_with_a_hundred_chunks_is_archived_whole() {
    let service = Service::start().await;
    let store = memory();
    let recording = (1..100).fold(SyntheticRecording::new(100), |recording, _| {
        recording.chunk(100)
    });
    let announced = service.record(recording);
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    let stored = archive.store(&announced.file()).await.unwrap();
    assert_eq!(stored.chunks.len(), 100);
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn content_of_another_day_has_expired() {
    let service = Service::start().await;
    let mut announced = service.record(SyntheticRecording::new(SMALL));
    announced.event["data"]["recordingStartTime"] = json!("2020-01-01T00:00:00Z");
    announced.event["data"]["recordingDurationMs"] = json!(1000);
    service
        .acs
        .faults()
        .add(Fault::on(Operation::Content).status(404));
    let archive = service.archive(memory()).build().unwrap();
    let error = archive.store(&announced.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExpiredContent, "{error}");
}

#[tokio::test]
async fn recordings_in_storage_of_your_own_are_recorded_or_rejected() {
    let service = Service::start().await;
    let store = memory();
    let mut announced = service.record(SyntheticRecording::new(SMALL));
    announced.event["data"]["storageType"] = json!("AzureBlob");
    let own = "https://acme.blob.core.windows.net/calls/a/0.wav";
    announced.chunk(0)["contentLocation"] = json!(format!("{own}?sig=s3cret"));
    announced.chunk(0)["metadataLocation"] = Value::Null;
    announced.chunk(0)["deleteLocation"] = Value::Null;
    let rejecting = service
        .archive(Arc::clone(&store))
        .own_storage(OwnStorage::Reject);
    let error = rejecting.build().unwrap().store(&announced.file()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::OwnStorage);
    let builder = service.archive(Arc::clone(&store)).delete_at_service();
    let archive = builder.build().unwrap();
    let stored = archive.store(&announced.file()).await.unwrap();
    assert!(!stored.is_deleted);
    let receipt = &stored.chunks[0].receipt;
    assert_eq!(receipt.storage_type.as_deref(), Some("AzureBlob"));
    assert_eq!(receipt.content_location.as_ref().unwrap().to_string(), own);
    assert_eq!(receipt.media, None);
    assert!(!archive.store(&announced.file()).await.unwrap().is_new());

    // The service had to keep it although it was meant for elsewhere.
    let mut announced = service.record(SyntheticRecording::new(SMALL));
    announced.event["data"]["storageType"] = json!("AzureBlob");
    archive.store(&announced.file()).await.unwrap();
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn interruptions_of_the_service_are_resumed_and_alterations_refused() {
    let service = Service::start().await;
    let store = memory();
    let announced = service.record(SyntheticRecording::new(LARGE));
    let faults = service.acs.faults();
    faults.add(Fault::on(Operation::Content).times(1).status(503));
    faults.add(Fault::on(Operation::Content).times(2).cut_after(PART / 2));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive.store(&announced.file()).await.unwrap();
    assert_archived(&store, &announced.stored).await;

    let page = service.record(SyntheticRecording::new(SMALL));
    faults.add(Fault::on(Operation::Content).times(1).corrupt(b'x'));
    let error = archive.store(&page.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptContent, "{error}");
    assert_eq!(entries(&store).await.len(), 1);
}

#[test]
fn settings_out_of_range_are_rejected() {
    let text = "endpoint=https://contoso.communication.azure.com/;accesskey=MDEyMw==";
    let client = acs_recording::RecordingClient::from_connection_string(text).unwrap();
    let builder = || acs_recording_archive::Archive::builder(client.clone(), memory());
    for builder in [
        builder().part_size(1024),
        builder().part_size(usize::MAX),
        builder().concurrent_parts(0),
        builder().concurrent_parts(65),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
