//! Calls, which provide the ids that recordings start with.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use acs_recording::models::CallConnectionStateModel as State;
use acs_recording::{
    CallConnectionId, CommunicationIdentifier, ConnectionString, ErrorKind, Media, RecordingClient,
};
use common::{Server, TestResponse, respond};

const CALLBACK: &str = "https://app.example/callbacks";
const BOB: &str = "4:+14255550123";

fn client(emulator: &Emulator) -> RecordingClient {
    let text: ConnectionString = emulator.connection_string().parse().unwrap();
    RecordingClient::builder(text).build().unwrap()
}

#[tokio::test]
async fn an_outbound_call_can_be_recorded_once_it_is_connected() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .start()
        .await
        .unwrap();
    let client = client(&acs);
    let call = client
        .calls()
        .create([BOB], CALLBACK)
        .unwrap()
        .caller("4:+14255550100")
        .unwrap()
        .display_name("Contoso")
        .operation_context("order 7")
        .await
        .unwrap();
    let initial = call.initial_properties().unwrap();
    assert_eq!(
        (initial.state.clone(), &initial.server_call_id),
        (Some(State::Connecting), &None)
    );
    assert_eq!(initial.targets, [BOB.into()]);

    let wait = call
        .wait_until_connected()
        .poll_interval(Duration::from_millis(5));
    let error = wait
        .clone()
        .timeout(Duration::from_millis(20))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    acs.clock().advance(Duration::from_secs(1));
    let id = wait.await.unwrap().server_call_id.unwrap();

    let recording = client.start(id).media(Media::mixed_wav()).await.unwrap();
    let there = call.participants().await.unwrap();
    let bob: CommunicationIdentifier = BOB.into();
    assert!(
        there.iter().any(|participant| participant.id == bob),
        "{there:?}"
    );

    call.terminate().await.unwrap();
    assert_eq!(
        call.properties().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        recording.state().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn an_answered_call_has_its_id_immediately() {
    let acs = Emulator::start().await.unwrap();
    let client = client(&acs);
    let answer = client.calls().answer("context", CALLBACK).unwrap();
    let call = answer.operation_context("x").await.unwrap();
    let id = call
        .initial_properties()
        .unwrap()
        .server_call_id
        .clone()
        .unwrap();
    let again = client.calls().connection(call.id().clone());
    let wait = again
        .wait_until_connected()
        .poll_interval(Duration::from_millis(10));
    assert_eq!(wait.await.unwrap().server_call_id, Some(id.clone()));

    let joined = client.calls().connect(id, CALLBACK).unwrap().await.unwrap();
    assert_ne!(joined.id(), call.id());
    joined.hang_up().await.unwrap();
}

#[tokio::test]
async fn invalid_calls_are_rejected_before_any_request() {
    let acs = Emulator::start().await.unwrap();
    let client = client(&acs);
    let error = client
        .calls()
        .create([BOB], "http://app.example/")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn page(numbers: std::ops::Range<u32>, next: &str) -> TestResponse {
    let people: Vec<_> = numbers
        .map(|number| format!(r#"{{"identifier":{{"rawId":"4:+{number}"}},"isMuted":true}}"#))
        .collect();
    let body = format!(r#"{{"value":[{}]{next}}}"#, people.join(","));
    respond("200 OK", &[], &body)
}

#[tokio::test]
async fn participants_are_read_from_all_pages() {
    let next =
        r#","nextLink":"/calling/callConnections/c/participants?page=2&api-version=2026-03-12""#;
    let server = Server::start([page(0..3, next), page(3..5, "")]).await;
    let client = server.client().build().unwrap();
    let call = client
        .calls()
        .connection(CallConnectionId::new("c").unwrap());
    let participants = call.participants().await.unwrap();
    let ids: Vec<_> = participants.iter().map(|who| who.id.raw_id()).collect();
    assert_eq!(ids, ["4:+0", "4:+1", "4:+2", "4:+3", "4:+4"]);
    assert!(
        participants
            .iter()
            .all(|who| who.is_muted && !who.is_on_hold)
    );
    assert!(
        server.requests()[1].starts_with("GET /calling/callConnections/c/participants?page=2&")
    );
}

#[tokio::test]
async fn a_page_on_another_host_is_not_requested() {
    let server = Server::start([page(0..1, r#","nextLink":"https://evil.example/x""#)]).await;
    let client = server.client().build().unwrap();
    let call = client
        .calls()
        .connection(CallConnectionId::new("c").unwrap());
    let error = call.participants().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForbiddenHost);
}

/// An endless list is an error, whatever the size of its pages.
#[tokio::test]
async fn an_endless_list_of_participants_is_an_error() {
    let next = r#","nextLink":"/calling/callConnections/c/participants?page=2""#;
    let one = r#"{"identifier":{"rawId":"8:acs:a_1","communicationUser":{"id":"8:acs:a_1"}}}"#;
    for (on_a_page, came) in [(6000, 12_000), (0, 0)] {
        let people = vec![one; on_a_page].join(",");
        let page = respond("200 OK", &[], &format!(r#"{{"value":[{people}]{next}}}"#));
        let server = Server::start(vec![page; 400]).await;
        let client = server.client().build().unwrap();
        let call = client.calls();
        let call = call.connection(CallConnectionId::new("c").unwrap());
        let error = call.participants().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        let text = error.to_string();
        assert!(
            text.contains(&format!("does not end: it has {came} on")),
            "{text}"
        );
    }
}

#[cfg(feature = "unstable-low-level")]
#[tokio::test]
async fn low_level_operations_use_the_same_credentials_and_retries() {
    let busy = respond("503 Service Unavailable", &[("retry-after-ms", "1")], "");
    let server = Server::start([busy, respond("202 Accepted", &[], "")]).await;
    let client = server.client().build().unwrap();
    let low_level = client.call_automation();
    low_level
        .call_media_cancel_all_media_operations("c", None)
        .await
        .unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let first =
            "POST /calling/callConnections/c:cancelAllMediaOperations?api-version=2026-03-12 ";
        assert!(request.starts_with(first), "{request}");
        assert!(
            request.contains("authorization: HMAC-SHA256 SignedHeaders="),
            "{request}"
        );
    }
}

/// A gateway also sends 503 if it lost the response. After a retry, a sound would be played twice.
#[cfg(feature = "unstable-low-level")]
#[tokio::test]
async fn operations_that_are_not_repeatable_are_not_retried() {
    for trouble in [
        respond("503 Service Unavailable", &[], ""),
        TestResponse::Close,
    ] {
        let server = Server::start([trouble, respond("202 Accepted", &[], "")]).await;
        let client = server.client().build().unwrap();
        let low_level = client.call_automation();
        let failure = low_level
            .call_media_cancel_all_media_operations("c", None)
            .await;
        let error = acs_recording::Error::from_low_level(failure.unwrap_err());
        assert!(error.is_retryable(), "{error}");
        assert_eq!((error.attempts(), server.requests().len()), (1, 1));
        assert!(error.request_id().is_some());
    }
}

#[cfg(feature = "unstable-low-level")]
#[tokio::test]
async fn an_application_can_set_its_display_name() {
    let server = Server::start([]).await;
    let client = server.client().build().unwrap();
    let call = client
        .calls()
        .create(["8:acs:a_1"], "https://app.example/c")
        .unwrap();
    let app = "28:orgid:10d9b1b0-5a5c-4e0d-a4a6-5b1b0a0b5b1b";
    let mut sent = None;
    let _ = call
        .caller(app)
        .unwrap()
        .with_request(|request| sent = request.teams_app_source.clone());
    assert!(app.ends_with(&sent.unwrap().app_id));
}

#[tokio::test]
async fn invalid_callers_are_rejected_with_a_reason() {
    let server = Server::start([]).await;
    let client = server.client().build().unwrap();
    let create = || {
        let targets = ["8:acs:a_1"];
        client
            .calls()
            .create(targets, "https://app.example/c")
            .unwrap()
    };
    for id in ["8:orgid:10d9b1b0-5a5c-4e0d-a4a6-5b1b0a0b5b1b", "unknown"] {
        let error = create().caller(id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(id), "{error}");
    }
}
