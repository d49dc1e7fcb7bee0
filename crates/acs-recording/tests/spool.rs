//! From a delivery over HTTP to a recording that is safe.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, LargeRecording, Operation, StoredRecording};
use acs_recording::spool::{Outcome, Spool};
use acs_recording::webhook::{Authenticator, EventHandler, Webhook};
use acs_recording::{EventPayload, Inbox, NeverRetry, RecordingClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the service tells of a recording.
fn file_event(id: &str, recording: &StoredRecording) -> Value {
    let chunks: Vec<_> = recording
        .chunks()
        .iter()
        .enumerate()
        .map(|(index, chunk)| {
            json!({
                "documentId": chunk.document_id(),
                "index": index,
                "contentLocation": chunk.content_location(),
                "metadataLocation": chunk.metadata_location(),
                "deleteLocation": chunk.delete_location(),
            })
        })
        .collect();
    announcement(
        id,
        &json!({
            "recordingStorageInfo": {"recordingChunks": chunks},
            "recordingFormatType": "Wav",
        }),
    )
}

fn announcement(id: &str, data: &Value) -> Value {
    json!({
        "id": id,
        "topic": "/subscriptions/s",
        "subject": format!("/recording/call/c/serverCallId/abc/recordingId/{id}"),
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "data": data,
    })
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn spool(&self) -> Spool {
        Spool::open(self.path("spool")).await.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn count(&self, name: &str) -> usize {
        fs::read_dir(self.path(name)).map_or(0, Iterator::count)
    }
}

fn client(acs: &Emulator) -> RecordingClient {
    let builder = RecordingClient::builder(acs.connection_string().parse().unwrap());
    builder.retry_policy(NeverRetry).build().unwrap()
}

async fn serve(handler: impl EventHandler) -> String {
    let webhook = Webhook::builder(Authenticator::allow_unauthenticated()).build(handler);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
    url
}

async fn post(url: &str, events: &Value) -> u16 {
    let request = reqwest::Client::new().post(url).json(events);
    let response = timeout(Duration::from_secs(20), request.send()).await;
    response.unwrap().unwrap().status().as_u16()
}

/// Whether the first file of a recording is on disk as it is in the store.
fn is_whole(folder: &Path, recording: &StoredRecording) -> bool {
    let first = &recording.chunks()[0];
    recording.chunks().iter().enumerate().all(|(index, chunk)| {
        let name = format!("{}.{index:03}.wav", first.document_id());
        let mut stored = Vec::new();
        while (stored.len() as u64) < chunk.len() {
            stored.extend(chunk.read(stored.len() as u64, 1 << 20));
        }
        fs::read(folder.join(name)).is_ok_and(|file| file == stored)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_acknowledged_before_anything_is_downloaded() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(LargeRecording::new(100_000).chunk(20_000));
    let place = Place::new();
    let spool = place.spool().await;
    let url = serve(spool.clone()).await;
    let silent = acs.faults().add(Fault::on(Operation::Content).silence());
    let worker = spool.download_to(&client(&acs), place.path("rec"));
    let worker = worker
        .delete_after()
        .initial_delay(Duration::from_millis(1));
    let saved = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&saved);
    let worker = worker.on_saved(move |saved| log.lock().unwrap().push(saved.chunks.len()));
    let running = tokio::spawn(worker.run());
    let begun = Instant::now();
    let events = json!([file_event("e1", &recording)]);
    assert_eq!(post(&url, &events).await, 200);
    // Delivered again while the download is under way, by another webhook that has seen nothing.
    let other = serve(spool.clone()).await;
    assert_eq!(post(&other, &events).await, 200);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(place.count("spool/pending"), 1);
    silent.remove();
    running.abort();
    // Another attempt need not wait for the silence to end.
    let worker = spool
        .download_to(&client(&acs), place.path("rec"))
        .delete_after();
    let log = Arc::clone(&saved);
    let worker = worker.on_saved(move |saved| log.lock().unwrap().push(saved.chunks.len()));
    timeout(PATIENCE, worker.run_until(spool.drained()))
        .await
        .unwrap();
    assert!(is_whole(&place.path("rec"), &recording));
    assert_eq!(*saved.lock().unwrap(), [2]);
    // It is deleted, and handled for good.
    for chunk in recording.chunks() {
        let gone = client(&acs).download(&chunk.content_location().parse().unwrap());
        gone.to_file(place.path("gone")).await.unwrap_err();
    }
    let other = serve(spool.clone()).await;
    assert_eq!(post(&other, &events).await, 200);
    assert_eq!(spool.pending(), 0);
}

/// The field's cases: files in a storage account of one's own, and no files at all.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_to_be_downloaded_it_is_told_once() {
    let acs = Emulator::start().await.unwrap();
    let place = Place::new();
    let spool = place.spool().await;
    let url = serve(spool.clone()).await;
    let nothing = json!({"recordingStorageInfo": {"recordingChunks": []}});
    let chunk = |host: &str| {
        json!({"recordingStorageInfo": {"recordingChunks": [{
            "documentId": "0-weu-d7-1", "index": 0,
            "contentLocation": format!("https://{host}/recordings/0-audiowav.wav"),
            "metadataLocation": format!("https://{host}/recordings/0-acsmetadata.json"),
        }]}})
    };
    let mut own = chunk("contoso.blob.core.windows.net");
    own["storageType"] = "AzureBlob".into();
    let events = json!([
        announcement("none", &nothing),
        announcement("own", &own),
        announcement("elsewhere", &chunk("media.example")),
    ]);
    let told = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        assert_eq!(post(&url, &events).await, 200);
        let log = Arc::clone(&told);
        let worker = spool.download_to(&client(&acs), place.path("rec"));
        let worker = worker.on_outcome(move |event, outcome| {
            assert!(matches!(outcome, Outcome::Noted { .. }), "{outcome:?}");
            log.lock().unwrap().push(event.id.clone());
        });
        timeout(PATIENCE, worker.run_until(spool.drained()))
            .await
            .unwrap();
    }
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told, ["elsewhere", "none", "own"]);
    // Each with its reason.
    assert_eq!(place.count("spool/noted"), 6);
}

/// Nor does a handler that downloads without a spool ask for such an event again.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_goes_by_the_same_table() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(LargeRecording::new(1000));
    let place = Place::new();
    let (client, folder) = (client(&acs), place.path("rec"));
    let url = serve(move |event: acs_recording::Event| {
        let (client, folder) = (client.clone(), folder.clone());
        async move {
            if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
                client.download_recording(file).to_dir(folder).await?;
            }
            Ok(())
        }
    })
    .await;
    let nothing = json!({"recordingStorageInfo": {"recordingChunks": []}});
    assert_eq!(
        post(&url, &json!([announcement("none", &nothing)])).await,
        200
    );
    let busy = acs.faults().add(Fault::on(Operation::Content).status(503));
    let events = json!([file_event("e1", &recording)]);
    assert_eq!(post(&url, &events).await, 503);
    busy.remove();
    assert_eq!(post(&url, &events).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_what_cannot_be_read_is_refused() {
    let acs = Emulator::start().await.unwrap();
    let recordings = [1, 2].map(|seed| acs.add_recording(LargeRecording::new(5000).seed(seed)));
    let place = Place::new();
    let spool = place.spool().await;
    let url = serve(spool.clone()).await;
    let broken = json!({"id": "b", "eventType":
        "Microsoft.Communication.RecordingFileStatusUpdated", "data": "no file"});
    let events = json!([
        file_event("e1", &recordings[0]),
        broken,
        file_event("e2", &recordings[1]),
    ]);
    assert_eq!(post(&url, &events).await, 400);
    let kept = fs::read_dir(place.path("spool/unreadable")).unwrap().next();
    let kept = fs::read(kept.unwrap().unwrap().path()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), broken);
    let worker = spool.download_to(&client(&acs), place.path("rec"));
    timeout(PATIENCE, worker.run_until(spool.drained()))
        .await
        .unwrap();
    for recording in &recordings {
        assert!(is_whole(&place.path("rec"), recording));
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_asked_for_again() {
    let place = Place::new();
    let spool = place.spool().await;
    let inbox = Inbox::new();
    let url = serve((spool.clone(), inbox.clone())).await;
    // As good as a full disk.
    fs::remove_dir(place.path("spool/tmp")).unwrap();
    let event = json!([{"id": "1", "topic": "/t", "eventType": "Contoso.Test"}]);
    assert_eq!(post(&url, &event).await, 503);
    assert_eq!(post(&url, &json!([{"id": "no type"}])).await, 503);
    let what = "wait for a test";
    let wait = |inbox: &Inbox| inbox.wait_for(what, |event| Some(Ok(event.id.clone())));
    let early = wait(&inbox).timeout(Duration::from_millis(20)).await;
    early.unwrap_err();
    fs::create_dir(place.path("spool/tmp")).unwrap();
    assert_eq!(post(&url, &event).await, 200);
    assert_eq!(wait(&inbox).await.unwrap(), "1");
    assert_eq!(spool.pending(), 1);
}

/// Two events about one recording, such as from two subscriptions.
#[tokio::test(flavor = "multi_thread")]
async fn two_events_about_one_recording_do_not_meet() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(LargeRecording::new(200_000));
    acs.faults()
        .add(Fault::on(Operation::Content).bytes_per_second(400_000));
    let place = Place::new();
    let spool = place.spool().await;
    let url = serve(spool.clone()).await;
    let mut other = file_event("e2", &recording);
    other["subject"] = "/recording/call/c".into();
    let events = json!([file_event("e1", &recording), other]);
    assert_eq!(post(&url, &events).await, 200);
    let worker = spool
        .download_to(&client(&acs), place.path("rec"))
        .delete_after();
    let worker = worker.on_outcome(|event, outcome| {
        assert!(matches!(outcome, Outcome::Done), "{event}: {outcome:?}");
    });
    timeout(PATIENCE, worker.run_until(spool.drained()))
        .await
        .unwrap();
    assert!(is_whole(&place.path("rec"), &recording));
    assert_eq!(place.count("spool/done"), 2);
}
