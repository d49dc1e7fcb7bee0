//! The archive in S3, as Moto has it. `cargo xtask test` installs it; elsewhere these tests are left
//! out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::sync::Arc;

use acs_emulator::SyntheticRecording;
use acs_recording_archive::{ErrorKind, InMemoryQueue, StoreBuilder, Worker};
use acs_test_support::Moto;
use bytes::Bytes;
use common::{PART, Service, assert_archived, is_at_service, names};
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

const SMALL: u64 = 5000;
/// More than two parts.
const LARGE: u64 = 2 * PART + 1000;

fn store(moto: &Moto, url: &str) -> Arc<dyn ObjectStore> {
    let options = [
        ("aws_endpoint", moto.endpoint()),
        ("aws_allow_http", "true"),
        ("aws_region", "eu-west-1"),
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "test"),
    ];
    let builder = StoreBuilder::new(url).unwrap();
    let builder = options.into_iter().fold(builder, |builder, (name, value)| {
        builder.option(name, value)
    });
    builder.build().unwrap()
}

/// Every object with its content.
async fn content(store: &Arc<dyn ObjectStore>) -> Vec<(String, Bytes)> {
    let mut objects = Vec::new();
    for name in names(store).await {
        let object = store.get(&Path::from(name.as_str())).await.unwrap();
        objects.push((name, object.bytes().await.unwrap()));
    }
    objects
}

#[tokio::test]
async fn a_recording_is_stored_once_however_often_its_event_comes() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let service = Service::start().await;
    let url = moto.create_bucket("idempotent").await;
    let store = store(&moto, &format!("{url}/a/b"));
    let announced = service.record(SyntheticRecording::new(LARGE).chunk(SMALL));
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    archive.check().await.unwrap();
    let (file, event) = (announced.file(), announced.event());

    let first = archive.store(&file).event(&event).await.unwrap();
    assert_eq!((first.bytes(), first.is_new()), (LARGE + SMALL, true));
    let before = content(&store).await;
    assert_eq!(before.len(), 7);
    let second = archive.store(&file).event(&event).await.unwrap();
    assert!(!second.is_new());
    assert_eq!(content(&store).await, before);
    assert_archived(&store, &announced.stored).await;

    // Without its receipt a chunk is archived again, over what an earlier attempt left.
    for chunk in &first.chunks {
        store.delete(&chunk.name).await.unwrap();
    }
    let third = archive.store(&file).event(&event).await.unwrap();
    assert!(third.is_new());
    assert_eq!(names(&store).await.len(), 7);
    assert_archived(&store, &announced.stored).await;
}

#[tokio::test]
async fn two_workers_share_a_bucket_and_leave_one_recording() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let service = Service::start().await;
    let store = store(&moto, &moto.create_bucket("workers").await);
    let announced = service.record(SyntheticRecording::new(LARGE).chunk(SMALL));
    let queue = InMemoryQueue::new();
    for _ in 0..4 {
        queue.send(announced.body());
    }
    let worker = || {
        let archive = service.archive(Arc::clone(&store)).delete_at_service();
        Worker::new(archive.build().unwrap(), queue.clone()).concurrency(2)
    };
    let (one, other) = tokio::join!(worker().drain(), worker().drain());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.poisoned + other.poisoned, 0);
    assert!(queue.is_empty());
    assert_eq!(names(&store).await.len(), 7);
    assert_archived(&store, &announced.stored).await;
    let client = service.client();
    for chunk in announced.stored.chunks() {
        assert!(!is_at_service(&client, chunk.content_location()).await);
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_one_clear_error() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let service = Service::start().await;
    let archive = service.archive(store(&moto, "s3://missing"));
    let archive = archive.build().unwrap();
    let error = archive.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let announced = service.record(SyntheticRecording::new(SMALL));
    let error = archive.store(&announced.file()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn receipts_are_listed_in_a_bucket() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let service = Service::start().await;
    let store = store(&moto, &moto.create_bucket("catalogue").await);
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    for _ in 0..3 {
        let announced = service.record(SyntheticRecording::new(SMALL));
        archive.store(&announced.file()).await.unwrap();
    }
    let entries: Vec<_> = archive
        .catalogue()
        .list()
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(entries.len(), 3);
}
