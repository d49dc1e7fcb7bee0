//! Operations as values, and the effects of their options on requests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use acs_recording::models::RecordingState;
use acs_recording::{
    CallConnectionId, CallLocator, ContentUrl, ErrorKind, ExponentialBackoff, FailedAttempt,
    GroupCallId, NeverRetry, Recording, RecordingChunk, RecordingClient, RecordingId,
    RecordingTarget, RequestOptions, RetryPolicy, RetryPolicyExt as _, ServerCallId,
};
use common::{Server, TestResponse, client, respond, state};
use uuid::Uuid;

const CALLBACK: &str = "https://app.example/callbacks";

fn recording(client: &RecordingClient) -> Recording {
    client.recording(RecordingId::new("rid").unwrap())
}

fn busy() -> TestResponse {
    respond("503 Service Unavailable", &[("retry-after-ms", "1")], "")
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (header, value) = line.split_once(": ")?;
        header.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An operation can be stored, formatted, cloned, sent to another thread and spawned there.
fn is_operation<T>(operation: &T)
where
    T: IntoFuture<IntoFuture: Send + 'static> + Clone + Debug + Send + Sync + 'static,
{
    drop(operation.clone().into_future());
    assert!(!format!("{operation:?}").contains(common::KEY));
}

/// Runs a statement for every operation that has options for its requests, as `$operation`.
macro_rules! for_each_operation {
    ($client:expr, |$operation:ident| $statement:expr) => {{
        let client: &RecordingClient = &$client;
        let recording = recording(client);
        let calls = client.calls();
        let call = calls.connection(CallConnectionId::new("c").unwrap());
        let id = || ServerCallId::new("aHR0cHM6Ly9h").unwrap();
        let location: ContentUrl = "https://eu-storage.asm.skype.com/v1/objects/o"
            .parse()
            .unwrap();
        let mut chunk = RecordingChunk::default();
        chunk.metadata_location = Some(
            format!("{location}/content/acsmetadata").parse().unwrap(),
        );
        for_each_operation!(@ $operation, $statement,
            client.start(id()),
            recording.state(),
            recording.properties(),
            recording.pause(),
            recording.resume(),
            recording.stop(),
            recording.wait_until(RecordingState::Active),
            client.metadata(&chunk),
            client.delete_at(&location),
            calls.create(["4:+14255550123"], CALLBACK).unwrap(),
            calls.answer("context", CALLBACK).unwrap(),
            calls.connect(id(), CALLBACK).unwrap(),
            call.properties(),
            call.hang_up(),
            call.terminate(),
            call.participants(),
            call.wait_until_connected(),
        );
    }};
    (@ $operation:ident, $statement:expr, $($each:expr,)*) => {
        $({
            let $operation = $each;
            $statement;
        })*
    };
}

#[tokio::test]
async fn operations_are_owned_and_can_be_spawned() {
    let client = client("https://contoso.communication.azure.com");
    let client = client.build().unwrap();
    for_each_operation!(client, |operation| is_operation(&operation));
    // Calls do not borrow either.
    let calls = client.calls();
    drop(client);
    is_operation(
        &calls
            .connect(CallLocator::Group(group()), CALLBACK)
            .unwrap(),
    );
}

fn group() -> GroupCallId {
    GroupCallId::new(Uuid::from_u128(7).to_string()).unwrap()
}

#[tokio::test]
async fn every_operation_rejects_reserved_headers_and_sends_nothing() {
    let server = Server::start([]).await;
    let client = server.client().build().unwrap();
    for_each_operation!(client, |operation| {
        let error = operation.header("Authorization", "mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(error.attempts(), 0);
        assert!(error.to_string().contains("authorization"), "{error}");
    });
    for_each_operation!(client, |operation| {
        let error = operation.client_request_id("a\r\nb").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn options_apply_to_one_operation() {
    let server = Server::start([busy(), state("active"), state("active")]).await;
    let recording = recording(&server.client().build().unwrap());
    recording
        .state()
        .header("X-Gateway", "blue")
        .client_request_id("order-7")
        .await
        .unwrap();
    recording.state().await.unwrap();
    let requests = server.requests();
    for request in &requests[..2] {
        assert_eq!(header(request, "x-gateway"), Some("blue"));
        assert_eq!(header(request, "x-ms-client-request-id"), Some("order-7"));
        assert!(header(request, "authorization").is_some());
    }
    assert_eq!(header(&requests[2], "x-gateway"), None);
    let own = header(&requests[2], "x-ms-client-request-id").unwrap();
    assert!(Uuid::parse_str(own).is_ok(), "{own}");
}

#[tokio::test]
async fn an_error_has_the_client_request_id_of_the_operation() {
    let server = Server::start([respond("404 Not Found", &[], "")]).await;
    let recording = recording(&server.client().build().unwrap());
    let id = Uuid::new_v4();
    let error = recording.stop().client_request_id(id).await.unwrap_err();
    assert_eq!(error.request_id(), Some(id.to_string().as_str()));
}

/// All requests of an operation have its options, including pages and the state request after a
/// conflict.
#[tokio::test]
async fn options_apply_to_every_request_of_an_operation() {
    let next = r#"{"value":[],"nextLink":"/calling/callConnections/c/participants?page=2"}"#;
    let server = Server::start([
        respond("200 OK", &[], next),
        respond("200 OK", &[], r#"{"value":[]}"#),
        TestResponse::Close,
        respond("409 Conflict", &[], ""),
        state("inactive"),
    ])
    .await;
    let client = server.client().build().unwrap();
    let calls = client.calls();
    let call = calls.connection(CallConnectionId::new("c").unwrap());
    let options = RequestOptions::new().header("X-Gateway", "blue");
    let participants = call.participants().request_options(options.clone());
    assert!(participants.await.unwrap().is_empty());
    let pause = recording(&client).pause().request_options(options);
    pause.await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    for request in requests {
        assert_eq!(header(&request, "x-gateway"), Some("blue"), "{request}");
    }
}

#[tokio::test]
async fn the_timeout_of_an_operation_includes_all_its_requests() {
    let limit = Duration::from_millis(300);
    let begun = Instant::now();
    let server = Server::start([
        TestResponse::Close,
        respond("409 Conflict", &[], ""),
        TestResponse::Silence,
    ])
    .await;
    let recording = recording(&server.client().build().unwrap());
    let error = recording.resume().timeout(limit).await.unwrap_err();
    // A conflict that cannot be resolved remains an error.
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(server.requests().len(), 3);

    let server = Server::start([TestResponse::Silence, TestResponse::Silence]).await;
    let client = server.client().build().unwrap();
    let start = client.start(ServerCallId::new("aHR0cHM6Ly9h").unwrap());
    let error = start.timeout(limit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// A redirect can lead to a host that gets no credentials. It gets no headers of the caller either.
#[tokio::test]
async fn headers_do_not_follow_a_redirect_to_a_host_without_credentials() {
    let elsewhere = Server::start([respond("200 OK", &[], "no document")]).await;
    // A host with another name, not only with another port.
    let location = format!("{}/file", elsewhere.url.replace("127.0.0.1", "localhost"));
    let moved = respond("302 Found", &[("Location", &location)], "");
    let server = Server::start([moved]).await;
    let address = server.url.trim_start_matches("http://");
    let client = client("https://contoso.communication.azure.com");
    let client = client.allow_content_host(address).build().unwrap();
    let mut chunk = RecordingChunk::default();
    let location = format!("{}/v1/objects/o/content/acsmetadata", server.url);
    chunk.metadata_location = Some(location.parse().unwrap());
    let metadata = client.metadata(&chunk).header("X-Gateway-Key", "s3cret");
    metadata.await.unwrap_err();
    let (first, second) = (&server.requests()[0], &elsewhere.requests()[0]);
    assert_eq!(header(first, "x-gateway-key"), Some("s3cret"));
    assert!(header(first, "authorization").is_some());
    assert_eq!(header(second, "x-gateway-key"), None, "{second}");
    assert_eq!(header(second, "authorization"), None, "{second}");
}

/// Retries immediately, up to a number of attempts, and records the failed attempts.
#[derive(Clone, Debug, Default)]
struct RecordingPolicy(Arc<Mutex<Vec<FailedAttempt>>>);

impl RetryPolicy for RecordingPolicy {
    fn next_delay(&self, failed: &FailedAttempt) -> Option<Duration> {
        self.0.lock().unwrap().push(*failed);
        Some(Duration::from_millis(1))
    }
}

#[tokio::test]
async fn a_custom_policy_sees_failed_attempts() {
    let server = Server::start([
        respond("429 Too Many Requests", &[("Retry-After", "7")], ""),
        TestResponse::Close,
        respond("500 Oops", &[], ""),
        state("active"),
    ])
    .await;
    let policy = RecordingPolicy::default();
    let client = server.client().retry_policy(policy.clone());
    recording(&client.build().unwrap()).state().await.unwrap();
    let seen = policy.0.lock().unwrap().clone();
    let what: Vec<_> = seen
        .iter()
        .map(|failed| (failed.attempt, failed.kind, failed.status))
        .collect();
    assert_eq!(
        what,
        [
            (1, ErrorKind::Throttled, Some(429)),
            (2, ErrorKind::Connection, None),
            (3, ErrorKind::Service, Some(500)),
        ]
    );
    assert_eq!(seen[0].retry_after, Some(Duration::from_secs(7)));
    assert!(seen[0].elapsed <= seen[2].elapsed);
}

/// No policy can retry what is not safe to repeat.
#[tokio::test]
async fn no_policy_retries_permanent_errors() {
    for trouble in [
        respond("400 Bad Request", &[], ""),
        respond("401 Unauthorized", &[], ""),
        respond("404 Not Found", &[], ""),
        respond("409 Conflict", &[], ""),
        respond("501 Not Implemented", &[], ""),
    ] {
        let server = Server::start([trouble, state("active")]).await;
        let policy = RecordingPolicy::default();
        let client = server.client().build().unwrap();
        let state = recording(&client).state().retry_policy(policy.clone());
        state.await.unwrap_err();
        assert!(policy.0.lock().unwrap().is_empty());
        assert_eq!(server.requests().len(), 1);
    }
}

/// A sound that was possibly played is not played twice.
#[cfg(feature = "unstable-low-level")]
#[tokio::test]
async fn no_policy_retries_operations_that_are_not_repeatable() {
    for trouble in [TestResponse::Close, respond("500 Oops", &[], "")] {
        let server = Server::start([trouble, respond("202 Accepted", &[], "")]).await;
        let policy = RecordingPolicy::default();
        let client = server.client().retry_policy(policy.clone());
        let client = client.build().unwrap();
        let low_level = client.call_automation();
        let played = low_level.call_media_cancel_all_media_operations("c", None);
        played.await.unwrap_err();
        assert!(policy.0.lock().unwrap().is_empty());
        assert_eq!(server.requests().len(), 1);
    }
}

/// Waits longer than any operation timeout.
#[derive(Debug)]
struct OneHour;
impl RetryPolicy for OneHour {
    fn next_delay(&self, _failed: &FailedAttempt) -> Option<Duration> {
        Some(Duration::from_secs(60 * 60))
    }
}

#[tokio::test]
async fn limits_of_a_policy_and_of_the_operation_end_retries() {
    let server = Server::start(vec![busy(); 9]).await;
    let client = server.client().build().unwrap();
    let three = RecordingPolicy::default().with_attempt_limit(3);
    let error = recording(&client).state().retry_policy(three).await;
    assert_eq!(error.unwrap_err().attempts(), 3);
    let once = recording(&client).state().retry_policy(NeverRetry);
    assert_eq!(once.await.unwrap_err().attempts(), 1);
    let brief = ExponentialBackoff::default().with_time_limit(Duration::from_millis(10));
    let error = recording(&client).state().retry_policy(brief).await;
    assert_eq!(error.unwrap_err().attempts(), 1);

    // A delay beyond the operation timeout ends the operation immediately.
    let oops = respond("500 Oops", &[], "");
    let server = Server::start([oops, state("active")]).await;
    let client = server.client().build().unwrap();
    let begun = Instant::now();
    let patient: Arc<dyn RetryPolicy> = Arc::new(OneHour);
    let error = recording(&client).state().retry_policy(patient).await;
    assert_eq!(error.unwrap_err().status(), Some(500));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// The polls of a wait are retried only if requested.
#[tokio::test]
async fn a_wait_has_options_for_its_polls() {
    let server = Server::start([busy(), state("active")]).await;
    let client = server.client().build().unwrap();
    let wait = recording(&client).wait_until(RecordingState::Active);
    let wait = wait
        .retry_policy(RecordingPolicy::default())
        .header("x-a", "1");
    // The next poll would be an hour later.
    let wait = wait.poll_interval(Duration::from_secs(60 * 60));
    wait.await.unwrap();
    let requests = server.requests();
    let values: Vec<_> = requests.iter().map(|r| header(r, "x-a")).collect();
    assert_eq!(values, [Some("1"), Some("1")]);
}

#[tokio::test]
async fn awaiting_clones_ends_a_call_once() {
    let done = respond("204 No Content", &[], "");
    let server = Server::start(vec![done; 3]).await;
    let client = server.client().build().unwrap();
    let calls = client.calls();
    let call = calls.connection(CallConnectionId::new("c").unwrap());
    let terminate = call.terminate();
    terminate.clone().await.unwrap();
    terminate.await.unwrap();
    let id = Uuid::new_v4();
    let again = call.terminate().repeatability(id, SystemTime::UNIX_EPOCH);
    again.await.unwrap();
    let requests = server.requests();
    let sent = |index: usize| header(&requests[index], "repeatability-request-id");
    assert_eq!(sent(0), sent(1));
    assert_eq!(sent(2), Some(id.to_string().as_str()));
}

#[test]
fn every_locator_is_a_recording_target() {
    let locator = CallLocator::from(group());
    assert_eq!(
        RecordingTarget::from(locator.clone()),
        RecordingTarget::Locator(locator)
    );
    assert_eq!(
        RecordingTarget::from(group()),
        RecordingTarget::from(CallLocator::Group(group()))
    );
    let id = CallConnectionId::new("c").unwrap();
    assert_eq!(
        RecordingTarget::from(id.clone()),
        RecordingTarget::Connection(id)
    );
}
