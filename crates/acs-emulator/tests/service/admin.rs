//! Access to the admin interface.

use acs_emulator::{Clock, Emulator, Error};
use http::StatusCode;
use serde_json::{Value, json};

use crate::client::post;

async fn emulator() -> (Emulator, String) {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .admin(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let admin = acs.admin_url().unwrap().to_owned();
    (acs, admin)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn urls_of_the_admin_interface_are_refused() {
    let (acs, admin) = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = call.call_connection_id();
    let ring = format!("{admin}/calls:ring?code=secret");
    let locator = json!({"kind": "serverCallLocator", "serverCallId": call.server_call_id()});
    let alice = json!({"rawId": "8:acs:alice"});
    let calls = "/calling/callConnections";
    let people = format!("{calls}/{id}/participants");
    for url in [&ring, &ring.replace("127.0.0.1", "localhost")] {
        let requests: [(&str, Value); 7] = [
            (calls, json!({"targets": [alice], "callbackUri": url})),
            (
                &format!("{calls}:connect"),
                json!({"callLocator": locator, "callbackUri": url}),
            ),
            (
                &format!("{calls}:answer"),
                json!({"incomingCallContext": acs.incoming_call("bob").context(), "callbackUri": url}),
            ),
            (
                &format!("{people}:add"),
                json!({"participantToAdd": alice, "operationCallbackUri": url}),
            ),
            (
                &format!("{people}:remove"),
                json!({"participantToRemove": alice, "operationCallbackUri": url}),
            ),
            (
                "/calling/recordings",
                json!({"callConnectionId": id, "recordingStateCallbackUri": url}),
            ),
            (
                "/calling/recordings",
                json!({"callConnectionId": id, "externalStorage": {
                    "recordingStorageKind": "azureBlobStorage",
                    "recordingDestinationContainerUrl": url,
                }}),
            ),
        ];
        for (path, body) in requests {
            let response = post(&acs, path, &body).await;
            assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path} {body}");
            let message = response.json()["error"]["message"].to_string();
            assert!(message.contains("admin interface"), "{path}: {message}");
        }
        for error in [
            acs.subscribe(url).await.unwrap_err(),
            acs.call(["alice"]).callback(url.as_str()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::WebhookUrl { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("admin interface"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
        let response = client()
            .post(format!("{admin}/subscriptions"))
            .header("content-type", "application/json")
            .body(json!({"url": url}).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn only_programs_on_this_machine_are_accepted() {
    let (acs, admin) = emulator().await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = client().post(format!("{admin}/keys/primary:regenerate"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let key = acs.access_key();
    for (headers, what) in [
        ([("origin", "https://evil.example")], "a web page"),
        ([("origin", "null")], "a web page without an origin"),
        ([("sec-fetch-site", "cross-site")], "another site"),
        ([("sec-fetch-site", "same-site")], "the same site"),
        ([("host", "evil.example")], "a foreign host name"),
        (
            [("host", "127.0.0.1.evil.example")],
            "a foreign host name that begins with an address",
        ),
        ([("user-agent", "acs-emulator")], "the emulator"),
    ] {
        assert_eq!(ask(&headers).await, 403, "{what}");
        assert_eq!(
            acs.current_key(acs_emulator::AccessKey::Primary),
            key,
            "{what}"
        );
    }
    for headers in [
        [("host", "localhost")],
        [("host", "[::1]:80")],
        [("user-agent", "curl/8.5.0")],
        [("sec-fetch-site", "none")],
    ] {
        assert_eq!(ask(&headers).await, 200, "{headers:?}");
    }
}
