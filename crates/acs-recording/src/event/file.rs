//! `RecordingFileStatusUpdated`: a recording can be downloaded.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::Subject;
use super::kind::{Common, Data as EventData};
use super::wire::or_none;
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
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordingChunk {
    /// The part's id in the service's storage.
    #[cfg_attr(feature = "schemars", schemars(with = "String"))]
    pub document_id: DocumentId,
    /// The part's number, from 0.
    #[serde(default, deserialize_with = "count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub index: Option<u64>,
    /// Why the part ended, such as `SessionEnded` or `ChunkMaximumTimeExceeded`.
    pub end_reason: Option<String>,
    /// The media file.
    #[cfg_attr(feature = "schemars", schemars(with = "String"))]
    pub content_location: ContentUrl,
    /// The metadata document.
    #[cfg_attr(feature = "schemars", schemars(with = "String"))]
    pub metadata_location: ContentUrl,
    /// What to delete to remove both; missing in events before 2022.
    #[serde(default, deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub delete_location: Option<ContentUrl>,
}

/// The files of a recording can be downloaded.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "RecordingFileStatusUpdated"))]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    recording_storage_info: StorageInfo,
    #[serde(default, deserialize_with = "timestamp")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "milliseconds")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    recording_duration_ms: Option<Duration>,
    session_end_reason: Option<String>,
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_content_type: Option<RecordingContentType>,
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_channel_type: Option<RecordingChannelType>,
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_format_type: Option<RecordingFormatType>,
    storage_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_id: Option<RecordingId>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(rename_all = "camelCase")]
struct StorageInfo {
    recording_chunks: Vec<RecordingChunk>,
}

// What the files can be had without must not cost them.

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    or_none(deserializer, lenient::count)
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    or_none(deserializer, lenient::timestamp)
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    or_none(deserializer, lenient::milliseconds)
}

fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ContentUrl>, D::Error> {
    or_none(deserializer, Option::deserialize)
}

impl RecordingFileStatusUpdated {
    /// Whether the recording was meant for a storage account of your own, in whatever cloud.
    ///
    /// Where the service could not write it there, the locations are the service's nonetheless,
    /// and it can be downloaded as any other.
    pub fn is_for_own_storage(&self) -> bool {
        const SERVICE: &[&str] = &["acs", "azurecommunicationservices"];
        let storage = self.storage_type.as_deref().map(str::trim);
        storage.is_some_and(|storage| {
            !storage.is_empty() && !SERVICE.iter().any(|own| own.eq_ignore_ascii_case(storage))
        })
    }
}

impl EventData for RecordingFileStatusUpdated {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
        let data: Data = serde_json::from_str(data)?;
        let mut chunks = data.recording_storage_info.recording_chunks;
        // With a number missing, the order in which they came says more.
        if chunks.iter().all(|chunk| chunk.index.is_some()) {
            chunks.sort_by_key(|chunk| chunk.index);
        }
        Ok(Self {
            recording_id: data
                .recording_id
                .or_else(|| lenient::parse(subject.recording_id)),
            server_call_id: lenient::parse(subject.server_call_id),
            call_id: subject.call.map(str::to_owned),
            chunks,
            start: data.recording_start_time,
            duration: data.recording_duration_ms,
            session_end_reason: data.session_end_reason,
            content: data.recording_content_type,
            channel: data.recording_channel_type,
            format: data.recording_format_type,
            storage_type: data.storage_type,
        })
    }

    fn common(&self) -> Common<'_> {
        Common {
            recording_id: self.recording_id.as_ref().map(RecordingId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            ..Common::default()
        }
    }
}
