//! `RecordingFileStatusUpdated`: a recording can be downloaded.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::subject;
use crate::content::ContentUrl;
use crate::ids::{DocumentId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// The files of a recording can be downloaded, for 24 hours.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordingFileStatusUpdated {
    /// The recording. The service writes it into the subject, and older versions not at all.
    pub recording_id: Option<RecordingId>,
    /// The call that was recorded, if the event tells.
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs and metadata, a GUID.
    pub call_id: Option<String>,
    /// The parts of the recording, in order. Long recordings have several.
    pub chunks: Vec<RecordingChunk>,
    /// When recording began.
    pub start: Option<Timestamp>,
    /// How long the recording is.
    pub duration: Option<Duration>,
    /// Why it ended, such as `CallEnded` or `InitiatorLeft`.
    pub session_end_reason: Option<String>,
    /// Audio, or audio and video.
    pub content: Option<RecordingContentType>,
    /// Mixed or unmixed.
    pub channel: Option<RecordingChannelType>,
    /// The format of the files.
    pub format: Option<RecordingFormatType>,
    /// Where the files are, for recordings into storage of your own: `AzureBlob`.
    pub storage_type: Option<String>,
}

/// One part of a recording: a media file and its metadata document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordingChunk {
    /// The part's id in the service's storage.
    pub document_id: DocumentId,
    /// The part's number, from 0.
    #[serde(default, deserialize_with = "lenient::count")]
    pub index: Option<u64>,
    /// Why the part ended, such as `SessionEnded` or `ChunkMaximumTimeExceeded`.
    pub end_reason: Option<String>,
    /// The media file.
    pub content_location: ContentUrl,
    /// The metadata document.
    pub metadata_location: ContentUrl,
    /// What to delete to remove both; missing in events before 2022.
    pub delete_location: Option<ContentUrl>,
}

/// The data as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    recording_storage_info: StorageInfo,
    #[serde(default, deserialize_with = "lenient::timestamp")]
    recording_start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::number")]
    recording_duration_ms: Option<f64>,
    session_end_reason: Option<String>,
    recording_content_type: Option<RecordingContentType>,
    recording_channel_type: Option<RecordingChannelType>,
    recording_format_type: Option<RecordingFormatType>,
    storage_type: Option<String>,
    recording_id: Option<RecordingId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StorageInfo {
    recording_chunks: Vec<RecordingChunk>,
}

impl RecordingFileStatusUpdated {
    pub(super) fn parse(data: &str, subject: &str) -> Result<Self, serde_json::Error> {
        let data: Data = serde_json::from_str(data)?;
        let mut chunks = data.recording_storage_info.recording_chunks;
        chunks.sort_by_key(|chunk| chunk.index);
        let from_subject = |key| subject::value(subject, key);
        Ok(Self {
            recording_id: data
                .recording_id
                .or_else(|| RecordingId::new(from_subject("recordingId")?).ok()),
            server_call_id: from_subject("serverCallId").and_then(|id| ServerCallId::new(id).ok()),
            call_id: from_subject("call"),
            chunks,
            start: data.recording_start_time,
            duration: data
                .recording_duration_ms
                .and_then(|duration| Duration::try_from_secs_f64(duration / 1000.0).ok()),
            session_end_reason: data.session_end_reason,
            content: data.recording_content_type,
            channel: data.recording_channel_type,
            format: data.recording_format_type,
            storage_type: data.storage_type,
        })
    }
}
