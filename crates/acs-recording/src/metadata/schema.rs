//! The schema of a metadata document.

use schemars::JsonSchema;

use super::model::{AudioConfiguration, VideoConfiguration};
use crate::schema::types::Number;

/// The metadata document of a chunk of a recording.
#[derive(JsonSchema)]
#[schemars(rename = "RecordingMetadata", rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
pub(crate) struct Document {
    resource_id: Option<String>,
    call_id: Option<String>,
    chunk_document_id: Option<String>,
    chunk_index: Option<Number>,
    chunk_start_time: Option<String>,
    chunk_duration: Option<Number>,
    pause_resume_intervals: Option<Vec<Interval>>,
    recording_info: Option<Info>,
    participants: Option<Vec<Participant>>,
    version: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Interval {
    start_time: Option<String>,
    duration: Option<Number>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Info {
    content_type: Option<String>,
    channel_type: Option<String>,
    format: Option<String>,
    audio_configuration: Option<AudioConfiguration>,
    video_configuration: Option<VideoConfiguration>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Participant {
    participant_id: String,
    channel: Option<Number>,
}
