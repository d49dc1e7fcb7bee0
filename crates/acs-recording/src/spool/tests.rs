mod queue;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Events};
use crate::webhook::{EventHandler as _, EventKey, HandlerError};

fn event(id: &str) -> Event {
    let text = format!(r#"{{"id": "{id}", "topic": "/t", "eventType": "Contoso.Test"}}"#);
    Events::parse(text.as_bytes()).next().unwrap().unwrap()
}

fn file_event(id: &str, document: &str, recording: &str) -> Event {
    let text = format!(
        r#"{{"id": "{id}", "topic": "/t", "subject": "/recording/call/c/recordingId/{recording}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": [{{
                "documentId": "{document}", "index": 0,
                "contentLocation": "https://h.example/v1/objects/{document}/content/video",
                "metadataLocation": "https://h.example/v1/objects/{document}/content/acsmetadata"
            }}]}}}}}}"#
    );
    Events::parse(text.as_bytes()).next().unwrap().unwrap()
}

async fn open(folder: &TempDir) -> Spool {
    Spool::open(folder.path().join("spool")).await.unwrap()
}

fn names(folder: &TempDir, name: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("spool").join(name)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn file(folder: &TempDir, name: &str, event: &Event) -> PathBuf {
    let file = format!("{}.json", EventKey::of(event));
    folder.path().join("spool").join(name).join(file)
}

fn grow_old(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}
