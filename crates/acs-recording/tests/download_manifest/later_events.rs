//! Several events about the same recording: a later one forgets nothing that an earlier one saved.

use serde_json::{Value, json};

use super::*;

fn recorded(scene: &Scene) -> Vec<(u64, Option<String>)> {
    let chunks = scene.manifest().chunks.into_iter();
    let media = |file: acs_recording::ManifestFile| file.name;
    chunks
        .map(|chunk| (chunk.index, chunk.media.map(media)))
        .collect()
}

/// What is recorded of these chunks, all of which have their media.
fn all(numbers: &[u64]) -> Vec<(u64, Option<String>)> {
    let name = |number: &u64| (*number, Some(format!("a.{number:03}.wav")));
    numbers.iter().map(name).collect()
}

#[tokio::test]
async fn fewer_chunks_forget_none_of_those_that_are_saved() {
    let mut scene = Scene::with(&["a", "b", "c"]).await;
    scene.save().await.unwrap();
    let before = scene.manifest();
    scene.chunks.truncate(1);
    let saved = scene.save().await.unwrap();
    assert!(saved.is_complete() && saved.missing.is_empty(), "{saved:?}");
    assert_eq!(scene.manifest().chunks, before.chunks);

    // Only what the event names is deleted, and nothing else is said to be.
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.deleted && scene.is_deleted("a"));
    assert!(!scene.is_deleted("b") && !scene.is_deleted("c"));
    let manifest = scene.manifest();
    assert_eq!(recorded(&scene), all(&[0, 1, 2]));
    assert!(manifest.deleted_at.is_none());
    let deleted: Vec<_> = manifest.chunks.iter().map(|one| one.deleted_at).collect();
    assert!(deleted[0].is_some() && deleted[1].is_none() && deleted[2].is_none());

    // The first event comes again, and finishes it.
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
async fn other_chunks_come_beside_those_that_are_saved() {
    // With the next indices, with none, and with one that was another chunk's before.
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
async fn a_gap_is_filled_by_whichever_event_fills_it() {
    let mut scene = Scene::with(&["a"]).await;
    scene.add("c", 2);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(!saved.is_complete() && !saved.deleted);
    assert_eq!(scene.manifest().gaps, [1]);
    scene.chunks.truncate(1);
    scene.add("b", 1);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(saved.is_complete() && saved.deleted, "{saved:?}");
    assert_eq!(told(&saved), "");
    let manifest = scene.manifest();
    assert_eq!(recorded(&scene), all(&[0, 1, 2]));
    assert_eq!((manifest.gaps, manifest.complete), (vec![], true));
    assert!(!scene.is_deleted("c"), "this event does not name it");

    // Fewer chunks leave the gap that there is.
    let mut scene = Scene::with(&["a"]).await;
    scene.add("c", 2);
    scene.save().await.unwrap();
    scene.chunks.truncate(1);
    let saved = scene.save().delete_after().await.unwrap();
    assert!(!saved.is_complete() && !scene.is_deleted("a"), "{saved:?}");
    assert!(told(&saved).contains("chunk 1"), "{}", told(&saved));
    assert_eq!(saved.missing[0].index, 1);
    assert_eq!(scene.manifest().gaps, [1]);
}

#[tokio::test]
async fn a_chunk_that_could_not_be_had_stays_told() {
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
    // A later event has it.
    scene.add("b", 1);
    let saved = scene.save().await.unwrap();
    assert!(saved.is_complete() && saved.missing.is_empty());
    assert_eq!(scene.manifest().warnings, Vec::<String>::new());
}

#[tokio::test]
async fn what_an_event_leaves_out_of_a_chunk_that_is_saved_is_not_forgotten() {
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
    // Where an earlier event said that it may be deleted counts for nothing.
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
async fn a_saved_file_that_is_not_here_any_more_is_told_and_not_forgotten() {
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
        assert!(told(&saved).contains("a.001.wav"), "{}", told(&saved));
        assert!(!saved.is_complete() && !scene.is_deleted("a"));
        assert_eq!(scene.manifest().chunks, before.chunks);
    }
}

#[tokio::test]
async fn what_a_run_that_was_killed_had_saved_is_not_forgotten_either() {
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
