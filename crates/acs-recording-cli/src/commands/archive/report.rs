//! What was archived, as text and as JSON.

use acs_recording_archive::{Archived, ArchivedChunk, Entry, Receipt};
use serde_json::{Value, json};

/// The chunks of a recording, as JSON.
pub(super) fn chunks_json<'a>(archived: impl IntoIterator<Item = &'a Archived>) -> Value {
    let chunks = archived.into_iter().flat_map(|archived| &archived.chunks);
    chunks.map(chunk_json).collect()
}

fn chunk_json(chunk: &ArchivedChunk) -> Value {
    let mut json = receipt_json(chunk.name.as_ref(), &chunk.receipt);
    json["new"] = chunk.is_new.into();
    json
}

/// A chunk in a list, as JSON.
pub(super) fn entry_json(entry: &Entry) -> Value {
    receipt_json(entry.name.as_ref(), &entry.receipt)
}

fn receipt_json(name: &str, receipt: &Receipt) -> Value {
    let media = receipt.media.as_ref();
    json!({
        "receipt": name,
        "media": media.map(|media| beside(name, &media.name)),
        "bytes": media.map(|media| media.bytes),
        "sha256": media.map(|media| media.sha256.to_string()),
        "metadata": receipt.metadata.as_ref().map(|metadata| beside(name, &metadata.name)),
        "recording_id": receipt.recording_id,
        "call_id": receipt.call_id,
        "server_call_id": receipt.server_call_id,
        "document_id": receipt.document_id,
        "index": receipt.index,
        "chunk_count": receipt.chunk_count,
        "start": receipt.date().map(|time| time.to_string()),
        "duration_ms": receipt.duration_ms,
        "participants": receipt.participants,
        "storage_type": receipt.storage_type,
        "warnings": receipt.warnings,
        "saved_at": receipt.saved_at.to_string(),
    })
}

/// The name of an object in the folder of a receipt.
fn beside(receipt: &str, name: &str) -> String {
    match receipt.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

/// The name of the media of a chunk, or where it is instead.
pub(super) fn place(name: &str, receipt: &Receipt) -> String {
    match &receipt.media {
        Some(media) => beside(name, &media.name),
        None => format!("{name} (the media is in your own storage)"),
    }
}
