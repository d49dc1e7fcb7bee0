//! Waiting for events, and from a start to files on the disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use acs_recording::webhook::{Check, Webhook};
use acs_recording::{ErrorKind, Inbox, Media, RecordingClient, ServerCallId};

async fn subscribed(emulator: &Emulator, inbox: &Inbox) {
    let webhook = Webhook::builder(Check::none()).build(inbox.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
    emulator.subscribe(&url).await.unwrap();
}

#[tokio::test]
async fn from_start_to_files() {
    let clock = Clock::manual();
    let emulator = Emulator::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let inbox = Inbox::new();
    subscribed(&emulator, &inbox).await;
    let client = RecordingClient::from_connection_string(emulator.connection_string()).unwrap();
    let call = emulator.call(["ann", "ben"]).await;
    let start = client
        .start(ServerCallId::new(call.server_call_id()).unwrap())
        .media(Media::unmixed_wav());
    let folder = tempfile::tempdir().unwrap();
    let until = {
        let clock = clock.clone();
        async move { clock.advance(Duration::from_secs(3)) }
    };
    let record = inbox
        .record(&client, start, folder.path().join("new"))
        .until(until);
    let record = tokio::spawn(record.into_future());
    // The file is announced some time after the stop.
    while !record.is_finished() {
        clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    let recorded = record.await.unwrap().unwrap();
    assert_eq!(recorded.chunks.len(), 1);
    let chunk = &recorded.chunks[0];
    assert_eq!(chunk.media.metadata().unwrap().len(), chunk.bytes);
    assert_eq!(chunk.media.extension().unwrap(), "wav");
    assert!(chunk.metadata_file.exists());
    assert_eq!(chunk.metadata.channels().len(), 2);
    let gone = client
        .download(&recorded.file.chunks[0].content_location)
        .into_bytes()
        .await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}
