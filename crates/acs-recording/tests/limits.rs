//! Timeouts apply whatever a server does, and no timeout is too large.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::time::{Duration, Instant};

use acs_recording::models::RecordingState;
use acs_recording::{CallConnectionId, ErrorKind, NeverRetry, RecordingId, RequestOptions};
use common::{Server, TestResponse, respond, state};

/// Much longer than any timeout here, and much shorter than those of the client.
const SOON: Duration = Duration::from_secs(20);

fn rid() -> RecordingId {
    RecordingId::new("rid").unwrap()
}

#[tokio::test]
async fn a_wait_times_out_if_the_server_does_not_respond() {
    let server = Server::start(vec![TestResponse::Silence; 4]).await;
    let client = server.client().build().unwrap();
    let begun = Instant::now();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    let error = wait.timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    assert!(text.contains("recording rid is still unknown"), "{text}");

    let id = CallConnectionId::new("c").unwrap();
    let connection = client.calls().connection(id);
    let wait = connection.wait_until_connected();
    let error = wait.timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    assert!(
        text.contains("call connection c is still unknown"),
        "{text}"
    );
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn a_wait_continues_after_temporary_errors() {
    let trouble = [
        respond("503 Service Unavailable", &[], ""),
        respond("429 Too Many Requests", &[("retry-after-ms", "5")], ""),
        respond("500 Internal Server Error", &[], ""),
        respond("502 Bad Gateway", &[], "<html>"),
        TestResponse::Close,
        state("inactive"),
        respond("504 Gateway Timeout", &[], ""),
    ];
    let server = Server::start(trouble.into_iter().chain([state("active")])).await;
    // The retries of the client do not matter.
    let client = server.client().retry_policy(NeverRetry).build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    wait.poll_interval(Duration::from_millis(1)).await.unwrap();
    assert_eq!(server.requests().len(), 8);

    let connected =
        r#"{"callConnectionId":"c","serverCallId":"s","callConnectionState":"connected"}"#;
    let responses = [
        respond("503 Service Unavailable", &[], ""),
        TestResponse::Close,
        respond("200 OK", &[], connected),
    ];
    let server = Server::start(responses).await;
    let client = server.client().retry_policy(NeverRetry).build().unwrap();
    let call = client
        .calls()
        .connection(CallConnectionId::new("c").unwrap());
    let wait = call
        .wait_until_connected()
        .poll_interval(Duration::from_millis(1));
    wait.await.unwrap();
}

#[tokio::test]
async fn a_timed_out_wait_reports_the_last_error() {
    let body = r#"{"error":{"code":"9999","message":"Ouch."}}"#;
    let server = Server::start(vec![respond("500 Oops", &[], body); 1000]).await;
    let client = server.client().build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    let wait = wait.timeout(Duration::from_millis(50));
    let error = wait
        .poll_interval(Duration::from_millis(5))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    assert!(text.contains("recording rid is still unknown"), "{text}");
    assert!(text.contains("code 9999: Ouch"), "{text}");
    let cause = std::error::Error::source(&error).unwrap();
    let cause = cause.downcast_ref::<acs_recording::Error>().unwrap();
    assert_eq!(cause.code(), Some("9999"));
}

#[tokio::test]
async fn a_permanent_error_ends_a_wait_immediately() {
    let body = r#"{"error":{"code":"8522","message":"Recording not found."}}"#;
    let server = Server::start([respond("404 Not Found", &[], body)]).await;
    let client = server.client().build().unwrap();
    let error = client
        .recording(rid())
        .wait_until(RecordingState::Active)
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("recording rid: "), "{error}");
    assert_eq!(server.requests().len(), 1);
}

/// An endless body, for a success or an error.
fn endless(status: &str) -> TestResponse {
    let body = "x".repeat(64 * 1024);
    TestResponse::Endless(format!("HTTP/1.1 {status}\n\n{body}"))
}

#[tokio::test]
async fn an_endless_body_is_an_error() {
    let server = Server::start([endless("200 OK"), endless("409 Conflict")]).await;
    let client = server.client().max_response_size(1 << 20);
    let client = client.build().unwrap();
    let recording = client.recording(rid());
    let begun = Instant::now();
    let error = recording.state().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::InvalidResponse, 1)
    );
    let text = error.to_string();
    assert!(text.contains("longer than 1048576 bytes"), "{text}");
    assert!(text.contains("max_response_size"), "{text}");
    // For an error, the beginning suffices.
    let error = recording.pause().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Conflict, Some(409))
    );
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn an_error_is_reported_although_its_body_stalls() {
    let stalled = TestResponse::Stall("HTTP/1.1 404 Not Found\nContent-Length: 99\n\n{".to_owned());
    let server = Server::start([stalled]).await;
    let recording = server.client().build().unwrap().recording(rid());
    let state = recording
        .state()
        .attempt_timeout(Duration::from_millis(300));
    let error = state.await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::NotFound, 1));
}

#[tokio::test]
async fn the_client_sets_the_maximum_response_size() {
    let long = respond(
        "200 OK",
        &[],
        &format!(
            r#"{{"recordingState":"active","more":"{}"}}"#,
            "x".repeat(1000)
        ),
    );
    let server = Server::start([long.clone(), long]).await;
    let small = server.client().max_response_size(500).build().unwrap();
    small.recording(rid()).state().await.unwrap_err();
    let client = server.client().max_response_size(2000).build().unwrap();
    client.recording(rid()).state().await.unwrap();
}

#[tokio::test]
async fn a_wait_polls_once_more_at_its_end() {
    let server = Server::start([state("inactive"), state("active")]).await;
    let client = server.client().build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    // A longer interval does not make it end early.
    let wait = wait.timeout(Duration::from_millis(50));
    wait.poll_interval(Duration::from_secs(60)).await.unwrap();
    assert_eq!(server.requests().len(), 2);

    let server = Server::start([state("inactive"), state("inactive")]).await;
    let client = server.client().build().unwrap();
    let wait = client.recording(rid()).wait_until(RecordingState::Active);
    let error = wait.timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("still inactive"), "{error}");
}

#[tokio::test]
async fn no_timeout_is_too_large() {
    let requests_delay = |header| respond("503 Service Unavailable", &[header], "");
    for header in [
        ("Retry-After", "18446744073709551615"),
        ("retry-after-ms", "18446744073709551615"),
    ] {
        let server = Server::start([requests_delay(header), state("active")]).await;
        let client = server.client().build().unwrap();
        let error = client.recording(rid()).state().await.unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(503), 1));
        let text = error.to_string();
        assert!(
            text.contains("the rest of the operation timeout of 120 s"),
            "{text}"
        );
    }

    let server = Server::start([state("active"), state("active")]).await;
    let client = server.client().build().unwrap();
    let recording = client.recording(rid());
    let state = recording.state().timeout(Duration::MAX);
    state.attempt_timeout(Duration::MAX).await.unwrap();
    let wait = recording.wait_until(RecordingState::Active);
    let wait = wait.timeout(Duration::MAX).poll_interval(Duration::MAX);
    wait.await.unwrap();
}

#[tokio::test]
async fn attempt_timeouts_apply_to_low_level_calls() {
    let server = Server::start([TestResponse::Silence, state("active")]).await;
    let client = server.client().build().unwrap();
    let begun = Instant::now();
    let state = client.recording(rid()).state();
    let state = state.attempt_timeout(Duration::from_millis(100));
    state.await.unwrap();
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn all_redirects_share_one_timeout() {
    let server = Server::start(vec![TestResponse::Silence; 4]).await;
    let location = format!("{}/v1/objects/o/content/x", server.url);
    let moved = respond("302 Found", &[("Location", &location)], "");
    let first = Server::start(vec![moved; 4]).await;
    let location = format!("{}/v1/objects/o/content/x", first.url)
        .parse()
        .unwrap();
    let client = first.client().retry_policy(NeverRetry);
    let client = client.allow_content_host("127.0.0.1");
    let client = client.operation_timeout(Duration::from_millis(150));
    let client = client.build().unwrap();
    let begun = Instant::now();
    let error = client.download(&location).into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn a_timeout_of_zero_is_rejected_by_name() {
    let server = Server::start([state("active")]).await;
    let zero = Duration::ZERO;
    let built = [
        ("attempt_timeout", server.client().attempt_timeout(zero)),
        ("operation_timeout", server.client().operation_timeout(zero)),
    ];
    for (name, builder) in built {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
    let client = server.client().build().unwrap();
    let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
    for options in [
        RequestOptions::new().timeout(zero),
        RequestOptions::new().attempt_timeout(zero),
    ] {
        let state = client.recording(rid()).state();
        let error = state.request_options(options.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let delete = client.delete_at(&location).request_options(options);
        let error = delete.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert!(server.requests().is_empty());
}
