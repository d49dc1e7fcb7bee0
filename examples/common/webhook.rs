//! A webhook that Event Grid can post to, as small as can be.

use std::net::SocketAddr;
use std::time::Duration;

use acs_recording::{EventKind, Events, RecordingFileStatusUpdated, RecordingId};
use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Listens for events until it is dropped.
pub struct Webhook {
    address: SocketAddr,
    files: Receiver<RecordingFileStatusUpdated>,
    server: JoinHandle<()>,
}

impl Webhook {
    pub async fn listen(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let (sender, files) = channel(16);
        let router = Router::new()
            .route("/events", post(receive))
            .with_state(sender);
        let server = tokio::spawn(async move {
            // It ends when the task is aborted; until then it has no errors to report.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            files,
            server,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Waits until the file of a recording is ready.
    pub async fn file_of(
        &mut self,
        recording: &RecordingId,
        limit: Duration,
    ) -> Result<RecordingFileStatusUpdated> {
        let wait = async {
            loop {
                let file = self
                    .files
                    .recv()
                    .await
                    .ok_or_else(|| anyhow!("the webhook is gone"))?;
                if file.recording_id.as_ref() == Some(recording) {
                    return Ok(file);
                }
            }
        };
        timeout(limit, wait)
            .await
            .with_context(|| format!("no RecordingFileStatusUpdated within {limit:?}"))?
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(files): State<Sender<RecordingFileStatusUpdated>>, body: Bytes) -> Response {
    for event in Events::parse(&body) {
        match event.map(acs_recording::Event::into_kind) {
            Ok(EventKind::SubscriptionValidation(question)) => {
                return question.response_body().into_response();
            }
            Ok(EventKind::RecordingFileStatusUpdated(file)) => {
                // Not accepted means that Event Grid sends it again later.
                if files.send(file).await.is_err() {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
            }
            Ok(_) => {}
            Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        }
    }
    StatusCode::OK.into_response()
}
