//! Event Grid: handshake, events, retries.

use std::time::Duration;

use acs_emulator::{Emulator, Error};
use serde_json::json;

use crate::client::{act, delete, emulator, start};
use crate::webhook::Webhook;

/// Records one second of a call and ends it.
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
async fn a_stopped_recording_is_announced_once_its_delay_is_over() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
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
async fn every_subscription_is_told_that_a_call_has_ended() {
    let acs = emulator().await;
    let mut webhooks = [Webhook::answering(&[]).await, Webhook::answering(&[]).await];
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
async fn a_refused_event_comes_again_by_the_schedule() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[500, 503, 204]).await;
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

    // Accepted: whatever comes next belongs to another recording.
    acs.clock().advance(Duration::from_secs(60 * 60));
    let (call, _) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let other = webhook.next().await;
    assert_ne!(other.event()["id"], third.event()["id"]);
}

#[tokio::test]
async fn an_event_refused_for_good_does_not_come_again() {
    for status in [400, 401, 403, 413] {
        let acs = emulator().await;
        let mut webhook = Webhook::answering(&[status]).await;
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
async fn a_recording_without_sound_is_not_announced() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
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

    // Whatever comes next belongs to another recording.
    let (call, next) = record(&acs).await;
    call.hang_up();
    acs.clock().advance(Duration::from_secs(60));
    let delivery = webhook.next().await;
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(subject.ends_with(&next), "{subject}");
}

#[tokio::test]
async fn a_pause_is_not_counted() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let (call, id) = record(&acs).await;
    act(&acs, &format!("/calling/recordings/{id}:pause")).await;
    acs.clock().advance(Duration::from_secs(60 * 60));
    act(&acs, &format!("/calling/recordings/{id}:resume")).await;
    acs.clock().advance(Duration::from_millis(500));
    call.hang_up();
    acs.clock().advance(Duration::from_secs(60));
    let delivery = webhook.next().await;
    assert_eq!(delivery.event()["data"]["recordingDurationMs"], 1500);
}

#[tokio::test]
async fn webhooks_have_to_pass_the_handshake() {
    let acs = emulator().await;
    let silent = Webhook::not_validating().await;
    let refused = acs.subscribe(&silent.url).await.unwrap_err();
    assert!(matches!(refused, Error::Handshake { .. }), "{refused}");

    let elsewhere = silent.url.replace("/events", "/elsewhere");
    let refused = acs.subscribe(elsewhere).await.unwrap_err();
    assert!(refused.to_string().contains("404"), "{refused}");

    // A port that was free a moment ago and that nobody listens on now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = acs.subscribe(format!("http://127.0.0.1:{port}/")).await;
    assert!(
        matches!(refused, Err(Error::Handshake { .. })),
        "{refused:?}"
    );

    for url in ["http://app.example/events", "/events", "ftp://127.0.0.1/"] {
        let refused = acs.subscribe(url).await.unwrap_err();
        assert!(matches!(refused, Error::WebhookUrl { .. }), "{refused}");
    }
}
