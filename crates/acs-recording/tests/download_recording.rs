//! Whole recordings into a folder, against the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_emulator::{Clock, Emulator, Fault, LargeRecording, Operation, StoredRecording};
use acs_recording::{
    ConnectionString, ErrorKind, EventPayload, Events, ExponentialBackoff, Overwrite,
    RecordingClient, RecordingFileStatusUpdated, RetryPolicyExt as _,
};
use serde_json::json;

async fn emulator() -> Emulator {
    Emulator::builder()
        .clock(Clock::manual())
        .start()
        .await
        .unwrap()
}

fn client(emulator: &Emulator) -> RecordingClient {
    let text: ConnectionString = emulator.connection_string().parse().unwrap();
    let policy = ExponentialBackoff::default()
        .initial_delay(Duration::from_millis(1))
        .with_attempt_limit(5);
    RecordingClient::builder(text)
        .retry_policy(policy)
        .build()
        .unwrap()
}

/// The event of a recording, its chunks in disorder.
fn event(recording: &StoredRecording, document_id: Option<&str>) -> RecordingFileStatusUpdated {
    let chunks = recording
        .chunks()
        .iter()
        .enumerate()
        .rev()
        .map(|(index, chunk)| {
            json!({
                "documentId": document_id.unwrap_or(chunk.document_id()),
                "index": index,
                "contentLocation": chunk.content_location(),
                "metadataLocation": chunk.metadata_location(),
                "deleteLocation": chunk.delete_location(),
            })
        });
    let event = json!([{
        "id": "e1",
        "topic": "/subscriptions/s",
        "subject": "/recording/call/c/serverCallId/abc/recordingId/rid",
        "data": {
            "recordingStorageInfo": {"recordingChunks": chunks.collect::<Vec<_>>()},
            "recordingFormatType": "Wav",
        },
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": "2026-01-01T00:00:00Z",
    }]);
    let mut events = Events::parse(event.to_string().as_bytes());
    match events.next().unwrap().unwrap().into_payload() {
        EventPayload::RecordingFileStatusUpdated(file) => file,
        other => panic!("{other:?}"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn all_chunks_come_in_order_with_their_metadata_and_are_deleted_after() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(LargeRecording::new(700_000).chunk(500_000));
    let file = event(&stored, None);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/recordings");
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let save = client
        .download_recording(&file)
        .to_dir(&folder)
        .on_progress(move |progress| log.lock().unwrap().push(progress));
    let saved = save.clone().await.unwrap();
    let id = stored.chunks()[0].document_id();
    let expected = [
        "000.json",
        "000.wav",
        "001.json",
        "001.wav",
        "manifest.json",
    ];
    let expected = expected.map(|end| format!("{id}.{end}"));
    assert_eq!(names(&folder), expected);
    for (chunk, original) in saved.chunks.iter().zip(stored.chunks()) {
        let bytes = std::fs::read(&chunk.media.path).unwrap();
        assert_eq!(bytes.len() as u64, original.len());
        let mut at = 0;
        while at < bytes.len() {
            let piece = original.read(at as u64, 1 << 20);
            assert!(bytes[at..].starts_with(&piece));
            at += piece.len();
        }
        let document = chunk.document.as_ref().unwrap();
        assert_eq!(
            document.document_id.as_ref().unwrap().as_str(),
            original.document_id()
        );
    }
    assert_eq!(saved.bytes(), 1_200_000);
    let told = told.lock().unwrap().clone();
    assert!(told.is_sorted_by_key(|progress| progress.chunk));
    let (first, last) = (told[0], told[told.len() - 1]);
    assert_eq!((first.chunk, last.chunk), (0, 1));
    assert_eq!((last.bytes, last.total), (1_200_000, Some(1_200_000)));

    // The same again transfers nothing; then it is deleted.
    let again = save.clone().delete_after().await.unwrap();
    assert!(
        again
            .chunks
            .iter()
            .all(|chunk| chunk.media.transferred == 0)
    );
    let error = save
        .clone()
        .overwrite(Overwrite::Replace)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(names(&folder), expected, "what is there stays");
    // It is done already.
    let again = save.clone().delete_after().await.unwrap();
    assert_eq!(again.bytes(), 1_200_000);
    assert!(
        again
            .chunks
            .iter()
            .all(|chunk| chunk.media.transferred == 0 && chunk.document.is_some())
    );
    std::fs::remove_file(&again.chunks[1].media.path).unwrap();
    let error = save.delete_after().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_failed_recording_goes_on_where_it_was() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(LargeRecording::new(300_000).chunk(3_000_000));
    let folder = tempfile::tempdir().unwrap();
    let second = stored.chunks()[1].document_id();
    let cut = Fault::on(Operation::Content)
        .target(second)
        .times(1)
        .cut_after(1_000_000);
    acs.faults().add(cut);
    let denied = Fault::on(Operation::Content)
        .target(second)
        .times(1)
        .status(403);
    acs.faults().add(denied);
    let save = client
        .download_recording(&event(&stored, None))
        .to_dir(folder.path());
    let save = save.delete_after();
    let error = save.clone().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let saved = save.await.unwrap();
    assert_eq!(saved.chunks[0].media.transferred, 0);
    let rest = saved.chunks[1].media.transferred;
    assert!((1..=2_100_000).contains(&rest), "{rest}");
    assert_eq!(names(folder.path()).len(), 5);
}

#[tokio::test]
async fn nothing_leaves_the_folder_and_what_is_odd_is_told() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(LargeRecording::new(100_000));
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("folder");
    let file = event(&stored, Some("../../../etc/passwd"));
    client
        .download_recording(&file)
        .to_dir(&folder)
        .await
        .unwrap();
    assert_eq!(names(above.path()), ["folder"]);
    assert_eq!(names(&folder).len(), 3);

    // Shorter than its head says, and the server says so: nobody can tell that it is wrong.
    let shorter = Fault::on(Operation::Content).shorten_to(50_000);
    acs.faults().add(shorter);
    let folder = above.path().join("other");
    let mut file = event(&stored, None);
    file.duration = Some(Duration::from_secs(60 * 60));
    let saved = client
        .download_recording(&file)
        .to_dir(&folder)
        .await
        .unwrap();
    let warnings = saved.warnings.join("\n");
    for part in ["its head tells of", "and the event says"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(saved.is_complete());
}

/// All that can be deleted is, and the rest is said.
#[tokio::test]
async fn what_cannot_be_deleted_is_told() {
    let acs = emulator().await;
    let client = client(&acs);
    for (refuse, expected) in [
        (true, ErrorKind::PermissionDenied),
        (false, ErrorKind::InvalidInput),
    ] {
        let stored = acs.add_recording(LargeRecording::new(1000).chunk(1000).chunk(1000));
        let mut file = event(&stored, None);
        if refuse {
            let denied = Fault::on(Operation::Delete)
                .target(stored.chunks()[0].document_id())
                .status(403);
            acs.faults().add(denied);
        } else {
            file.chunks[1].delete_location = None;
        }
        let folder = tempfile::tempdir().unwrap();
        let save = client.download_recording(&file).to_dir(folder.path());
        let error = save.delete_after().await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert!(error.to_string().contains("is saved"), "{error}");
        assert_eq!(names(folder.path()).len(), 7);
        let last = stored.chunks()[2].content_location().parse().unwrap();
        let gone = client.download(&last).into_bytes().await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
