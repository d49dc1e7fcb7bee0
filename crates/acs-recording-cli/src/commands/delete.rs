//! `delete`.

use std::path::PathBuf;

use acs_recording::{ContentUrl, RecordingChunk};
use clap::Args;
use serde_json::json;

use crate::client::client;
use crate::event_files::announced_recordings;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;

/// Deletes the media and metadata of recordings from the service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording delete https://…/v1/objects/ID
  acs-recording delete --event event.json

Content that no longer exists counts as deleted. A failure does not stop the other deletions.

JSON: {\"deleted\": URL} for each location.")]
pub(crate) struct Delete {
    /// `deleteLocation` of an event
    #[arg(required_unless_present = "event")]
    url: Option<ContentUrl>,
    /// File with events, or `-` for standard input; deletes all chunks that they announce
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
    let (announced, mut first) = announced_recordings(source).await?;
    let files = announced.iter().map(|announced| &announced.file);
    for (file, chunk) in files.flat_map(|file| file.chunks.iter().map(move |chunk| (file, chunk))) {
        let location = chunk.delete_location.as_ref();
        let outcome = match client.delete(chunk).await {
            Ok(()) => deleted(location, out),
            Err(_) if location.is_none() && file.storage_type.is_some() => {
                let text = format!(
                    "{}: not deleted, because it is in your own storage",
                    named(chunk)
                );
                out.note(&text);
                Ok(())
            }
            Err(error) => Err(Failure::from(error).context(&named(chunk))),
        };
        // A failure does not stop the other deletions.
        match outcome {
            Ok(()) => {}
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => out.failure(&failure),
        }
    }
    first.map_or(Ok(()), Err)
}

/// The delete location of a chunk, or else its document id.
fn named(chunk: &RecordingChunk) -> String {
    let location = chunk.delete_location.as_ref().map(ToString::to_string);
    let document = || chunk.document_id.as_ref().map(ToString::to_string);
    location
        .or_else(document)
        .unwrap_or_else(|| "a chunk without an id".to_owned())
}

fn deleted(location: Option<&ContentUrl>, out: &Output) -> Result<(), Failure> {
    let location = location.map(ToString::to_string);
    let text = format!("deleted {}", location.as_deref().unwrap_or_default());
    out.result(&text, &json!({"deleted": location}))
}
