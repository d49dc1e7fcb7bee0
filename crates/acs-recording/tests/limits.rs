//! Limits of time hold, whatever a server does, and none is too large.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::time::{Duration, Instant};

use acs_recording::models::RecordingState;
use acs_recording::{CallConnectionId, ErrorKind, RecordingId, RetryPolicy};
use common::{Answer, Server, answer, state};

/// Much longer than any limit here, and much shorter than those of the client.
const SOON: Duration = Duration::from_secs(20);

fn rid() -> RecordingId {
    RecordingId::new("rid").unwrap()
}

#[tokio::test]
async fn a_wait_ends_although_the_server_is_silent() {
    let server = Server::start(vec![Answer::Silence; 4]).await;
    let client = server.client().build().unwrap();
    let begun = Instant::now();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    let error = wait.within(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("still unknown"), "{error}");

    let id = CallConnectionId::new("c").unwrap();
    let connection = client.calls().connection(id);
    let wait = connection.wait_until_connected();
    let error = wait.within(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn a_wait_asks_once_more_when_it_ends() {
    let server = Server::start([state("inactive"), state("active")]).await;
    let client = server.client().build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    // The interval, which is longer, does not make it end early.
    let wait = wait.within(Duration::from_millis(50));
    wait.every(Duration::from_mins(1)).await.unwrap();
    assert_eq!(server.requests().len(), 2);

    let server = Server::start([state("inactive"), state("inactive")]).await;
    let client = server.client().build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    let error = wait.within(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("still inactive"), "{error}");
}

#[tokio::test]
async fn no_limit_is_too_large() {
    let asks = |header| answer("503 Service Unavailable", &[header], "");
    for header in [
        ("Retry-After", "18446744073709551615"),
        ("retry-after-ms", "18446744073709551615"),
    ] {
        let server = Server::start([asks(header), state("active")]).await;
        let client = server.client().build().unwrap();
        let error = client.recording(rid()).state().await.unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(503), 1));
    }

    let server = Server::start([state("active"), state("active")]).await;
    let client = server.client().build().unwrap();
    let client = client
        .with_time_limit(Duration::MAX)
        .with_attempt_time_limit(Duration::MAX);
    let recording = client.recording(rid());
    recording.state().await.unwrap();
    let wait = recording.wait_until(RecordingState::Active);
    let wait = wait.within(Duration::MAX).every(Duration::MAX);
    wait.await.unwrap();
}

#[tokio::test]
async fn attempts_have_a_limit_for_single_calls() {
    let server = Server::start([Answer::Silence, state("active")]).await;
    let client = server.client().build().unwrap();
    let client = client.with_attempt_time_limit(Duration::from_millis(100));
    let begun = Instant::now();
    client.recording(rid()).state().await.unwrap();
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn all_redirects_together_have_one_limit() {
    let server = Server::start(vec![Answer::Silence; 4]).await;
    let location = format!("{}/v1/objects/o/content/x", server.url);
    let moved = answer("302 Found", &[("Location", &location)], "");
    let first = Server::start(vec![moved; 4]).await;
    let location = format!("{}/v1/objects/o/content/x", first.url)
        .parse()
        .unwrap();
    let client = first.client().retry(RetryPolicy::none());
    let client = client.allow_content_host("127.0.0.1").build().unwrap();
    let client = client.with_time_limit(Duration::from_millis(150));
    let begun = Instant::now();
    let error = client.download(&location).into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < SOON);
}
