//! What a download brings, and what it says when it cannot.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{ErrorKind, NeverRetry, Overwrite};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use storage::{Habit, Storage, announced, content, expect_whole, hex, names};
use tokio::io::AsyncReadExt as _;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn every_form_brings_the_same() {
    let bytes = content(300_000, 1);
    let storage = Storage::start(bytes.clone(), |_, _| Habit::default()).await;
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
    let outcome = download().sha256().to_writer(&mut written).await.unwrap();
    assert_eq!((outcome.bytes, written.as_slice()), (300_000, &bytes[..]));
    assert_eq!(outcome.sha256.unwrap().to_string(), hex(&bytes));
    assert!(
        storage.ranges().iter().all(Option::is_none),
        "nobody asked for a range"
    );
}

#[tokio::test]
#[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
async fn a_range_is_exactly_what_was_asked_for() {
    let bytes = content(1000, 2);
    for ignores_range in [false, true] {
        let habit = Habit {
            ignores_range,
            ..Habit::default()
        };
        let storage = Storage::start(bytes.clone(), move |_, _| habit.clone()).await;
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
        assert_eq!(storage.ranges().len(), sent, "nothing is asked for nothing");
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
async fn a_large_file_comes_in_parts() {
    let bytes = content(9 * MIB + 7, 3);
    let storage = expect_whole(&bytes, |_, _| Habit {
        tag: Some("\"1\""),
        ..Habit::default()
    })
    .await;
    let ranges = storage.ranges();
    assert_eq!(ranges[0], None);
    assert!(ranges.len() >= 4, "{ranges:?}");
    assert!(storage.most_at_once.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn parts_are_as_large_as_asked_for() {
    let bytes = content(2 * MIB, 28);
    let storage = Storage::start(bytes.clone(), |number, _| Habit {
        // So that the others go on into parts that follow theirs.
        rate: (number == 0).then_some(500_000.0),
        // Without one, some of what is there would be asked for again.
        tag: Some("\"1\""),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let told = Arc::new(Mutex::new(acs_recording::Progress::default()));
    let log = Arc::clone(&told);
    let download = client
        .download(&storage.location())
        .connections(2)
        .part_size(128 * 1024)
        .on_progress(move |progress| *log.lock().unwrap() = progress);
    download.to_file(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    for range in storage.ranges().into_iter().flatten() {
        let (start, last) = range["bytes=".len()..].split_once('-').unwrap();
        let (start, last): (u64, u64) = (start.parse().unwrap(), last.parse().unwrap());
        assert!(last - start < 128 * 1024, "{range}");
    }
    let told = *told.lock().unwrap();
    assert_eq!((told.bytes, told.retries), (2 * MIB as u64, 0), "{told:?}");
}

#[tokio::test]
async fn a_file_that_exists_is_treated_as_told() {
    let bytes = content(1000, 12);
    let storage = Storage::start(bytes.clone(), |_, _| Habit::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    std::fs::write(&path, "other").unwrap();
    let download = || client.download(&storage.location());
    let error = download().to_file(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(storage.ranges().len(), 0, "nothing is asked for");
    let skip = || download().overwrite(Overwrite::Skip).sha256();
    let error = skip().to_file(&path).await.unwrap_err();
    assert_eq!(
        (error.kind(), std::fs::read(&path).unwrap()),
        (ErrorKind::Io, b"other".to_vec())
    );
    let saved = download()
        .overwrite(Overwrite::Replace)
        .to_file(&path)
        .await
        .unwrap();
    assert_eq!(saved.transferred, 1000);
    let saved = skip().to_file(&path).await.unwrap();
    assert_eq!((saved.transferred, saved.bytes), (0, 1000));
    assert_eq!(saved.sha256.unwrap().to_string(), hex(&bytes));
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[tokio::test]
async fn announced_checksums_are_compared() {
    let bytes = content(100_000, 13);
    for hides_length in [false, true] {
        let habit = move |announced| Habit {
            headers: vec![announced],
            hides_length,
            ..Habit::default()
        };
        let right = habit(announced(&bytes));
        expect_whole(&bytes, move |_, _| right.clone()).await;
        let wrong = habit(announced(b"x"));
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
async fn a_file_that_exists_is_compared_with_what_is_known() {
    let bytes = content(1000, 26);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for hides_length in [false, true] {
        let header = announced(&bytes);
        let storage = Storage::start(bytes.clone(), move |_, _| Habit {
            headers: vec![header.clone()],
            hides_length,
            ..Habit::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let skip = || {
            let download = client.download(&storage.location());
            download.overwrite(Overwrite::Skip)
        };
        // The checksum is not that of a part.
        std::fs::write(&path, &bytes[..10]).unwrap();
        skip().range(..10).to_file(&path).await.unwrap();
        let asked = storage.ranges().len();
        std::fs::write(&path, "").unwrap();
        skip().range(4..4).to_file(&path).await.unwrap();
        assert_eq!(
            storage.ranges().len(),
            asked,
            "nothing is asked for nothing"
        );
        std::fs::write(&path, content(1000, 27)).unwrap();
        let error = skip().to_file(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert_eq!(
            text.contains("does not tell its size"),
            hides_length,
            "{text}"
        );
        assert_eq!(text.contains("not its checksum"), !hides_length, "{text}");
    }
}

#[tokio::test]
async fn what_is_not_ready_is_waited_for_within_the_limit() {
    let bytes = content(1000, 14);
    for (status, early) in [
        (Some(404), None),
        (Some(503), None),
        (None, Some(Bytes::new())),
    ] {
        let served = early.clone();
        let storage = Storage::start(bytes.clone(), move |number, _| Habit {
            status: status.filter(|_| number == 0),
            content: served.clone().filter(|_| number == 0),
            ..Habit::default()
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
    let storage = Storage::start(Bytes::new(), |_, _| Habit::default()).await;
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
async fn what_expired_is_told_from_what_was_never_there() {
    let gone = |status| {
        Storage::start(Bytes::new(), move |_, _| Habit {
            status: Some(status),
            ..Habit::default()
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
async fn bandwidth_is_limited_over_all_connections() {
    let bytes = content(MIB, 15);
    let storage = Storage::start(bytes, |_, _| Habit::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let download = client
        .download(&storage.location())
        .connections(4)
        .bandwidth_limit(2 * MIB as u64);
    download.to_file(folder.path().join("a")).await.unwrap();
    assert!(
        started.elapsed() > Duration::from_millis(350),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_writer_that_fails_is_an_error_of_a_file() {
    let storage = Storage::start(content(1000, 17), |_, _| Habit::default()).await;
    let client = storage.client().build().unwrap();
    // A device that is always full.
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
