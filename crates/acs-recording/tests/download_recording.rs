//! Downloads of whole recordings from the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_emulator::{Clock, Emulator, Fault, Operation, StoredRecording, SyntheticRecording};
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

/// The event of a recording, with its chunks out of order.
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
async fn all_chunks_are_saved_in_order_with_metadata_and_then_deleted() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(SyntheticRecording::new(700_000).chunk(500_000));
    let file = event(&stored, None);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/recordings");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&reports);
    let save = client
        .download_recording(&file)
        .on_progress(move |progress| log.lock().unwrap().push(progress))
        .to_dir(&folder);
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
    let reports = reports.lock().unwrap().clone();
    assert!(reports.is_sorted_by_key(|progress| progress.chunk));
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    assert_eq!((first.chunk, last.chunk), (0, 1));
    assert_eq!((last.bytes, last.total), (1_200_000, Some(1_200_000)));

    // The same download again transfers nothing, and deletes the recording.
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
    assert_eq!(names(&folder), expected, "existing files are kept");
    // It is deleted already.
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
async fn a_failed_recording_resumes() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(SyntheticRecording::new(300_000).chunk(3_000_000));
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
async fn file_names_stay_in_the_folder_and_inconsistencies_are_warnings() {
    let acs = emulator().await;
    let client = client(&acs);
    let stored = acs.add_recording(SyntheticRecording::new(100_000));
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

    // Shorter than its header says, with a consistent Content-Length: that is no proof.
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
    for part in ["its header announces", "but the event says"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(saved.is_complete());
}

/// The other chunks are deleted, and then the download fails.
#[tokio::test]
async fn a_failed_deletion_is_an_error() {
    let acs = emulator().await;
    let client = client(&acs);
    for (refuse, expected) in [
        (true, ErrorKind::PermissionDenied),
        (false, ErrorKind::InvalidInput),
    ] {
        let stored = acs.add_recording(SyntheticRecording::new(1000).chunk(1000).chunk(1000));
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
