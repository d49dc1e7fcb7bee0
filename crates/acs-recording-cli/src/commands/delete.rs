//! `delete`.

use std::path::PathBuf;

use acs_recording::{ContentUrl, RecordingChunk};
use clap::Args;
use serde_json::json;

use crate::client::client;
use crate::event_files::ready_files;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;

/// Deletes a recording's media and metadata from the service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording delete https://…/v1/objects/ID
  acs-recording delete --event event.json

What is gone already counts as deleted, and a failure stops no other. JSON: {\"deleted\": URL} for each location.")]
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
    let Some(source) = &options.event else {
        return Ok(());
    };
    let (announced, mut first) = ready_files(source).await?;
    let files = announced.iter().map(|announced| &announced.file);
    for (file, chunk) in files.flat_map(|file| file.chunks.iter().map(move |chunk| (file, chunk))) {
        let place = chunk.delete_location.as_ref();
        let outcome = match client.delete(chunk).await {
            Ok(()) => deleted(place, out),
            Err(_) if place.is_none() && file.storage_type.is_some() => {
                let text = format!("{}: it is in storage of your own", named(chunk));
                out.note(&text);
                Ok(())
            }
            Err(error) => Err(Failure::from(error).about(&named(chunk))),
        };
        // One that fails stops no other.
        match outcome {
            Ok(()) => {}
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => out.failure(&failure),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Where it is deleted, or what it is called.
fn named(chunk: &RecordingChunk) -> String {
    let place = chunk.delete_location.as_ref().map(ToString::to_string);
    let document = || chunk.document_id.as_ref().map(ToString::to_string);
    place
        .or_else(document)
        .unwrap_or_else(|| "a chunk without an id".to_owned())
}

fn deleted(place: Option<&ContentUrl>, out: &Output) -> Result<(), Failure> {
    let place = place.map(ToString::to_string);
    let text = format!("deleted {}", place.as_deref().unwrap_or_default());
    out.result(&text, &json!({"deleted": place}))
}
