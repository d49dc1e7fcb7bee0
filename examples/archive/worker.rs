//! A worker in a process of its own. It tells what it does in lines of JSON, and ends when its standard
//! input does.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use acs_recording::RecordingClient;
use acs_recording_archive::{Activity, Archive, Archived, Update, Worker};
use anyhow::{Context, Result};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::place::Place;

/// Short, so that others take over soon; two minutes are usual.
const LEASE: Duration = Duration::from_secs(3);

pub async fn run() -> Result<()> {
    let connection_string =
        std::env::var("ACS_CONNECTION_STRING").context("no resource is given")?;
    let client = RecordingClient::from_connection_string(&connection_string)?;
    let place = Place::inherited()?;
    let archive = Archive::builder(client, place.store()?.build()?)
        .delete_at_service()
        .build()?;
    let transferring = Mutex::new(HashSet::new());
    Worker::with_shared_queue(archive, place.queue()?)
        .concurrency(2)
        .lease(LEASE)
        .poll_interval(Duration::from_millis(100), Duration::from_millis(500))
        .on_update(move |update| tell(update, &transferring))
        .run_until(input_ends())
        .await?;
    Ok(())
}

fn tell(update: &Update<'_>, transferring: &Mutex<HashSet<String>>) {
    let Some(recording) = update.recording_id else {
        return;
    };
    let line = match &update.activity {
        Activity::Started => json!({"event": "started", "recording": recording}),
        Activity::Progress(_) => {
            let mut known = transferring.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.insert(recording.to_owned()) {
                return;
            }
            json!({"event": "transferring", "recording": recording})
        }
        Activity::Finished {
            outcome, archived, ..
        } => json!({
            "event": "finished",
            "recording": recording,
            "outcome": outcome.name(),
            "bytes": archived.iter().map(Archived::bytes).sum::<u64>(),
        }),
        _ => return,
    };
    println!("{line}");
}

/// Waits for the end of standard input.
async fn input_ends() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while input.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}
