//! Waiting for events that a webhook receives, over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::time::{Duration, Instant};

use acs_emulator::{Clock, Emulator};
use acs_recording::webhook::{Authenticator, Webhook};
use acs_recording::{ErrorKind, Inbox, Media, Recording, RecordingClient, ServerCallId};
use tokio::time::{sleep, timeout};

/// Longer than any step here takes.
const TIMEOUT: Duration = Duration::from_secs(10);

struct World {
    clock: Clock,
    emulator: Emulator,
    client: RecordingClient,
    inbox: Inbox,
    /// The URL of the inbox's webhook, for events and callbacks.
    url: String,
    folder: tempfile::TempDir,
}

/// Serves a webhook for an inbox, and returns its URL.
async fn listen(inbox: &Inbox) -> String {
    let webhook = Webhook::builder(Authenticator::allow_unauthenticated()).build(inbox.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
    url
}

impl World {
    async fn new() -> Self {
        let world = Self::without_events().await;
        world
            .emulator
            .subscribe(&world.url)
            .all_events()
            .await
            .unwrap();
        world
    }

    /// Without events, only with callbacks.
    async fn without_events() -> Self {
        let clock = Clock::manual();
        let builder = Emulator::builder().clock(clock.clone());
        let emulator = builder.start().await.unwrap();
        let inbox = Inbox::new();
        let url = listen(&inbox).await;
        Self {
            client: RecordingClient::from_connection_string(emulator.connection_string()).unwrap(),
            clock,
            emulator,
            inbox,
            url,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn start(&self, call: &str, paused: bool) -> Recording {
        let start = self.client.start(ServerCallId::new(call).unwrap());
        let start = start.media(Media::unmixed_wav());
        let start = start.state_callback(&self.url).unwrap();
        let start = if paused { start.paused() } else { start };
        start.await.unwrap()
    }

    /// Runs a future while the emulator's clock advances in small steps, because content is deleted
    /// after a day.
    async fn meanwhile<T>(&self, future: impl Future<Output = T>) -> T {
        let passing = async {
            loop {
                self.clock.advance(Duration::from_secs(10));
                sleep(Duration::from_millis(1)).await;
            }
        };
        let both = async {
            tokio::select! {
                value = future => value,
                () = passing => unreachable!("it never ends"),
            }
        };
        timeout(TIMEOUT, both).await.unwrap()
    }
}

/// The whole life of a recording, step by step.
#[tokio::test]
async fn from_start_to_files() {
    let world = World::new().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let recording = world.start(call.server_call_id(), false).await;
    world.clock.advance(Duration::from_secs(1));
    let active = timeout(TIMEOUT, world.inbox.recording_active(&recording)).await;
    assert_eq!(
        active.unwrap().unwrap().recording_id.as_ref(),
        Some(recording.id())
    );
    world.clock.advance(Duration::from_secs(3));
    recording.stop().await.unwrap();
    let file = world.meanwhile(world.inbox.file_ready(&recording).into_future());
    let file = file.await.unwrap();
    assert_eq!(file.recording_id.as_ref(), Some(recording.id()));
    let saved = world.client.download_recording(&file);
    let saved = saved.to_dir(world.folder.path()).await.unwrap();
    assert_eq!(saved.chunks.len(), file.chunks.len());
}

/// The call can end first. The file event arrives after its end.
#[tokio::test]
async fn a_file_event_can_follow_the_end_of_the_call() {
    let world = World::new().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let recording = world.start(call.server_call_id(), false).await;
    let wait = world.inbox.file_ready(&recording);
    world.clock.advance(Duration::from_secs(5));
    call.hang_up();
    world.meanwhile(wait.into_future()).await.unwrap();
}

#[tokio::test]
async fn a_start_that_fails_ends_the_wait_for_its_file() {
    let world = World::without_events().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let recording = world.start(call.server_call_id(), false).await;
    let wait = world.inbox.file_ready(&recording);
    // Before the recorder has joined.
    call.hang_up();
    let error = world.meanwhile(wait.into_future()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Service, Some("8528"))
    );
    let text = error.to_string();
    assert!(text.contains(recording.id().as_str()), "{text}");
    assert!(text.contains("StartRecordingFailed"), "{text}");
}

#[tokio::test]
async fn a_recording_that_was_never_resumed_ends_the_wait_for_its_file() {
    let world = World::new().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let recording = world.start(call.server_call_id(), true).await;
    let wait = world.inbox.file_ready(&recording);
    world.clock.advance(Duration::from_secs(5));
    call.hang_up();
    let error = world.meanwhile(wait.into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NothingToDownload, "{error}");
    let text = error.to_string();
    assert!(text.contains(recording.id().as_str()), "{text}");
}

/// The subject contains only the call, as was documented for years.
#[tokio::test]
async fn a_file_without_a_recording_id_is_found_by_its_call() {
    let world = World::without_events().await;
    let (one, two) = (
        world.emulator.call(["ann", "ben"]).await,
        world.emulator.call(["cid"]).await,
    );
    let recording = world.start(one.server_call_id(), false).await;
    let other = world.start(two.server_call_id(), false).await;
    let wait = world.inbox.file_ready(&recording);
    let not_its = world.inbox.file_ready(&other);
    let event = serde_json::json!([{
        "id": "7", "topic": "/subscriptions/s/communicationServices/acs",
        "subject": format!(
            "/recording/call/0b6c6c2e-1111-4222-8333-444455556666/serverCallId/{}",
            one.server_call_id().trim_end_matches('=')
        ),
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2026-01-02T03:04:05.6789Z", "dataVersion": "1.0",
        "data": {"recordingStorageInfo": {"recordingChunks": []}, "sessionEndReason": "CallEnded"},
    }]);
    let request = reqwest::Client::new().post(&world.url);
    let request = request.header("content-type", "application/json");
    let sent = request.body(event.to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let file = timeout(TIMEOUT, wait.into_future()).await.unwrap().unwrap();
    assert_eq!(file.session_end_reason.as_deref(), Some("CallEnded"));
    let error = not_its.timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// A stream was opened and is not read.
#[tokio::test]
async fn an_unread_stream_does_not_block_a_wait() {
    let inbox = Inbox::new();
    let url = listen(&inbox).await;
    let http = reqwest::Client::new();
    let unread = inbox.events();
    let post = async |ids: std::ops::Range<u32>| {
        let events: Vec<_> = ids
            .map(|id| {
                serde_json::json!({
                    "id": id.to_string(), "topic": "t", "eventTime": "2026-01-01T00:00:00Z",
                    "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
                    "subject": format!("/recording/call/c/recordingId/r{id}"),
                    "data": {"recordingStorageInfo": {"recordingChunks": []}},
                })
            })
            .collect();
        let request = http.post(&url).header("aeg-event-type", "Notification");
        let request = request.header("content-type", "application/json");
        let body = serde_json::Value::Array(events).to_string();
        request.body(body).send().await.unwrap().status()
    };
    for first in [0, 250, 500, 750] {
        assert_eq!(post(first..first + 250).await, 200);
    }
    let id = acs_recording::RecordingId::new("r1001").unwrap();
    let wait = inbox.file_ready(&id);
    let begun = Instant::now();
    let waiting = async {
        let file = wait.await.unwrap();
        assert_eq!(file.recording_id.as_ref(), Some(&id));
        // The delivery waits for the stream, and continues when the stream is dropped.
        drop(unread);
        begun.elapsed()
    };
    let (status, served) = tokio::join!(post(1001..1002), waiting);
    assert_eq!(status, 200);
    assert!(served < Duration::from_secs(4), "{served:?}");
}
