//! Exports of recordings to your own storage.

use std::time::Duration;

use acs_emulator::{Call, Clock, Emulator};
use acs_test_support::Azurite;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Request, post, start};
use crate::content::read;
use crate::webhook::Webhook;

const PERMISSIONS: &str = "rwlc";

/// The names of all blobs in a container.
async fn list(azurite: &Azurite, container: &str) -> Vec<String> {
    let sas = Azurite::sas(PERMISSIONS);
    let url = format!("{container}?restype=container&comp=list&{sas}");
    let response = azurite.client().get(url).send().await.unwrap();
    let list = response.text().await.unwrap();
    let names = list.split("<Name>").skip(1);
    names
        .map(|rest| rest.split_once("</Name>").unwrap().0.to_owned())
        .collect()
}

async fn blob(azurite: &Azurite, url: &str) -> Vec<u8> {
    let signed = format!("{url}?{}", Azurite::sas(PERMISSIONS));
    let response = azurite.client().get(signed).send().await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    response.bytes().await.unwrap().to_vec()
}

/// An emulator that may write to the storage, and a subscribed webhook.
async fn emulator(chunk: Duration) -> (Emulator, Webhook) {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .chunk_duration(chunk)
        .storage_sas(Azurite::sas(PERMISSIONS))
        .start()
        .await
        .unwrap();
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    (acs, webhook)
}

/// Records `length` into a container, and a second call of the same length into the service's own
/// store. Returns both events.
async fn recorded(
    (acs, webhook): &mut (Emulator, Webhook),
    container: &str,
    format: &str,
    length: Duration,
) -> (Value, Value) {
    let (call, twin) = (
        acs.call(["alice", "bob"]).await,
        acs.call(["alice", "bob"]).await,
    );
    let request = |call: &Call| {
        json!({
            "callConnectionId": call.call_connection_id(),
            "recordingFormatType": format,
        })
    };
    let mut exported = request(&call);
    exported["externalStorage"] = json!({
        "recordingStorageKind": "azureBlobStorage",
        "recordingDestinationContainerUrl": container,
    });
    // The clock does not advance in between, so both recordings begin at the same time.
    post(acs, "/calling/recordings", &exported).await;
    start(acs, &request(&twin)).await;
    acs.clock().advance(length);
    call.hang_up();
    twin.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let mut events =
        [webhook.next().await, webhook.next().await].map(|delivery| delivery.event().clone());
    let of_call = format!("/serverCallId/{}/", call.server_call_id());
    if !events[0]["subject"].as_str().unwrap().contains(&of_call) {
        events.swap(0, 1);
    }
    events.into()
}

fn chunks(event: &Value) -> &Vec<Value> {
    let chunks = &event["data"]["recordingStorageInfo"]["recordingChunks"];
    chunks.as_array().unwrap()
}

/// The file in the service's own store.
async fn kept(acs: &Emulator, chunk: &Value) -> Vec<u8> {
    let content = chunk["contentLocation"].as_str().unwrap();
    Request::content(acs, Method::GET, content)
        .send()
        .await
        .body
}

#[tokio::test]
async fn a_large_file_arrives_byte_for_byte() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let container = azurite.create_container("large").await;
    let length = Duration::from_secs(1_100);
    let mut running = emulator(length).await;
    let (event, twin) = recorded(&mut running, &container, "wav", length).await;
    let location = chunks(&event)[0]["contentLocation"].as_str().unwrap();
    let file = blob(&azurite, location).await;
    assert_eq!(file.len(), 44 + 1_100 * 32_000);
    assert!(
        file.len() > 32 << 20,
        "the file is too small to be streamed"
    );
    assert!(file == kept(&running.0, &chunks(&twin)[0]).await);
}

#[tokio::test]
async fn files_and_metadata_are_in_the_container() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let container = azurite.create_container("tapes").await;
    let mut running = emulator(Duration::from_secs(4)).await;
    for (format, name, destination) in [
        ("mp3", "audiomp3", container.clone()),
        ("mp4", "video", format!("{container}/of/{}/", "today")),
    ] {
        let six = Duration::from_secs(6);
        let (event, twin) = recorded(&mut running, &destination, format, six).await;
        let acs = &running.0;
        let data = &event["data"];
        assert_eq!(data["storageType"], "AzureBlob");
        let recording = data["recordingId"].as_str().unwrap();
        let subject = event["subject"].as_str().unwrap();
        assert!(subject.ends_with(&format!("/recordingId/{recording}")));
        let call = subject.split('/').nth(3).unwrap();
        assert_eq!(chunks(&event).len(), 2);

        let blobs = list(&azurite, &container).await;
        let folder = destination.trim_end_matches('/');
        for (index, chunk) in chunks(&event).iter().enumerate() {
            assert_eq!(chunk.get("deleteLocation"), None);
            let id = chunk["documentId"].as_str().unwrap();
            let locations = [
                ("contentLocation", name, format),
                ("metadataLocation", "acsmetadata", "json"),
            ];
            for (member, name, ending) in locations {
                let location = chunk[member].as_str().unwrap();
                let below = location.strip_prefix(folder).unwrap();
                let parts: Vec<_> = below.split('/').skip(1).collect();
                let [day, of_call, of_recording, file] = parts[..] else {
                    panic!("{location}")
                };
                assert_eq!((day, of_call), ("20260101", call));
                let guid = of_recording.strip_prefix(&recording[..8]).unwrap();
                assert_eq!(guid.len(), 37, "{of_recording}");
                assert_eq!(file, format!("{index}-{name}.{id}.{ending}"));
                let blob = location.strip_prefix(&format!("{container}/")).unwrap();
                assert!(
                    blobs.iter().any(|known| known == blob),
                    "{blob} in {blobs:?}"
                );
            }
            let metadata = blob(&azurite, chunk["metadataLocation"].as_str().unwrap()).await;
            let metadata: Value = serde_json::from_slice(&metadata).unwrap();
            assert_eq!(metadata["chunkDocumentId"], id);
            assert_eq!(metadata["chunkIndex"], index);
            let media = blob(&azurite, chunk["contentLocation"].as_str().unwrap()).await;
            assert!(media == kept(acs, &chunks(&twin)[index]).await, "{index}");
            // The service does not keep a copy.
            let own = format!("{}/v1/objects/{id}/content/{name}", acs.endpoint());
            let deleted = Request::content(acs, Method::GET, &own).send().await;
            deleted.assert_empty(404);
        }
    }
}

#[tokio::test]
async fn the_service_keeps_the_files_if_an_export_fails() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let missing = azurite.container("nowhere");
    let mut running = emulator(Duration::from_secs(4)).await;
    let six = Duration::from_secs(6);
    let (event, _) = recorded(&mut running, &missing, "wav", six).await;
    let acs = &running.0;
    assert_eq!(event["data"].get("storageType"), None);
    for (chunk, seconds) in chunks(&event).iter().zip([4, 2]) {
        let content = chunk["contentLocation"].as_str().unwrap();
        assert!(content.starts_with(&format!("{}/v1/objects/", acs.endpoint())));
        assert_eq!(kept(acs, chunk).await.len(), 44 + seconds * 32_000);
        let metadata = chunk["metadataLocation"].as_str().unwrap();
        assert_eq!(
            read(acs, metadata).await.json()["chunkDuration"],
            seconds * 1_000
        );
    }
    assert_eq!(chunks(&event).len(), 2);
}
