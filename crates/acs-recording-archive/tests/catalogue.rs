//! Finding what is archived, and whether it still is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::sync::Arc;

use acs_emulator::SyntheticRecording;
use acs_recording_archive::{Catalogue, Depth, Finding, ListReceipts};
use common::{Service, entries};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Value, json};

/// An archive of three recordings, on three days.
async fn archive() -> (Service, Arc<dyn ObjectStore>) {
    let service = Service::start().await;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    for (day, call) in [(1, "c-a"), (2, "c-b"), (4, "c-b")] {
        let mut announced = service.record(SyntheticRecording::new(1000).chunk(500));
        announced.event["data"]["recordingStartTime"] = json!(format!("2026-03-0{day}T12:00:00Z"));
        announced.event["subject"] = json!(format!("/recording/call/{call}/serverCallId/s{day}"));
        archive.store(&announced.file()).await.unwrap();
    }
    (service, store)
}

async fn count(list: ListReceipts) -> usize {
    list.stream().try_collect::<Vec<_>>().await.unwrap().len()
}

#[tokio::test]
async fn chunks_are_found_by_date_call_and_participant() {
    let (_service, store) = archive().await;
    // A name that a receipt of the first recording has.
    let mut entry = entries(&store).await.remove(0);
    entry.receipt.participants = vec!["4:+14255550123".to_owned(), "8:acs:a".to_owned()];
    let receipt = serde_json::to_vec(&entry.receipt).unwrap();
    store.put(&entry.name, receipt.into()).await.unwrap();

    let flat = "{document}.{index}.{ext}".parse().unwrap();
    for catalogue in [
        Catalogue::new(Arc::clone(&store)),
        Catalogue::new(Arc::clone(&store)).layout(flat),
    ] {
        let list = || catalogue.list();
        let time = |text: &str| text.parse().unwrap();
        for (found, list) in [
            (6, list()),
            (4, list().since(time("2026-03-01T12:00:01Z"))),
            (6, list().since(time("2026-03-01T12:00:00Z"))),
            (
                2,
                list()
                    .since(time("2026-03-02T00:00:00Z"))
                    .until(time("2026-03-03T00:00:00Z")),
            ),
            (4, list().until(time("2026-03-02T23:00:00Z"))),
            (0, list().since(time("2026-03-05T00:00:00Z"))),
            (4, list().call("c-b")),
            (2, list().call("s4")),
            (0, list().call("c")),
            (2, list().call("c-b").since(time("2026-03-03T00:00:00Z"))),
            (1, list().participant("8:acs:a")),
            (1, list().participant("+14255550123")),
            (0, list().participant("+1425555012")),
            (0, list().recording("nobody")),
        ] {
            let shown = format!("{list:?}");
            assert_eq!(count(list).await, found, "{shown}");
        }
    }
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_stops_no_list() {
    let (_service, store) = archive().await;
    let broken = Path::from("2026/03/02/x.receipt.json");
    store.put(&broken, "{}".into()).await.unwrap();
    let catalogue = Catalogue::new(Arc::clone(&store));
    let results: Vec<_> = catalogue.list().stream().collect().await;
    assert_eq!(results.len(), 7);
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("x.receipt.json"));
}

#[tokio::test]
async fn a_receipt_of_a_later_version_is_read() {
    let (_service, store) = archive().await;
    let entry = entries(&store).await.remove(0);
    let bytes = store.get(&entry.name).await.unwrap().bytes().await.unwrap();
    let mut receipt: Value = serde_json::from_slice(&bytes).unwrap();
    receipt["schema"] = json!(2);
    receipt["later"] = json!({"a": 1});
    store
        .put(&entry.name, receipt.to_string().into())
        .await
        .unwrap();
    assert_eq!(entries(&store).await.len(), 6);
}

#[tokio::test]
async fn what_is_not_as_its_receipt_says_is_found() {
    let (_service, store) = archive().await;
    let catalogue = Catalogue::new(Arc::clone(&store));
    let entry = entries(&store).await.remove(0);
    let media = entry.media().unwrap();
    let bytes = store.get(&media).await.unwrap().bytes().await.unwrap();
    let mut altered = bytes.to_vec();
    altered[200] ^= 1;
    let findings = |depth| {
        let (catalogue, entry) = (catalogue.clone(), entry.clone());
        async move { catalogue.verify(&entry, depth).await.unwrap().findings }
    };
    for depth in [Depth::Size, Depth::Content] {
        assert_eq!(findings(depth).await, []);
    }
    store.put(&media, altered.into()).await.unwrap();
    assert_eq!(findings(Depth::Size).await, []);
    assert!(matches!(
        findings(Depth::Content).await[..],
        [Finding::Content { .. }]
    ));
    store.put(&media, bytes.slice(1..).into()).await.unwrap();
    for depth in [Depth::Size, Depth::Content] {
        let found = findings(depth).await;
        let [
            Finding::Size {
                found, expected, ..
            },
        ] = found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!((found, expected), (999, 1000));
    }
    store.delete(&media).await.unwrap();
    store.delete(&entry.metadata().unwrap()).await.unwrap();
    for depth in [Depth::Size, Depth::Content] {
        let found = findings(depth).await;
        assert!(matches!(
            found[..],
            [Finding::Missing { .. }, Finding::Missing { .. }]
        ));
        assert!(found[0].to_string().contains("does not exist"));
    }
}
