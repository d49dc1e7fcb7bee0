//! Downloads from servers with all kinds of habits.

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
use std::time::Duration;

use acs_recording::{ErrorKind, Overwrite, RetryPolicy};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use common::{Answer, Server};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use storage::{Habit, Storage, content, names};
use tokio::io::AsyncReadExt as _;

const MIB: usize = 1024 * 1024;

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Downloads to a file, on four connections, and checks that it is right.
async fn expect_whole(
    bytes: &Bytes,
    habits: impl Fn(usize, Option<&str>) -> Habit + Send + Sync + 'static,
) -> Storage {
    let storage = Storage::start(bytes.clone(), habits).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = storage
        .client()
        .build()
        .unwrap()
        .download(&storage.location())
        .connections(4)
        .stall_limit(Duration::from_millis(300))
        .sha256()
        .to_file(&path)
        .await
        .unwrap();
    assert_eq!(saved.bytes, bytes.len() as u64);
    assert_eq!(saved.sha256.unwrap().to_string(), hex(bytes));
    assert!(
        std::fs::read(&path).unwrap() == *bytes,
        "the file is another"
    );
    assert_eq!(names(folder.path()), ["a.wav"]);
    storage
}

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
async fn servers_with_other_habits_are_served_by_one_stream() {
    let bytes = content(3 * MIB, 4);
    for habit in [
        Habit {
            ignores_range: true,
            ..Habit::default()
        },
        Habit {
            refuses_range: true,
            ..Habit::default()
        },
        Habit {
            hides_length: true,
            ..Habit::default()
        },
        Habit {
            hides_length: true,
            ignores_range: true,
            ..Habit::default()
        },
    ] {
        expect_whole(&bytes, move |_, _| habit.clone()).await;
    }
    let says_200 = Habit {
        says_200: true,
        ..Habit::default()
    };
    expect_whole(&bytes, move |_, _| says_200.clone()).await;
}

#[tokio::test]
async fn interruptions_are_taken_up_at_the_same_byte() {
    let bytes = content(3 * MIB, 5);
    let cut = |number: usize| Habit {
        cut_after: number.is_multiple_of(2).then_some(50_000 + number * 1111),
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| cut(number)).await;
    expect_whole(&bytes, move |number, _| Habit {
        ignores_range: true,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Habit {
        refuses_range: number > 3,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Habit {
        hides_length: true,
        tag: Some("\"1\""),
        ..cut(number)
    })
    .await;
    // Without size and tag, only what comes in one go is known to belong together.
    expect_whole(&bytes, move |number, _| Habit {
        hides_length: true,
        ..cut(number)
    })
    .await;
    let stall = |number: usize| Habit {
        stall_after: (number % 3 == 1).then_some(20_000),
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| stall(number)).await;
    let busy = |number: usize| Habit {
        status: [Some(503), None, Some(429), None, Some(500)][number % 5],
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| busy(number)).await;
}

#[tokio::test]
async fn a_stream_is_taken_up_too() {
    let bytes = content(MIB, 6);
    let habit = |number: usize| Habit {
        cut_after: (number < 4).then_some(100_000),
        ..Habit::default()
    };
    let storage = Storage::start(bytes.clone(), move |number, _| habit(number)).await;
    let client = storage.client().build().unwrap();
    let got = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap();
    assert!(got == bytes);
    let ranges = storage.ranges();
    assert_eq!(
        ranges[1].as_deref(),
        Some("bytes=100000-1048575"),
        "{ranges:?}"
    );
}

#[tokio::test]
async fn content_that_changes_is_never_mixed() {
    let (old, new) = (content(6 * MIB, 7), content(6 * MIB, 8));
    let longer = content(6 * MIB + 1, 9);
    // With a tag, content of the same size is told apart; without, by its size.
    for (tags, new) in [
        ([Some("\"1\""), Some("\"2\"")], new),
        ([None, None], longer),
    ] {
        let served = [(tags[0], old.clone()), (tags[1], new.clone())];
        expect_whole(&new, move |number, _| {
            let (tag, content) = served[usize::from(number > 2)].clone();
            let cut_after = (number <= 2).then_some(400_000);
            Habit {
                tag,
                content: Some(content),
                cut_after,
                ..Habit::default()
            }
        })
        .await;
    }
    let (one, two) = (content(1000, 7), content(1000, 8));
    let storage = Storage::start(one.clone(), move |number, _| Habit {
        tag: Some(["\"1\"", "\"2\""][number % 2]),
        content: Some([&one, &two][number % 2].clone()),
        cut_after: Some(500),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let error = client
        .download(&storage.location())
        .to_file(path)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
    assert!(names(folder.path()).is_empty(), "nothing of it is of use");
    let error = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
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
    assert_eq!(error.kind(), ErrorKind::File, "{error}");
    assert_eq!(storage.ranges().len(), 0, "nothing is asked for");
    let skip = || download().overwrite(Overwrite::Skip).sha256();
    let error = skip().to_file(&path).await.unwrap_err();
    assert_eq!(
        (error.kind(), std::fs::read(&path).unwrap()),
        (ErrorKind::File, b"other".to_vec())
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
    let right = format!(
        "sha-256=:{}:",
        BASE64_STANDARD.encode(Sha256::digest(&bytes))
    );
    let wrong = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(b"x")));
    let headers = vec![("repr-digest", right)];
    expect_whole(&bytes, move |_, _| Habit {
        headers: headers.clone(),
        ..Habit::default()
    })
    .await;
    let headers = vec![("repr-digest", wrong)];
    let storage = Storage::start(bytes, move |_, _| Habit {
        headers: headers.clone(),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let error = client
        .download(&storage.location())
        .to_file(path)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptContent, "{error}");
    assert!(names(folder.path()).is_empty());
    let error = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptContent, "{error}");
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
        let client = storage.client().retry(RetryPolicy::none()).build().unwrap();
        let download = client.download(&storage.location());
        let got = download
            .ready_within(Duration::from_secs(5))
            .into_bytes()
            .await
            .unwrap();
        assert_eq!(got, bytes);
    }
    let storage = Storage::start(Bytes::new(), |_, _| Habit::default()).await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    let soon = download().ready_within(Duration::from_millis(100));
    let error = soon.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentNotReady, "{error}");
    let now = download().ready_within(Duration::ZERO);
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
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(30);
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
        assert_eq!(error.kind(), ErrorKind::File, "{error}");
    }
}

/// A body that ends with its connection may have been cut short.
#[tokio::test]
async fn a_body_without_an_end_is_believed_only_if_it_comes_twice() {
    let endless =
        |body: &str| Answer::Text(format!("HTTP/1.1 200 OK\nConnection: close\n\n{body}"));
    for (answers, ok) in [(["whole", "whole"], true), (["who", "whole"], false)] {
        let server = Server::start(answers.map(endless)).await;
        let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
        let client = server.client().retry(RetryPolicy::none()).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let outcome = client.download(&location).to_file(&path).await;
        assert_eq!(outcome.is_ok(), ok, "{outcome:?}");
        assert_eq!(path.exists(), ok);
    }
}

/// What a foreign host and whoever it sends us to got to see.
#[tokio::test]
async fn a_foreign_host_gets_no_credentials_and_cannot_send_them_anywhere() {
    let body = common::answer("200 OK", &[], "media");
    let back = Server::start([body]).await;
    let moved = |to: &str| common::answer("302 Found", &[("Location", to)], "");
    let foreign = Server::start([moved(&format!("{}/v1/objects/other", back.url))]).await;
    // Another name of this machine stands for a foreign host.
    let place = foreign.url.replace("127.0.0.1", "0.0.0.0");
    let home = Server::start([moved(&format!("{place}/x"))]).await;
    let location = format!("{}/v1/objects/o", home.url).parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = home.client().build().unwrap();
    client
        .download(&location)
        .to_file(folder.path().join("a"))
        .await
        .unwrap();
    let signed = |server: &Server| {
        let request = server.requests()[0].to_lowercase();
        [
            "authorization",
            "x-ms-host",
            "x-ms-date",
            "x-ms-content-sha256",
        ]
        .iter()
        .filter(|name| request.contains(&format!("\r\n{name}: ")))
        .count()
    };
    assert_eq!((signed(&home), signed(&foreign), signed(&back)), (4, 0, 0));
}
