//! `archive put`: by hand, without a queue.

use std::path::PathBuf;

use acs_recording_archive::{Archive, Archived};
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::json;

use super::options::ArchiveOptions;
use super::report::{chunks_json, place};
use crate::event_files::{AnnouncedRecording, announced_recordings};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::progress::{Count, TransferBar};
use crate::text::one_line;

/// Archives the recordings that the events in a file announce
///
/// For events that did not get into the queue: from a dead-letter file of Event Grid, a poison message,
/// or the log of a webhook. It is idempotent: what has a receipt is not copied again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording archive put --event dead-letter.json --to https://acct.blob.core.windows.net/archive
  acs-recording archive put --event event.json --to ./archive --delete

Prints the name of each chunk's media in the store. A failure does not stop the other recordings.

JSON: {\"recording_id\", \"call_id\", \"chunks\", \"deleted\", \"warnings\"} for each recording. chunks:
{\"receipt\", \"media\", \"bytes\", \"sha256\", \"metadata\", \"recording_id\", \"call_id\", \"server_call_id\",
\"document_id\", \"index\", \"chunk_count\", \"start\", \"duration_ms\", \"participants\", \"storage_type\",
\"warnings\", \"saved_at\", \"new\"}; new is false for a chunk that was archived before.")]
pub(crate) struct Put {
    /// File with events as for `events parse`, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    #[command(flatten)]
    archive: ArchiveOptions,
    /// How many recordings are archived at the same time, 1 to 256; each takes up to 24 MiB of memory
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
}

pub(super) async fn put(options: Put, global: &Global, out: &Output) -> Result<(), Failure> {
    let archive = options.archive.open(global)?;
    let (recordings, mut first) = announced_recordings(&options.event).await?;
    archive.check().await?;
    let count = Count::files(out, recordings.len());
    let stored = recordings.into_iter().map(|recording| {
        let (archive, out) = (archive.clone(), out.clone());
        async move {
            let archived = store(&archive, &recording, &out).await;
            (recording, archived)
        }
    });
    let stored = futures_util::stream::iter(stored);
    let mut stored = stored.buffer_unordered(usize::from(options.concurrency));
    while let Some((recording, archived)) = stored.next().await {
        count.next();
        let outcome = match archived {
            Ok(archived) => report(&recording, &archived, out),
            Err(failure) => Err(failure.context(&name(&recording))),
        };
        // A failure does not stop the others.
        if let Err(failure) = outcome
            && let Some(earlier) = first.replace(failure)
        {
            out.failure(&earlier);
        }
    }
    first.map_or(Ok(()), Err)
}

async fn store(
    archive: &Archive,
    recording: &AnnouncedRecording,
    out: &Output,
) -> Result<Archived, Failure> {
    let bar = TransferBar::new(out, &name(recording));
    let bar = std::sync::Arc::new(bar);
    let progress = std::sync::Arc::clone(&bar);
    let store = archive
        .store(&recording.file)
        .event(&recording.event)
        .on_progress(move |now| progress.set((now.chunk, now.chunks), now.bytes, now.total));
    Ok(store.await?)
}

/// The id of a recording, or else of its event.
fn name(recording: &AnnouncedRecording) -> String {
    let id = recording.file.recording_id.as_ref();
    id.map_or_else(|| recording.event.id.clone(), ToString::to_string)
}

fn report(
    recording: &AnnouncedRecording,
    archived: &Archived,
    out: &Output,
) -> Result<(), Failure> {
    for warning in &archived.warnings {
        out.note(&format!("warning: {warning}"));
    }
    if archived.is_deleted {
        out.note("deleted from the service");
    }
    let names = archived.chunks.iter().map(|chunk| {
        let place = place(chunk.name.as_ref(), &chunk.receipt);
        one_line(&place).into_owned()
    });
    let names: Vec<_> = names.collect();
    let call_id = archived.chunks.first();
    out.result(
        &names.join("\n"),
        &json!({
            "recording_id": recording.file.recording_id,
            "call_id": call_id.and_then(|chunk| chunk.receipt.call_id.as_ref()),
            "chunks": chunks_json([archived]),
            "deleted": archived.is_deleted,
            "warnings": archived.warnings,
        }),
    )
}
