//! From a delivery over HTTP to a saved recording.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, Operation, StoredRecording, SyntheticRecording};
use acs_recording::spool::{Outcome, Spool};
use acs_recording::webhook::{Authenticator, EventHandler, Webhook};
use acs_recording::{EventPayload, Inbox, NeverRetry, RecordingClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The data of the event about a recording.
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

struct Scene {
    folder: TempDir,
}

impl Scene {
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

/// Whether the first file of a recording is complete on disk.
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
async fn an_event_is_acknowledged_before_the_download() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100_000).chunk(20_000));
    let scene = Scene::new();
    let spool = scene.spool().await;
    let url = serve(spool.clone()).await;
    let silent = acs
        .faults()
        .add(Fault::on(Operation::Content).never_respond());
    let worker = spool.download_to(&client(&acs), scene.path("rec"));
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
    // Delivered again during the download, to another webhook without deduplication state.
    let other = serve(spool.clone()).await;
    assert_eq!(post(&other, &events).await, 200);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(scene.count("spool/pending"), 1);
    silent.remove();
    running.abort();
    // Another attempt does not wait for the stall to end.
    let worker = spool
        .download_to(&client(&acs), scene.path("rec"))
        .delete_after();
    let log = Arc::clone(&saved);
    let worker = worker.on_saved(move |saved| log.lock().unwrap().push(saved.chunks.len()));
    timeout(TIMEOUT, worker.run_until(spool.drained()))
        .await
        .unwrap();
    assert!(is_whole(&scene.path("rec"), &recording));
    assert_eq!(*saved.lock().unwrap(), [2]);
    // It is deleted, and the event is complete.
    for chunk in recording.chunks() {
        let gone = client(&acs).download(&chunk.content_location().parse().unwrap());
        gone.to_file(scene.path("gone")).await.unwrap_err();
    }
    let other = serve(spool.clone()).await;
    assert_eq!(post(&other, &events).await, 200);
    assert_eq!(spool.pending(), 0);
}

/// Recordings in the customer's own storage, and recordings without files.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_without_content_are_reported_once() {
    let acs = Emulator::start().await.unwrap();
    let scene = Scene::new();
    let spool = scene.spool().await;
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
    let reported = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        assert_eq!(post(&url, &events).await, 200);
        let log = Arc::clone(&reported);
        let worker = spool.download_to(&client(&acs), scene.path("rec"));
        let worker = worker.on_outcome(move |event, outcome| {
            assert!(matches!(outcome, Outcome::Noted { .. }), "{outcome:?}");
            log.lock().unwrap().push(event.id.clone());
        });
        timeout(TIMEOUT, worker.run_until(spool.drained()))
            .await
            .unwrap();
    }
    let mut reported = reported.lock().unwrap().clone();
    reported.sort();
    assert_eq!(reported, ["elsewhere", "none", "own"]);
    // Each is recorded with its reason.
    assert_eq!(scene.count("spool/noted"), 6);
}

/// A handler that downloads without a spool does not request such an event again either.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_treats_events_like_a_spool() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(1000));
    let scene = Scene::new();
    let (client, folder) = (client(&acs), scene.path("rec"));
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
async fn only_unreadable_events_of_a_batch_are_rejected() {
    let acs = Emulator::start().await.unwrap();
    let recordings = [1, 2].map(|seed| acs.add_recording(SyntheticRecording::new(5000).seed(seed)));
    let scene = Scene::new();
    let spool = scene.spool().await;
    let url = serve(spool.clone()).await;
    let broken = json!({"id": "b", "eventType":
        "Microsoft.Communication.RecordingFileStatusUpdated", "data": "no file"});
    let events = json!([
        file_event("e1", &recordings[0]),
        broken,
        file_event("e2", &recordings[1]),
    ]);
    assert_eq!(post(&url, &events).await, 400);
    let kept = fs::read_dir(scene.path("spool/unreadable")).unwrap().next();
    let kept = fs::read(kept.unwrap().unwrap().path()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), broken);
    let worker = spool.download_to(&client(&acs), scene.path("rec"));
    timeout(TIMEOUT, worker.run_until(spool.drained()))
        .await
        .unwrap();
    for recording in &recordings {
        assert!(is_whole(&scene.path("rec"), recording));
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_delivered_again() {
    let scene = Scene::new();
    let spool = scene.spool().await;
    let inbox = Inbox::new();
    let url = serve((spool.clone(), inbox.clone())).await;
    // Has the effect of a full disk.
    fs::remove_dir(scene.path("spool/tmp")).unwrap();
    let event = json!([{"id": "1", "topic": "/t", "eventType": "Contoso.Test"}]);
    assert_eq!(post(&url, &event).await, 503);
    assert_eq!(post(&url, &json!([{"id": "no type"}])).await, 503);
    let what = "wait for a test";
    let wait = |inbox: &Inbox| inbox.wait_for(what, |event| Some(Ok(event.id.clone())));
    let early = wait(&inbox).timeout(Duration::from_millis(20)).await;
    early.unwrap_err();
    fs::create_dir(scene.path("spool/tmp")).unwrap();
    assert_eq!(post(&url, &event).await, 200);
    assert_eq!(wait(&inbox).await.unwrap(), "1");
    assert_eq!(spool.pending(), 1);
}

/// Two events about one recording, for example from two subscriptions.
#[tokio::test(flavor = "multi_thread")]
async fn two_events_about_one_recording_are_handled_in_turn() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(200_000));
    acs.faults()
        .add(Fault::on(Operation::Content).bytes_per_second(400_000));
    let scene = Scene::new();
    let spool = scene.spool().await;
    let url = serve(spool.clone()).await;
    let mut other = file_event("e2", &recording);
    other["subject"] = "/recording/call/c".into();
    let events = json!([file_event("e1", &recording), other]);
    assert_eq!(post(&url, &events).await, 200);
    let worker = spool
        .download_to(&client(&acs), scene.path("rec"))
        .delete_after();
    let worker = worker.on_outcome(|event, outcome| {
        assert!(matches!(outcome, Outcome::Handled), "{event}: {outcome:?}");
    });
    timeout(TIMEOUT, worker.run_until(spool.drained()))
        .await
        .unwrap();
    assert!(is_whole(&scene.path("rec"), &recording));
    assert_eq!(scene.count("spool/done"), 2);
}
