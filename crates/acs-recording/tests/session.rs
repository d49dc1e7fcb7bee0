//! A session with the real service: the requests match, and the types represent the responses
//! without loss.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use acs_call_automation::types::{
    CallConnectionProperties, CommunicationErrorResponse, RecordingStateResponse,
};
use acs_recording::{CallConnectionId, ServerCallId};
use common::{Server, respond};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ALICE: &str =
    "8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007-0464-274b-b274-5a3a0d000101";
const CALLBACK: &str = "https://app.example/events?q=7";
const SERVER_CALL_ID: &str = "aHR0cHM6Ly9jb252LmV4YW1wbGUvY29udi9hYmM_aT0wJmU9NjM4";
const CONNECTION: &str = "0300fe80-1d91-4ed5-9d5a-991a2f4f5e03";
const RECORDING: &str = "eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiIwMzAwZmU4MCJ9";

fn user() -> Value {
    json!({"rawId": ALICE, "kind": "communicationUser", "communicationUser": {"id": ALICE}})
}

fn call(state: &str) -> Value {
    json!({
        "callConnectionId": CONNECTION,
        "serverCallId": SERVER_CALL_ID,
        "targets": [user()],
        "callConnectionState": state,
        "callbackUri": CALLBACK,
        "sourceDisplayName": "",
        "source": user(),
        "correlationId": "9a169198-71aa-4512-b6f9-924e2b9fd607",
        "answeredBy": {"id": ALICE},
        "mediaStreamingSubscription": {
            "id": "m", "state": "disabled", "subscribedContentTypes": ["audio"]
        },
        "transcriptionSubscription": {"state": "disabled", "subscribedResultTypes": []}
    })
}

fn recording(state: &str) -> Value {
    json!({
        "recordingId": RECORDING,
        "recordingState": state,
        "recordingKind": "azureCommunicationServices"
    })
}

/// Removes empty lists, which are equivalent to absent lists.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| *value != json!([]))
            .map(|(name, value)| (name, without_empty(value)))
            .collect(),
        other => other,
    }
}

fn held<T: DeserializeOwned + Serialize>(value: Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), without_empty(value));
}

#[test]
fn responses_are_represented_without_loss() {
    for state in ["connecting", "connected", "somethingNew"] {
        held::<CallConnectionProperties>(call(state));
    }
    for state in ["inactive", "active", "somethingNew"] {
        held::<RecordingStateResponse>(recording(state));
    }
    let target = format!("/calling/recordings/{RECORDING}");
    held::<CommunicationErrorResponse>(
        json!({"error": {"code": "8522", "message": "Gone.", "target": target}}),
    );
    held::<CommunicationErrorResponse>(json!({"error": {
        "code": "8523", "message": "No.",
        "details": [{"code": "1", "message": "a"}],
        "innererror": {"code": "2", "message": "b", "target": "c"}
    }}));
}

/// Method, path with query, and body of a request. Other tests check the headers.
fn seen(request: &str) -> (String, String, Value) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut words = head.lines().next().unwrap().split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    if method == "POST" && body.is_empty() {
        assert!(head.to_lowercase().contains("content-length: 0"), "{head}");
        assert!(!head.to_lowercase().contains("content-type"), "{head}");
    }
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap()
    };
    (method.to_owned(), path.to_owned(), body)
}

fn expected_requests() -> [(&'static str, String, Value); 10] {
    let to = |path: &str| format!("/calling/{path}?api-version=2026-03-12");
    let one = |suffix: &str| to(&format!("recordings/{RECORDING}{suffix}"));
    let target = json!({"rawId": ALICE, "communicationUser": {"id": ALICE}});
    [
        (
            "POST",
            to("callConnections"),
            json!({"targets": [target], "source": {"id": ALICE}, "callbackUri": CALLBACK}),
        ),
        (
            "POST",
            to("callConnections:answer"),
            json!({
                "incomingCallContext": "context", "callbackUri": CALLBACK,
                "answeredBy": {"id": ALICE}
            }),
        ),
        (
            "GET",
            to(&format!("callConnections/{CONNECTION}")),
            Value::Null,
        ),
        (
            "POST",
            to("recordings"),
            json!({
                "callLocator": {"serverCallId": SERVER_CALL_ID, "kind": "serverCallLocator"},
                "recordingStateCallbackUri": "https://app.example/state"
            }),
        ),
        (
            "POST",
            to("recordings"),
            json!({"callConnectionId": CONNECTION}),
        ),
        ("GET", one(""), Value::Null),
        ("POST", one(":pause"), Value::Null),
        ("POST", one(":resume"), Value::Null),
        ("DELETE", one(""), Value::Null),
        (
            "POST",
            to(&format!("callConnections/{CONNECTION}:terminate")),
            Value::Null,
        ),
    ]
}

#[tokio::test]
async fn requests_are_those_of_a_recorded_call() {
    let ok = |status: &str, body: Value| {
        respond(
            status,
            &[("Content-Type", "application/json; charset=utf-8")],
            &body.to_string(),
        )
    };
    let done = |status: &str| respond(status, &[], "");
    let server = Server::start([
        ok("201 Created", call("connecting")),
        ok("200 OK", call("connecting")),
        ok("200 OK", call("connected")),
        ok("200 OK", recording("inactive")),
        ok("202 Accepted", recording("inactive")),
        ok("200 OK", recording("active")),
        done("202 Accepted"),
        done("202 Accepted"),
        done("204 No Content"),
        done("204 No Content"),
    ])
    .await;
    let client = server.client().build().unwrap();

    let call = client
        .calls()
        .create([ALICE], CALLBACK)
        .unwrap()
        .caller(ALICE)
        .unwrap()
        .await
        .unwrap();
    client
        .calls()
        .answer("context", CALLBACK)
        .unwrap()
        .answered_by(ALICE)
        .await
        .unwrap();
    call.properties().await.unwrap();
    let id = ServerCallId::new(SERVER_CALL_ID).unwrap();
    let start = client
        .start(id)
        .state_callback("https://app.example/state")
        .unwrap();
    let recording = start.await.unwrap();
    assert!(!recording.start_response().unwrap().outcome_pending);
    let accepted = client
        .start(CallConnectionId::new(CONNECTION).unwrap())
        .await
        .unwrap();
    assert!(accepted.start_response().unwrap().outcome_pending);
    recording.state().await.unwrap();
    recording.pause().await.unwrap();
    recording.resume().await.unwrap();
    recording.stop().await.unwrap();
    call.terminate().await.unwrap();

    let expected = expected_requests();
    let requests = server.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, (method, path, body)) in requests.iter().zip(expected) {
        assert_eq!(seen(request), (method.to_owned(), path, body));
    }
    for repeatable in [0, 1, 3, 4, 9] {
        let request = requests[repeatable].to_lowercase();
        assert!(request.contains("repeatability-request-id: "), "{request}");
        assert!(request.contains("repeatability-first-sent: "), "{request}");
    }
}
