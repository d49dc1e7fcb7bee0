//! An emulator in a container: other machines reach it by names and ports that it does not know.

use acs_emulator::{Clock, Emulator, Error};
use http::Method;
use serde_json::json;
use std::time::Duration;

use crate::client::{Request, post};
use crate::webhook::Webhook;

#[tokio::test]
async fn content_is_located_where_the_client_sees_the_emulator() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .http(([0, 0, 0, 0], 0).into())
        .start()
        .await
        .unwrap();
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    for host in ["acs:10010", "localhost:20010"] {
        let call = acs.call(["alice"]).await;
        let body = json!({
            "callConnectionId": call.call_connection_id(),
            "recordingFormatType": "wav",
        });
        let mut request = Request::new(&acs, Method::POST, "/calling/recordings")
            .json(&body)
            .header("host", host);
        request.signed_host = host.to_owned();
        assert_eq!(request.send().await.status, 202);
        acs.clock().advance(Duration::from_secs(2));
        call.hang_up();
        acs.clock().advance(Duration::from_secs(1));
        let delivery = webhook.next().await;
        let chunk = &delivery.event()["data"]["recordingStorageInfo"]["recordingChunks"][0];
        let location = chunk["contentLocation"].as_str().unwrap();
        let path = location
            .strip_prefix(&format!("http://{host}"))
            .unwrap_or_else(|| panic!("{location} is not at {host}"));
        for name in ["metadataLocation", "deleteLocation"] {
            let location = chunk[name].as_str().unwrap();
            assert!(
                location.starts_with(&format!("http://{host}/")),
                "{location}"
            );
        }
        for (named, status) in [(host, 200), ("evil.example", 401)] {
            let mut request = Request::plain(&acs, Method::GET, path)
                .header("host", host)
                .header("x-ms-host", named);
            request.signed_host = named.to_owned();
            assert_eq!(request.send().await.status, status, "{named}");
        }
    }
}

#[tokio::test]
async fn http_to_other_machines_must_be_allowed() {
    let create = json!({
        "targets": [{"rawId": "8:acs:a"}],
        "callbackUri": "http://app.invalid/calls",
    });
    let calls = "/calling/callConnections";
    let strict = Emulator::start().await.unwrap();
    post(&strict, calls, &create)
        .await
        .assert_error(400, "BadRequest");
    let url = "http://app.invalid/events";
    let error = strict.subscribe(url).await.unwrap_err();
    assert!(matches!(error, Error::WebhookUrl { .. }), "{error:?}");

    let open = Emulator::builder()
        .allow_http_webhooks()
        .start()
        .await
        .unwrap();
    assert_eq!(post(&open, calls, &create).await.status, 201);
    let error = open.subscribe(url).await.unwrap_err();
    assert!(matches!(error, Error::Handshake { .. }), "{error:?}");
    let call = open.call(["alice"]).await;
    for url in ["http://app.invalid/state", "ftp://app.invalid/state"] {
        let start = json!({
            "callConnectionId": call.call_connection_id(),
            "recordingStateCallbackUri": url,
        });
        let started = post(&open, "/calling/recordings", &start).await;
        assert_eq!(
            started.status.is_success(),
            url.starts_with("http"),
            "{url}"
        );
    }
}
