//! Sessions that were recorded from the service: statuses, headers and the members of bodies.

use std::time::Duration;

use acs_emulator::Emulator;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Request, Response, delete, emulator, get, post, post_empty};

const USER: &str =
    "8:acs:d9ffb7a4-2f5e-4f0e-9a2e-0c6ad1ddd5d1_00000018-7a31-4bb2-8f1d-3e3a0d00a1b2";
const APPLICATION: &str =
    "8:acs:d9ffb7a4-2f5e-4f0e-9a2e-0c6ad1ddd5d1_00000018-7a31-4bb2-8f1d-000000000000";
const CALLBACK: &str = "https://app.example/events?q=1";

/// The members of an object, in alphabetical order.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

/// Sends a request with the headers of the recorded clients, and checks the headers of the
/// response.
async fn repeatable(acs: &Emulator, path: &str, body: &Value) -> Response {
    let response = Request::new(acs, Method::POST, path)
        .header(
            "repeatability-request-id",
            &uuid::Uuid::new_v4().to_string(),
        )
        .header("repeatability-first-sent", "Thu, 24 Jul 2025 10:19:09 GMT")
        .header("x-ms-client-request-id", "request-7")
        .header("user-agent", "test/1")
        .json(body)
        .send()
        .await;
    assert_eq!(response.header("repeatability-result"), "accepted");
    assert_eq!(response.header("x-ms-client-request-id"), "request-7");
    assert_eq!(response.header("x-microsoft-skype-client"), "test/1");
    assert_eq!(response.header("x-ms-client-version"), "test/1");
    assert!(
        response
            .header("api-supported-versions")
            .contains("2026-03-12")
    );
    assert_eq!(
        response.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(response.header("x-microsoft-skype-chain-id").len(), 36);
    response
}

async fn create(acs: &Emulator) -> Value {
    let request = json!({
        "targets": [{"rawId": USER, "communicationUser": {"id": USER}}],
        "source": {"id": APPLICATION},
        "callbackUri": CALLBACK,
        "callIntelligenceOptions": {},
    });
    let response = repeatable(acs, "/calling/callConnections", &request).await;
    assert_eq!(response.status, 201);
    let created = response.json();
    assert_eq!(
        members(&created),
        [
            "callConnectionId",
            "callConnectionState",
            "callbackUri",
            "correlationId",
            "mediaStreamingSubscription",
            "source",
            "sourceDisplayName",
            "targets",
        ]
    );
    assert_eq!(created["callConnectionState"], "connecting");
    assert_eq!(created["callbackUri"], CALLBACK);
    assert_eq!(created["sourceDisplayName"], "");
    assert_eq!(
        created["targets"],
        json!([{"rawId": USER, "kind": "communicationUser", "communicationUser": {"id": USER}}])
    );
    assert_eq!(created["source"]["rawId"], APPLICATION);
    let streaming = &created["mediaStreamingSubscription"];
    assert_eq!(streaming["state"], "disabled");
    assert_eq!(streaming["subscribedContentTypes"], json!(["audio"]));
    assert_eq!(
        response.header("x-microsoft-skype-chain-id"),
        created["correlationId"]
    );
    created
}

async fn connected(acs: &Emulator, created: &Value) -> Value {
    let path = format!(
        "/calling/callConnections/{}",
        created["callConnectionId"].as_str().unwrap()
    );
    let connecting = get(acs, &path).await.json();
    assert_eq!(connecting["callConnectionState"], "connecting");
    assert_eq!(connecting.get("serverCallId"), None);

    acs.clock().advance(Duration::from_millis(100));
    let response = get(acs, &path).await;
    assert_eq!(response.status, 200);
    let connected = response.json();
    assert_eq!(
        members(&connected),
        [
            "callConnectionId",
            "callConnectionState",
            "callbackUri",
            "correlationId",
            "mediaStreamingSubscription",
            "serverCallId",
            "source",
            "sourceDisplayName",
            "targets",
            "transcriptionSubscription",
        ]
    );
    assert_eq!(connected["callConnectionState"], "connected");
    assert_eq!(
        connected["mediaStreamingSubscription"],
        json!({"state": "disabled"})
    );
    assert_eq!(connected["correlationId"], created["correlationId"]);
    connected
}

/// Performs all operations from the start request to the 404 at the end.
async fn record(acs: &Emulator, call: &Value, request: &Value, status: u16) {
    let started = repeatable(acs, "/calling/recordings", request).await;
    assert_eq!(started.status, status);
    assert_ne!(
        started.header("x-microsoft-skype-chain-id"),
        call["correlationId"]
    );
    let id = started.json()["recordingId"].as_str().unwrap().to_owned();
    let body = |state: &str| {
        json!({
            "recordingId": id,
            "recordingState": state,
            "recordingKind": "azureCommunicationServices",
        })
    };
    assert_eq!(started.json(), body("inactive"));

    let path = format!("/calling/recordings/{id}");
    let expect = |response: Response, state: &str| {
        assert_eq!(response.status, 200);
        assert_eq!(response.json(), body(state));
        assert_eq!(
            response.header("x-microsoft-skype-chain-id"),
            call["correlationId"]
        );
    };
    expect(get(acs, &path).await, "inactive");
    acs.clock().advance(Duration::from_secs(10));
    expect(get(acs, &path).await, "active");

    let paused = post_empty(acs, &format!("{path}:pause")).await;
    paused.assert_empty(202);
    assert_eq!(paused.header("content-length"), "0");
    acs.clock().advance(Duration::from_secs(10));
    expect(get(acs, &path).await, "inactive");

    let resumed = post_empty(acs, &format!("{path}:resume")).await;
    resumed.assert_empty(202);
    acs.clock().advance(Duration::from_secs(10));
    expect(get(acs, &path).await, "active");

    let stopped = delete(acs, &path).await;
    stopped.assert_empty(204);
    assert_eq!(stopped.headers.get("content-length"), None);
    assert_eq!(stopped.headers.get("repeatability-result"), None);
    assert_eq!(
        stopped.header("x-microsoft-skype-chain-id"),
        call["correlationId"]
    );
    let not_found = get(acs, &path).await;
    not_found.assert_error(404, "8522");
    assert_eq!(
        not_found.json(),
        json!({"error": {
            "code": "8522",
            "message": "Recording not found.",
            "target": path,
        }})
    );
}

#[tokio::test]
async fn a_created_call_is_recorded_by_its_server_call_id() {
    let acs = emulator().await;
    let created = create(&acs).await;

    let request = json!({
        "incomingCallContext": "context",
        "callbackUri": CALLBACK,
        "callIntelligenceOptions": {},
        "answeredBy": {"id": USER},
    });
    let answered = repeatable(&acs, "/calling/callConnections:answer", &request).await;
    assert_eq!(answered.status, 200);
    assert_eq!(
        members(&answered.json()),
        [
            "answeredBy",
            "callConnectionId",
            "callConnectionState",
            "callbackUri",
            "correlationId",
            "mediaStreamingSubscription",
            "serverCallId",
            "source",
            "targets",
        ]
    );
    assert_eq!(answered.json()["callConnectionState"], "connecting");
    assert_eq!(answered.json()["answeredBy"], json!({"id": USER}));

    let call = connected(&acs, &created).await;
    let request = json!({
        "callLocator": {"serverCallId": call["serverCallId"], "kind": "serverCallLocator"},
        "recordingStateCallbackUri": "https://app.example/events",
        "recordingContentType": null,
        "recordingChannelType": null,
        "recordingFormatType": null,
        "pauseOnStart": false,
    });
    record(&acs, &call, &request, 200).await;
}

#[tokio::test]
async fn a_created_call_is_recorded_by_its_connection() {
    let acs = emulator().await;
    let created = create(&acs).await;
    let call = connected(&acs, &created).await;
    let request = json!({
        "callConnectionId": call["callConnectionId"],
        "recordingStateCallbackUri": "https://app.example/events",
        "recordingContentType": null,
        "recordingChannelType": null,
        "recordingFormatType": null,
        "pauseOnStart": false,
    });
    record(&acs, &call, &request, 202).await;
}

#[tokio::test]
async fn a_recording_id_contains_the_connection_that_started_it() {
    use base64::Engine as _;

    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let request = json!({"callConnectionId": call.call_connection_id()});
    let response = post(&acs, "/calling/recordings", &request).await;
    assert_eq!(response.header("repeatability-result"), "accepted");
    let started = response.json();
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(started["recordingId"].as_str().unwrap())
        .unwrap();
    let id: Value = serde_json::from_slice(&id).unwrap();
    assert_eq!(id["PlatformEndpointId"], call.call_connection_id());
}
