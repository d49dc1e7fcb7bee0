//! The metadata document that is stored with each file.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::media::{Format, SAMPLE_RATE, Span};
use crate::service::clock::text;
use crate::service::participant::ParticipantState;

/// The input for the document.
pub(crate) struct MetadataInput<'a> {
    pub(crate) resource: Uuid,
    pub(crate) call: Uuid,
    pub(crate) document_id: &'a str,
    pub(crate) index: usize,
    pub(crate) start: Timestamp,
    pub(crate) length: SignedDuration,
    pub(crate) spans: &'a [Span],
    /// When the next chunk begins or the recording ends.
    pub(crate) end: Timestamp,
    pub(crate) unmixed: bool,
    pub(crate) format: Format,
    /// The number of channels in the file.
    pub(crate) channel_count: usize,
    pub(crate) participants: &'a [&'a ParticipantState],
    pub(crate) channels: &'a HashMap<String, usize>,
    /// Whether the values of `contentType` and `channelType` are interchanged.
    pub(crate) swap_types: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    resource_id: Uuid,
    call_id: Uuid,
    chunk_document_id: &'a str,
    chunk_index: usize,
    chunk_start_time: String,
    /// In milliseconds.
    chunk_duration: i64,
    pause_resume_intervals: Vec<Pause>,
    recording_info: RecordingInfo,
    participants: Vec<Participant<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pause {
    start_time: String,
    /// In milliseconds.
    duration: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordingInfo {
    content_type: &'static str,
    channel_type: &'static str,
    format: &'static str,
    audio_configuration: AudioConfiguration,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_configuration: Option<VideoConfiguration>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AudioConfiguration {
    sample_rate: u32,
    bit_rate: u32,
    channels: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VideoConfiguration {
    longer_side_length: u32,
    shorter_side_length: u32,
    framerate: u32,
    bit_rate: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participant<'a> {
    participant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<usize>,
}

/// Creates the document.
pub(crate) fn document(input: &MetadataInput<'_>) -> Bytes {
    let mut named = HashSet::new();
    let video = input.format.video();
    let content_type = if video.is_some() {
        "audioVideo"
    } else {
        "audio"
    };
    let channel_type = if input.unmixed { "unmixed" } else { "mixed" };
    let (content_type, channel_type) = if input.swap_types {
        (channel_type, content_type)
    } else {
        (content_type, channel_type)
    };
    let metadata = Metadata {
        resource_id: input.resource,
        call_id: input.call,
        chunk_document_id: input.document_id,
        chunk_index: input.index,
        chunk_start_time: text(input.start),
        chunk_duration: milliseconds(input.length),
        pause_resume_intervals: pauses(input.spans, input.end),
        recording_info: RecordingInfo {
            content_type,
            channel_type,
            format: input.format.name(),
            audio_configuration: AudioConfiguration {
                sample_rate: SAMPLE_RATE,
                bit_rate: input.format.audio_bit_rate(input.channel_count),
                channels: input.channel_count,
            },
            video_configuration: video.map(|video| VideoConfiguration {
                longer_side_length: video.longer_side,
                shorter_side_length: video.shorter_side,
                framerate: video.frame_rate,
                bit_rate: video.bit_rate,
            }),
        },
        participants: input
            .participants
            .iter()
            .map(|participant| participant.raw_id.as_str())
            .filter(|raw_id| named.insert(*raw_id))
            .map(|participant_id| Participant {
                participant_id,
                channel: input.channels.get(participant_id).copied(),
            })
            .collect(),
    };
    // Strings and numbers can always be serialised. The service uses CRLF line endings.
    serde_json::to_string_pretty(&metadata)
        .unwrap_or_default()
        .replace('\n', "\r\n")
        .into()
}

/// The gaps between the recorded spans, and between the last span and the end.
fn pauses(spans: &[Span], end: Timestamp) -> Vec<Pause> {
    let resumed = spans.iter().skip(1).map(|span| span.start);
    spans
        .iter()
        .zip(resumed.chain([end]))
        .filter(|(span, resumed)| span.end < *resumed)
        .map(|(span, resumed)| Pause {
            start_time: text(span.end),
            duration: milliseconds(resumed.duration_since(span.end)),
        })
        .collect()
}

/// Whole milliseconds, rounded to the nearest.
pub(crate) fn milliseconds(length: SignedDuration) -> i64 {
    i64::try_from((length.as_nanos() + 500_000).div_euclid(1_000_000)).unwrap_or(i64::MAX)
}
