//! Downloads that resume an earlier one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{ErrorKind, ExponentialBackoff, RetryPolicy, RetryPolicyExt as _};
use storage::{Behavior, Storage, announced, content, names};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_failed_download_resumes() {
    let bytes = content(8 * MIB, 10);
    let storage = Storage::start(bytes.clone(), |number, _| Behavior {
        cut_after: (number < 3).then_some(MIB + 17),
        status: (number == 3).then_some(403),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = || client.download(&storage.location());
    let error = download().to_file(&path).connections(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("are kept"), "{error}");
    assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&reports);
    let saved = download()
        .on_progress(move |progress| log.lock().unwrap().push(progress))
        .to_file(&path)
        .connections(1)
        .await
        .unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["a.wav"]);
    let reports = reports.lock().unwrap();
    // An interrupted connection may lose bytes in transit.
    let kept = reports[0].bytes;
    assert!((1..=3 * (MIB + 17) as u64).contains(&kept), "{kept}");
    assert_eq!(saved.transferred + kept, bytes.len() as u64);
    let last = reports.last().unwrap();
    assert_eq!(
        (last.bytes, last.total),
        (bytes.len() as u64, Some(bytes.len() as u64))
    );
}

#[tokio::test]
async fn a_dropped_download_resumes() {
    let bytes = content(8 * MIB, 11);
    let storage = Storage::start(bytes.clone(), |number, _| Behavior {
        stall_after: (number < 4).then_some(MIB),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = client.download(&storage.location());
    let download = download.to_file(&path).connections(4);
    let journal = folder.path().join("a.wav.part.journal");
    let saved = async {
        while bytes_in_journal(&journal) < 4 * MIB as u64 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = download.clone().into_future() => panic!("{ended:?}"),
        () = saved => {}
    }
    let saved = download.await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, 4 * MIB as u64);
}

/// The number of bytes in the ranges of a journal.
fn bytes_in_journal(journal: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let ranges = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (start, end) = (words.next()?, words.next()?);
        Some(end.parse::<u64>().ok()? - start.parse::<u64>().ok()?)
    });
    ranges.sum()
}

/// A server without ranges sends known bytes again. They count neither as progress nor as transferred,
/// but for the rate.
#[tokio::test]
async fn bytes_sent_again_only_count_for_the_rate() {
    let bytes = content(4 * MIB, 18);
    let storage = Storage::start(bytes.clone(), |number, _| Behavior {
        ignores_range: true,
        stall_after: (number == 0).then_some(3 * MIB),
        status: (number == 1).then_some(403),
        rate: (number > 1).then_some(8e6),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = client
        .download(&storage.location())
        .read_timeout(Duration::from_millis(300));
    download.clone().to_file(&path).await.unwrap_err();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&reports);
    let saved = download
        .read_timeout(Duration::from_secs(30))
        .on_progress(move |progress| log.lock().unwrap().push(progress))
        .to_file(&path)
        .await
        .unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(saved.transferred, MIB as u64);
    let reports = reports.lock().unwrap();
    let (kept, total) = (3 * MIB as u64, Some(4 * MIB as u64));
    assert!(
        reports
            .iter()
            .all(|reports| reports.bytes >= kept && reports.bytes <= kept + MIB as u64)
    );
    assert!(reports.windows(2).all(|two| two[0].bytes <= two[1].bytes));
    let repeating =
        |reports: &&acs_recording::Progress| reports.bytes == kept && reports.rate > 0.0;
    assert!(
        reports.iter().any(|reports| repeating(&reports)),
        "{reports:?}"
    );
    assert_eq!(
        reports.last().map(|last| (last.bytes, last.total)),
        Some((kept + MIB as u64, total))
    );
}

/// A download resumes with another signature, but not from another location.
#[tokio::test]
async fn content_of_another_query_is_not_mixed_in() {
    let (one, other) = (content(4 * MIB, 30), content(4 * MIB, 31));
    for (query, expected, resumes) in [
        ("view=a&sig=2&se=3", &one, true),
        ("view=b&sig=1", &other, false),
    ] {
        let later = expected.clone();
        let storage = Storage::start(one.clone(), move |number, _| Behavior {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (number == 1).then_some(403),
            content: (number > 1).then(|| later.clone()),
            ..Behavior::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let first = client.download(&storage.location_with("view=a&sig=1"));
        first.to_file(&path).connections(1).await.unwrap_err();
        let second = client.download(&storage.location_with(query));
        let saved = second.to_file(&path).connections(1).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == *expected, "{query}");
        assert_eq!(saved.transferred < 4 * MIB as u64, resumes, "{query}");
    }
}

/// The digest in the first response counts for the complete content.
#[tokio::test]
async fn the_expected_digest_survives_a_restart() {
    let (bytes, other) = (content(4 * MIB, 32), content(4 * MIB, 33));
    for right in [true, false] {
        let header = announced(if right { &bytes } else { &other });
        let storage = Storage::start(bytes.clone(), move |number, _| Behavior {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (number == 1).then_some(403),
            headers: Vec::from_iter((number == 0).then(|| header.clone())),
            ..Behavior::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = client.download(&storage.location());
        let download = download.to_file(&path).connections(1);
        download.clone().await.unwrap_err();
        let saved = download.await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        // Content with another digest is not resumed.
        let transferred = saved.transferred;
        assert_eq!(transferred < 4 * MIB as u64, right, "{transferred}");
        assert_eq!(transferred > 4 * MIB as u64, !right, "{transferred}");
    }
}

/// Soon after the event, the service may temporarily not have the content.
#[tokio::test]
async fn content_that_disappears_temporarily_is_kept() {
    let bytes = content(4 * MIB, 34);
    for status in [404, 503] {
        let behavior = move |number: usize| Behavior {
            cut_after: (number == 0).then_some(3 * MIB),
            status: (1..3).contains(&number).then_some(status),
            ..Behavior::default()
        };
        let storage = Storage::start(bytes.clone(), move |number, _| behavior(number)).await;
        let client = storage.client().retry_policy(one_retry()).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = client.download(&storage.location());
        // A download that does not wait keeps the part file, and one that waits resumes.
        let error = download
            .clone()
            .ready_timeout(Duration::ZERO)
            .to_file(&path)
            .connections(1)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().contains("are kept"), "{error}");
        assert_eq!(names(folder.path()), ["a.wav.part", "a.wav.part.journal"]);
        let patient = download.ready_timeout(Duration::from_secs(20));
        let saved = patient.to_file(&path).connections(1).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert!(saved.transferred < 4 * MIB as u64);

        let storage = Storage::start(bytes.clone(), move |number, _| behavior(number)).await;
        let path = folder.path().join("b.wav");
        let client = storage.client().retry_policy(one_retry()).build().unwrap();
        let download = client
            .download(&storage.location())
            .ready_timeout(Duration::from_secs(20));
        let saved = download.to_file(&path).connections(1).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(saved.transferred, 4 * MIB as u64);

        let storage = Storage::start(bytes.clone(), move |number, _| behavior(number)).await;
        let client = storage.client().retry_policy(one_retry()).build().unwrap();
        let download = client.download(&storage.location());
        let download = download.ready_timeout(Duration::from_secs(20));
        assert!(download.into_bytes().await.unwrap() == bytes);
    }
}

/// Resumes after an interruption, and does not retry an error response.
fn one_retry() -> impl RetryPolicy + use<> {
    ExponentialBackoff::default()
        .initial_delay(Duration::from_millis(1))
        .with_attempt_limit(2)
}
