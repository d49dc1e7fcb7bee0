//! Callbacks: their order, their content, and the tokens that prove their origin.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acs_emulator::Emulator;
use http::Method;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::{Request, delete, emulator, post, post_empty, start};
use crate::webhook::{Delivery, Webhook};

const CONNECTIONS: &str = "/calling/callConnections";

async fn get_json(acs: &Emulator, path: &str) -> Value {
    Request::plain(acs, Method::GET, path)
        .send_unsigned()
        .await
        .json()
}

/// Verifies a token as an application does, with the keys that the emulator publishes.
async fn verify(acs: &Emulator, delivery: &Delivery) -> Value {
    let token = delivery.header("authorization");
    let token = token.strip_prefix("Bearer ").unwrap();
    let about = get_json(acs, "/calling/.well-known/acsopenidconfiguration").await;
    let keys = about["jwks_uri"].as_str().unwrap();
    let keys = get_json(acs, keys.strip_prefix(acs.endpoint()).unwrap()).await;
    let key = &keys["keys"][0];
    assert_eq!(decode_header(token).unwrap().kid.unwrap(), key["kid"]);
    let (n, e) = (key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[acs.resource_id()]);
    rules.set_issuer(&[about["issuer"].as_str().unwrap()]);
    rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss"]);
    let key = DecodingKey::from_rsa_components(n, e).unwrap();
    decode(token, &key, &rules).unwrap().claims
}

fn kind(event: &Value) -> &str {
    let kind = event["type"].as_str().unwrap();
    kind.strip_prefix("Microsoft.Communication.").unwrap()
}

#[tokio::test]
async fn callbacks_of_a_recorded_call_are_sent_in_order() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    let call = json!({
        "targets": [{"rawId": "8:acs:a"}, {"rawId": "8:acs:b"}],
        "callbackUri": webhook.url,
        "operationContext": "mine",
    });
    let created = post(&acs, CONNECTIONS, &call).await.json();
    let connection = created["callConnectionId"].as_str().unwrap().to_owned();

    acs.clock().advance(Duration::from_millis(100));
    let delivery = webhook.next().await;
    assert_eq!(
        delivery.header("content-type"),
        "application/json; charset=utf-8"
    );
    let claims = verify(&acs, &delivery).await;
    let lifetime = claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
    assert_eq!(lifetime, 300);
    let connected = delivery.event().clone();
    let source = format!("calling/callConnections/{connection}");
    let server_call_id = connected["data"]["serverCallId"].as_str().unwrap();
    assert_eq!(
        connected,
        json!({
            "id": connected["id"],
            "source": source,
            "subject": source,
            "type": "Microsoft.Communication.CallConnected",
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": "2026-01-01T00:00:00.1000000+00:00",
            "data": {
                "callConnectionId": connection,
                "serverCallId": server_call_id,
                "correlationId": created["correlationId"],
                "operationContext": "mine",
                "resultInformation": {"code": 200, "subCode": 0, "message": ""},
                "version": "2026-03-12",
                "publicEventType": "Microsoft.Communication.CallConnected",
            },
        })
    );
    let delivery = webhook.next().await;
    let people = &delivery.event()["data"];
    assert_eq!(kind(delivery.event()), "ParticipantsUpdated");
    assert_eq!(people["sequenceNumber"], 1);
    assert_eq!(people["participants"].as_array().unwrap().len(), 2);

    let recording = json!({
        "callConnectionId": connection,
        "recordingStateCallbackUri": webhook.url,
    });
    let recording = format!("/calling/recordings/{}", start(&acs, &recording).await);
    let mut deliveries = Vec::new();
    deliveries.push(webhook.next().await);
    deliveries.push(webhook.next().await);
    for action in ["pause", "pause", "resume", "resume"] {
        acs.clock().advance(Duration::from_secs(1));
        post_empty(&acs, &format!("{recording}:{action}")).await;
    }
    deliveries.push(webhook.next().await);
    deliveries.push(webhook.next().await);
    post_empty(&acs, &format!("{CONNECTIONS}/{connection}:terminate")).await;
    deliveries.push(webhook.next().await);
    let states: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            assert_eq!(kind(delivery.event()), "RecordingStateChanged");
            let data = &delivery.event()["data"];
            assert_eq!(data["callConnectionId"], connection.as_str());
            assert_eq!(data["recordingKind"], "azureCommunicationServices");
            let state = data["state"].as_str().unwrap();
            (state, data["startDateTime"].as_str().unwrap())
        })
        .collect();
    let begun = "2026-01-01T00:00:00.3000000+00:00";
    assert_eq!(
        states,
        [
            ("inactive", "0001-01-01T00:00:00+00:00"),
            ("active", begun),
            ("inactive", begun),
            ("active", begun),
            ("inactive", begun),
        ]
    );
    let last = webhook.next().await;
    assert_eq!(kind(last.event()), "CallDisconnected");
    assert_eq!(last.event()["data"]["resultInformation"]["subCode"], 7000);
    assert_ne!(
        last.header("authorization"),
        delivery.header("authorization")
    );
    // No further callbacks: the next one is about another call.
    let next = acs.call(["carol"]).callback(&webhook.url).unwrap().await;
    let connected = webhook.next().await;
    assert_eq!(kind(connected.event()), "CallConnected");
    assert_eq!(
        connected.event()["data"]["callConnectionId"],
        next.call_connection_id()
    );
}

#[tokio::test]
async fn the_outcome_of_adding_and_removing_is_sent_to_the_requested_url() {
    let acs = emulator().await;
    let mut usual = Webhook::responding(&[]).await;
    let mut other = Webhook::responding(&[]).await;
    let call = acs
        .call(["alice", "bob"])
        .callback(&usual.url)
        .unwrap()
        .await;
    let base = format!("{CONNECTIONS}/{}/participants", call.call_connection_id());
    let carol = json!({"rawId": "8:acs:carol"});
    let add = json!({
        "participantToAdd": carol,
        "operationContext": "add",
        "operationCallbackUri": other.url,
    });
    assert_eq!(post(&acs, &format!("{base}:add"), &add).await.status, 202);
    acs.clock().advance(Duration::from_millis(100));
    let added = other.next().await;
    assert_eq!(kind(added.event()), "AddParticipantSucceeded");
    assert_eq!(added.event()["data"]["operationContext"], "add");
    assert_eq!(added.event()["data"]["participant"]["rawId"], "8:acs:carol");

    let remove = json!({"participantToRemove": carol});
    post(&acs, &format!("{base}:remove"), &remove).await;
    let mut kinds = Vec::new();
    for _ in 0..5 {
        let delivery = usual.next().await;
        let event = delivery.event();
        kinds.push((
            kind(event).to_owned(),
            event["data"]["sequenceNumber"].clone(),
        ));
    }
    let expected = [
        ("CallConnected", Value::Null),
        ("ParticipantsUpdated", json!(1)),
        ("ParticipantsUpdated", json!(2)),
        ("RemoveParticipantSucceeded", Value::Null),
        ("ParticipantsUpdated", json!(3)),
    ]
    .map(|(kind, number)| (kind.to_owned(), number));
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_recording_fails_if_the_call_ends_before_it_begins() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    for paused in [false, true] {
        let call = acs.call(["alice", "bob"]).await;
        let request = json!({
            "callConnectionId": call.call_connection_id(),
            "recordingStateCallbackUri": webhook.url,
            "pauseOnStart": paused,
        });
        let started = post(&acs, "/calling/recordings", &request).await.json();
        assert_eq!(webhook.next().await.event()["data"]["state"], "inactive");
        call.hang_up();
        let failed = webhook.next().await;
        assert_eq!(kind(failed.event()), "StartRecordingFailed");
        assert_eq!(
            failed.event()["data"]["recordingId"],
            started["recordingId"]
        );
        assert_eq!(failed.event()["data"]["resultInformation"]["subCode"], 8528);
    }

    // Pausing a recording does not make it fail.
    let call = acs.call(["alice", "bob"]).await;
    let request = json!({
        "callConnectionId": call.call_connection_id(),
        "recordingStateCallbackUri": webhook.url,
        "pauseOnStart": true,
    });
    start(&acs, &request).await;
    webhook.next().await;
    call.hang_up();
    let call = acs
        .call(["alice", "bob"])
        .callback(&webhook.url)
        .unwrap()
        .await;
    let next = webhook.next().await;
    assert_eq!(kind(next.event()), "CallConnected");
    call.hang_up();
}

#[tokio::test]
async fn a_ringing_call_can_be_answered_once() {
    let acs = emulator().await;
    let mut grid = Webhook::responding(&[]).await;
    acs.subscribe(&grid.url).all_events().await.unwrap();
    grid.next().await;
    let mut webhook = Webhook::responding(&[]).await;
    let ringing = acs.incoming_call("carol");
    let event = grid.next().await;
    let data = &event.event()["data"];
    assert_eq!(kind_of_grid(event.event()), "IncomingCall");
    assert_eq!(data["incomingCallContext"], ringing.context());
    assert_eq!(data["serverCallId"], ringing.server_call_id());

    let answer = json!({"incomingCallContext": ringing.context(), "callbackUri": webhook.url});
    let answered = post(&acs, &format!("{CONNECTIONS}:answer"), &answer).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.json()["serverCallId"], ringing.server_call_id());
    post(&acs, &format!("{CONNECTIONS}:answer"), &answer)
        .await
        .assert_error(404, "8522");
    acs.clock().advance(Duration::from_millis(100));
    assert_eq!(kind(webhook.next().await.event()), "CallConnected");
    acs.clock().advance(Duration::from_secs(3));
    let connection = answered.json()["callConnectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    delete(&acs, &format!("{CONNECTIONS}/{connection}")).await;

    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(grid.next().await.event().clone());
    }
    events.sort_by_key(|event| event["eventTime"].to_string());
    let started = events
        .iter()
        .find(|event| kind_of_grid(event) == "CallStarted");
    assert_eq!(started.unwrap()["data"]["isTwoParty"], false);
    let joined = events
        .iter()
        .find(|event| kind_of_grid(event) == "CallParticipantAdded");
    assert_eq!(
        joined.unwrap()["data"]["user"]["communicationIdentifier"],
        data["from"]
    );
    let ended = &events[2];
    assert_eq!(kind_of_grid(ended), "CallEnded");
    assert_eq!(ended["data"]["callDurationInSeconds"], 3.0);
}

fn kind_of_grid(event: &Value) -> &str {
    let kind = event["eventType"].as_str().unwrap();
    kind.strip_prefix("Microsoft.Communication.").unwrap()
}

/// The types of the next callbacks, in order.
async fn kinds(webhook: &mut Webhook, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(kind(webhook.next().await.event()).to_owned());
    }
    kinds
}

#[tokio::test]
async fn call_disconnected_is_the_last_callback() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    let call = acs.call(["alice"]).callback(&webhook.url).unwrap().await;
    let recording = json!({
        "callConnectionId": call.call_connection_id(),
        "recordingStateCallbackUri": webhook.url,
    });
    start(&acs, &recording).await;
    kinds(&mut webhook, 4).await;
    delete(
        &acs,
        &format!("{CONNECTIONS}/{}", call.call_connection_id()),
    )
    .await;
    assert_eq!(
        kinds(&mut webhook, 2).await,
        ["RecordingStateChanged", "CallDisconnected"]
    );
}

#[tokio::test]
async fn closed_connections_receive_no_outcome() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    let call = acs
        .call(["alice", "bob"])
        .callback(&webhook.url)
        .unwrap()
        .await;
    let connect = json!({
        "callLocator": {"kind": "serverCallLocator", "serverCallId": call.server_call_id()},
        "callbackUri": webhook.url,
    });
    post(&acs, &format!("{CONNECTIONS}:connect"), &connect).await;
    acs.clock().advance(Duration::from_millis(100));
    kinds(&mut webhook, 4).await;
    let first = format!("{CONNECTIONS}/{}", call.call_connection_id());
    let add = json!({
        "participantToAdd": {"rawId": "8:acs:carol"},
        "operationCallbackUri": webhook.url,
    });
    post(&acs, &format!("{first}/participants:add"), &add).await;
    delete(&acs, &first).await.assert_empty(204);
    acs.clock().advance(Duration::from_millis(100));
    assert_eq!(
        kinds(&mut webhook, 2).await,
        ["CallDisconnected", "ParticipantsUpdated"]
    );
}

#[tokio::test]
async fn participants_join_and_leave_once_even_if_invited_twice() {
    let acs = emulator().await;
    let mut grid = Webhook::responding(&[]).await;
    acs.subscribe(&grid.url)
        .all_events()
        .batch(9)
        .await
        .unwrap();
    grid.next().await;
    let mut webhook = Webhook::responding(&[]).await;
    let call = acs
        .call(["alice", "bob"])
        .callback(&webhook.url)
        .unwrap()
        .await;
    let base = format!("{CONNECTIONS}/{}/participants", call.call_connection_id());
    let (carol, dave) = (
        json!({"rawId": "8:acs:carol"}),
        json!({"rawId": "8:acs:dave"}),
    );
    let (add, remove) = (format!("{base}:add"), format!("{base}:remove"));
    post(&acs, &add, &json!({"participantToAdd": carol})).await;
    post(&acs, &add, &json!({"participantToAdd": dave})).await;
    // Dave is removed before he joins. Carol is already in the call when she is added again.
    let removed = post(&acs, &remove, &json!({"participantToRemove": dave})).await;
    assert_eq!(removed.status, 202);
    acs.clock().advance(Duration::from_millis(100));
    post(&acs, &add, &json!({"participantToAdd": carol})).await;
    acs.clock().advance(Duration::from_millis(100));
    post(&acs, &remove, &json!({"participantToRemove": carol})).await;
    assert_eq!(
        kinds(&mut webhook, 8).await,
        [
            "CallConnected",
            "ParticipantsUpdated",
            "RemoveParticipantSucceeded",
            "AddParticipantSucceeded",
            "ParticipantsUpdated",
            "AddParticipantSucceeded",
            "RemoveParticipantSucceeded",
            "ParticipantsUpdated",
        ]
    );
    acs.clock().advance(Duration::from_secs(1));
    let events = grid.next().await.body;
    let mut about: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let subject = event["subject"].as_str().unwrap();
            (kind_of_grid(event), subject.rsplit('/').next().unwrap())
        })
        .collect();
    about.retain(|(_, who)| who.starts_with("8:acs:carol") || who.starts_with("8:acs:dave"));
    assert_eq!(
        about,
        [
            ("CallParticipantAdded", "8:acs:carol"),
            ("CallParticipantRemoved", "8:acs:carol"),
        ]
    );
}

#[tokio::test]
async fn muting_is_reported_once_and_mutes_all_or_none() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    let call = acs
        .call(["alice", "bob"])
        .callback(&webhook.url)
        .unwrap()
        .await;
    let mute = format!(
        "{CONNECTIONS}/{}/participants:mute",
        call.call_connection_id()
    );
    let [alice, bob] = ["alice", "bob"].map(|name| json!({"rawId": call.participant(name)}));
    let nobody = json!({"rawId": "8:acs:nobody"});
    let post_mute =
        async |people: Value| post(&acs, &mute, &json!({"targetParticipants": people})).await;
    kinds(&mut webhook, 2).await;
    post_mute(json!([alice, nobody]))
        .await
        .assert_error(404, "8522");
    assert_eq!(post_mute(json!([bob])).await.status, 200);
    assert_eq!(post_mute(json!([bob])).await.status, 200);
    assert_eq!(post_mute(json!([alice])).await.status, 200);
    for expected in [[false, true], [true, true]] {
        let delivery = webhook.next().await;
        let data = &delivery.event()["data"];
        let muted = [0, 1].map(|index| data["participants"][index]["isMuted"] == true);
        assert_eq!(muted, expected);
    }
}

/// A server that responds to one request per connection and closes the connection on the next one.
async fn server_with_single_use_connections() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            let used = AtomicBool::new(false);
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let (first, sender) = (!used.swap(true, Ordering::Relaxed), sender.clone());
                async move {
                    if !first {
                        return Err(io::Error::other("closed"));
                    }
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
                    Ok(hyper::Response::new(Empty::<hyper::body::Bytes>::new()))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (url, receiver)
}

#[tokio::test]
async fn callbacks_survive_closed_idle_connections() {
    let acs = emulator().await;
    let (url, mut callbacks) = server_with_single_use_connections().await;
    let call = acs.call(["alice"]).callback(url).unwrap().await;
    call.hang_up();
    for expected in ["CallConnected", "ParticipantsUpdated", "CallDisconnected"] {
        let next = tokio::time::timeout(Duration::from_secs(20), callbacks.recv());
        let body = next.await.expect("a callback was lost").unwrap();
        assert_eq!(kind(&body[0]), expected);
    }
}
