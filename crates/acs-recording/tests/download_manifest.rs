//! Whole recordings: proof, manifests and deletion.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "download_manifest/later_events.rs"]
mod later_events;
#[path = "common/storage.rs"]
mod storage;

use std::path::{Path, PathBuf};

use acs_recording::{
    DownloadToDir, ErrorKind, Event, EventPayload, Events, Overwrite, RecordingClient,
    RecordingManifest, Result, SavedRecording,
};
use bytes::Bytes;
use serde_json::{Value, json};
use storage::{Objects, announced, hex, names};

/// A WAV file of this duration with bytes that depend on the seed.
fn wav(seconds: u32, seed: u8) -> Bytes {
    let length = seconds * 2000;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((length + 36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(1000_u32.to_le_bytes());
    bytes.extend(2000_u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.resize(bytes.len() + length as usize, seed);
    bytes.into()
}

fn path(id: &str, what: &str) -> String {
    format!("/v1/objects/{id}/content/{what}")
}

fn deletion(id: &str) -> String {
    format!("/v1/objects/{id}")
}

/// A service with recordings, and a folder for them.
struct Scene {
    objects: Objects,
    client: RecordingClient,
    folder: tempfile::TempDir,
    chunks: Vec<Value>,
    data: Value,
}

impl Scene {
    async fn new() -> Self {
        let objects = Objects::start().await;
        let client = objects.client().build().unwrap();
        Self {
            objects,
            client,
            folder: tempfile::tempdir().unwrap(),
            chunks: Vec::new(),
            data: json!({
                "recordingStartTime": "2025-10-02T09:15:04.1234567Z",
                "recordingFormatType": "Wav",
                "sessionEndReason": "CallEnded",
            }),
        }
    }

    /// A scene with a chunk for each of these ids, in order.
    async fn with(ids: &[&str]) -> Self {
        let mut scene = Self::new().await;
        for (index, id) in ids.iter().enumerate() {
            scene.add(id, index);
        }
        scene
    }

    fn add(&mut self, id: &str, index: impl Into<Value>) {
        let index = index.into();
        let seed = id.bytes().last().unwrap();
        self.objects.put(&path(id, "audiowav"), 200, wav(2, seed));
        let document = json!({"chunkDocumentId": id, "chunkDuration": 2000}).to_string();
        self.objects.put(&path(id, "acsmetadata"), 200, document);
        self.objects
            .put(&format!("DELETE {}", deletion(id)), 200, "");
        let url = &self.objects.url;
        self.chunks.push(json!({
            "documentId": id,
            "index": index,
            "endReason": "SessionEnded",
            "contentLocation": format!("{url}{}?sig=s3cret", path(id, "audiowav")),
            "metadataLocation": format!("{url}{}", path(id, "acsmetadata")),
            "deleteLocation": format!("{url}{}", deletion(id)),
        }));
    }

    fn event(&self) -> Event {
        let mut data = self.data.clone();
        data["recordingStorageInfo"] = json!({"recordingChunks": self.chunks});
        let event = json!({
            "id": "e1",
            "subject": "/recording/call/c/serverCallId/abc/recordingId/rid",
            "data": data,
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "eventTime": "2025-10-02T09:16:10Z",
        });
        let mut events = Events::parse(event.to_string().as_bytes());
        events.next().unwrap().unwrap()
    }

    fn save(&self) -> DownloadToDir {
        let event = self.event();
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            panic!("{event:?}");
        };
        let download = self.client.download_recording(file).event(&event);
        download.to_dir(self.folder.path())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
    }

    fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    fn manifest(&self) -> RecordingManifest {
        RecordingManifest::load(self.file("a.manifest.json")).unwrap()
    }

    fn is_deleted(&self, id: &str) -> bool {
        !self.objects.has(&path(id, "audiowav"))
    }

    /// Makes the service delete objects.
    fn delete(&self, id: &str) {
        for what in ["audiowav", "acsmetadata"] {
            self.objects.put(&path(id, what), 404, "");
        }
        self.objects
            .put(&format!("DELETE {}", deletion(id)), 404, "");
    }
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

fn warnings_of(saved: &SavedRecording) -> String {
    saved.warnings.join("\n")
}

#[tokio::test]
async fn media_are_downloaded_before_metadata_and_the_manifest() {
    let scene = Scene::with(&["a", "b"]).await;
    let saved = scene.save().await.unwrap();
    let text = std::fs::read_to_string(&saved.manifest).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["eventId"], "e1");
    assert_eq!(json["recordingId"], "rid");
    assert_eq!(
        (&json["callId"], &json["serverCallId"]),
        (&json!("c"), &json!("abc"))
    );
    assert_eq!(json["complete"], true);
    assert_eq!(json["deletedAt"], Value::Null);
    assert!(json["savedAt"].is_string());
    let chunk = &json["chunks"][1];
    assert_eq!(
        (&chunk["index"], &chunk["documentId"]),
        (&json!(1), &json!("b"))
    );
    assert_eq!(chunk["endReason"], "SessionEnded");
    assert_eq!(
        chunk["media"],
        json!({"name": "a.001.wav", "bytes": 4044, "sha256": hex(&wav(2, b'b'))})
    );
    assert_eq!(chunk["metadata"]["name"], "a.001.json");
    let order: Vec<_> = scene.objects.requests();
    assert!(
        order[..2].iter().all(|path| path.ends_with("audiowav")),
        "{order:?}"
    );
    assert_eq!(
        scene.names(),
        [
            "a.000.json",
            "a.000.wav",
            "a.001.json",
            "a.001.wav",
            "a.manifest.json"
        ]
    );
    assert!(saved.is_complete() && !saved.deleted && saved.missing.is_empty());
    assert_eq!(saved.warnings, Vec::<String>::new());
    assert_eq!(scene.manifest().chunks.len(), 2);
}

#[tokio::test]
async fn an_existing_file_is_accepted_only_on_proof() {
    let scene = Scene::with(&["a"]).await;
    let zeros = vec![0; wav(2, b'a').len()];
    scene.write("a.000.wav", &zeros);
    // Also at the second attempt.
    for _ in 0..2 {
        let error = scene.save().delete_after().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("is not the content"), "{error}");
        assert_eq!(std::fs::read(scene.file("a.000.wav")).unwrap(), zeros);
        assert!(!scene.is_deleted("a"));
    }
    // A manifest with another checksum is no proof either.
    let mut manifest = json!({"schema": 1, "complete": true, "deletedAt": null});
    manifest["chunks"] = json!([{
        "index": 0,
        "contentLocation": format!("{}{}", scene.objects.url, path("a", "audiowav")),
        "media": {"name": "a.000.wav", "bytes": zeros.len(), "sha256": hex(&wav(2, b'a'))},
    }]);
    scene.write("a.manifest.json", manifest.to_string().as_bytes());
    assert_eq!(kind(scene.save().delete_after().await), ErrorKind::Io);
    assert!(!scene.is_deleted("a"));
    std::fs::remove_file(scene.file("a.manifest.json")).unwrap();

    // A file of another size is not compared.
    scene.write("a.000.wav", b"short");
    scene.objects.requests();
    assert_eq!(kind(scene.save().delete_after().await), ErrorKind::Io);

    scene.write("a.000.wav", &wav(2, b'a'));
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted && scene.is_deleted("a"));
    assert_eq!(
        scene.names(),
        ["a.000.json", "a.000.wav", "a.manifest.json"]
    );
}

#[tokio::test]
async fn an_announced_digest_is_proof() {
    let scene = Scene::with(&["a"]).await;
    let bytes = wav(2, b'a');
    let header = vec![announced(&bytes)];
    let content = path("a", "audiowav");
    scene.objects.put_with(&content, 200, header, bytes.clone());
    scene.write("a.000.wav", &bytes);
    let saved = scene.save().delete_after().await.unwrap();
    assert_eq!(saved.chunks[0].media.transferred, 0);
    assert!(saved.deleted);

    let scene = Scene::with(&["a"]).await;
    let header = vec![announced(&bytes)];
    scene.objects.put_with(&content, 200, header, bytes.clone());
    scene.write("a.000.wav", &vec![0; bytes.len()]);
    assert_eq!(kind(scene.save().delete_after().await), ErrorKind::Io);
    assert!(!scene.is_deleted("a"));
}

#[tokio::test]
async fn files_in_the_manifest_need_no_request() {
    let scene = Scene::with(&["a", "b"]).await;
    scene.save().await.unwrap();
    let first = std::fs::read(scene.file("a.manifest.json")).unwrap();
    scene.objects.requests();
    let saved = scene.save().await.unwrap();
    assert!(
        saved
            .chunks
            .iter()
            .all(|chunk| chunk.media.transferred == 0)
    );
    assert!(saved.chunks.iter().all(|chunk| chunk.document.is_some()));
    assert_eq!(scene.objects.requests(), Vec::<String>::new());
    assert_eq!(std::fs::read(scene.file("a.manifest.json")).unwrap(), first);

    // A file that was altered since is not accepted.
    let mut altered = wav(2, b'b').to_vec();
    altered[100] ^= 1;
    scene.write("a.001.wav", &altered);
    assert_eq!(kind(scene.save().delete_after().await), ErrorKind::Io);
    assert!(!scene.is_deleted("a") && !scene.is_deleted("b"));
    scene.write("a.001.wav", &wav(2, b'b'));
    scene.objects.requests();

    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted);
    let requests = scene.objects.requests();
    assert_eq!(requests, ["DELETE /v1/objects/a", "DELETE /v1/objects/b"]);
    assert!(scene.manifest().deleted_at.is_some());
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted && saved.is_complete());
    assert_eq!(scene.objects.requests(), Vec::<String>::new());
}

/// Creates the files that a killed process leaves behind.
type Crash<'a> = Box<dyn Fn(&Scene) + 'a>;

/// After a kill at any step, the same call finishes.
#[tokio::test]
async fn a_killed_download_is_finished_by_the_next_one() {
    let saved = Scene::with(&["a", "b"]).await;
    saved.save().await.unwrap();
    let manifest = std::fs::read_to_string(saved.file("a.manifest.json")).unwrap();
    let manifest = |scene: &Scene| manifest.replace(&saved.objects.url, &scene.objects.url);
    let media = |scene: &Scene| {
        scene.write("a.000.wav", &wav(2, b'a'));
        scene.write("a.001.wav", &wav(2, b'b'));
    };
    let all = |scene: &Scene| {
        media(scene);
        for (name, id) in [("a.000.json", "a"), ("a.001.json", "b")] {
            let document = json!({"chunkDocumentId": id, "chunkDuration": 2000});
            scene.write(name, document.to_string().as_bytes());
        }
    };
    let crashes: Vec<(&str, Crash<'_>)> = vec![
        (
            "before the first file",
            Box::new(|scene| scene.write("a.lock", b"")),
        ),
        (
            "in the first file",
            Box::new(|scene| scene.write("a.000.wav.part", b"")),
        ),
        (
            "after the first file",
            Box::new(|scene| scene.write("a.000.wav", &wav(2, b'a'))),
        ),
        (
            "after its draft",
            Box::new(|scene| {
                scene.write("a.000.wav", &wav(2, b'a'));
                scene.write("a.manifest.json.part", manifest(scene).as_bytes());
                scene.write("a.manifest.json.part.new", b"{");
            }),
        ),
        ("before the manifest", Box::new(all)),
        (
            "while the manifest was written",
            Box::new(|scene| {
                all(scene);
                scene.write("a.manifest.json.part", manifest(scene).as_bytes());
                scene.write("a.manifest.json.new", b"{\"sch");
            }),
        ),
        (
            "before anything was deleted",
            Box::new(|scene| {
                all(scene);
                scene.write("a.manifest.json", manifest(scene).as_bytes());
            }),
        ),
        (
            "during the deletion",
            Box::new(|scene| {
                all(scene);
                scene.write("a.manifest.json", manifest(scene).as_bytes());
                scene.delete("a");
            }),
        ),
        (
            "before the deletion was recorded",
            Box::new(|scene| {
                all(scene);
                scene.write("a.manifest.json", manifest(scene).as_bytes());
                scene.delete("a");
                scene.delete("b");
            }),
        ),
    ];
    for policy in [Overwrite::Skip, Overwrite::Replace] {
        for (when, crash) in &crashes {
            let scene = Scene::with(&["a", "b"]).await;
            crash(&scene);
            let save = scene.save().delete_after().overwrite(policy);
            let saved = save.await.unwrap_or_else(|error| panic!("{when}: {error}"));
            assert!(saved.deleted && saved.is_complete(), "{when}");
            let manifest = scene.manifest();
            assert!(manifest.deleted_at.is_some() && manifest.complete, "{when}");
            for (chunk, seed) in manifest.chunks.iter().zip([b'a', b'b']) {
                let media = chunk.media.as_ref().unwrap();
                let bytes = std::fs::read(scene.file(&media.name)).unwrap();
                assert!(bytes == wav(2, seed), "{when}");
                assert_eq!(media.sha256.to_string(), hex(&bytes), "{when}");
            }
            let deleted: Vec<_> = scene.objects.requests();
            let deleted = deleted
                .iter()
                .filter(|request| request.starts_with("DELETE"));
            assert_eq!(deleted.count(), 2, "{when}");
            let names = scene.names();
            assert_eq!(names.len(), 5, "{when}: {names:?}");
        }
    }
}

#[tokio::test]
async fn missing_content_never_counts_as_saved() {
    for age in [None, Some("2025-10-02T09:15:04Z")] {
        let mut scene = Scene::with(&["a"]).await;
        scene.data["recordingStartTime"] = json!(age);
        scene.data["recordingDurationMs"] = json!(2000);
        let expected = match age {
            None => ErrorKind::NotFound,
            Some(_) => ErrorKind::ExpiredContent,
        };
        scene.delete("a");
        for local in [None, Some(&b""[..]), Some(&[0; 4044][..])] {
            if let Some(local) = local {
                scene.write("a.000.wav", local);
            }
            for save in [scene.save(), scene.save().delete_after()] {
                assert_eq!(kind(save.await), expected, "{local:?}");
            }
            assert_eq!(
                std::fs::read(scene.file("a.000.wav")).ok().as_deref(),
                local
            );
            let manifest = scene.manifest();
            assert!(!manifest.complete && manifest.deleted_at.is_none());
        }
    }
}

#[tokio::test]
async fn errors_contain_the_recording_id() {
    let scene = Scene::with(&["a"]).await;
    scene.delete("a");
    let error = scene.save().await.unwrap_err();
    assert_eq!(error.recording_id(), Some("rid"), "{error}");
}

#[tokio::test]
async fn a_missing_chunk_does_not_stop_the_others() {
    let scene = Scene::with(&["a", "b"]).await;
    scene.delete("a");
    let error = scene.save().delete_after().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("1 of 2 chunks"), "{error}");
    assert!(!scene.is_deleted("b"));
    assert_eq!(
        scene.names(),
        ["a.001.json", "a.001.wav", "a.manifest.json"]
    );
    let manifest = scene.manifest();
    assert!(!manifest.complete && manifest.chunks[1].media.is_some());
    // A manifest is kept when files are moved away and the event is delivered again.
    let scene = Scene::with(&["a"]).await;
    scene.save().delete_after().await.unwrap();
    let before = scene.manifest();
    std::fs::remove_file(scene.file("a.000.wav")).unwrap();
    assert_eq!(kind(scene.save().await), ErrorKind::NotFound);
    assert_eq!(scene.manifest(), before);
}

#[tokio::test]
async fn errors_say_which_media_are_saved() {
    for is_gone in [false, true] {
        let scene = Scene::with(&["a", "b"]).await;
        if is_gone {
            scene.delete("a");
        }
        scene.objects.put(&path("b", "acsmetadata"), 503, "");
        let error = scene.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service, "{error}");
        let error = error.to_string();
        assert_eq!(error.contains("the media are saved"), !is_gone, "{error}");
    }
}

#[tokio::test]
async fn metadata_are_saved_unchanged_and_never_cost_media() {
    let cases = [
        (200, r#"{"participants": null}"#, "", true),
        (200, "{}", "", true),
        (
            200,
            r#"{"participants": [{"participantId": "8:acs:a", "channel": -1}, {}]}"#,
            "participants[0].channel",
            true,
        ),
        (200, "", "cannot be read", true),
        (200, "[]", "not a JSON object", true),
        (200, "<html>sign in</html>", "cannot be read", true),
        (200, r#"{"error": {"code": "x"}}"#, "", true),
        (404, "", "no metadata document", true),
        (410, "", "no metadata document", true),
        (403, "", "of chunk 0 is not saved", false),
    ];
    for (status, body, warning, complete) in cases {
        let scene = Scene::with(&["a"]).await;
        scene.objects.put(&path("a", "acsmetadata"), status, body);
        let saved = scene.save().delete_after().await.unwrap();
        let case = format!("{status} {body}: {}", warnings_of(&saved));
        assert!(warnings_of(&saved).contains(warning), "{case}");
        assert_eq!(saved.warnings.is_empty(), warning.is_empty(), "{case}");
        assert_eq!(saved.is_complete(), complete, "{case}");
        assert_eq!(saved.deleted, complete, "{case}");
        let chunk = &saved.chunks[0];
        assert!(
            std::fs::read(&chunk.media.path).unwrap() == wav(2, b'a'),
            "{case}"
        );
        match &chunk.metadata {
            Some(metadata) => assert_eq!(std::fs::read_to_string(&metadata.path).unwrap(), body),
            None => assert_ne!(status, 200, "{case}"),
        }
        assert_eq!(
            scene.manifest().warnings[..],
            saved.warnings[..scene.manifest().warnings.len()]
        );
        // The next run has the same warnings, and repeats no request for a known result.
        scene.objects.requests();
        let again = scene.save().delete_after().await.unwrap();
        // An error response has a new id each time.
        if status == 403 {
            assert_eq!(again.warnings.len(), saved.warnings.len());
        } else {
            assert_eq!(again.warnings, saved.warnings, "{case}");
        }
        assert_eq!(scene.objects.requests().is_empty(), complete, "{case}");
    }
    // Without a location, and while the service is unavailable.
    let mut scene = Scene::with(&["a"]).await;
    scene.chunks[0]["metadataLocation"] = Value::Null;
    let saved = scene.save().await.unwrap();
    assert!(warnings_of(&saved).contains("has no metadata location"));
    assert!(saved.is_complete() && saved.chunks[0].metadata.is_none());
    let scene = Scene::with(&["a"]).await;
    scene.objects.put(&path("a", "acsmetadata"), 500, "");
    let error = scene.save().delete_after().await.unwrap_err();
    assert!(
        error.is_retryable() && error.to_string().contains("media are saved"),
        "{error}"
    );
    assert!(!scene.is_deleted("a"));
    assert!(scene.file("a.000.wav").exists());
}

#[tokio::test]
async fn only_proof_rejects_a_file() {
    let page = "<!DOCTYPE html><html>sign in</html>";
    let error = r#"{"error": {"code": "InternalError"}}"#;
    let xml = "<?xml version=\"1.0\"?><Error><Code>x</Code></Error>";
    let garbage = "\0\0\0\0 something else altogether";
    for body in [page, error, xml, garbage, "ID3\u{4}xxxxxxxxxxxx"] {
        let scene = Scene::with(&["a"]).await;
        scene.objects.put(&path("a", "audiowav"), 200, body);
        let error = scene.save().delete_after().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptContent, "{body}: {error}");
        assert!(!scene.is_deleted("a"));
        assert!(!scene.file("a.000.wav").exists(), "{body}");
        assert!(!scene.file("a.000.wav.part").exists(), "{body}");
        if !matches!(body.as_bytes(), [b'<' | b'{', ..]) {
            continue;
        }
        // A single file is rejected too, for all destinations.
        let location = format!("{}{}", scene.objects.url, path("a", "audiowav"));
        let location = location.parse().unwrap();
        let download = || scene.client.download(&location);
        let file = scene.file("single.wav");
        assert_eq!(
            kind(download().to_file(&file).await),
            ErrorKind::CorruptContent
        );
        assert!(!file.exists());
        assert_eq!(
            kind(download().into_bytes().await),
            ErrorKind::CorruptContent
        );
    }
    // Headers without sizes, and different durations, are accepted.
    let open = |form: &[u8], size: u32| {
        let mut bytes = wav(2, 7).to_vec();
        bytes[..4].copy_from_slice(form);
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        bytes[40..44].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    for bytes in [
        open(b"RIFF", 0),
        open(b"RIFF", u32::MAX),
        open(b"RF64", u32::MAX),
    ] {
        let scene = Scene::with(&["a"]).await;
        scene.objects.put(&path("a", "audiowav"), 200, bytes);
        let saved = scene.save().delete_after().await.unwrap();
        assert!(saved.deleted && saved.warnings.is_empty(), "{saved:?}");
    }
}

#[tokio::test]
async fn different_durations_are_warnings() {
    for (document, event, warnings) in [(7220, 7220, 2), (2000, 7220, 1), (7220, 2000, 1)] {
        let mut scene = Scene::with(&["a"]).await;
        scene.data["recordingDurationMs"] = json!(event);
        let text = json!({"chunkDuration": document, "pauseResumeIntervals":
            [{"startTime": "2025-10-02T09:15:05Z", "duration": 5220}]});
        scene
            .objects
            .put(&path("a", "acsmetadata"), 200, text.to_string());
        let saved = scene.save().delete_after().await.unwrap();
        assert_eq!(saved.warnings.len(), warnings, "{}", warnings_of(&saved));
        assert!(saved.deleted && scene.file("a.000.wav").exists());
        assert_eq!(scene.manifest().warnings, saved.warnings);
    }
}

#[tokio::test]
async fn an_incomplete_recording_is_reported_and_not_deleted() {
    let mut gap = Scene::with(&["a"]).await;
    gap.add("c", 2);
    let mut no_location = Scene::with(&["a"]).await;
    no_location
        .chunks
        .push(json!({"documentId": "b", "index": 1, "endReason": "ChunkUploadFailure"}));
    let mut null = Scene::with(&["a"]).await;
    null.chunks
        .push(json!({"index": "1", "contentLocation": null, "deleteLocation": 7}));
    let mut unreadable = Scene::with(&["a"]).await;
    unreadable.chunks.push(json!("?"));
    for (scene, last) in [
        (gap, "a.002.wav"),
        (no_location, ""),
        (null, ""),
        (unreadable, ""),
    ] {
        let saved = scene.save().delete_after().await.unwrap();
        assert!(!saved.is_complete() && !saved.deleted);
        assert!(!scene.is_deleted("a"));
        let [missing] = saved.missing.as_slice() else {
            panic!("{saved:?}");
        };
        assert_eq!(missing.index, 1);
        assert!(
            warnings_of(&saved).contains("chunk 1"),
            "{}",
            warnings_of(&saved)
        );
        assert!(
            warnings_of(&saved).contains("not deleted"),
            "{}",
            warnings_of(&saved)
        );
        assert!(last.is_empty() || scene.file(last).exists());
        assert!(scene.file("a.000.wav").exists() && !scene.file("a.001.wav").exists());
        let manifest = scene.manifest();
        assert!(!manifest.complete);
        assert!(manifest.gaps == [1] || manifest.chunks[1].media.is_none());
        // Unless the caller requests it.
        let saved = scene.save().delete_incomplete().await.unwrap();
        assert!(saved.deleted && !saved.is_complete());
        assert!(scene.is_deleted("a"));
        assert!(scene.manifest().deleted_at.is_some());
    }
    // The first events had no locations.
    let mut scene = Scene::new().await;
    scene
        .chunks
        .push(json!({"documentId": "a", "index": 0, "endReason": "SessionEnded"}));
    let saved = scene.save().delete_incomplete().await.unwrap();
    assert!(saved.chunks.is_empty() && !saved.is_complete());
    assert_eq!(scene.names(), ["a.manifest.json"]);
    assert_eq!(scene.objects.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn file_names_of_chunks_are_unique() {
    for (one, other) in [
        (json!(0), json!(0)),
        (Value::Null, json!("x")),
        (json!(1), Value::Null),
    ] {
        let mut scene = Scene::new().await;
        scene.add("a", one.clone());
        scene.add("b", other.clone());
        let saved = scene.save().await.unwrap();
        let media: Vec<_> = saved.chunks.iter().map(|chunk| &chunk.media.path).collect();
        assert_ne!(media[0], media[1], "{one} {other}");
        for (path, seed) in media.iter().zip([b'a', b'b']) {
            assert!(std::fs::read(path).unwrap() == wav(2, seed));
        }
    }
    // The same chunk twice.
    let mut scene = Scene::with(&["a"]).await;
    scene.chunks.push(scene.chunks[0].clone());
    assert_eq!(scene.save().await.unwrap().chunks.len(), 1);
}

#[tokio::test]
async fn missing_content_has_its_own_error_kind() {
    let scene = Scene::new().await;
    assert_eq!(kind(scene.save().await), ErrorKind::NothingToDownload);
    for (host, storage, expected) in [
        (
            "contosorec.blob.core.windows.net",
            Some("AzureBlob"),
            ErrorKind::OwnStorage,
        ),
        (
            "contosorec.blob.core.usgovcloudapi.net",
            Some("AzureBlob"),
            ErrorKind::OwnStorage,
        ),
        ("files.example", Some("AzureBlob"), ErrorKind::OwnStorage),
        (
            "contosorec.blob.core.chinacloudapi.cn",
            None,
            ErrorKind::OwnStorage,
        ),
        ("files.example", None, ErrorKind::ForbiddenHost),
        (
            "files.example",
            Some("AzureCommunicationServices"),
            ErrorKind::ForbiddenHost,
        ),
    ] {
        let mut scene = Scene::with(&["a"]).await;
        let location = format!("https://{host}/recordings/20251002/c/0-audiowav.wav");
        scene.chunks[0]["contentLocation"] = json!(location);
        scene.chunks[0]["metadataLocation"] = Value::Null;
        scene.chunks[0]["deleteLocation"] = Value::Null;
        scene.data["storageType"] = json!(storage);
        let error = scene.save().delete_after().await.unwrap_err();
        assert_eq!(error.kind(), expected, "{host} {storage:?}: {error}");
        let advises = error.to_string().contains("allow_content_host");
        assert!(!advises || expected == ErrorKind::ForbiddenHost, "{error}");
    }
    // If the export failed, the service still has the content.
    let mut scene = Scene::with(&["a"]).await;
    scene.data["storageType"] = json!("AzureBlob");
    assert!(scene.save().await.unwrap().is_complete());
}

#[tokio::test]
async fn only_saved_chunks_are_deleted() {
    let mut scene = Scene::with(&["a", "b"]).await;
    let other = scene.chunks[1]["deleteLocation"].clone();
    scene.chunks[0]["deleteLocation"] = other;
    scene.chunks.truncate(1);
    let error = scene.save().delete_after().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForbiddenHost, "{error}");
    assert!(error.to_string().contains("is another object"), "{error}");
    assert!(!scene.is_deleted("a") && !scene.is_deleted("b"));
}

#[tokio::test]
async fn downloads_of_the_same_recording_wait_for_each_other() {
    let scene = Scene::with(&["a", "b"]).await;
    let saves = (0..5).map(|_| scene.save().delete_after().into_future());
    for saved in futures_util::future::join_all(saves).await {
        assert!(saved.unwrap().deleted);
    }
    let requests = scene.objects.requests();
    assert_eq!(requests.len(), 6, "each is requested once: {requests:?}");
    assert_eq!(scene.names().len(), 5);
}

#[tokio::test]
async fn overwrite_policies_apply_to_whole_recordings() {
    let scene = Scene::with(&["a"]).await;
    scene.write("a.000.wav", b"mine");
    let fail = scene.save().overwrite(Overwrite::Fail).delete_after();
    assert_eq!(kind(fail.await), ErrorKind::Io);
    assert_eq!(std::fs::read(scene.file("a.000.wav")).unwrap(), b"mine");
    assert!(!scene.is_deleted("a"));
    let replace = scene.save().overwrite(Overwrite::Replace).delete_after();
    assert!(replace.await.unwrap().deleted);
    assert!(std::fs::read(scene.file("a.000.wav")).unwrap() == wav(2, b'a'));
}

#[tokio::test]
async fn a_single_file_is_verified_by_the_manifest_beside_it() {
    let scene = Scene::with(&["a", "b"]).await;
    scene.save().await.unwrap();
    let location = |id| format!("{}{}", scene.objects.url, path(id, "audiowav"));
    let skip = |id, name| {
        let download = scene.client.download(&location(id).parse().unwrap());
        download
            .to_file(scene.file(name))
            .overwrite(Overwrite::Skip)
            .sha256()
    };
    scene.objects.requests();
    let saved = skip("a", "a.000.wav").await.unwrap();
    assert_eq!((saved.transferred, saved.bytes), (0, 4044));
    assert_eq!(saved.sha256.unwrap().to_string(), hex(&wav(2, b'a')));
    assert_eq!(scene.objects.requests(), Vec::<String>::new());
    // The right size does not suffice if there is a manifest.
    let zeros = vec![0; wav(2, b'a').len()];
    scene.write("a.000.wav", &zeros);
    let error = skip("a", "a.000.wav").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("a.manifest.json"), "{error}");
    assert_eq!(std::fs::read(scene.file("a.000.wav")).unwrap(), zeros);
    // It says nothing about other content or other files.
    scene.objects.requests();
    for (id, name) in [("b", "a.000.wav"), ("a", "other.wav")] {
        scene.write(name, b"short");
        assert_eq!(kind(skip(id, name).await), ErrorKind::Io);
        assert_eq!(scene.objects.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn content_in_memory_has_a_size_limit() {
    let scene = Scene::with(&["a"]).await;
    let event = scene.event();
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        panic!("{event:?}");
    };
    let location = file.chunks[0].content_location.as_ref().unwrap();
    let download = |limit| {
        scene
            .client
            .download(location)
            .into_bytes()
            .max_bytes(limit)
    };
    assert_eq!(download(4044).await.unwrap().len(), 4044);
    let error = download(4043).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for part in ["4043", "max_bytes"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let metadata = || scene.client.metadata(&file.chunks[0]);
    assert!(metadata().await.is_ok());
    let error = metadata().max_bytes(10).await.unwrap_err();
    assert!(error.to_string().contains("limit of 10"), "{error}");
    let mut chunk = file.chunks[0].clone();
    chunk.metadata_location = None;
    assert_eq!(
        kind(scene.client.metadata(&chunk).await),
        ErrorKind::InvalidInput
    );
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn files_are_private_by_default() {
        for (wanted, expected) in [(None, 0o600), (Some(0o644), 0o644), (Some(0o666), 0o666)] {
            let scene = Scene::with(&["a"]).await;
            let mut save = scene.save();
            if let Some(wanted) = wanted {
                save = save.file_mode(wanted);
            }
            save.await.unwrap();
            for name in scene.names() {
                assert_eq!(mode(&scene.file(&name)), expected, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn links_are_not_followed() {
        for name in [
            "a.lock",
            "a.000.wav.part",
            "a.manifest.json",
            "a.manifest.json.part",
        ] {
            let scene = Scene::with(&["a"]).await;
            let elsewhere = tempfile::tempdir().unwrap();
            let victim = elsewhere.path().join("victim");
            std::fs::write(&victim, "precious").unwrap();
            symlink(&victim, scene.file(name)).unwrap();
            let error = scene.save().delete_after().await.unwrap_err();
            assert!(
                error.to_string().contains("is in the way"),
                "{name}: {error}"
            );
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
            // The target of the link is not created either.
            std::fs::remove_file(&victim).unwrap();
            assert!(scene.save().delete_after().await.is_err(), "{name}");
            assert!(!victim.exists() && !scene.is_deleted("a"), "{name}");
        }
        // Files that are always created are replaced.
        for name in [
            "a.000.wav.part.journal",
            "a.000.wav.part.journal.new",
            "a.manifest.json.new",
        ] {
            let scene = Scene::with(&["a"]).await;
            let victim = scene.file("victim");
            std::fs::write(&victim, "precious").unwrap();
            symlink(&victim, scene.file(name)).unwrap();
            scene.save().await.unwrap();
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        }
        // A file with another name is not written.
        let scene = Scene::with(&["a"]).await;
        let victim = scene.file("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::fs::hard_link(&victim, scene.file("a.000.wav.part")).unwrap();
        scene.save().await.unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}
