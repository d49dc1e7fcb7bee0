//! Verifies the archive, and prints what became of each recording.

use std::time::Duration;

use acs_recording_archive::{Depth, Entry};
use anyhow::{Result, ensure};
use futures_util::TryStreamExt as _;

use crate::fleet::History;
use crate::place::Place;
use crate::service::Service;

/// What became of a recording.
pub struct Row {
    recording: String,
    bytes: u64,
    /// Whether every byte is as the service sent it.
    is_verified: bool,
    /// Whether the service no longer has it.
    is_deleted: bool,
}

/// Reads every byte of the archive, and tries to read every recording from the service.
pub async fn verify(
    place: &Place,
    service: &Service,
    recordings: &[String],
    history: &History,
) -> Result<Vec<Row>> {
    let catalogue = place.catalogue()?;
    let client = service.client()?;
    let entries: Vec<Entry> = catalogue.list().stream().try_collect().await?;
    ensure!(
        entries.len() <= recordings.len(),
        "the archive has {} chunks for {} recordings",
        entries.len(),
        recordings.len()
    );
    ensure!(
        service.messages().await? == 0,
        "the queue still has messages"
    );
    let mut rows = Vec::new();
    for recording in recordings {
        let mut row = Row {
            recording: recording.clone(),
            bytes: 0,
            is_verified: false,
            is_deleted: false,
        };
        let is_it = |entry: &&Entry| {
            let id = entry.receipt.recording_id.as_ref();
            id.is_some_and(|id| id.as_str() == recording)
        };
        if let Some(entry) = entries.iter().find(is_it) {
            let verification = catalogue.verify(entry, Depth::Content).await?;
            row.is_verified =
                verification.is_sound() && history.archived_by.contains_key(recording);
            row.bytes = entry.receipt.media.as_ref().map_or(0, |media| media.bytes);
            if let Some(location) = &entry.receipt.content_location {
                row.is_deleted = client.download(location).into_bytes().await.is_err();
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Prints the table; fails if anything is missing.
pub fn print(rows: &[Row], history: &History, elapsed: Duration) -> Result<()> {
    let victim = History::victim();
    println!();
    println!(
        "{:<24}  {:<18}  {:>9}  {:<8}  deleted",
        "recording", "worker", "bytes", "verified"
    );
    let mark = |holds: bool| if holds { "yes" } else { "NO" };
    for row in rows {
        let by = history.archived_by.get(&row.recording);
        let by = by.map_or_else(|| "-".to_owned(), ToString::to_string);
        let by = if history.interrupted.contains(&row.recording) {
            format!("{victim} (killed), {by}")
        } else {
            by
        };
        println!(
            "{:<24}  {by:<18}  {:>9}  {:<8}  {}",
            shortened(&row.recording),
            row.bytes,
            mark(row.is_verified),
            mark(row.is_deleted)
        );
    }
    let right = rows.iter().filter(|row| row.is_verified && row.is_deleted);
    let right = right.count();
    let bytes: u64 = rows.iter().map(|row| row.bytes).sum();
    println!();
    println!(
        "{right} of {} recordings archived, verified and deleted from the service; {bytes} bytes",
        rows.len()
    );
    println!(
        "worker {victim} was killed with {} recording(s) in progress; others took over; {:.1} s",
        history.interrupted.len(),
        elapsed.as_secs_f64()
    );
    ensure!(right == rows.len(), "something is missing");
    Ok(())
}

/// The two ends of a long id.
fn shortened(id: &str) -> String {
    match (id.get(..10), id.get(id.len().saturating_sub(11)..)) {
        (Some(first), Some(last)) if id.len() > 24 => format!("{first}…{last}"),
        _ => id.to_owned(),
    }
}
