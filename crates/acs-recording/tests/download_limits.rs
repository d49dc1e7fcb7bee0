//! Limits of attempts, time and rate, whatever a server does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/raw.rs"]
mod raw;
#[path = "common/storage.rs"]
mod storage;

use std::time::{Duration, Instant};

use acs_recording::{Download, ErrorKind, EventPayload, Events, RecordingClient};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use raw::{Raw, Script};
use storage::{Behavior, Storage, content, names};
use tokio::time::timeout;

const MIB: usize = 1024 * 1024;

/// Much longer than any test here takes, and much shorter than the client's timeouts.
const SOON: Duration = Duration::from_secs(20);

const HEAD: &str = "HTTP/1.1 200 OK\nContent-Length: 100000\n\n";

/// A download to a file and one into memory both fail after five requests.
async fn failures(server: impl Fn(usize) -> Script + Clone + Send + Sync + 'static) {
    for to_file in [true, false] {
        let script = server.clone();
        let server = Raw::start(move |number, _| script(number)).await;
        let client = server.client().attempt_timeout(Duration::from_millis(50));
        let client = client.build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let download = client.download(&server.location());
        let error = if to_file {
            let path = folder.path().join("a.wav");
            download.to_file(path).await.unwrap_err()
        } else {
            download.into_bytes().await.unwrap_err()
        };
        let requests = server.requests().len();
        assert!(error.is_retryable(), "{error}");
        assert_eq!((requests, error.attempts()), (5, 5), "{error}");
    }
}

#[tokio::test]
async fn requests_without_a_response_are_retried_by_the_policy() {
    failures(|_| Script::default()).await;
    failures(|_| Script::hanging("")).await;
    failures(|_| Script::new("HTTP/1.1 500 Oops\nContent-Length: 0\n\n")).await;
    failures(|_| Script::new("HTTP/1.1 503 Busy\nContent-Length: 0\n\n")).await;
}

#[tokio::test]
async fn interruptions_and_failed_requests_share_one_budget() {
    // Interrupted, and then unavailable.
    failures(|number| match number {
        0 => Script::new(format!("{HEAD}0123456789")),
        _ => Script::default(),
    })
    .await;
    // A few bytes each time.
    failures(|_| Script::new(format!("{HEAD}0123456789"))).await;
    // Every other time.
    failures(|number| match number % 2 {
        0 => Script::new(HEAD),
        _ => Script::default(),
    })
    .await;
}

/// A restart counts as an attempt.
#[tokio::test]
async fn restarts_share_the_budget_too() {
    for text in [
        // Without an identity, it cannot resume.
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\r\nabcde\r\n",
        // Another version each time.
        "HTTP/1.1 200 OK\nContent-Length: 9\nETag: \"NUMBER\"\n\nabcde",
        "HTTP/1.1 200 OK\nContent-Length: 1NUMBER\n\nabcde",
    ] {
        let script =
            move |number: usize, _: &str| Script::new(text.replace("NUMBER", &number.to_string()));
        let server = Raw::start(script).await;
        let client = server.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let download = client.download(&server.location());
        let saved = download.to_file(folder.path().join("a.wav")).await;
        let error = saved.unwrap_err();
        assert!(server.requests().len() <= 5, "{text}: {error}");
        assert!(names(folder.path()).is_empty(), "{text}");
        let changes = text.contains("NUMBER");
        assert_eq!(
            error.kind() == ErrorKind::ContentChanged,
            changes,
            "{error}"
        );
    }
}

/// After received bytes, the next interruption counts as the first one.
#[tokio::test]
async fn progress_resets_the_budget() {
    let bytes = content(MIB, 40);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior {
        cut_after: Some(40_000),
        tag: Some("\"1\""),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let got = client.download(&storage.location()).into_bytes();
    assert!(got.await.unwrap() == bytes);
    assert!(storage.ranges().len() > 20);
}

#[tokio::test]
async fn the_operation_timeout_covers_all_attempts() {
    let scripts: [fn(usize) -> Script; 5] = [
        |_| Script::hanging(""),
        |_| Script::hanging(HEAD),
        |_| Script::hanging("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"),
        |number| match number % 2 {
            0 => Script::hanging(HEAD),
            _ => Script::hanging(""),
        },
        |_| Script::new("HTTP/1.1 503 Busy\nContent-Length: 0\nRetry-After: 1\n\n"),
    ];
    join_all(scripts.map(|script| async move {
        let server = Raw::start(move |number, _| script(number)).await;
        let client = server
            .client()
            .operation_timeout(Duration::from_millis(300));
        let client = client.build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let download = client.download(&server.location());
        let error = download.to_file(folder.path().join("a.wav")).await;
        let error = error.unwrap_err();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}: {error}");
        assert!(names(folder.path()).is_empty());
    }))
    .await;
    // After received bytes, the timeout counts from the interruption.
    let server = Raw::start(|number, _| match number {
        0 => Script::hanging(format!("{HEAD}0123456789")),
        _ => Script::hanging(""),
    })
    .await;
    let client = server
        .client()
        .operation_timeout(Duration::from_millis(300));
    let client = client.build().unwrap();
    let begun = Instant::now();
    let download = client.download(&server.location());
    let download = download.read_timeout(Duration::from_millis(500));
    let error = download.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    assert!(begun.elapsed() < SOON);
}

/// A server that always sends some bytes, but too few.
async fn slow_server() -> Raw {
    Raw::start(|_, _| Script::slow(HEAD, Duration::from_millis(10))).await
}

/// A download whose minimum rate is far above the rate of the slow server.
fn download_with_minimum_rate(client: &RecordingClient, server: &Raw) -> Download {
    let download = client.download(&server.location());
    let download = download.read_timeout(Duration::from_millis(300));
    download.minimum_rate(10_000)
}

#[tokio::test]
async fn a_connection_below_the_minimum_rate_is_closed() {
    let server = slow_server().await;
    let client = server.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = download_with_minimum_rate(&client, &server).to_file(folder.path().join("a.wav"));
    let error = timeout(SOON, saved).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let text = error.to_string();
    assert!(text.contains("less than 10000 bytes per second"), "{text}");
    let requests = server.requests();
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert!(requests[4].contains("\r\nrange: bytes="), "{requests:?}");

    let got = timeout(
        SOON,
        download_with_minimum_rate(&client, &server).into_bytes(),
    )
    .await;
    assert_eq!(got.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}

/// The time is the read timeout.
#[tokio::test]
async fn a_minimum_rate_applies_by_default() {
    let server = slow_server().await;
    let client = server.client().build().unwrap();
    let download = client.download(&server.location());
    let download = download.read_timeout(Duration::from_millis(200));
    let got = timeout(SOON, download.into_bytes()).await.unwrap();
    let error = got.unwrap_err();
    assert!(error.to_string().contains("less than 256 bytes"), "{error}");

    let server = slow_server().await;
    let download = client.download(&server.location()).minimum_rate(0);
    let download = download.read_timeout(Duration::from_millis(200));
    let waited = timeout(Duration::from_secs(2), download.into_bytes()).await;
    assert!(
        waited.is_err(),
        "without a minimum rate it continues: {waited:?}"
    );
}

/// With a slow server on every connection, other downloads still get one.
#[tokio::test]
async fn slow_servers_do_not_occupy_all_connections() {
    let slow = slow_server().await;
    let bytes = content(100_000, 41);
    let quick = Storage::start(bytes, |_, _| Behavior::default()).await;
    let client = quick.client().allow_content_host("127.0.0.1");
    let client = client.build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let slow_downloads = (0..40).map(|number| {
        let path = folder.path().join(format!("{number}.slow"));
        download_with_minimum_rate(&client, &slow)
            .to_file(path)
            .into_future()
    });
    let saved = client
        .download(&quick.location())
        .to_file(folder.path().join("a.wav"))
        .into_future();
    let all = async { tokio::join!(join_all(slow_downloads), saved) };
    let (slow_downloads, saved) = timeout(SOON, all).await.unwrap();
    assert!(slow_downloads.iter().all(Result::is_err));
    assert_eq!(saved.unwrap().bytes, 100_000);
}

/// Only the time counts in which the network has nothing to read.
#[tokio::test]
async fn a_slow_reader_or_limit_does_not_make_a_connection_too_slow() {
    let bytes = content(100_000, 42);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let strict = || {
        let download = client.download(&storage.location());
        download.read_timeout(Duration::from_secs(1))
    };
    let folder = tempfile::tempdir().unwrap();
    let paced = strict().bandwidth_limit(100_000).minimum_rate(100_000);
    let paced = paced.to_file(folder.path().join("a.wav")).await.unwrap();
    assert_eq!(paced.bytes, 100_000);

    let watched = strict().minimum_rate(1_000_000);
    let watched = watched.on_progress(|_| std::thread::sleep(Duration::from_millis(600)));
    let watched = watched.to_file(folder.path().join("b.wav")).await.unwrap();
    assert_eq!(watched.bytes, 100_000);

    let mut stream = strict().minimum_rate(1_000_000).stream().await.unwrap();
    let mut got = Vec::new();
    while let Some(part) = stream.next().await {
        got.extend_from_slice(&part.unwrap());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(got == bytes);
    assert_eq!(storage.ranges().len(), 3, "no request was repeated");
}

#[tokio::test]
async fn options_out_of_range_are_rejected_before_any_request() {
    let server = Raw::start(|_, _| Script::default()).await;
    let client = server.client().build().unwrap();
    let changes: [fn(Download) -> Download; 4] = [
        |download| download.bandwidth_limit(0),
        |download| download.read_timeout(Duration::ZERO),
        |download| download.minimum_rate(u64::MAX),
        |download| download.ready_timeout(Duration::MAX),
    ];
    let folder = tempfile::tempdir().unwrap();
    for change in changes {
        let download = change(client.download(&server.location()));
        let errors = [
            download
                .clone()
                .to_file(folder.path().join("a"))
                .await
                .err(),
            download.clone().into_bytes().await.err(),
            download.clone().stream().await.err(),
            download.to_writer(Vec::new()).await.err(),
        ];
        for error in errors {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            let text = error.to_string();
            assert!(text.contains("is out of range; give "), "{text}");
        }
    }
    for count in [0, usize::MAX] {
        let download = client.download(&server.location());
        let download = download.to_file(folder.path().join("a"));
        let error = download.connections(count).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("give 1 to 32"), "{error}");
    }
    let event = r#"[{"id": "1", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "subject": "/s", "topic": "/t", "dataVersion": "1.0", "eventTime": "2026-01-01T00:00:00Z",
        "data": {"recordingStorageInfo": {"recordingChunks": [{"documentId": "d", "index": 0,
            "contentLocation": "URL/v1/objects/d/content/audiowav",
            "metadataLocation": "URL/v1/objects/d/content/acsmetadata",
            "deleteLocation": "URL/v1/objects/d"}]}}}]"#;
    let event = event.replace("URL", &server.url);
    let event = Events::parse(event.as_bytes()).next().unwrap().unwrap();
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        panic!("{event:?}");
    };
    let target = folder.path().join("recordings");
    let saved = client
        .download_recording(file)
        .to_dir(&target)
        .connections(0);
    let error = saved.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(names(folder.path()).is_empty(), "no folder is created");
    assert!(server.requests().is_empty());
}
