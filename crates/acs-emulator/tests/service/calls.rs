//! Connections and participants.

use std::time::Duration;

use acs_emulator::Emulator;
use serde_json::{Value, json};

use crate::client::{delete, emulator, get, post, post_empty, start};

const CONNECTIONS: &str = "/calling/callConnections";
const CALLBACK: &str = "https://app.example/events";

async fn roster(acs: &Emulator, connection: &str) -> Vec<Value> {
    let response = get(acs, &format!("{CONNECTIONS}/{connection}/participants")).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json().get("nextLink"), None);
    response.json()["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn participants_are_listed_added_muted_and_removed() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let connection = call.call_connection_id();
    let alice = call.participant("alice").unwrap();
    let base = format!("{CONNECTIONS}/{connection}/participants");
    assert_eq!(roster(&acs, connection).await.len(), 2);

    let one = get(&acs, &format!("{base}/{}", alice.replace(':', "%3A"))).await;
    assert_eq!(
        one.json(),
        json!({
            "identifier": {
                "kind": "communicationUser",
                "rawId": alice,
                "communicationUser": {"id": alice},
            },
            "isMuted": false,
            "isOnHold": false,
        })
    );

    let add = json!({
        "participantToAdd": {"phoneNumber": {"value": "+4930123456"}},
        "operationContext": "context",
    });
    let added = post(&acs, &format!("{base}:add"), &add).await;
    assert_eq!(added.status, 202);
    assert_eq!(added.json()["operationContext"], "context");
    assert_eq!(
        added.json()["participant"]["identifier"]["rawId"],
        "4:+4930123456"
    );
    assert_eq!(added.json()["invitationId"].as_str().unwrap().len(), 36);
    assert_eq!(roster(&acs, connection).await.len(), 2);
    acs.clock().advance(Duration::from_millis(100));
    assert_eq!(roster(&acs, connection).await.len(), 3);

    let mute = json!({"targetParticipants": [{"rawId": alice}]});
    let muted = post(&acs, &format!("{base}:mute"), &mute).await;
    assert_eq!((muted.status.as_u16(), muted.json()), (200, json!({})));
    assert_eq!(roster(&acs, connection).await[0]["isMuted"], true);

    let remove = json!({"participantToRemove": {"rawId": alice}});
    let removed = post(&acs, &format!("{base}:remove"), &remove).await;
    assert_eq!(removed.status, 202);
    assert_eq!(roster(&acs, connection).await.len(), 2);
    let again = post(&acs, &format!("{base}:remove"), &remove).await;
    again.assert_error(404, "8522");
    let not_found = get(&acs, &format!("{base}/{alice}")).await;
    not_found.assert_error(404, "8522");
}

#[tokio::test]
async fn call_and_recording_end_with_the_last_participant() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let connection = format!("{CONNECTIONS}/{}", call.call_connection_id());
    let recording = start(
        &acs,
        &json!({"callConnectionId": call.call_connection_id()}),
    )
    .await;
    let recording = format!("/calling/recordings/{recording}");
    for (name, status) in [("alice", 200), ("bob", 404)] {
        let remove = json!({"participantToRemove": {"rawId": call.participant(name)}});
        let removed = post(&acs, &format!("{connection}/participants:remove"), &remove).await;
        assert_eq!(removed.status, 202);
        assert_eq!(get(&acs, &recording).await.status, status);
        assert_eq!(get(&acs, &connection).await.status, status);
    }
}

#[tokio::test]
async fn only_users_in_the_call_can_be_muted() {
    let acs = emulator().await;
    let call = acs.call(["4:+4930123456"]).await;
    let path = format!(
        "{CONNECTIONS}/{}/participants:mute",
        call.call_connection_id()
    );
    assert_eq!(call.participant("4:+4930123456"), Some("4:+4930123456"));
    for (targets, status, code) in [
        (json!([]), 400, "8523"),
        (json!([{"rawId": "4:+4930123456"}]), 400, "8523"),
        (json!([{"rawId": "8:acs:nobody"}]), 404, "8522"),
    ] {
        let response = post(&acs, &path, &json!({"targetParticipants": targets})).await;
        response.assert_error(status, code);
    }
}

#[tokio::test]
async fn hanging_up_keeps_the_call_and_terminating_ends_it() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let locator = json!({"kind": "serverCallLocator", "serverCallId": call.server_call_id()});
    let recording = start(&acs, &json!({"callLocator": locator})).await;
    let recording = format!("/calling/recordings/{recording}");
    let first = format!("{CONNECTIONS}/{}", call.call_connection_id());
    delete(&acs, &first).await.assert_empty(204);
    let not_found = get(&acs, &first).await;
    not_found.assert_error(404, "8522");
    assert_eq!(
        not_found.json()["error"],
        json!({"code": "8522", "message": "Call not found.", "target": first})
    );
    assert_eq!(get(&acs, &recording).await.status, 200);

    let connect = json!({"callLocator": locator, "callbackUri": CALLBACK});
    let joined = post(&acs, &format!("{CONNECTIONS}:connect"), &connect).await;
    assert_eq!(joined.status, 200);
    assert_eq!(joined.json()["serverCallId"], call.server_call_id());
    assert_eq!(joined.json()["callConnectionState"], "connecting");
    let second = joined.json()["callConnectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(second, call.call_connection_id());

    let terminated = post_empty(&acs, &format!("{CONNECTIONS}/{second}:terminate")).await;
    terminated.assert_empty(204);
    get(&acs, &recording).await.assert_error(404, "8522");
    let again = post_empty(&acs, &format!("{CONNECTIONS}/{second}:terminate")).await;
    again.assert_error(404, "8522");
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let acs = emulator().await;
    let target = json!([{"rawId": "8:acs:a"}]);
    for (path, body, code) in [
        ("", json!({"targets": [], "callbackUri": CALLBACK}), "8523"),
        ("", json!({"targets": target}), "8523"),
        (
            "",
            json!({"targets": [{"rawId": "a"}], "callbackUri": CALLBACK}),
            "8523",
        ),
        (
            "",
            json!({"targets": target, "callbackUri": "http://app.example/"}),
            "BadRequest",
        ),
        (
            ":answer",
            json!({"incomingCallContext": "", "callbackUri": CALLBACK}),
            "8523",
        ),
        (":answer", json!({"callbackUri": CALLBACK}), "8523"),
        (
            ":connect",
            json!({"callLocator": {}, "callbackUri": CALLBACK}),
            "8523",
        ),
    ] {
        let response = post(&acs, &format!("{CONNECTIONS}{path}"), &body).await;
        assert_eq!(response.json()["error"]["code"], code, "{path} {body}");
        response.assert_error(400, code);
    }
}

#[tokio::test]
async fn other_operations_are_not_emulated() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let connection = format!("{CONNECTIONS}/{}", call.call_connection_id());
    for path in [
        format!("{CONNECTIONS}:redirect"),
        format!("{CONNECTIONS}:reject"),
        format!("{connection}:play"),
        format!("{connection}:sendDtmfTones"),
        format!("{connection}:transferToParticipant"),
        format!("{connection}/participants:cancelAddParticipant"),
        format!("{connection}/participants:moveHere"),
    ] {
        let response = post(&acs, &path, &json!({})).await;
        response.assert_error(501, "NotImplemented");
        let message = response.json()["error"]["message"].to_string();
        assert!(message.contains("is not emulated"), "{message}");
    }
    let unknown = post(&acs, &format!("{connection}:juggle"), &json!({})).await;
    unknown.assert_error(404, "8522");
    get(&acs, "/calling/nothing/here")
        .await
        .assert_error(404, "8522");
}
