//! Starting recordings: refusals, defaults and repeated requests.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Request, delete, emulator, get, post, post_empty, start};

const PATH: &str = "/calling/recordings";

/// Merges two objects.
fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("not an object")
    };
    base.as_object_mut().unwrap().extend(more);
    base
}

#[tokio::test]
async fn calls_are_found_by_group_and_room() {
    let acs = emulator().await;
    let group = Uuid::new_v4();
    let _grouped = acs.call(["alice"]).group(group).await;
    let _in_room = acs.call(["bob"]).room("9900112233").await;
    for (locator, status) in [
        (
            json!({"kind": "groupCallLocator", "groupCallId": group}),
            200,
        ),
        (
            json!({"kind": "roomCallLocator", "roomId": "9900112233"}),
            200,
        ),
        (
            json!({"kind": "groupCallLocator", "groupCallId": Uuid::new_v4()}),
            404,
        ),
        (json!({"kind": "roomCallLocator", "roomId": "1"}), 404),
    ] {
        let response = post(&acs, PATH, &json!({"callLocator": locator})).await;
        if status == 200 {
            assert_eq!(response.status, 200, "{locator}");
        } else {
            response.assert_error(404, "8522");
        }
    }
}

#[tokio::test]
async fn unknown_and_ended_calls_are_refused() {
    let acs = emulator().await;
    let locator =
        |id: &str| json!({"callLocator": {"kind": "serverCallLocator", "serverCallId": id}});
    let bad = post(&acs, PATH, &locator(&Uuid::new_v4().to_string())).await;
    bad.assert_error(400, "8527");

    let elsewhere = emulator().await;
    let foreign = elsewhere.call(["alice"]).await;
    let unknown = post(&acs, PATH, &locator(foreign.server_call_id())).await;
    unknown.assert_error(404, "8522");

    let call = acs.call(["alice"]).await;
    call.hang_up();
    let ended = post(&acs, PATH, &locator(call.server_call_id())).await;
    ended.assert_error(400, "8528");
    let ended = json!({"callConnectionId": call.call_connection_id()});
    post(&acs, PATH, &ended).await.assert_error(400, "8528");
}

#[tokio::test]
async fn a_call_must_be_established() {
    let acs = emulator().await;
    let created = post(
        &acs,
        "/calling/callConnections",
        &json!({"targets": [{"rawId": "8:acs:a"}], "callbackUri": "https://app.example/"}),
    )
    .await
    .json();
    let request = json!({"callConnectionId": created["callConnectionId"]});
    post(&acs, PATH, &request).await.assert_error(400, "8501");
    acs.clock().advance(Duration::from_millis(100));
    assert_eq!(post(&acs, PATH, &request).await.status, 202);
}

#[tokio::test]
async fn a_second_recording_requires_the_first_to_end() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let request = json!({"callConnectionId": call.call_connection_id()});
    let first = start(&acs, &request).await;
    post(&acs, PATH, &request).await.assert_error(400, "8559");
    post_empty(&acs, &format!("{PATH}/{first}:pause")).await;
    post(&acs, PATH, &request).await.assert_error(400, "8559");
    delete(&acs, &format!("{PATH}/{first}"))
        .await
        .assert_empty(204);
    let second = start(&acs, &request).await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let alice = call.participant("alice").unwrap();
    let base = json!({"callConnectionId": call.call_connection_id()});
    let locator = json!({"kind": "serverCallLocator", "serverCallId": call.server_call_id()});
    let pinned = |channel: i32| json!([{"participant": {"rawId": alice}, "channel": channel}]);
    for (more, code) in [
        (json!({"callLocator": locator}), "8523"),
        (json!({"callConnectionId": null}), "8523"),
        (
            json!({"recordingContentType": "audioVideo", "recordingChannelType": "unmixed"}),
            "8562",
        ),
        (
            json!({"recordingChannelType": "unmixed", "recordingFormatType": "mp3"}),
            "8557",
        ),
        (
            json!({"recordingContentType": "audioVideo", "recordingFormatType": "wav"}),
            "8557",
        ),
        (json!({"recordingFormatType": "flac"}), "8523"),
        (json!({"channelAffinity": pinned(0)}), "8523"),
        (
            json!({"recordingChannelType": "unmixed", "channelAffinity": pinned(5)}),
            "8523",
        ),
        (json!({"pauseOnStart": "yes"}), "8523"),
        (json!({"recordingStateCallbackUri": "/state"}), "BadRequest"),
        (
            json!({"recordingStateCallbackUri": "http://app.example/state"}),
            "BadRequest",
        ),
    ] {
        let response = post(&acs, PATH, &with(base.clone(), more.clone())).await;
        assert_eq!(response.json()["error"]["code"], code, "{more}");
        response.assert_error(400, code);
    }
    let broken = Request::new(&acs, Method::POST, PATH).body(b"{".to_vec());
    broken.send().await.assert_error(400, "8523");
    let no_storage = json!({"externalStorage": {"recordingStorageKind": "shelf"}});
    let response = post(&acs, PATH, &with(base, no_storage)).await;
    response.assert_error(400, "8523");
}

#[tokio::test]
async fn a_repeated_start_request_starts_only_one_recording() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let other = acs.call(["alice"]).await;
    let request = |call: &acs_emulator::Call| {
        Request::new(&acs, Method::POST, PATH)
            .json(&json!({"callConnectionId": call.call_connection_id()}))
            .header(
                "repeatability-request-id",
                "6a0d7b4e-0c62-4a3a-8a44-6a9f1a8e3c0b",
            )
            .header("repeatability-first-sent", "Tue, 01 Jul 2025 12:34:56 GMT")
    };
    let first = request(&call)
        .header("x-ms-client-request-id", "1")
        .send()
        .await;
    let second = request(&call)
        .header("x-ms-client-request-id", "2")
        .send()
        .await;
    assert_eq!(first.status, 202);
    assert_eq!(second.status, 202);
    assert_eq!(first.json(), second.json());
    assert_eq!(second.header("repeatability-result"), "accepted");
    assert_eq!(second.header("x-ms-client-request-id"), "2");

    let reused = request(&other).send().await;
    reused.assert_error(400, "8523");
    let half = Request::new(&acs, Method::POST, PATH)
        .json(&json!({"callConnectionId": other.call_connection_id()}))
        .header(
            "repeatability-request-id",
            "6a0d7b4e-0c62-4a3a-8a44-6a9f1a8e3c0b",
        );
    half.send().await.assert_error(400, "8523");
}

#[tokio::test]
async fn concurrent_attempts_start_one_recording() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = Uuid::new_v4().to_string();
    let attempt = || {
        Request::new(&acs, Method::POST, PATH)
            .json(&json!({"callConnectionId": call.call_connection_id()}))
            .header("repeatability-request-id", &id)
            .header("repeatability-first-sent", "Tue, 01 Jul 2025 12:34:56 GMT")
            .send()
    };
    let (first, second) = tokio::join!(attempt(), attempt());
    assert_eq!(first.status, 202);
    assert_eq!(first.json(), second.json());
}

#[tokio::test]
async fn a_paused_start_is_inactive_until_it_is_resumed() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = start(
        &acs,
        &json!({"callConnectionId": call.call_connection_id(), "pauseOnStart": true}),
    )
    .await;
    let path = format!("{PATH}/{id}");
    assert_eq!(get(&acs, &path).await.json()["recordingState"], "inactive");
    post_empty(&acs, &format!("{path}:resume"))
        .await
        .assert_empty(202);
    assert_eq!(get(&acs, &path).await.json()["recordingState"], "active");
}

#[tokio::test]
async fn operations_on_unknown_recordings_are_refused() {
    let acs = emulator().await;
    let path = format!("{PATH}/unknown");
    for response in [
        get(&acs, &path).await,
        delete(&acs, &path).await,
        post_empty(&acs, &format!("{path}:pause")).await,
        post_empty(&acs, &format!("{path}:resume")).await,
    ] {
        response.assert_error(404, "8522");
        assert_eq!(response.json()["error"]["target"], path);
    }
    post_empty(&acs, &format!("{path}:rewind"))
        .await
        .assert_error(404, "8522");
    delete(&acs, PATH).await.assert_error(405, "8520");
}
