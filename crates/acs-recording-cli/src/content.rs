//! `delete`, and what is told of content.

use std::path::{Path, PathBuf};

use acs_recording::{ContentUrl, Event, EventKind, Events, RecordingFileStatusUpdated};
use clap::Args;
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::Global;
use crate::connect::client;
use crate::failure::Failure;
use crate::output::Output;

/// Deletes a recording's media and metadata from the service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording delete https://…/v1/objects/ID
  acs-recording delete --event event.json

What is gone already counts as deleted. JSON: {\"deleted\": URL} for each location.")]
pub(crate) struct Delete {
    /// The `deleteLocation` of an event
    #[arg(required_unless_present = "event")]
    url: Option<ContentUrl>,
    /// A file with events, or `-` for standard input: deletes all chunks
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    event: Option<PathBuf>,
}

pub(crate) async fn delete(options: Delete, global: &Global, out: &Output) -> Result<(), Failure> {
    let client = client(global)?;
    if let Some(url) = &options.url {
        client.delete_at(url).await?;
        return deleted(Some(url), out);
    }
    let mut chunks = Vec::new();
    if let Some(source) = &options.event {
        for file in ready_files(source).await? {
            chunks.extend(file.chunks);
        }
    }
    for chunk in &chunks {
        client.delete(chunk).await?;
        deleted(chunk.delete_location.as_ref(), out)?;
    }
    Ok(())
}

fn deleted(place: Option<&ContentUrl>, out: &Output) -> Result<(), Failure> {
    let place = place.map(ToString::to_string);
    let text = format!("deleted {}", place.as_deref().unwrap_or_default());
    out.result(&text, &json!({"deleted": place}))
}

/// The files that the events in a file tell of.
pub(crate) async fn ready_files(source: &Path) -> Result<Vec<RecordingFileStatusUpdated>, Failure> {
    let body = read(source).await?;
    let mut files = Vec::new();
    for event in bodies(&body).into_iter().flat_map(Events::parse) {
        let event = event.map_err(|error| Failure::usage(error.to_string()))?;
        if let EventKind::RecordingFileStatusUpdated(file) = Event::into_kind(event) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(
            Failure::usage(format!("{}: no files are announced", source.display()))
                .advise("give an event RecordingFileStatusUpdated as Event Grid posts it"),
        );
    }
    Ok(files)
}

/// What was posted, of which a file may have several, one after the other: `events listen` prints
/// lines.
pub(crate) fn bodies(file: &[u8]) -> Vec<&[u8]> {
    let values = serde_json::Deserializer::from_slice(file).into_iter::<&RawValue>();
    match values.collect::<Result<Vec<_>, _>>() {
        Ok(values) if values.len() > 1 => {
            let values = values.into_iter();
            values.map(|value| value.get().as_bytes()).collect()
        }
        _ => vec![file],
    }
}

/// A file, or standard input for `-`.
pub(crate) async fn read(source: &Path) -> Result<Vec<u8>, Failure> {
    let path = source.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(path)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| Failure::file(source, &error))
}
