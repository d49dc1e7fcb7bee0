//! Downloads to all destinations, and their errors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_recording::{Download, ErrorKind, NeverRetry, Overwrite};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use storage::{Behavior, Storage, announced, content, expect_whole, hex, names};
use tokio::io::AsyncReadExt as _;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn all_destinations_receive_the_same_content() {
    let bytes = content(300_000, 1);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    assert_eq!(download().into_bytes().await.unwrap(), bytes);

    let stream = download().stream().await.unwrap();
    assert_eq!(stream.length(), Some(300_000));
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), bytes);

    let mut read = Vec::new();
    let mut reader = download().stream().await.unwrap();
    reader.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, bytes);

    let mut written = Vec::new();
    let outcome = download().to_writer(&mut written).sha256().await.unwrap();
    assert_eq!((outcome.bytes, written.as_slice()), (300_000, &bytes[..]));
    assert_eq!(outcome.sha256.unwrap().to_string(), hex(&bytes));
    assert!(
        storage.ranges().iter().all(Option::is_none),
        "no range was requested"
    );
}

#[tokio::test]
#[allow(clippy::reversed_empty_ranges, reason = "reversed ranges are rejected")]
async fn a_range_has_exactly_the_requested_bytes() {
    let bytes = content(1000, 2);
    for ignores_range in [false, true] {
        let behavior = Behavior {
            ignores_range,
            ..Behavior::default()
        };
        let storage = Storage::start(bytes.clone(), move |_, _| behavior.clone()).await;
        let client = storage.client().build().unwrap();
        let download = || client.download(&storage.location());
        for range in [0..1, 0..10, 5..6, 990..1000, 0..1000] {
            let expected = &bytes[range.start..range.end];
            let (start, end) = (range.start as u64, range.end as u64);
            assert_eq!(
                download().range(start..end).into_bytes().await.unwrap(),
                expected
            );
        }
        assert_eq!(
            download().range(990..).into_bytes().await.unwrap(),
            bytes[990..]
        );
        assert_eq!(
            download().range(..=9).into_bytes().await.unwrap(),
            bytes[..10]
        );
        assert_eq!(
            download().range(998..2000).into_bytes().await.unwrap(),
            bytes[998..]
        );
        let sent = storage.ranges().len();
        assert!(
            download()
                .range(7..7)
                .into_bytes()
                .await
                .unwrap()
                .is_empty()
        );
        let error = download().range(8..7).into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            storage.ranges().len(),
            sent,
            "an empty range sends no request"
        );
        let error = download().range(1000..).into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        download().range(100..900).to_file(&path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes[100..900]);
        let path = folder.path().join("nothing");
        download().range(4..4).to_file(&path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(names(folder.path()), ["nothing", "part"]);
    }
}

#[tokio::test]
async fn a_large_file_is_received_over_several_connections() {
    let bytes = content(9 * MIB + 7, 3);
    let storage = expect_whole(&bytes, |_, _| Behavior {
        tag: Some("\"1\""),
        ..Behavior::default()
    })
    .await;
    let ranges = storage.ranges();
    assert_eq!(ranges[0], None);
    assert!(ranges.len() >= 4, "{ranges:?}");
    assert!(storage.most_at_once.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn an_existing_file_is_handled_by_the_overwrite_policy() {
    let bytes = content(1000, 12);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    std::fs::write(&path, "other").unwrap();
    let download = || client.download(&storage.location());
    let error = download().to_file(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(storage.ranges().len(), 0, "no request was sent");
    let skip = || {
        let download = download().to_file(&path);
        download.overwrite(Overwrite::Skip).sha256()
    };
    let error = skip().await.unwrap_err();
    assert_eq!(
        (error.kind(), std::fs::read(&path).unwrap()),
        (ErrorKind::Io, b"other".to_vec())
    );
    let saved = download()
        .to_file(&path)
        .overwrite(Overwrite::Replace)
        .await
        .unwrap();
    assert_eq!(saved.transferred, 1000);
    let saved = skip().await.unwrap();
    assert_eq!((saved.transferred, saved.bytes), (0, 1000));
    assert_eq!(saved.sha256.unwrap().to_string(), hex(&bytes));
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[tokio::test]
async fn the_announced_digest_is_compared() {
    let bytes = content(100_000, 13);
    for hides_length in [false, true] {
        let behavior = move |announced| Behavior {
            headers: vec![announced],
            hides_length,
            ..Behavior::default()
        };
        let right = behavior(announced(&bytes));
        expect_whole(&bytes, move |_, _| right.clone()).await;
        let wrong = behavior(announced(b"x"));
        let storage = Storage::start(bytes.clone(), move |_, _| wrong.clone()).await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = || client.download(&storage.location());
        let error = download().to_file(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptContent, "{error}");
        assert!(!error.to_string().contains("are kept"), "{error}");
        assert!(names(folder.path()).is_empty());
        let error = download().into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptContent, "{error}");
    }
}

#[tokio::test]
async fn an_existing_file_is_compared_by_digest_or_size() {
    let bytes = content(1000, 26);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for hides_length in [false, true] {
        let header = announced(&bytes);
        let storage = Storage::start(bytes.clone(), move |_, _| Behavior {
            headers: vec![header.clone()],
            hides_length,
            ..Behavior::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let download = || client.download(&storage.location());
        let skip = |download: Download| download.to_file(&path).overwrite(Overwrite::Skip);
        // The digest is not that of a range.
        std::fs::write(&path, &bytes[..10]).unwrap();
        skip(download().range(..10)).await.unwrap();
        let asked = storage.ranges().len();
        std::fs::write(&path, "").unwrap();
        skip(download().range(4..4)).await.unwrap();
        assert_eq!(
            storage.ranges().len(),
            asked,
            "an empty range sends no request"
        );
        std::fs::write(&path, content(1000, 27)).unwrap();
        let error = skip(download()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert_eq!(
            text.contains("does not announce the size"),
            hides_length,
            "{text}"
        );
        assert_eq!(text.contains("not its checksum"), !hides_length, "{text}");
    }
}

#[tokio::test]
async fn a_download_waits_for_content_within_the_ready_timeout() {
    let bytes = content(1000, 14);
    for (status, early) in [
        (Some(404), None),
        (Some(503), None),
        (None, Some(Bytes::new())),
    ] {
        let served = early.clone();
        let storage = Storage::start(bytes.clone(), move |number, _| Behavior {
            status: status.filter(|_| number == 0),
            content: served.clone().filter(|_| number == 0),
            ..Behavior::default()
        })
        .await;
        let client = storage.client().retry_policy(NeverRetry).build().unwrap();
        let download = client.download(&storage.location());
        let got = download
            .ready_timeout(Duration::from_secs(5))
            .into_bytes()
            .await
            .unwrap();
        assert_eq!(got, bytes);
    }
    let storage = Storage::start(Bytes::new(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    let soon = download().ready_timeout(Duration::from_millis(100));
    let error = soon.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentNotReady, "{error}");
    let now = download().ready_timeout(Duration::ZERO);
    assert!(now.clone().into_bytes().await.unwrap().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    assert_eq!(now.to_file(&path).await.unwrap().bytes, 0);
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[tokio::test]
async fn expired_content_is_distinguished_from_missing_content() {
    let gone = |status| {
        Storage::start(Bytes::new(), move |_, _| Behavior {
            status: Some(status),
            ..Behavior::default()
        })
    };
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(30 * 60 * 60);
    for (status, age, expected) in [
        (404, None, ErrorKind::NotFound),
        (404, Some(long_ago), ErrorKind::ExpiredContent),
        (410, None, ErrorKind::ExpiredContent),
    ] {
        let storage = gone(status).await;
        let mut download = storage
            .client()
            .build()
            .unwrap()
            .download(&storage.location());
        if let Some(age) = age {
            download = download.recorded_until(age);
        }
        let folder = tempfile::tempdir().unwrap();
        let error = download.to_file(folder.path().join("a")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert!(names(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn the_bandwidth_limit_covers_all_connections() {
    let bytes = content(MIB, 15);
    let storage = Storage::start(bytes, |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let download = client
        .download(&storage.location())
        .bandwidth_limit(2 * MIB as u64)
        .to_file(folder.path().join("a"))
        .connections(4);
    download.await.unwrap();
    assert!(
        started.elapsed() > Duration::from_millis(350),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_failing_writer_is_an_io_error() {
    let storage = Storage::start(content(1000, 17), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    // A device without space.
    if let Ok(mut full) = tokio::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .await
    {
        let error = client
            .download(&storage.location())
            .to_writer(&mut full)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }
}
