//! The emulator, recordings with their events, and a queue of Azurite.

use std::sync::Arc;

use acs_emulator::{Emulator, StoredChunk, StoredRecording, SyntheticRecording};
use acs_recording_archive::{EventQueue as _, StorageQueue};
use acs_test_support::Azurite;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::program::{self, Program, Run};

/// A resource with a queue. The archive is the folder `archive` of the program.
pub(crate) struct Site {
    pub(crate) azurite: Arc<Azurite>,
    pub(crate) acs: Emulator,
    pub(crate) program: Program,
    pub(crate) queue: StorageQueue,
    /// Of the queue.
    pub(crate) name: &'static str,
}

impl Site {
    /// None where Azurite is not installed. The queue has this name.
    pub(crate) async fn new(name: &'static str) -> Option<Self> {
        let azurite = Azurite::shared()?;
        azurite.create_queue(name).await;
        let text = azurite.connection_string();
        let queue = StorageQueue::from_connection_string(&text, name).unwrap();
        let acs = Emulator::start().await.unwrap();
        let program = Program::new(&acs);
        Some(Self {
            azurite,
            acs,
            program,
            queue,
            name,
        })
    }

    /// A command of `archive` with the queue.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let (command, rest) = arguments.split_at(match arguments[0] {
            "poison" => 2,
            _ => 1,
        });
        let queue = ["--queue", self.name];
        let mut command = self
            .program
            .command(&[&["archive"][..], command, &queue, rest].concat());
        let text = self.azurite.connection_string();
        command.env("ACS_QUEUE_CONNECTION_STRING", text);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        self.program.check(output)
    }

    /// A recording whose event is in the queue.
    pub(crate) async fn record(&self, bytes: u64) -> StoredRecording {
        let stored = self.acs.add_recording(SyntheticRecording::new(bytes));
        self.send(&event(&stored)).await;
        stored
    }

    /// Adds an event as Event Grid does.
    pub(crate) async fn send(&self, event: &Value) {
        let body = BASE64_STANDARD.encode(event.to_string());
        self.queue.send(body).await.unwrap();
    }

    pub(crate) async fn depth(&self) -> u64 {
        self.queue.approximate_depth().await.unwrap().unwrap()
    }
}

/// The event of a recording.
pub(crate) fn event(stored: &StoredRecording) -> Value {
    let mut event = program::event(stored)[0].take();
    let document = stored.chunks()[0].document_id();
    event["id"] = json!(format!("event-{document}"));
    let id = stored.recording_id();
    event["subject"] = json!(format!(
        "/recording/call/c/serverCallId/abc/recordingId/{id}"
    ));
    event
}

/// What the service had of a chunk.
pub(crate) fn content(chunk: &StoredChunk) -> Vec<u8> {
    let mut content = Vec::new();
    while (content.len() as u64) < chunk.len() {
        let piece = chunk.read(content.len() as u64, 1 << 20);
        assert!(!piece.is_empty(), "the content ends early");
        content.extend_from_slice(&piece);
    }
    content
}

/// The lines of a worker.
pub(crate) fn lines(run: &Run) -> Vec<Value> {
    let lines = run.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
