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

use acs_recording::{ErrorKind, ExponentialBackoff, RetryPolicy, RetryPolicyExt as _};
use storage::{Habit, Storage, announced, content, names};

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
    assert_eq!(names(folder.path()), ["a.wav"]);
    let told = told.lock().unwrap();
    // A connection that is cut may lose what was on its way.
    let kept = told[0].bytes;
    assert!((1..=3 * (MIB + 17) as u64).contains(&kept), "{kept}");
    assert_eq!(saved.transferred + kept, bytes.len() as u64);
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
    let journal = folder.path().join("a.wav.part.journal");
    let saved = async {
        while noted(&journal) < 4 * MIB as u64 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = download.clone().to_file(&path) => panic!("{ended:?}"),
        () = saved => {}
    }
    let saved = download.to_file(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, 4 * MIB as u64);
}

/// How many bytes a journal vouches for.
fn noted(journal: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let ranges = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (start, end) = (words.next()?, words.next()?);
        Some(end.parse::<u64>().ok()? - start.parse::<u64>().ok()?)
    });
    ranges.sum()
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
        .read_timeout(Duration::from_millis(300));
    download.clone().to_file(&path).await.unwrap_err();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let saved = download
        .read_timeout(Duration::from_secs(30))
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

/// What was begun of one place is not gone on with from another, but with another signature.
#[tokio::test]
async fn other_content_at_another_query_is_not_mixed_in() {
    let (one, other) = (content(4 * MIB, 30), content(4 * MIB, 31));
    for (query, expected, goes_on) in [
        ("view=a&sig=2&se=3", &one, true),
        ("view=b&sig=1", &other, false),
    ] {
        let later = expected.clone();
        let storage = Storage::start(one.clone(), move |number, _| Habit {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (number == 1).then_some(403),
            content: (number > 1).then(|| later.clone()),
            ..Habit::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let first = client.download(&storage.location_with("view=a&sig=1"));
        first.connections(1).to_file(&path).await.unwrap_err();
        let second = client.download(&storage.location_with(query));
        let saved = second.connections(1).to_file(&path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == *expected, "{query}");
        assert_eq!(saved.transferred < 4 * MIB as u64, goes_on, "{query}");
    }
}

/// Checksums are announced with the first answer only, and count for the last byte.
#[tokio::test]
async fn announced_checksums_outlive_the_process() {
    let (bytes, other) = (content(4 * MIB, 32), content(4 * MIB, 33));
    for right in [true, false] {
        let header = announced(if right { &bytes } else { &other });
        let storage = Storage::start(bytes.clone(), move |number, _| Habit {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (number == 1).then_some(403),
            headers: Vec::from_iter((number == 0).then(|| header.clone())),
            ..Habit::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = client.download(&storage.location()).connections(1);
        download.clone().to_file(&path).await.unwrap_err();
        let saved = download.to_file(&path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        // What does not have its checksum is not gone on with.
        let transferred = saved.transferred;
        assert_eq!(transferred < 4 * MIB as u64, right, "{transferred}");
        assert_eq!(transferred > 4 * MIB as u64, !right, "{transferred}");
    }
}

/// Soon after the event the service may not have content that it had a moment ago.
#[tokio::test]
async fn content_that_is_away_for_a_while_costs_nothing() {
    let bytes = content(4 * MIB, 34);
    for status in [404, 503] {
        let habit = move |number: usize| Habit {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (1..3).contains(&number).then_some(status),
            ..Habit::default()
        };
        let storage = Storage::start(bytes.clone(), move |number, _| habit(number)).await;
        let client = storage.client().retry_policy(one_try()).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = client.download(&storage.location()).connections(1);
        // In another process, which does not wait, and in this one, which does.
        let error = download
            .clone()
            .ready_timeout(Duration::ZERO)
            .to_file(&path)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().contains("are kept"), "{error}");
        assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
        let patient = download.ready_timeout(Duration::from_secs(20));
        let saved = patient.to_file(&path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert!(saved.transferred < 4 * MIB as u64);

        let storage = Storage::start(bytes.clone(), move |number, _| habit(number)).await;
        let path = folder.path().join("b.wav");
        let client = storage.client().retry_policy(one_try()).build().unwrap();
        let download = client
            .download(&storage.location())
            .connections(1)
            .ready_timeout(Duration::from_secs(20));
        let saved = download.to_file(&path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(saved.transferred, 4 * MIB as u64);

        let storage = Storage::start(bytes.clone(), move |number, _| habit(number)).await;
        let client = storage.client().retry_policy(one_try()).build().unwrap();
        let download = client.download(&storage.location());
        let download = download.ready_timeout(Duration::from_secs(20));
        assert!(download.into_bytes().await.unwrap() == bytes);
    }
}

/// A cut is taken up, and an answer with an error is not asked for again.
fn one_try() -> impl RetryPolicy + use<> {
    ExponentialBackoff::default()
        .initial_delay(Duration::from_millis(1))
        .with_attempt_limit(2)
}
