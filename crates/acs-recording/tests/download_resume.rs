//! Downloads that go on where an earlier one ended.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::ErrorKind;
use storage::{Habit, Storage, content, names};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_failed_download_goes_on_where_it_was() {
    let bytes = content(8 * MIB, 10);
    let storage = Storage::start(bytes.clone(), |number, _| Habit {
        cut_after: (number < 3).then_some(MIB + 17),
        status: (number == 3).then_some(403),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = || client.download(&storage.location()).connections(1);
    let error = download().to_file(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("are kept"), "{error}");
    assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let saved = download()
        .on_progress(move |progress| log.lock().unwrap().push(progress))
        .to_file(&path)
        .await
        .unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, (5 * MIB - 3 * 17) as u64);
    assert_eq!(names(folder.path()), ["a.wav"]);
    let told = told.lock().unwrap();
    assert_eq!(told[0].bytes, (3 * MIB + 3 * 17) as u64);
    let last = told.last().unwrap();
    assert_eq!(
        (last.bytes, last.total),
        (bytes.len() as u64, Some(bytes.len() as u64))
    );
}

#[tokio::test]
async fn a_dropped_download_goes_on_where_it_was() {
    let bytes = content(8 * MIB, 11);
    let storage = Storage::start(bytes.clone(), |number, _| Habit {
        stall_after: (number < 4).then_some(MIB),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = client.download(&storage.location()).connections(4);
    let cancelled =
        tokio::time::timeout(Duration::from_secs(2), download.clone().to_file(&path)).await;
    assert!(cancelled.is_err());
    let saved = download.to_file(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, 4 * MIB as u64);
}

/// A server without ranges sends again what is there: that is neither progress nor transferred,
/// but it comes in, so the rate shows it.
#[tokio::test]
async fn what_is_sent_again_counts_for_the_rate_alone() {
    let bytes = content(4 * MIB, 18);
    let storage = Storage::start(bytes.clone(), |number, _| Habit {
        ignores_range: true,
        stall_after: (number == 0).then_some(3 * MIB),
        status: (number == 1).then_some(403),
        rate: (number > 1).then_some(8e6),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = client
        .download(&storage.location())
        .stall_limit(Duration::from_millis(300));
    download.clone().to_file(&path).await.unwrap_err();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let saved = download
        .stall_limit(Duration::from_secs(30))
        .on_progress(move |progress| log.lock().unwrap().push(progress))
        .to_file(&path)
        .await
        .unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, MIB as u64);
    let told = told.lock().unwrap();
    let (kept, total) = (3 * MIB as u64, Some(4 * MIB as u64));
    assert!(
        told.iter()
            .all(|told| told.bytes >= kept && told.bytes <= kept + MIB as u64)
    );
    assert!(told.windows(2).all(|two| two[0].bytes <= two[1].bytes));
    let repeating = |told: &&acs_recording::Progress| told.bytes == kept && told.rate > 0.0;
    assert!(told.iter().any(|told| repeating(&told)), "{told:?}");
    assert_eq!(
        told.last().map(|last| (last.bytes, last.total)),
        Some((kept + MIB as u64, total))
    );
}
