//! Options of requests: each has an effect or is refused.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Request, emulator, get, post};

const CONNECTIONS: &str = "/calling/callConnections";

fn with(mut body: Value, option: &Value) -> Value {
    for (name, value) in option.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn options_without_an_effect_are_refused() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let connection = call.call_connection_id();
    let ringing = acs.incoming_call("bob");
    let url = "https://app.example/";
    let create = json!({"targets": [{"rawId": "8:acs:a"}], "callbackUri": url});
    let answer = json!({"incomingCallContext": ringing.context(), "callbackUri": url});
    let locator = json!({"kind": "serverCallLocator", "serverCallId": call.server_call_id()});
    let connect = json!({"callLocator": locator, "callbackUri": url});
    let streaming = json!({
        "transportType": "websocket",
        "transportUrl": "wss://app.example/",
        "contentType": "audio",
        "audioChannelType": "mixed",
        "startMediaStreaming": true,
    });
    let transcription = json!({
        "transportType": "websocket",
        "transportUrl": "wss://app.example/",
        "locale": "en-US",
        "startTranscription": true,
    });
    for (path, body) in [
        (CONNECTIONS.to_owned(), &create),
        (format!("{CONNECTIONS}:answer"), &answer),
        (format!("{CONNECTIONS}:connect"), &connect),
    ] {
        for (option, name) in [
            (
                json!({"mediaStreamingOptions": streaming}),
                "mediaStreamingOptions",
            ),
            (
                json!({"mediaStreamingOptions": {"transportType": "new"}}),
                "mediaStreamingOptions",
            ),
            (
                json!({"transcriptionOptions": transcription}),
                "transcriptionOptions",
            ),
            (json!({"enableLoopbackAudio": true}), "enableLoopbackAudio"),
            (
                json!({"callIntelligenceOptions": {"cognitiveServicesEndpoint": url}}),
                "cognitiveServicesEndpoint",
            ),
            (
                json!({"azureOpenAiOptions": {"a": 1}}),
                "azureOpenAiOptions",
            ),
        ] {
            let refused = post(&acs, &path, &with(body.clone(), &option)).await;
            refused.assert_error(501, "NotImplemented");
            let message = refused.json()["error"]["message"].to_string();
            assert!(message.contains(name), "{path}: {message}");
        }
        // Official clients send empty options.
        let harmless = json!({
            "callIntelligenceOptions": {},
            "mediaStreamingOptions": null,
            "enableLoopbackAudio": false,
            "customCallingContext": {},
        });
        let accepted = post(&acs, &path, &with(body.clone(), &harmless)).await;
        assert!(accepted.status.is_success(), "{path}: {accepted:?}");
    }

    let add = json!({"participantToAdd": {"rawId": "8:acs:b"}});
    let path = format!("{CONNECTIONS}/{connection}/participants:add");
    for (context, name) in [
        (json!({"voipHeaders": {"a": "b"}}), "voipHeaders"),
        (json!({"sipHeaders": {"a": "b"}}), "sipHeaders"),
        (
            json!({"teamsPhoneCallDetails": {"intent": "x"}}),
            "teamsPhoneCallDetails",
        ),
    ] {
        let body = with(add.clone(), &json!({"customCallingContext": context}));
        let refused = post(&acs, &path, &body).await;
        refused.assert_error(501, "NotImplemented");
        let message = refused.json()["error"]["message"].to_string();
        assert!(message.contains(name), "{message}");
    }
    let body = with(
        add,
        &json!({"customCallingContext": {"voipHeaders": {}, "sipHeaders": {}}}),
    );
    assert_eq!(post(&acs, &path, &body).await.status, 202);

    let start = json!({
        "callConnectionId": connection,
        "postProcessing": {"transcription": {"enableTranscription": true}},
    });
    let refused = post(&acs, "/calling/recordings", &start).await;
    refused.assert_error(501, "NotImplemented");
}

#[tokio::test]
async fn a_teams_app_can_be_the_source_of_a_call() {
    let acs = emulator().await;
    let url = "https://app.example/";
    let create = json!({
        "targets": [{"rawId": "8:acs:a"}],
        "callbackUri": url,
        "source": {"id": "8:acs:app"},
        "teamsAppSource": {"appId": "app", "cloud": "gcch"},
    });
    let created = post(&acs, CONNECTIONS, &create).await.json();
    assert_eq!(created["source"]["rawId"], "28:gcch:app");
    assert_eq!(created["source"]["kind"], "microsoftTeamsApp");
    let invalid = with(
        create,
        &json!({"teamsAppSource": null, "source": {"id": "app"}}),
    );
    post(&acs, CONNECTIONS, &invalid)
        .await
        .assert_error(400, "8523");
}

#[tokio::test]
async fn every_kind_of_participant_keeps_its_identity() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let base = format!("{CONNECTIONS}/{}/participants", call.call_connection_id());
    let add = json!({"participantToAdd": {
        "kind": "phoneNumber",
        "phoneNumber": {"value": "+4930123456", "assertedId": "a1"},
    }});
    let added = post(&acs, &format!("{base}:add"), &add).await;
    assert_eq!(added.status, 202);
    let phone = &added.json()["participant"]["identifier"];
    assert_eq!(phone["rawId"], "4:+4930123456_a1");
    assert_eq!(phone["phoneNumber"]["assertedId"], "a1");

    let extension = json!({"participantToAdd": {"teamsExtensionUser": {
        "resourceId": "r", "tenantId": "t", "userId": "u", "cloud": "gcch",
    }}});
    post(&acs, &format!("{base}:add"), &extension).await;
    acs.clock().advance(std::time::Duration::from_millis(100));
    let one = get(&acs, &format!("{base}/8%3Agcch-acs%3Ar_t_u"))
        .await
        .json();
    assert_eq!(one["identifier"]["kind"], "teamsExtensionUser");
    assert_eq!(one["identifier"]["teamsExtensionUser"]["tenantId"], "t");

    // Only Communication Services users can be muted.
    for (raw_id, status) in [("8:gcch-acs:r_t_u", 400), ("4:+4930123456_a1", 400)] {
        let mute = json!({"targetParticipants": [{"rawId": raw_id}]});
        let muted = post(&acs, &format!("{base}:mute"), &mute).await;
        assert_eq!(muted.status, status, "{raw_id}");
    }
    let path = format!("{base}/4%3A%2B4930123456_a1");
    acs.faults().add(
        acs_emulator::Fault::on(acs_emulator::Operation::GetParticipant)
            .target("4:+4930123456")
            .times(1)
            .status(503),
    );
    let one = async || Request::new(&acs, Method::GET, &path).send().await.status;
    assert_eq!(one().await, 503);
    assert_eq!(one().await, 200);
}
