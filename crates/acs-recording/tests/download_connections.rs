//! The number of connections of a download adapts to the server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use storage::{Behavior, Storage, content};

const MIB: usize = 1024 * 1024;

/// A server that sends to each connection at the same low rate.
async fn slow_server(content: &Bytes) -> Storage {
    Storage::start(content.clone(), |_, _| Behavior {
        tag: Some("\"1\""),
        rate: Some(5e6),
        ..Behavior::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_joined_by_more() {
    let content = content(48 * MIB, 61);
    let server = slow_server(&content).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let client = server.client().build().unwrap();
    client
        .download(&server.location())
        .to_file(&path)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content);
    let most = server.most_at_once.load(Ordering::SeqCst);
    assert!((5..=16).contains(&most), "{most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_connections_is_not_exceeded() {
    let content = content(24 * MIB, 62);
    let server = slow_server(&content).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let client = server.client().build().unwrap();
    let download = client.download(&server.location()).to_file(&path);
    download.connections(3).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content);
    assert_eq!(server.most_at_once.load(Ordering::SeqCst), 3);
}
