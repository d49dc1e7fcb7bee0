//! Recordings that end up in a container of their owner.

use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use http::Method;
use serde_json::{Value, json};

use crate::azurite::Azurite;
use crate::client::{Request, start};
use crate::content::read;
use crate::webhook::Webhook;

/// Records six seconds into a container, four at most in a file, and returns the event.
async fn recorded(azurite: &Azurite, container: &str, format: &str) -> (Emulator, Value) {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .chunk_duration(Duration::from_secs(4))
        .storage_sas(azurite.sas.as_str())
        .start()
        .await
        .unwrap();
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let call = acs.call(["alice", "bob"]).await;
    start(
        &acs,
        &json!({
            "callConnectionId": call.call_connection_id(),
            "recordingFormatType": format,
            "externalStorage": {
                "recordingStorageKind": "azureBlobStorage",
                "recordingDestinationContainerUrl": container,
            },
        }),
    )
    .await;
    acs.clock().advance(Duration::from_secs(6));
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let event = webhook.next().await.event().clone();
    (acs, event)
}

#[tokio::test]
async fn files_and_metadata_are_in_the_container() {
    let Some(azurite) = Azurite::start() else {
        return;
    };
    let container = azurite.container("tapes").await;
    for (format, name, place) in [
        ("mp3", "audiomp3", container.clone()),
        ("mp4", "video", format!("{container}/of/{}/", "today")),
    ] {
        let (acs, event) = recorded(&azurite, &place, format).await;
        let data = &event["data"];
        assert_eq!(data["storageType"], "AzureBlob");
        let recording = data["recordingId"].as_str().unwrap();
        let subject = event["subject"].as_str().unwrap();
        assert!(subject.ends_with(&format!("/recordingId/{recording}")));
        let call = subject.split('/').nth(3).unwrap();
        let chunks = data["recordingStorageInfo"]["recordingChunks"]
            .as_array()
            .unwrap();
        assert_eq!(chunks.len(), 2);

        let blobs = azurite.list(&container).await;
        let folder = place.trim_end_matches('/');
        for (index, chunk) in chunks.iter().enumerate() {
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
            let metadata = azurite
                .read(chunk["metadataLocation"].as_str().unwrap())
                .await;
            let metadata: Value = serde_json::from_slice(&metadata).unwrap();
            assert_eq!(metadata["chunkDocumentId"], id);
            assert_eq!(metadata["chunkIndex"], index);
            let media = azurite
                .read(chunk["contentLocation"].as_str().unwrap())
                .await;
            assert!(media.len() > 8_000, "{}", media.len());
            // The service keeps nothing of it.
            let own = format!("{}/v1/objects/{id}/content/{name}", acs.endpoint());
            let gone = Request::content(&acs, Method::GET, &own).send().await;
            gone.assert_empty(404);
        }
        acs.shutdown().await;
    }
}

#[tokio::test]
async fn a_failing_export_leaves_the_files_with_the_service() {
    let Some(azurite) = Azurite::start() else {
        return;
    };
    let missing = azurite.place("nowhere");
    let (acs, event) = recorded(&azurite, &missing, "wav").await;
    let data = &event["data"];
    assert_eq!(data.get("storageType"), None);
    let chunks = data["recordingStorageInfo"]["recordingChunks"]
        .as_array()
        .unwrap();
    for (chunk, seconds) in chunks.iter().zip([4, 2]) {
        let content = chunk["contentLocation"].as_str().unwrap();
        assert!(content.starts_with(&format!("{}/v1/objects/", acs.endpoint())));
        let answer = Request::content(&acs, Method::GET, content).send().await;
        assert_eq!(answer.body.len(), 44 + seconds * 32_000);
        let metadata = chunk["metadataLocation"].as_str().unwrap();
        assert_eq!(
            read(&acs, metadata).await.json()["chunkDuration"],
            seconds * 1_000
        );
    }
    assert_eq!(chunks.len(), 2);
}
