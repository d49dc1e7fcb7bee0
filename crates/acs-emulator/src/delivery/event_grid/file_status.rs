//! The data of `RecordingFileStatusUpdated`.

use std::sync::Arc;

use serde::Serialize;

use crate::media::Format;
use crate::service::clock::text;
use crate::service::recordings::Finished;
use crate::service::state::Shared;
use crate::storage::document::Document;
use crate::storage::metadata::milliseconds;

/// The data of the event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileStatus {
    recording_storage_info: StorageInfo,
    recording_start_time: String,
    recording_duration_ms: i64,
    session_end_reason: &'static str,
    recording_content_type: &'static str,
    recording_channel_type: &'static str,
    recording_format_type: &'static str,
    /// Only for your own storage. The type is only set if the export succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StorageInfo {
    recording_chunks: Vec<ChunkInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChunkInfo {
    document_id: String,
    index: usize,
    end_reason: &'static str,
    #[serde(flatten)]
    locations: Locations,
}

/// The locations of a chunk's files.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Locations {
    #[serde(rename = "contentLocation")]
    pub(crate) content: String,
    #[serde(rename = "metadataLocation")]
    pub(crate) metadata: String,
    /// Files in your own storage have no delete location.
    #[serde(rename = "deleteLocation", skip_serializing_if = "Option::is_none")]
    pub(crate) delete: Option<String>,
}

impl Locations {
    /// The locations in the service's own store.
    pub(crate) fn of(shared: &Shared, document: &Document) -> Self {
        let object = format!("{}/v1/objects/{}", shared.hosts.content, document.id);
        Self {
            content: format!("{object}/content/{}", document.content_name),
            metadata: format!("{object}/content/acsmetadata"),
            delete: Some(object),
        }
    }
}

/// Writes the files to the storage that the application chose, and returns the data of the event.
pub(crate) async fn settle(shared: &Arc<Shared>, finished: &Finished) -> FileStatus {
    let exported = crate::storage::blob_export::export(shared, finished).await;
    let own = finished.storage.as_ref().map(|_| exported.is_some());
    let locations = exported.unwrap_or_else(|| {
        let chunks = finished.chunks.iter();
        chunks
            .map(|chunk| Locations::of(shared, &chunk.document))
            .collect()
    });
    let chunks = finished.chunks.iter().zip(locations).enumerate();
    let chunks = chunks.map(|(index, (chunk, locations))| ChunkInfo {
        document_id: chunk.document.id.clone(),
        index,
        end_reason: chunk.end.as_str(),
        locations,
    });
    FileStatus {
        recording_storage_info: StorageInfo {
            recording_chunks: chunks.collect(),
        },
        recording_start_time: text(finished.started_at),
        recording_duration_ms: milliseconds(finished.length),
        session_end_reason: finished.reason.as_str(),
        recording_content_type: match finished.format {
            Format::Mp4 => "AudioVideo",
            Format::Wav | Format::Mp3 => "Audio",
        },
        recording_channel_type: if finished.unmixed { "Unmixed" } else { "Mixed" },
        recording_format_type: match finished.format {
            Format::Wav => "Wav",
            Format::Mp3 => "Mp3",
            Format::Mp4 => "Mp4",
        },
        storage_type: own.and_then(|own| own.then_some("AzureBlob")),
        recording_id: own.map(|_| finished.recording_id.clone()),
    }
}
