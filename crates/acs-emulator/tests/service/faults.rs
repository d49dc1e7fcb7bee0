//! The effects of faults on a client.

use std::time::Duration;

use acs_emulator::{
    ActiveFault, Clock, Emulator, Fault, FaultHandle, Operation, SyntheticRecording,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Request, emulator, get, post_empty, start};
use crate::content::{Locations, finish, read};
use crate::webhook::Webhook;

/// Records one second of a call as WAV.
async fn recorded(acs: &Emulator) -> Locations {
    let call = acs.call(["alice"]).await;
    start(acs, &wav(&call)).await;
    acs.clock().advance(Duration::from_secs(1));
    finish(acs, &call).await
}

fn wav(call: &acs_emulator::Call) -> serde_json::Value {
    json!({
        "callConnectionId": call.call_connection_id(),
        "recordingContentType": "audio",
        "recordingFormatType": "wav",
    })
}

async fn read_range(acs: &Emulator, location: &str, range: &str) -> crate::client::Response {
    Request::content(acs, Method::GET, location)
        .header("range", range)
        .send()
        .await
}

/// Reads a body until it ends or the connection is closed.
async fn arriving(request: Request) -> (StatusCode, Option<u64>, Vec<u8>, bool) {
    let response = request.signed().try_send().await.unwrap();
    let status = response.status();
    let length = response.content_length();
    let mut stream = response.bytes_stream();
    let mut got = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => got.extend_from_slice(&piece),
            Err(_) => return (status, length, got, false),
        }
    }
    (status, length, got, true)
}

#[tokio::test]
async fn a_status_replaces_the_operation() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = start(&acs, &wav(&call)).await;
    let path = format!("/calling/recordings/{id}");
    let fault = Fault::on(Operation::Pause).times(2).status(503);
    let busy = acs.faults().add(fault.retry_after(Duration::from_secs(7)));
    for _ in 0..2 {
        let refused = post_empty(&acs, &format!("{path}:pause")).await;
        refused.assert_error(503, "9999");
        assert_eq!(refused.header("retry-after"), "7");
    }
    assert_eq!(get(&acs, &path).await.json()["recordingState"], "active");
    assert_eq!(post_empty(&acs, &format!("{path}:pause")).await.status, 202);
    assert_eq!(busy.hits(), 2);

    let throttled = Fault::on(Operation::State).times(1).status(429);
    acs.faults().add(throttled);
    let refused = get(&acs, &path).await;
    refused.assert_error(429, "8589");
    assert_eq!(refused.headers.get("retry-after"), None);
}

#[tokio::test]
async fn a_response_can_be_lost_after_the_operation() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = start(&acs, &wav(&call)).await;
    let path = format!("/calling/recordings/{id}");
    let pause = || Request::new(&acs, Method::POST, &format!("{path}:pause")).signed();

    acs.faults()
        .add(Fault::on(Operation::Pause).times(1).disconnect());
    assert!(pause().try_send().await.is_err());
    assert_eq!(get(&acs, &path).await.json()["recordingState"], "active");

    let lost = Fault::on(Operation::Pause)
        .times(1)
        .disconnect()
        .after_performing();
    acs.faults().add(lost);
    assert!(pause().try_send().await.is_err());
    assert_eq!(get(&acs, &path).await.json()["recordingState"], "inactive");
}

#[tokio::test]
async fn a_silent_request_stays_pending_until_the_emulator_stops() {
    let acs = emulator().await;
    let silent = acs
        .faults()
        .add(Fault::on(Operation::Start).never_respond());
    let request = Request::new(&acs, Method::POST, "/calling/recordings").signed();
    let pending = tokio::spawn(request.try_send());
    let fault_applied = async {
        while silent.hits() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), fault_applied)
        .await
        .expect("no request arrived");
    assert!(!pending.is_finished());
    acs.shutdown().await;
    assert!(pending.await.unwrap().is_err());
}

#[tokio::test]
async fn bodies_can_be_cut_shortened_and_emptied() {
    let acs = emulator().await;
    let location = recorded(&acs).await.content;
    let whole = read(&acs, &location).await.body;
    let request = || Request::content(&acs, Method::GET, &location);
    let content = || Fault::on(Operation::Content).times(1);
    let full = whole.len() as u64;

    acs.faults().add(content().cut_after(10_000));
    let (status, length, got, complete) = arriving(request()).await;
    assert_eq!(
        (status.as_u16(), length, complete),
        (200, Some(full), false)
    );
    assert!(got == whole[..10_000], "{}", got.len());

    acs.faults().add(content().cut_after(full));
    let (_, _, got, complete) = arriving(request()).await;
    assert!(complete && got == whole);

    for (fault, expected) in [(content().shorten_to(99), 99), (content().empty_body(), 0)] {
        acs.faults().add(fault);
        let (status, length, got, complete) = arriving(request()).await;
        assert_eq!(
            (status.as_u16(), length, complete),
            (200, Some(expected as u64), true)
        );
        assert!(got == whole[..expected]);
    }
}

#[tokio::test]
async fn shortening_does_not_extend_a_streamed_body() {
    let acs = emulator().await;
    let stored = acs.add_recording(SyntheticRecording::new(1_000));
    let location = stored.chunks()[0].content_location();
    for (limit, expected) in [(5_000, 1_000), (99, 99)] {
        let fault = Fault::on(Operation::Content).times(1).shorten_to(limit);
        acs.faults().add(fault);
        let request = Request::content(&acs, Method::GET, location);
        let (_, length, got, complete) = arriving(request).await;
        assert_eq!((length, complete), (Some(expected as u64), true), "{limit}");
        assert_eq!(got.len(), expected);
    }
}

#[tokio::test]
async fn ranges_can_be_ignored_and_misreported() {
    let acs = emulator().await;
    let location = recorded(&acs).await.content;
    let whole = read(&acs, &location).await.body;
    let content = || Fault::on(Operation::Content).times(1);

    acs.faults().add(content().ignore_range());
    let all = read_range(&acs, &location, "bytes=5-9").await;
    assert_eq!((all.status.as_u16(), all.body == whole), (200, true));

    acs.faults().add(content().content_range("bytes 0-4/7"));
    let wrong = read_range(&acs, &location, "bytes=5-9").await;
    assert_eq!(wrong.status, 206);
    assert_eq!(wrong.header("content-range"), "bytes 0-4/7");
    assert_eq!(wrong.body, whole[5..=9]);

    acs.faults().add(content().content_range(""));
    let without = read_range(&acs, &location, "bytes=5-9").await;
    assert_eq!(without.headers.get("content-range"), None);
}

#[tokio::test]
async fn content_can_change_between_ranges() {
    let acs = emulator().await;
    let locations = recorded(&acs).await;
    let whole = read(&acs, &locations.content).await.body;
    let document = locations.delete.rsplit_once('/').unwrap().1;
    let changed = Fault::on(Operation::Content).target(document).corrupt(0x55);
    acs.faults().add(changed.after(1));
    let first = read_range(&acs, &locations.content, "bytes=0-9").await;
    assert_eq!(first.body, whole[..10]);
    for _ in 0..2 {
        let second = read_range(&acs, &locations.content, "bytes=10-19").await;
        let altered: Vec<u8> = whole[10..20].iter().map(|byte| byte ^ 0x55).collect();
        assert_eq!(second.body, altered);
    }
    let metadata = read(&acs, &locations.metadata).await;
    assert!(metadata.body.starts_with(b"{"));
}

#[tokio::test]
async fn entity_tags_can_be_added() {
    let acs = emulator().await;
    let location = recorded(&acs).await.content;
    assert_eq!(read(&acs, &location).await.headers.get("etag"), None);
    acs.faults()
        .add(Fault::on(Operation::Content).etag("\"1\""));
    assert_eq!(read(&acs, &location).await.header("etag"), "\"1\"");
    for (tag, status) in [("\"1\"", 206), ("\"2\"", 200)] {
        let response = Request::content(&acs, Method::GET, &location)
            .header("range", "bytes=1-2")
            .header("if-range", tag)
            .send()
            .await;
        assert_eq!(response.status, status, "{tag}");
    }
    for (tag, status) in [("\"1\"", 200), ("\"2\"", 412)] {
        let response = Request::content(&acs, Method::GET, &location)
            .header("if-match", tag)
            .send()
            .await;
        assert_eq!(response.status, status, "{tag}");
    }
}

#[tokio::test]
async fn bodies_can_be_slowed_down() {
    let acs = emulator().await;
    let location = recorded(&acs).await.content;
    let whole = read(&acs, &location).await.body;
    // 32,044 bytes at 100,000 bytes per second are sent in 50 chunks per second.
    acs.faults().add(
        Fault::on(Operation::Content)
            .bytes_per_second(100_000)
            .first_byte_delay(Duration::from_millis(50)),
    );
    let begun = std::time::Instant::now();
    let (_, length, got, complete) = arriving(Request::content(&acs, Method::GET, &location)).await;
    assert_eq!((length, complete), (Some(whole.len() as u64), true));
    assert!(got == whole);
    // The last chunk is sent 300 ms after the first one.
    assert!(
        begun.elapsed() >= Duration::from_millis(350),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_delayed_request_gets_its_response() {
    let acs = emulator().await;
    let delay = Duration::from_millis(30);
    acs.faults().add(
        Fault::on(Operation::Any)
            .delay(delay)
            .header("x-late", "yes"),
    );
    let begun = std::time::Instant::now();
    let response = get(&acs, "/calling/recordings/r").await;
    assert!(begun.elapsed() >= delay);
    response.assert_error(404, "8522");
    assert_eq!(response.header("x-late"), "yes");
}

#[tokio::test]
async fn faults_are_applied_one_after_the_other() {
    let acs = emulator().await;
    let location = recorded(&acs).await.metadata;
    acs.faults()
        .add(Fault::on(Operation::Metadata).times(1).status(404));
    acs.faults()
        .add(Fault::on(Operation::Metadata).times(1).status(503));
    read(&acs, &location).await.assert_empty(404);
    read(&acs, &location).await.assert_empty(503);
    assert_eq!(read(&acs, &location).await.status, 200);
    assert!(Bytes::from(read(&acs, &location).await.body).starts_with(b"{"));
}

#[tokio::test]
async fn events_can_be_duplicated_by_a_fault() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let duplicates = acs
        .faults()
        .add(Fault::on(Operation::Event).times(1).duplicates(3));
    let stored = acs.add_recording(SyntheticRecording::new(100));
    acs.clock().advance(Duration::from_millis(500));
    let first = webhook.next().await.event().clone();
    assert!(
        first["subject"]
            .as_str()
            .unwrap()
            .ends_with(stored.recording_id())
    );
    for _ in 0..3 {
        assert_eq!(*webhook.next().await.event(), first);
    }
    assert_eq!(duplicates.hits(), 1);
}

/// A webhook that is subscribed, and passed its handshake.
async fn subscribed(acs: &Emulator) -> Webhook {
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    webhook
}

#[tokio::test]
async fn events_can_fail_like_requests() {
    let acs = emulator().await;
    let mut webhook = subscribed(&acs).await;
    let second = Duration::from_secs(1);

    let hit = async |fault: &FaultHandle| {
        acs.clock().advance(second);
        while fault.hits() == 0 {
            tokio::task::yield_now().await;
        }
        acs.clock().advance(60 * second);
    };

    // The webhook seems to fail; the event is sent later.
    let fault = Fault::on(Operation::Event).times(1);
    let failing = acs.faults().add(fault.clone().status(500));
    let stored = acs.add_recording(SyntheticRecording::new(100));
    hit(&failing).await;
    let delivery = webhook.next().await;
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(subject.ends_with(stored.recording_id()));
    assert_eq!(delivery.header("aeg-delivery-count"), "1");

    // The response of the webhook is lost; the event is sent twice.
    let lost = acs
        .faults()
        .add(fault.clone().after_performing().disconnect());
    acs.add_recording(SyntheticRecording::new(100));
    hit(&lost).await;
    let first = webhook.next().await.event()["id"].clone();
    assert_eq!(webhook.next().await.event()["id"], first);

    // The event is dropped.
    let dropped = acs.faults().add(fault.status(403));
    acs.add_recording(SyntheticRecording::new(100));
    hit(&dropped).await;
    let next = acs.add_recording(SyntheticRecording::new(100));
    acs.clock().advance(second);
    let delivery = webhook.next().await;
    let subject = delivery.event()["subject"].as_str().unwrap();
    assert!(subject.ends_with(next.recording_id()));
}

#[tokio::test]
async fn faults_can_be_managed_over_http() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .admin(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let faults = format!("{}/faults", acs.admin_url().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let listed = async || -> Vec<ActiveFault> {
        let response = client.get(&faults).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };

    let fault = json!({"operation": "state", "times": 1, "status": 503});
    let added = client
        .post(&faults)
        .header("content-type", "application/json")
        .body(fault.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(added.status(), 201);
    let added: ActiveFault = serde_json::from_slice(&added.bytes().await.unwrap()).unwrap();
    assert_eq!(
        added.fault,
        Fault::on(Operation::State).times(1).status(503)
    );
    let path = "/calling/recordings/r";
    get(&acs, path).await.assert_error(503, "9999");
    get(&acs, path).await.assert_error(404, "8522");
    assert_eq!(listed().await, acs.faults().list());
    assert_eq!(listed().await[0].hits, 1);

    let wrong = client
        .post(&faults)
        .header("content-type", "application/json")
        .body(r#"{"operation": "nap"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("nap"));

    let one = format!("{faults}/{}", added.id);
    assert_eq!(client.delete(&one).send().await.unwrap().status(), 204);
    assert_eq!(client.delete(&one).send().await.unwrap().status(), 404);
    acs.faults().add(Fault::on(Operation::Any).never_respond());
    assert_eq!(client.delete(&faults).send().await.unwrap().status(), 204);
    assert!(listed().await.is_empty());
}
