//! The recording service, which is the emulator here, with 20 recorded calls.

use std::time::Duration;

use acs_emulator::{Clock, Emulator, Fault, Operation};
use acs_recording::{Media, RecordingClient, ServerCallId};
use anyhow::{Context, Result, ensure};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::file_queue::FileQueue;
use crate::place::Place;

const CALLS: usize = 20;
/// How fast content arrives, so that there is a middle of a transfer.
const BYTES_PER_SECOND: u64 = 1_500_000;
/// How long events may take into the queue.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
const EVENT: &str = "Microsoft.Communication.RecordingFileStatusUpdated";

/// The recording service.
pub struct Service {
    acs: Emulator,
    queue: std::sync::Arc<dyn acs_recording_archive::EventQueue>,
}

impl Service {
    /// Starts it, and lets it deliver events into the queue of the place.
    pub async fn start(place: &Place) -> Result<Self> {
        let acs = Emulator::builder().clock(Clock::manual()).start().await?;
        let slow = Fault::on(Operation::Content).bytes_per_second(BYTES_PER_SECOND);
        acs.faults().add(slow);
        if let Some((connection_string, name)) = place.storage_queue() {
            acs.subscribe_queue(name)
                .connection_string(connection_string)
                .await?;
        } else {
            let queue = place.file_queue()?.context("no queue")?;
            let url = forward(queue).await?;
            acs.subscribe(&url).events([EVENT]).await?;
        }
        println!("emulator            {}", acs.endpoint());
        Ok(Self {
            acs,
            queue: place.queue()?,
        })
    }

    pub fn connection_string(&self) -> &str {
        self.acs.connection_string()
    }

    pub fn client(&self) -> Result<RecordingClient> {
        Ok(RecordingClient::from_connection_string(
            self.connection_string(),
        )?)
    }

    /// Records 20 calls of different lengths, and waits until their events are in the queue. Gives the
    /// ids of the recordings.
    pub async fn record(&self) -> Result<Vec<String>> {
        let client = self.client()?;
        let mut calls = Vec::new();
        let mut recordings = Vec::new();
        for _ in 0..CALLS {
            let call = self.acs.call(["alice", "bob"]).await;
            let id = ServerCallId::new(call.server_call_id())?;
            let recording = client.start(id).media(Media::mixed_wav()).await?;
            recordings.push(recording.id().to_string());
            calls.push(call);
        }
        self.acs.clock().advance(Duration::from_secs(20));
        for call in calls {
            self.acs.clock().advance(Duration::from_secs(3));
            call.hang_up();
        }
        self.acs.clock().advance(Duration::from_secs(1));
        println!("recorded            {CALLS} calls");
        let end = Instant::now() + DELIVERY_TIMEOUT;
        while self.queue.approximate_depth().await? < Some(CALLS as u64) {
            ensure!(Instant::now() < end, "not all events are in the queue");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(recordings)
    }

    /// How many messages the queue still holds.
    pub async fn messages(&self) -> Result<u64> {
        Ok(self.queue.approximate_depth().await?.unwrap_or_default())
    }
}

/// A webhook that puts events into a queue of files, as Event Grid would into a queue of its own; gives
/// its URL. It listens on loopback, for events of our own emulator.
async fn forward(queue: FileQueue) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/events", listener.local_addr()?);
    let receive = move |Json(events): Json<Vec<Value>>| {
        let queue = queue.clone();
        async move {
            for event in &events {
                let code = &event["data"]["validationCode"];
                if code.is_string() {
                    return Ok(Json(json!({"validationResponse": code})));
                }
                let id = event["id"].as_str().unwrap_or_default();
                let sent = queue.send(id, event.to_string().as_bytes());
                // Event Grid sends it again.
                sent.map_err(|_| axum::http::StatusCode::SERVICE_UNAVAILABLE)?;
            }
            Ok::<_, axum::http::StatusCode>(Json(Value::Null))
        }
    };
    let router = Router::new().route("/events", post(receive));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}
