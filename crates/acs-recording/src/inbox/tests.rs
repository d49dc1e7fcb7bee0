mod files;
mod streams;
mod waits;

use std::future::IntoFuture;
use std::io::Write;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Subscriber;

use super::*;
use crate::event::Events;
use crate::ids::{RecordingId, ServerCallId};

/// The log, as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn lines() -> (impl Fn() -> String, impl Subscriber + Send + Sync) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let text = move || String::from_utf8(lines.0.lock().clone()).unwrap();
    (text, subscriber)
}

pub(super) fn event(json: &str) -> Event {
    Events::parse(json.as_bytes()).next().unwrap().unwrap()
}

fn callback(kind: &str, data: &str) -> Event {
    event(&format!(
        r#"{{"id": "1", "source": "s", "specversion": "1.0", "data": {data},
            "type": "Microsoft.Communication.{kind}"}}"#
    ))
}

pub(super) fn file(recording: &str) -> Event {
    event(&format!(
        r#"{{"id": "f", "topic": "t", "subject": "/recording/call/c/recordingId/{recording}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": []}}}}}}"#
    ))
}

pub(super) fn state(recording: &str, state: &str, second: u8) -> Event {
    event(&format!(
        r#"{{"id": "s{second}", "source": "s", "time": "2026-01-01T00:00:{second:02}Z",
            "type": "Microsoft.Communication.RecordingStateChanged",
            "data": {{"recordingId": "{recording}", "state": "{state}",
                      "startDateTime": "2026-01-01T00:00:{second:02}Z"}}}}"#
    ))
}

fn id(text: &str) -> RecordingId {
    RecordingId::new(text).unwrap()
}

fn is_pending<T: Send + 'static>(wait: Wait<T>) -> bool {
    now(wait).is_none()
}

/// The output of a future that is ready. Cooperative scheduling does not matter.
fn now<F: IntoFuture>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future.into_future());
    tokio::task::unconstrained(&mut future).now_or_never()
}
