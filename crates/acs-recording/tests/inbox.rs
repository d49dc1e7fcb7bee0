//! Waiting for events, and from a start to files on the disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use acs_recording::webhook::{Check, EventHandler, HandlerError, Webhook};
use acs_recording::{
    ErrorKind, Event, Inbox, Media, Record, Recorded, RecordingClient, ServerCallId,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Longer than any of this takes.
const LIMIT: Duration = Duration::from_secs(10);

/// Gives what is posted to an inbox, and tells of each event.
struct Post {
    inbox: Inbox,
    came: mpsc::UnboundedSender<()>,
}

impl EventHandler for Post {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        self.inbox.deliver(event)?;
        Ok(self.came.send(())?)
    }
}

struct World {
    clock: Clock,
    emulator: Emulator,
    client: RecordingClient,
    inbox: Inbox,
    came: mpsc::UnboundedReceiver<()>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::manual();
        let emulator = Emulator::builder()
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        let (sender, came) = mpsc::unbounded_channel();
        let inbox = Inbox::new();
        let webhook = Webhook::builder(Check::none()).build(Post {
            inbox: inbox.clone(),
            came: sender,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
        emulator.subscribe(&url).await.unwrap();
        Self {
            client: RecordingClient::from_connection_string(emulator.connection_string()).unwrap(),
            clock,
            emulator,
            inbox,
            came,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn record(&self, call: &str) -> Record {
        let start = self.client.start(ServerCallId::new(call).unwrap());
        let folder = self.folder.path().join("new");
        self.inbox
            .record(&self.client, start.media(Media::unmixed_wav()), folder)
    }

    /// Lets the emulator's time pass until the file is announced, and no longer: content is
    /// deleted after a day.
    async fn announced(&mut self) {
        let announced = async {
            while self.came.try_recv().is_err() {
                self.clock.advance(Duration::from_secs(10));
                // Slowly, or a stop on its way comes after hours.
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LIMIT, announced).await.unwrap();
    }

    async fn is_gone(&self, recorded: &Recorded) -> bool {
        let content = &recorded.file.chunks[0].content_location;
        let content = self.client.download(content).into_bytes().await;
        content.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }
}

#[tokio::test]
async fn from_start_to_files() {
    let mut world = World::new().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let clock = world.clock.clone();
    let until = async move { clock.advance(Duration::from_secs(3)) };
    let record = world.record(call.server_call_id()).until(until);
    let record = tokio::spawn(record.into_future());
    world.announced().await;
    let recorded = record.await.unwrap().unwrap();
    let [chunk] = &recorded.saved.chunks[..] else {
        panic!("{recorded:?}");
    };
    assert_eq!(
        chunk.media.path.metadata().unwrap().len(),
        chunk.media.bytes
    );
    let stem = recorded.file.chunks[0].document_id.as_str();
    for (file, ending) in [(&chunk.media, "wav"), (&chunk.metadata, "json")] {
        let name = format!("{stem}.000.{ending}");
        assert_eq!(file.path, world.folder.path().join("new").join(name));
        assert!(file.path.exists());
    }
    assert_eq!(chunk.document.as_ref().unwrap().channels().len(), 2);
    assert!(world.is_gone(&recorded).await);
}

#[tokio::test]
async fn a_call_that_ends_first_is_not_waited_for() {
    let mut world = World::new().await;
    let call = world.emulator.call(["ann", "ben"]).await;
    let record = world.record(call.server_call_id()).keep_on_service();
    let (begun, beginning) = oneshot::channel();
    let record = record.until(async move {
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    let record = tokio::spawn(record.within(Duration::ZERO).into_future());
    beginning.await.unwrap();
    world.clock.advance(Duration::from_secs(3));
    call.hang_up();
    world.announced().await;
    let outcome = timeout(LIMIT, record).await;
    let recorded = outcome.unwrap().unwrap().unwrap();
    assert_eq!(recorded.saved.chunks.len(), 1);
    assert!(!world.is_gone(&recorded).await);
}
