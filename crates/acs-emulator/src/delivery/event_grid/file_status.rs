//! The data of `RecordingFileStatusUpdated`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::event::{Event, FILE_STATUS_UPDATED};
use crate::media::Format;
use crate::service::clock::text;
use crate::service::recordings::EndedRecording;
use crate::storage::chunking::Chunk;
use crate::storage::locations::Locations;
use crate::storage::metadata::milliseconds;

/// The data of the event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileStatus {
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

/// The event that the files of a recording are available. `is_exported` is true if they are in your
/// own storage.
pub(crate) fn event(
    recording: &EndedRecording,
    chunks: &[Chunk],
    locations: Vec<Locations>,
    is_exported: bool,
    at: Timestamp,
) -> Event {
    let subject = format!(
        "/recording/call/{}/serverCallId/{}/recordingId/{}",
        recording.correlation_id, recording.server_call_id, recording.recording_id
    );
    let chunks = chunks.iter().zip(locations).enumerate();
    let chunks = chunks.map(|(index, (chunk, locations))| ChunkInfo {
        document_id: chunk.document.id.clone(),
        index,
        end_reason: chunk.end.as_str(),
        locations,
    });
    let spec = &recording.spec;
    let data = FileStatus {
        recording_storage_info: StorageInfo {
            recording_chunks: chunks.collect(),
        },
        recording_start_time: text(recording.started_at()),
        recording_duration_ms: milliseconds(recording.length()),
        session_end_reason: recording.reason.as_str(),
        recording_content_type: match spec.format {
            Format::Mp4 => "AudioVideo",
            Format::Wav | Format::Mp3 => "Audio",
        },
        recording_channel_type: if spec.channels.is_unmixed() {
            "Unmixed"
        } else {
            "Mixed"
        },
        recording_format_type: match spec.format {
            Format::Wav => "Wav",
            Format::Mp3 => "Mp3",
            Format::Mp4 => "Mp4",
        },
        storage_type: is_exported.then_some("AzureBlob"),
        recording_id: spec
            .container
            .is_some()
            .then(|| recording.recording_id.clone()),
    };
    Event::new(FILE_STATUS_UPDATED, subject, json!(data), at)
        .about_call(recording.correlation_id)
        .about_recording(&recording.recording_id)
}
