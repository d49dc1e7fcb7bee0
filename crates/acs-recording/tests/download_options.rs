//! Downloads as values, and the options of their requests and of resuming.

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

use std::fmt::Debug;
use std::future::IntoFuture;
use std::time::Duration;

use acs_recording::{
    Download, ErrorKind, EventPayload, Events, ExponentialBackoff, NeverRetry, RequestOptions,
    RetryPolicyExt as _,
};
use raw::{Raw, Script};
use storage::{Behavior, Storage, content};

/// A download can be cloned, shown, sent to another thread and spawned there.
fn is_operation<T>(operation: &T)
where
    T: IntoFuture<IntoFuture: Send + 'static> + Clone + Debug + Send + Sync + 'static,
{
    drop(operation.clone().into_future());
    assert!(!format!("{operation:?}").contains(common::KEY));
}

#[tokio::test]
async fn downloads_are_values() {
    let server = Raw::start(|_, _| Script::default()).await;
    let client = server.client().build().unwrap();
    let download = || client.download(&server.location());
    is_operation(&download().to_file("a.wav").sha256().connections(2));
    is_operation(&download().range(..10).stream());
    is_operation(&download().into_bytes().max_bytes(10));
    let event = r#"{"id": "1", "subject": "/s", "data": {},
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated"}"#;
    let event = Events::parse(event.as_bytes()).next().unwrap().unwrap();
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        panic!("{event:?}");
    };
    let recording = client.download_recording(file).event(&event);
    is_operation(&recording.to_dir("a").sha256().delete_after());
    // With a writer of its own, it can be spawned too.
    let owned = download().to_writer(tokio::io::sink()).sha256();
    assert!(!format!("{owned:?}").contains(common::KEY));
    tokio::spawn(owned.into_future())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(server.requests().len(), 5, "only the last one was awaited");
}

#[tokio::test]
async fn a_writer_may_be_owned_or_borrowed() {
    let bytes = content(100_000, 61);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    let mut received = Vec::new();
    download().to_writer(&mut received).await.unwrap();
    assert!(received == bytes);
    let (writer, mut reader) = tokio::io::duplex(1024);
    let copied = tokio::spawn(download().to_writer(writer).sha256().into_future());
    let mut received = Vec::new();
    tokio::io::copy(&mut reader, &mut received).await.unwrap();
    assert!(received == bytes);
    let copied = copied.await.unwrap().unwrap();
    assert_eq!((copied.bytes, copied.sha256.is_some()), (100_000, true));
}

/// All destinations send the same request, with the options of this download.
#[tokio::test]
async fn options_apply_to_the_requests_of_a_download() {
    let busy = "HTTP/1.1 503 Service Unavailable\nContent-Length: 0\n\n";
    let server = Raw::start(move |_, _| Script::new(busy)).await;
    let client = server.client().build().unwrap();
    let options = RequestOptions::new()
        .retry_policy(NeverRetry)
        .client_request_id("order-7")
        .header("x-correlation-id", "c7");
    let download = || {
        let download = client.download(&server.location());
        download.request_options(options.clone())
    };
    let folder = tempfile::tempdir().unwrap();
    let errors = [
        download().to_file(folder.path().join("a")).await.err(),
        download().into_bytes().await.err(),
        download().stream().await.err(),
        download().to_writer(tokio::io::sink()).await.err(),
    ];
    assert!(errors.iter().flatten().all(|error| error.attempts() == 1));
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        for header in ["x-ms-client-request-id: order-7", "x-correlation-id: c7"] {
            assert!(request.contains(header), "{request}");
        }
    }
    let invalid = client.download(&server.location()).header("range", "x");
    let error = invalid.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn the_timeout_limits_the_time_without_content() {
    let server = Raw::start(|_, _| Script::hanging("")).await;
    let client = server.client().build().unwrap();
    let download = client.download(&server.location());
    let download = download.timeout(Duration::from_millis(100));
    let error = download.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

/// Each response delivers too little to count as progress.
#[tokio::test]
async fn the_resume_policy_decides_about_interruptions() {
    let bytes = content(60_000, 62);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior {
        cut_after: Some(6_000),
        tag: Some("\"1\""),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().retry_policy(NeverRetry).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let download = || client.download(&storage.location());
    let patient = |download: Download| {
        let backoff = ExponentialBackoff::default().initial_delay(Duration::from_millis(1));
        download.resume_policy(backoff.with_attempt_limit(30))
    };
    for error in [
        download().into_bytes().await.unwrap_err(),
        download().to_file(&path).await.unwrap_err(),
    ] {
        assert!(error.is_retryable(), "{error}");
    }
    assert!(patient(download()).into_bytes().await.unwrap() == bytes);
    patient(download()).to_file(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
}
