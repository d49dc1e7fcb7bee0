//! What a program's log shows, and what it must not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use acs_recording::{NeverRetry, RecordingId, ServerCallId};
use common::{Answer, KEY, Server, answer, state};
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_tells_every_attempt_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let busy = answer("503 Service Unavailable", &[], "");
    let answers = [
        busy,
        state("inactive"),
        state("active"),
        answer("200 OK", &[], "x"),
        Answer::Close,
    ];
    let server = Server::start(answers).await;
    let client = server.client().build().unwrap();
    let callback = "https://app.example/state?secret=callback-secret";
    let start = client
        .start(ServerCallId::new("aHR0cHM6Ly9h").unwrap())
        .state_callback(callback)
        .unwrap();
    let answer_call = client.calls().answer("context-secret", callback).unwrap();
    tracing::info!(?client, ?start, ?answer_call);
    let recording = start.await.unwrap();
    client
        .recording(RecordingId::new("rid").unwrap())
        .state()
        .await
        .unwrap();
    let location = format!("{}/v1/objects/o?sig=url-secret", server.url)
        .parse()
        .unwrap();
    client.download(&location).into_bytes().await.unwrap();
    recording
        .state()
        .retry_policy(NeverRetry)
        .await
        .unwrap_err();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "call_recording_start_recording",
        "call_recording_get_recording_properties",
        "status=503",
        "status=200",
        "sending again",
        "no answer",
        "request_id=",
    ] {
        assert!(text.contains(told), "no {told:?} in\n{text}");
    }
    for secret in [
        KEY,
        "0123456789abcdef",
        "Signature=",
        "callback-secret",
        "context-secret",
        "url-secret",
    ] {
        assert!(!text.contains(secret), "{secret:?} in\n{text}");
    }
}
