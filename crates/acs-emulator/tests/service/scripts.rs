//! Scripts: participants who join, speak and leave, and calls that start on their own.

use std::time::Duration;

use acs_emulator::{Clock, Emulator, Script};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Request, get, post, start};
use crate::webhook::Webhook;

const CONNECTIONS: &str = "/calling/callConnections";

const fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn scripted(script: Script) -> Emulator {
    Emulator::builder()
        .clock(Clock::manual())
        .start_delay(Duration::ZERO)
        .script(script)
        .start()
        .await
        .unwrap()
}

async fn people(acs: &Emulator, connection: &str) -> usize {
    let list = get(acs, &format!("{CONNECTIONS}/{connection}/participants")).await;
    list.json()["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn scripted_participants_join_and_leave_and_the_last_one_ends_the_call() {
    let script = Script::new()
        .join(second(1), "carol")
        .leave(second(2), "#1")
        .leave(second(3), "carol");
    let acs = scripted(script).await;
    let create = json!({
        "targets": [{"rawId": "8:acs:a"}],
        "callbackUri": "https://app.example/",
    });
    let created = post(&acs, CONNECTIONS, &create).await.json();
    let connection = created["callConnectionId"].as_str().unwrap();
    acs.clock().advance(Duration::from_millis(100));
    let mut counts = vec![people(&acs, connection).await];
    for _ in 0..2 {
        acs.clock().advance(second(1));
        counts.push(people(&acs, connection).await);
    }
    assert_eq!(counts, [1, 2, 1]);
    acs.clock().advance(second(1));
    let ended = get(&acs, &format!("{CONNECTIONS}/{connection}")).await;
    ended.assert_error(404, "8522");
}

/// Records a call with `script` in one step of the clock, and returns the data of the event.
async fn record(acs: &Emulator, script: Script, request: Value) -> Value {
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let call = acs.call(["alice", "bob"]).script(script).await;
    let mut request = request;
    request["callConnectionId"] = json!(call.call_connection_id());
    start(acs, &request).await;
    acs.clock().advance(second(60));
    let data = webhook.next().await.event()["data"].clone();
    assert_eq!(data["sessionEndReason"], "CallEnded");
    data
}

#[tokio::test]
async fn a_call_ends_at_the_scripted_time_even_if_the_clock_jumps() {
    let acs = scripted(Script::new()).await;
    let data = record(&acs, Script::new().end(second(7)), json!({})).await;
    assert_eq!(data["recordingDurationMs"], 7000);
    let leaving = Script::new()
        .leave(second(4), "alice")
        .leave(second(9), "bob");
    let data = record(&acs, leaving, json!({})).await;
    assert_eq!(data["recordingDurationMs"], 9000);
}

#[tokio::test]
async fn the_first_speaker_gets_the_first_channel() {
    let acs = scripted(Script::new()).await;
    let script = Script::new()
        .speak(second(3), "alice", second(1))
        .speak(second(1), "bob", second(1))
        .end(second(5));
    let request = json!({
        "recordingContentType": "audio",
        "recordingChannelType": "unmixed",
        "recordingFormatType": "wav",
    });
    let data = record(&acs, script, request).await;
    let chunk = &data["recordingStorageInfo"]["recordingChunks"][0];
    let location = chunk["contentLocation"].as_str().unwrap();
    let file = Request::content(&acs, Method::GET, location).send().await;
    let mut reader = hound::WavReader::new(std::io::Cursor::new(file.body)).unwrap();
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    // Whether each channel has audio, by second.
    let audible: Vec<[bool; 2]> = samples
        .chunks(2 * 16_000)
        .map(|second| [0, 1].map(|channel| second.iter().skip(channel).step_by(2).any(|s| *s != 0)))
        .collect();
    let (silence, bob, alice) = ([false, false], [true, false], [false, true]);
    assert_eq!(audible, [silence, bob, silence, alice, silence]);
}

#[tokio::test]
async fn scripted_calls_start_on_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.json");
    let text = json!({"calls": [
        {"at_ms": 1000, "room": "7", "participants": ["alice", "bob"], "steps": [
            {"at_ms": 5000, "do": "end"},
        ]},
        {"at_ms": 2000, "ring": true, "participants": ["carol"]},
    ]});
    std::fs::write(&path, text.to_string()).unwrap();
    let acs = scripted(Script::from_file(&path).unwrap()).await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url)
        .events(["Microsoft.Communication.IncomingCall"])
        .await
        .unwrap();
    webhook.next().await;
    let connect = json!({
        "callLocator": {"kind": "roomCallLocator", "roomId": "7"},
        "callbackUri": "https://app.example/",
    });
    let connect = async || post(&acs, &format!("{CONNECTIONS}:connect"), &connect).await;
    connect().await.assert_error(404, "8522");
    acs.clock().advance(second(1));
    assert_eq!(connect().await.status, 200);
    acs.clock().advance(second(5));
    connect().await.assert_error(400, "8528");
    let ringing = webhook.next().await;
    assert_eq!(ringing.event()["eventTime"], "2026-01-01T00:00:02.0000000Z");
    let missing = Script::from_file(folder.path().join("missing")).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[tokio::test]
async fn events_of_scripted_calls_contain_the_starter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.json");
    let text = json!({"calls": [{"at_ms": 1000, "participants": ["alice", "bob"]}]});
    std::fs::write(&path, text.to_string()).unwrap();
    let acs = scripted(Script::from_file(&path).unwrap()).await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url)
        .events(["Microsoft.Communication.CallStarted"])
        .await
        .unwrap();
    webhook.next().await;
    acs.clock().advance(second(1));
    let delivery = webhook.next().await;
    let starter = &delivery.event()["data"]["startedBy"]["communicationIdentifier"];
    let starter = starter["rawId"].as_str().unwrap();
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(
        subject.ends_with(&format!("/startedBy/{starter}")),
        "{subject}"
    );
}

#[tokio::test]
async fn a_room_has_one_call_at_a_time() {
    let acs = scripted(Script::new()).await;
    let first = acs.call(["alice"]).room("7").await;
    let second = acs.call(["bob"]).room("7").await;
    assert_eq!(first.server_call_id(), second.server_call_id());
    assert_ne!(first.call_connection_id(), second.call_connection_id());
    assert_eq!(people(&acs, first.call_connection_id()).await, 2);
    first.hang_up();
    let third = acs.call(["carol"]).room("7").await;
    assert_ne!(first.server_call_id(), third.server_call_id());
    let start = json!({
        "callLocator": {"kind": "roomCallLocator", "roomId": "7"},
        "recordingFormatType": "wav",
    });
    assert_eq!(post(&acs, "/calling/recordings", &start).await.status, 200);
}

#[tokio::test]
async fn calls_are_forgotten_after_their_retention() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .call_retention(second(60))
        .start()
        .await
        .unwrap();
    let call = acs.call(["alice"]).await;
    let ringing = acs.incoming_call("bob");
    let start = json!({
        "callLocator": {"kind": "serverCallLocator", "serverCallId": call.server_call_id()},
    });
    call.hang_up();
    let recorded = async || post(&acs, "/calling/recordings", &start).await;
    recorded().await.assert_error(400, "8528");
    acs.clock().advance(second(60));
    recorded().await.assert_error(400, "8528");
    acs.clock().advance(second(1));
    recorded().await.assert_error(404, "8522");
    call.hang_up();
    // The call that was never answered has ended.
    let start = json!({
        "callLocator": {"kind": "serverCallLocator", "serverCallId": ringing.server_call_id()},
    });
    post(&acs, "/calling/recordings", &start)
        .await
        .assert_error(400, "8528");
}
