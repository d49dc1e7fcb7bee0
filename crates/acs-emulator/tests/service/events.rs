//! Event Grid: handshake, events and retries.

use std::time::Duration;

use acs_emulator::{Emulator, Error};
use serde_json::json;

use crate::client::{delete, emulator, post_empty, start};
use crate::webhook::Webhook;

/// Records one second of a call.
async fn record(acs: &Emulator) -> (acs_emulator::Call, String) {
    let call = acs.call(["alice", "bob"]).await;
    let id = start(
        acs,
        &json!({"callConnectionId": call.call_connection_id(), "recordingFormatType": "wav"}),
    )
    .await;
    acs.clock().advance(Duration::from_secs(1));
    (call, id)
}

#[tokio::test]
async fn the_event_of_a_stopped_recording_is_sent_after_the_delay() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    let handshake = webhook.next().await;
    assert_eq!(handshake.header("aeg-event-type"), "SubscriptionValidation");
    let validation = handshake.event();
    assert_eq!(
        validation["eventType"],
        "Microsoft.EventGrid.SubscriptionValidationEvent"
    );
    assert_eq!(validation["subject"], "");

    let (call, id) = record(&acs).await;
    delete(&acs, &format!("/calling/recordings/{id}"))
        .await
        .assert_empty(204);
    acs.clock().advance(Duration::from_millis(500));

    let delivery = webhook.next().await;
    assert_eq!(delivery.header("aeg-event-type"), "Notification");
    assert_eq!(delivery.header("aeg-delivery-count"), "0");
    assert_eq!(
        delivery.header("aeg-subscription-name"),
        handshake.header("aeg-subscription-name")
    );
    assert_eq!(
        delivery.header("content-type"),
        "application/json; charset=utf-8"
    );
    let event = delivery.event();
    let subject = event["subject"].as_str().unwrap();
    let (prefix, rest) = subject.split_once("/serverCallId/").unwrap();
    assert!(prefix.starts_with("/recording/call/"), "{subject}");
    assert_eq!(rest, format!("{}/recordingId/{id}", call.server_call_id()));
    assert_eq!(event["id"].as_str().unwrap().len(), 36);

    let chunk = &event["data"]["recordingStorageInfo"]["recordingChunks"][0];
    let document = chunk["documentId"].as_str().unwrap();
    let object = format!("{}/v1/objects/{document}", acs.endpoint());
    assert_eq!(
        *event,
        json!({
            "id": event["id"],
            "topic": event["topic"],
            "subject": subject,
            "data": {
                "recordingStorageInfo": {"recordingChunks": [{
                    "documentId": document,
                    "index": 0,
                    "endReason": "SessionEnded",
                    "contentLocation": format!("{object}/content/audiowav"),
                    "metadataLocation": format!("{object}/content/acsmetadata"),
                    "deleteLocation": object,
                }]},
                "recordingStartTime": "2026-01-01T00:00:00.2000000Z",
                "recordingDurationMs": 1000,
                "sessionEndReason": "SessionStillOngoing",
                "recordingContentType": "Audio",
                "recordingChannelType": "Mixed",
                "recordingFormatType": "Wav",
            },
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "dataVersion": "1.0",
            "metadataVersion": "1",
            "eventTime": "2026-01-01T00:00:01.7000000Z",
        })
    );
}

#[tokio::test]
async fn every_subscription_receives_the_event_of_an_ended_call() {
    let acs = emulator().await;
    let mut webhooks = [
        Webhook::responding(&[]).await,
        Webhook::responding(&[]).await,
    ];
    for webhook in &mut webhooks {
        acs.subscribe(&webhook.url).await.unwrap();
        webhook.next().await;
    }
    let (call, _) = record(&acs).await;
    call.hang_up();
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let [first, second] = &mut webhooks;
    let (first, second) = (first.next().await, second.next().await);
    assert_eq!(first.event()["data"]["sessionEndReason"], "CallEnded");
    assert_eq!(first.event(), second.event());
}

#[tokio::test]
async fn a_rejected_event_is_retried_on_schedule() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[500, 503, 204]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let (call, _) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let first = webhook.next().await;

    acs.clock().advance(Duration::from_secs(10));
    let second = webhook.next().await;
    assert_eq!(second.header("aeg-delivery-count"), "1");
    assert_eq!(first.body, second.body);

    acs.clock().advance(Duration::from_secs(30));
    let third = webhook.next().await;
    assert_eq!(third.header("aeg-delivery-count"), "2");

    // Accepted: the next event is about another recording.
    acs.clock().advance(Duration::from_secs(60 * 60));
    let (call, _) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let other = webhook.next().await;
    assert_ne!(other.event()["id"], third.event()["id"]);
}

#[tokio::test]
async fn a_permanently_rejected_event_is_not_retried() {
    for status in [400, 401, 403, 413] {
        let acs = emulator().await;
        let mut webhook = Webhook::responding(&[status]).await;
        acs.subscribe(&webhook.url).await.unwrap();
        webhook.next().await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let (call, _) = record(&acs).await;
            call.hang_up();
            acs.clock().advance(Duration::from_millis(500));
            ids.push(webhook.next().await.event()["id"].clone());
            acs.clock().advance(Duration::from_secs(60 * 60));
        }
        assert_ne!(ids[0], ids[1], "{status}");
    }
}

#[tokio::test]
async fn a_recording_without_audio_has_no_event() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let call = acs.call(["alice"]).await;
    let id = start(
        &acs,
        &json!({"callConnectionId": call.call_connection_id(), "pauseOnStart": true}),
    )
    .await;
    acs.clock().advance(Duration::from_secs(10));
    delete(&acs, &format!("/calling/recordings/{id}"))
        .await
        .assert_empty(204);

    let (call, audible) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_secs(60));
    let delivery = webhook.next().await;
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(subject.ends_with(&audible), "{subject}");

    // The next event is about another recording.
    let (call, next) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_secs(60));
    let delivery = webhook.next().await;
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(subject.ends_with(&next), "{subject}");
}

#[tokio::test]
async fn the_duration_excludes_pauses() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let (call, id) = record(&acs).await;
    post_empty(&acs, &format!("/calling/recordings/{id}:pause")).await;
    acs.clock().advance(Duration::from_secs(60 * 60));
    post_empty(&acs, &format!("/calling/recordings/{id}:resume")).await;
    acs.clock().advance(Duration::from_millis(500));
    call.hang_up();
    acs.clock().advance(Duration::from_secs(60));
    let delivery = webhook.next().await;
    assert_eq!(delivery.event()["data"]["recordingDurationMs"], 1500);
}

#[tokio::test]
async fn webhooks_must_pass_the_handshake() {
    let acs = emulator().await;
    let silent = Webhook::not_validating().await;
    let error = acs.subscribe(&silent.url).await.unwrap_err();
    assert!(matches!(error, Error::Handshake { .. }), "{error}");

    let elsewhere = silent.url.replace("/events", "/elsewhere");
    let error = acs.subscribe(elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");

    // A port that was just free, and that nobody listens on now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = acs.subscribe(format!("http://127.0.0.1:{port}/")).await;
    assert!(matches!(error, Err(Error::Handshake { .. })), "{error:?}");

    for url in ["http://app.example/events", "/events", "ftp://127.0.0.1/"] {
        let error = acs.subscribe(url).await.unwrap_err();
        assert!(matches!(error, Error::WebhookUrl { .. }), "{error}");
    }
}
