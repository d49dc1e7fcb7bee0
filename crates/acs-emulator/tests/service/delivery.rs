//! Event Grid beyond one event at a time: the other schema, batches, duplicates, order, speed.

use std::time::Duration;

use acs_emulator::{Clock, Emulator, Error, EventSchema, Fault, Operation};
use serde_json::Value;

use crate::client::emulator;
use crate::webhook::Webhook;

const RINGING: &str = "Microsoft.Communication.IncomingCall";

#[tokio::test]
async fn cloud_events_come_alone_after_their_own_handshake() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url)
        .schema(EventSchema::CloudEvents)
        .events([RINGING])
        .await
        .unwrap();
    assert!(webhook.is_quiet(), "there is no validation event");
    acs.incoming_call("carol");
    let delivery = webhook.next().await;
    assert_eq!(
        delivery.header("content-type"),
        "application/cloudevents+json; charset=utf-8"
    );
    assert_eq!(
        delivery.header("webhook-request-origin"),
        "eventgrid.azure.net"
    );
    let event = &delivery.body;
    assert_eq!(event["type"], RINGING);
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["time"], "2026-01-01T00:00:00.0000000Z");
    let source = event["source"].as_str().unwrap();
    assert!(source.starts_with("/subscriptions/"), "{source}");

    let refused = Webhook::not_validating().await;
    let refused = acs.subscribe(&refused.url).schema(EventSchema::CloudEvents);
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, Error::Handshake { .. }), "{refused}");
}

fn ids(body: &Value) -> Vec<String> {
    let events = body.as_array().unwrap();
    events.iter().map(|event| event["id"].to_string()).collect()
}

#[tokio::test]
async fn a_batch_is_sent_when_it_is_full_or_a_second_old() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url)
        .events([RINGING])
        .batch(2)
        .await
        .unwrap();
    webhook.next().await;
    for caller in ["a", "b", "c"] {
        acs.incoming_call(caller);
    }
    assert_eq!(ids(&webhook.next().await.body).len(), 2);
    acs.clock().advance(Duration::from_secs(1));
    assert_eq!(ids(&webhook.next().await.body).len(), 1);
}

#[tokio::test]
async fn duplicates_have_the_same_id_and_order_can_be_lost() {
    let acs = emulator().await;
    let mut twice = Webhook::answering(&[]).await;
    acs.subscribe(&twice.url)
        .events([RINGING])
        .duplicates(1)
        .await
        .unwrap();
    twice.next().await;
    let mut turned = Webhook::answering(&[]).await;
    acs.subscribe(&turned.url)
        .events([RINGING])
        .reordered()
        .await
        .unwrap();
    turned.next().await;
    let (first, second) = (acs.incoming_call("a"), acs.incoming_call("b"));

    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..4 {
        let id = twice.next().await.event()["id"].to_string();
        *counts.entry(id).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 2]);
    for call in [second, first] {
        let data = turned.next().await.event()["data"].clone();
        assert_eq!(data["incomingCallContext"], call.context());
    }
}

#[tokio::test]
async fn the_schedule_can_be_made_shorter() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .retry_scale(0.001)
        .start()
        .await
        .unwrap();
    let mut webhook = Webhook::answering(&[500, 500, 200]).await;
    acs.subscribe(&webhook.url).events([RINGING]).await.unwrap();
    webhook.next().await;
    acs.incoming_call("carol");
    webhook.next().await;
    acs.clock().advance(Duration::from_millis(10));
    assert_eq!(webhook.next().await.header("aeg-delivery-count"), "1");
    acs.clock().advance(Duration::from_millis(30));
    assert_eq!(webhook.next().await.header("aeg-delivery-count"), "2");
}

#[tokio::test]
async fn a_shorter_schedule_gives_up_no_earlier() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .retry_scale(0.001)
        .start()
        .await
        .unwrap();
    let mut webhook = Webhook::answering(&[500]).await;
    acs.subscribe(&webhook.url).events([RINGING]).await.unwrap();
    webhook.next().await;
    acs.incoming_call("carol");
    webhook.next().await;
    acs.clock().advance(Duration::from_secs(60 * 60));
    assert_eq!(webhook.next().await.header("aeg-delivery-count"), "1");
}

#[tokio::test]
async fn an_event_that_comes_late_is_sent_again_as_any_other() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[500]).await;
    acs.subscribe(&webhook.url)
        .events([RINGING])
        .batch(2)
        .await
        .unwrap();
    webhook.next().await;
    acs.incoming_call("carol");
    // The event has waited for another one for so long.
    acs.clock().advance(Duration::from_secs(48 * 60 * 60));
    webhook.next().await;
    acs.clock().advance(Duration::from_secs(10));
    assert_eq!(webhook.next().await.header("aeg-delivery-count"), "1");
}

#[tokio::test]
async fn faults_are_kept_for_events_that_somebody_gets() {
    let acs = emulator().await;
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url).events([RINGING]).await.unwrap();
    webhook.next().await;
    let fault = Fault::on(Operation::Event).times(1).duplicates(1);
    let fault = acs.faults().add(fault);
    acs.call(["alice", "bob"]).await.hang_up();
    assert_eq!(fault.hits(), 0);
    acs.incoming_call("carol");
    assert_eq!(fault.hits(), 1);
    let first = webhook.next().await;
    assert_eq!(first.event()["id"], webhook.next().await.event()["id"]);
}
