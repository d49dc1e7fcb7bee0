//! Several events about the same recording: a later one keeps everything that an earlier one saved.

use serde_json::{Value, json};

use super::*;

fn recorded(scene: &Scene) -> Vec<(u64, Option<String>)> {
    let chunks = scene.manifest().chunks.into_iter();
    let media = |file: acs_recording::ManifestFile| file.name;
    chunks
        .map(|chunk| (chunk.index, chunk.media.map(media)))
        .collect()
}

/// The expected chunks in the manifest, all with media.
fn all(numbers: &[u64]) -> Vec<(u64, Option<String>)> {
    let name = |number: &u64| (*number, Some(format!("a.{number:03}.wav")));
    numbers.iter().map(name).collect()
}

#[tokio::test]
async fn an_event_with_fewer_chunks_removes_none() {
    let mut scene = Scene::with(&["a", "b", "c"]).await;
    scene.save().await.unwrap();
    let before = scene.manifest();
    scene.chunks.truncate(1);
    let saved = scene.save().await.unwrap();
    assert!(saved.is_complete() && saved.missing.is_empty(), "{saved:?}");
    assert_eq!(scene.manifest().chunks, before.chunks);

    // Only chunks that the event names are deleted and reported as deleted.
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted && scene.is_deleted("a"));
    assert!(!scene.is_deleted("b") && !scene.is_deleted("c"));
    let manifest = scene.manifest();
    assert_eq!(recorded(&scene), all(&[0, 1, 2]));
    assert!(manifest.deleted_at.is_none());
    let deleted: Vec<_> = manifest.chunks.iter().map(|one| one.deleted_at).collect();
    assert!(deleted[0].is_some() && deleted[1].is_none() && deleted[2].is_none());

    // The first event is delivered again and completes the recording.
    scene.add("b", 1);
    scene.add("c", 2);
    scene.objects.requests();
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted && scene.is_deleted("b") && scene.is_deleted("c"));
    let requests = scene.objects.requests();
    assert_eq!(requests, ["DELETE /v1/objects/b", "DELETE /v1/objects/c"]);
    let manifest = scene.manifest();
    assert!(manifest.deleted_at.is_some());
    assert!(manifest.chunks.iter().all(|one| one.deleted_at.is_some()));
}

#[tokio::test]
async fn an_event_with_other_chunks_adds_them() {
    // With the next indices, without an index, and with the index of another chunk.
    for index in [json!(2), Value::Null, json!("1"), json!(1)] {
        for policy in [Overwrite::Skip, Overwrite::Replace] {
            let mut scene = Scene::with(&["a", "b"]).await;
            scene.save().await.unwrap();
            scene.chunks.truncate(1);
            scene.add("c", index.clone());
            for _ in 0..2 {
                let saved = scene.save().overwrite(policy).await.unwrap();
                assert!(saved.is_complete(), "{index}: {saved:?}");
                assert_eq!(recorded(&scene), all(&[0, 1, 2]), "{index}");
                for (name, seed) in [("a.001.wav", b'b'), ("a.002.wav", b'c')] {
                    let bytes = std::fs::read(scene.file(name)).unwrap();
                    assert!(bytes == wav(2, seed), "{index}: {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_later_event_fills_a_gap() {
    let mut scene = Scene::with(&["a"]).await;
    scene.add("c", 2);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(!saved.is_complete() && !saved.deleted);
    assert_eq!(scene.manifest().gaps, [1]);
    scene.chunks.truncate(1);
    scene.add("b", 1);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.is_complete() && saved.deleted, "{saved:?}");
    assert_eq!(warnings_of(&saved), "");
    let manifest = scene.manifest();
    assert_eq!(recorded(&scene), all(&[0, 1, 2]));
    assert_eq!((manifest.gaps, manifest.complete), (vec![], true));
    assert!(!scene.is_deleted("c"), "the event does not name it");

    // An event with fewer chunks keeps the gap.
    let mut scene = Scene::with(&["a"]).await;
    scene.add("c", 2);
    scene.save().await.unwrap();
    scene.chunks.truncate(1);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(!saved.is_complete() && !scene.is_deleted("a"), "{saved:?}");
    assert!(
        warnings_of(&saved).contains("chunk 1"),
        "{}",
        warnings_of(&saved)
    );
    assert_eq!(saved.missing[0].index, 1);
    assert_eq!(scene.manifest().gaps, [1]);
}

#[tokio::test]
async fn a_chunk_that_failed_stays_in_the_manifest() {
    let mut scene = Scene::with(&["a"]).await;
    let reason = "ChunkUploadFailure";
    scene
        .chunks
        .push(json!({"documentId": "b", "index": 1, "endReason": reason}));
    let first = scene.save().await.unwrap();
    scene.chunks.truncate(1);
    let saved = scene.save().delete_after().await.unwrap();
    assert_eq!(saved.missing, first.missing);
    assert_eq!(scene.manifest().warnings, first.warnings);
    assert!(!saved.is_complete() && !scene.is_deleted("a"));
    // A later event has the location.
    scene.add("b", 1);
    let saved = scene.save().await.unwrap();
    assert!(saved.is_complete() && saved.missing.is_empty());
    assert_eq!(scene.manifest().warnings, Vec::<String>::new());
}

#[tokio::test]
async fn values_that_a_later_event_leaves_out_are_kept() {
    for left_out in [
        &["contentLocation"][..],
        &["metadataLocation"],
        &["contentLocation", "metadataLocation", "deleteLocation"],
        &["index"],
        &["endReason"],
    ] {
        let mut scene = Scene::with(&["a", "b"]).await;
        scene.save().await.unwrap();
        let before = scene.manifest();
        for name in left_out {
            scene.chunks[1][name] = Value::Null;
        }
        scene.objects.requests();
        let saved = scene.save().await.unwrap();
        assert!(saved.is_complete(), "{left_out:?}: {saved:?}");
        assert_eq!(scene.objects.requests(), Vec::<String>::new());
        let after = scene.manifest();
        let files = |manifest: &RecordingManifest| -> Vec<_> {
            let chunks = manifest.chunks.iter();
            chunks
                .map(|chunk| (chunk.index, chunk.media.clone(), chunk.metadata.clone()))
                .collect()
        };
        assert_eq!(files(&after), files(&before), "{left_out:?}");
    }
    // The delete location of an earlier event does not count.
    let mut scene = Scene::with(&["a"]).await;
    scene.save().await.unwrap();
    scene.chunks[0]["deleteLocation"] = Value::Null;
    assert_eq!(
        kind(scene.save().delete_after().await),
        ErrorKind::InvalidInput
    );
    assert!(!scene.is_deleted("a"));
}

#[tokio::test]
async fn a_saved_file_that_is_missing_is_a_warning() {
    for altered in [false, true] {
        let mut scene = Scene::with(&["a", "b"]).await;
        scene.save().await.unwrap();
        let before = scene.manifest();
        if altered {
            scene.write("a.001.wav", b"altered");
        } else {
            std::fs::remove_file(scene.file("a.001.wav")).unwrap();
        }
        scene.chunks.truncate(1);
        let saved = scene.save().delete_after().await.unwrap();
        assert!(
            warnings_of(&saved).contains("a.001.wav"),
            "{}",
            warnings_of(&saved)
        );
        assert!(!saved.is_complete() && !scene.is_deleted("a"));
        assert_eq!(scene.manifest().chunks, before.chunks);
    }
}

#[tokio::test]
async fn chunks_saved_by_a_killed_download_are_kept() {
    let mut scene = Scene::with(&["a", "b"]).await;
    scene.save().await.unwrap();
    std::fs::rename(
        scene.file("a.manifest.json"),
        scene.file("a.manifest.json.part"),
    )
    .unwrap();
    scene.chunks.truncate(1);
    scene.save().await.unwrap();
    assert_eq!(recorded(&scene), all(&[0, 1]));
}
