//! Event delivery to a queue of Azure Storage.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_emulator::{Emulator, Error, EventSchema};
use acs_test_support::Azurite;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::emulator;

const RINGING: &str = "Microsoft.Communication.IncomingCall";

/// The event in the body of a request that adds a message, or of a response that lists one.
fn event(xml: &str) -> Value {
    let (_, text) = xml.split_once("<MessageText>").unwrap();
    let (text, _) = text.split_once("</MessageText>").unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

/// Waits for `count` messages in a queue of Azurite and returns their events.
async fn events(azurite: &Azurite, queue: &str, count: usize) -> Vec<Value> {
    let url = format!("{queue}/messages?numofmessages=32&{}", Azurite::sas("p"));
    let client = azurite.client();
    let mut events = Vec::new();
    let all = async {
        while events.len() < count {
            let list = client.get(&url).send().await.unwrap();
            let list = list.text().await.unwrap();
            events.extend(list.split("<QueueMessage>").skip(1).map(event));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("too few messages arrived");
    events
}

async fn subscribed(azurite: &Azurite, name: &str, schema: EventSchema) -> (Emulator, String) {
    let acs = emulator().await;
    let queue = azurite.create_queue(name).await;
    acs.subscribe_queue(name)
        .connection_string(azurite.connection_string())
        .events([RINGING])
        .schema(schema)
        .await
        .unwrap();
    (acs, queue)
}

#[tokio::test]
async fn each_event_is_a_message_in_the_schema_of_the_subscription() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let (acs, queue) = subscribed(&azurite, "grid", EventSchema::EventGrid).await;
    acs.incoming_call("carol");
    let event = events(&azurite, &queue, 1).await.remove(0);
    assert_eq!(event["eventType"], RINGING);
    assert_eq!(event["metadataVersion"], "1");

    let (acs, queue) = subscribed(&azurite, "cloud", EventSchema::CloudEvents).await;
    acs.incoming_call("carol");
    let event = events(&azurite, &queue, 1).await.remove(0);
    assert_eq!(event["type"], RINGING);
    assert_eq!(event["specversion"], "1.0");
}

#[tokio::test]
async fn a_queue_accepts_a_sas_in_its_url_or_in_a_connection_string() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = azurite.create_queue("signed").await;
    let acs = emulator().await;
    let address = format!("{queue}?{}", Azurite::sas("a"));
    acs.subscribe_queue(&address)
        .events([RINGING])
        .await
        .unwrap();
    acs.subscribe_queue("signed")
        .connection_string(azurite.connection_string_with_sas())
        .events([RINGING])
        .await
        .unwrap();
    let call = acs.incoming_call("carol");
    for event in events(&azurite, &queue, 2).await {
        assert_eq!(event["data"]["incomingCallContext"], call.context());
    }
}

/// A queue that responds with these statuses, and with 201 after them.
async fn scripted(statuses: &[u16]) -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, messages) = mpsc::unbounded_channel();
    let statuses: VecDeque<_> = statuses.iter().copied().collect();
    let state = Arc::new((Mutex::new(statuses), sender));
    let receive = async |State(state): State<Arc<(Mutex<VecDeque<u16>>, _)>>, body: String| {
        let (statuses, sender): &(_, mpsc::UnboundedSender<Value>) = &state;
        sender.send(event(&body)).unwrap();
        let status = statuses.lock().unwrap().pop_front().unwrap_or(201);
        StatusCode::from_u16(status).unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/events?sig=x", listener.local_addr().unwrap());
    let router = Router::new().route("/events/messages", post(receive));
    let router = router.with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, messages)
}

async fn next(messages: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    let message = tokio::time::timeout(Duration::from_secs(60), messages.recv());
    message.await.expect("no message arrived").unwrap()
}

#[tokio::test]
async fn messages_are_retried_on_the_published_schedule() {
    let acs = emulator().await;
    // A queue that does not exist yet, then one that is busy.
    let (queue, mut messages) = scripted(&[404, 503]).await;
    acs.subscribe_queue(&queue).events([RINGING]).await.unwrap();
    acs.incoming_call("carol");
    let first = next(&mut messages).await;
    for seconds in [300, 30] {
        acs.clock().advance(Duration::from_secs(seconds - 1));
        tokio::task::yield_now().await;
        assert!(messages.try_recv().is_err(), "too early");
        acs.clock().advance(Duration::from_secs(1));
        assert_eq!(next(&mut messages).await["id"], first["id"]);
    }
}

#[tokio::test]
async fn messages_that_a_queue_rejects_are_dropped() {
    for status in [400, 403, 413] {
        let acs = emulator().await;
        let (queue, mut messages) = scripted(&[status]).await;
        acs.subscribe_queue(&queue).events([RINGING]).await.unwrap();
        let refused = acs.incoming_call("carol");
        let event = next(&mut messages).await;
        assert_eq!(event["data"]["incomingCallContext"], refused.context());
        // If the message were retried, it would arrive now.
        acs.clock().advance(Duration::from_secs(3600));
        let accepted = acs.incoming_call("dave");
        let event = next(&mut messages).await;
        assert_eq!(event["data"]["incomingCallContext"], accepted.context());
        assert!(messages.try_recv().is_err());
    }
}

#[tokio::test]
async fn messages_can_be_duplicated_and_reordered() {
    let acs = emulator().await;
    let (twice, mut duplicates) = scripted(&[]).await;
    acs.subscribe_queue(&twice)
        .events([RINGING])
        .duplicates(1)
        .batch(5)
        .await
        .unwrap();
    let (turned, mut reordered) = scripted(&[]).await;
    acs.subscribe_queue(&turned)
        .events([RINGING])
        .reordered()
        .await
        .unwrap();
    let (first, second) = (acs.incoming_call("a"), acs.incoming_call("b"));
    let mut counts = BTreeMap::new();
    for _ in 0..4 {
        let id = next(&mut duplicates).await["id"].to_string();
        *counts.entry(id).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 2]);
    for call in [second, first] {
        let event = next(&mut reordered).await;
        assert_eq!(event["data"]["incomingCallContext"], call.context());
    }
}

#[tokio::test]
async fn the_admin_interface_subscribes_queues_and_shows_no_secrets() {
    let acs = Emulator::builder().admin(([127, 0, 0, 1], 0).into());
    let acs = acs.start().await.unwrap();
    let admin = acs.admin_url().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let subscribe = async |body: Value| {
        let request = client
            .post(format!("{admin}/subscriptions"))
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (queue, mut messages) = scripted(&[]).await;
    let queue = queue.replace("sig=x", "sig=secret");
    let body = json!({"queue": queue, "events": [RINGING], "schema": "cloud-events"});
    assert_eq!(subscribe(body).await.0, 200);
    let key = json!({
        "queue": "events",
        "connectionString": "AccountName=a;AccountKey=c2VjcmV0",
    });
    assert_eq!(subscribe(key).await.0, 200);
    acs.incoming_call("carol");
    assert_eq!(next(&mut messages).await["type"], RINGING);

    let state = client.get(format!("{admin}/state")).send().await.unwrap();
    let state = state.text().await.unwrap();
    assert!(
        !state.contains("secret") && !state.contains("c2VjcmV0"),
        "{state}"
    );
    let state: Value = serde_json::from_str(&state).unwrap();
    let address_in_state = &state["subscriptions"][0]["queue"];
    assert_eq!(address_in_state, queue.split('?').next().unwrap());

    for wrong in [
        json!({}),
        json!({"queue": queue, "url": queue}),
        json!({"queue": "http://127.0.0.1:1/?sig=secret"}),
    ] {
        let (status, text) = subscribe(wrong).await;
        assert_eq!(status, 400, "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn errors_about_invalid_queues_contain_no_secrets() {
    let acs = emulator().await;
    let refused = acs
        .subscribe_queue("https://account.queue.core.windows.net/?sig=secret")
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Queue { .. }), "{refused}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
    let refused = acs
        .subscribe_queue("events")
        .connection_string("AccountName=a;AccountKey=secret!")
        .await
        .unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
}
