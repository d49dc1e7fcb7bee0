//! Stored content: reading, ranges, deleting, expiry.

use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Request, emulator, start};
use crate::webhook::Webhook;

/// Where the parts of a recording are.
pub(crate) struct Locations {
    pub(crate) content: String,
    pub(crate) metadata: String,
    pub(crate) delete: String,
}

/// Ends a call with its recording and takes the locations from the event.
pub(crate) async fn finish(acs: &Emulator, call: &acs_emulator::Call) -> Locations {
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let delivery = webhook.next().await;
    let chunk = &delivery.event()["data"]["recordingStorageInfo"]["recordingChunks"][0];
    let location = |name: &str| chunk[name].as_str().unwrap().to_owned();
    Locations {
        content: location("contentLocation"),
        metadata: location("metadataLocation"),
        delete: location("deleteLocation"),
    }
}

/// A second of a call between two people.
async fn recorded(acs: &Emulator) -> Locations {
    let call = acs.call(["alice", "bob"]).await;
    start(
        acs,
        &json!({"callConnectionId": call.call_connection_id(), "recordingFormatType": "wav"}),
    )
    .await;
    acs.clock().advance(Duration::from_secs(1));
    finish(acs, &call).await
}

pub(crate) async fn read(acs: &Emulator, location: &str) -> Answer {
    Request::content(acs, Method::GET, location).send().await
}

async fn read_range(acs: &Emulator, location: &str, range: &str) -> Answer {
    Request::content(acs, Method::GET, location)
        .header("range", range)
        .send()
        .await
}

#[tokio::test]
async fn content_is_served_whole_and_in_parts() {
    const LENGTH: usize = 44 + 32_000;
    let acs = emulator().await;
    let locations = recorded(&acs).await;
    let whole = read(&acs, &locations.content).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body.len(), LENGTH);
    assert_eq!(whole.header("content-length"), LENGTH.to_string());
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert_eq!(
        whole.header("cache-control"),
        "no-cache, max-age=0, s-maxage=0, private"
    );
    assert_eq!(whole.headers.get("content-range"), None);

    for (range, first, last) in [
        ("bytes=0-99", 0, 99),
        ("bytes=32000-", 32_000, LENGTH - 1),
        ("bytes=-10", LENGTH - 10, LENGTH - 1),
        ("bytes=32000-99999", 32_000, LENGTH - 1),
    ] {
        let part = read_range(&acs, &locations.content, range).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, whole.body[first..=last], "{range}");
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{last}/{LENGTH}")
        );
    }
    let beyond = read_range(&acs, &locations.content, "bytes=99999-").await;
    beyond.assert_empty(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{LENGTH}"));
}

#[tokio::test]
async fn metadata_describe_the_file() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    start(
        &acs,
        &json!({"callConnectionId": call.call_connection_id(), "recordingFormatType": "wav"}),
    )
    .await;
    acs.clock().advance(Duration::from_secs(1));
    let locations = finish(&acs, &call).await;
    let answer = read(&acs, &locations.metadata).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let metadata: Value = serde_json::from_slice(&answer.body).unwrap();
    let document = locations.delete.rsplit_once('/').unwrap().1;
    let alice = call.participant("alice").unwrap();
    let resource = alice
        .strip_prefix("8:acs:")
        .and_then(|rest| rest.split_once('_'))
        .unwrap()
        .0;
    assert_eq!(
        metadata,
        json!({
            "resourceId": resource,
            "callId": metadata["callId"],
            "chunkDocumentId": document,
            "chunkIndex": 0,
            "chunkStartTime": "2026-01-01T00:00:00.2000000Z",
            "chunkDuration": 1000,
            "pauseResumeIntervals": [],
            "recordingInfo": {
                "contentType": "audio",
                "channelType": "mixed",
                "format": "wav",
                "audioConfiguration": {"sampleRate": 16_000, "bitRate": 256_000, "channels": 1},
            },
            "participants": [
                {"participantId": alice},
                {"participantId": call.participant("bob").unwrap()},
            ],
        })
    );
}

#[tokio::test]
async fn content_needs_the_signature_of_the_resource() {
    let acs = emulator().await;
    let locations = recorded(&acs).await;
    let good = Request::content(&acs, Method::GET, &locations.content);
    assert_eq!(good.clone().send().await.status, 200);

    let path = locations.content.strip_prefix(acs.endpoint()).unwrap();
    let without_host = Request::plain(&acs, Method::GET, path);
    without_host.send().await.assert_empty(401);
    let mut storage_host = good.clone().header("x-ms-host", "storage.example");
    storage_host.signed_host = "storage.example".to_owned();
    storage_host.send().await.assert_empty(401);
    let mut wrong_key = good.clone();
    wrong_key.key.reverse();
    wrong_key.send().await.assert_empty(401);
    good.send_unsigned().await.assert_empty(401);

    let with_query = format!("{}?x=1", locations.content);
    assert_eq!(read(&acs, &with_query).await.status, 200);
    let mut query_signed = Request::content(&acs, Method::GET, &with_query);
    query_signed.signed_path.push_str("?x=1");
    query_signed.send().await.assert_empty(401);
}

#[tokio::test]
async fn deleting_removes_media_and_metadata() {
    let acs = emulator().await;
    let locations = recorded(&acs).await;
    let delete = || Request::content(&acs, Method::DELETE, &locations.delete).send();
    let deleted = delete().await;
    deleted.assert_empty(200);
    assert!(!deleted.header("ms-cv").is_empty());
    read(&acs, &locations.content).await.assert_empty(404);
    read(&acs, &locations.metadata).await.assert_empty(404);
    delete().await.assert_empty(404);
}

#[tokio::test]
async fn other_addresses_hold_nothing() {
    let acs = emulator().await;
    let locations = recorded(&acs).await;
    let other_kind = format!("{}/content/video", locations.delete);
    read(&acs, &other_kind).await.assert_empty(404);
    let objects = format!("{}/v1/objects", acs.endpoint());
    let unknown = format!("{objects}/0-weu-d1-00000000000000000000000000000000");
    let unknown_content = format!("{unknown}/content/audiowav");
    read(&acs, &unknown_content).await.assert_empty(404);
    Request::content(&acs, Method::DELETE, &unknown)
        .send()
        .await
        .assert_empty(404);
    Request::content(&acs, Method::DELETE, &format!("{objects}/0-weu-d1-000"))
        .send()
        .await
        .assert_empty(400);
    read(&acs, &format!("{objects}/nonsense/content/audiowav"))
        .await
        .assert_empty(400);
}

#[tokio::test]
async fn content_expires() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .retention(Duration::from_secs(10 * 60))
        .start()
        .await
        .unwrap();
    let locations = recorded(&acs).await;
    // Half a second has passed until the event.
    acs.clock().advance(Duration::from_millis(599_499));
    assert_eq!(read(&acs, &locations.content).await.status, 200);
    acs.clock().advance(Duration::from_millis(1));
    read(&acs, &locations.content).await.assert_empty(404);
    read(&acs, &locations.metadata).await.assert_empty(404);
    Request::content(&acs, Method::DELETE, &locations.delete)
        .send()
        .await
        .assert_empty(404);
}
