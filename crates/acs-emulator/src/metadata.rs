//! The metadata document that is stored beside each file.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::calls::Member;
use crate::clock::text;
use crate::media::{CHANNEL_BIT_RATE, Plan, SAMPLE_RATE};

/// What the document tells.
pub(crate) struct Facts<'a> {
    pub(crate) resource: Uuid,
    pub(crate) call: Uuid,
    pub(crate) document_id: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) end: Timestamp,
    pub(crate) unmixed: bool,
    pub(crate) participants: &'a [&'a Member],
    pub(crate) channels: &'a HashMap<String, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    resource_id: Uuid,
    call_id: Uuid,
    chunk_document_id: &'a str,
    chunk_index: u32,
    chunk_start_time: String,
    /// Milliseconds.
    chunk_duration: i64,
    pause_resume_intervals: Vec<Pause>,
    recording_info: RecordingInfo,
    participants: Vec<Participant<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pause {
    start_time: String,
    /// Milliseconds.
    duration: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordingInfo {
    content_type: &'static str,
    channel_type: &'static str,
    format: &'static str,
    audio_configuration: AudioConfiguration,
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
struct Participant<'a> {
    participant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<usize>,
}

/// Writes the document.
pub(crate) fn document(facts: &Facts<'_>) -> Bytes {
    let plan = facts.plan;
    let channels = u32::try_from(plan.channels).unwrap_or(u32::MAX);
    let mut named = HashSet::new();
    let metadata = Metadata {
        resource_id: facts.resource,
        call_id: facts.call,
        chunk_document_id: facts.document_id,
        chunk_index: 0,
        chunk_start_time: plan
            .spans
            .first()
            .map(|span| text(span.start))
            .unwrap_or_default(),
        chunk_duration: milliseconds(plan.length()),
        pause_resume_intervals: pauses(plan, facts.end),
        recording_info: RecordingInfo {
            content_type: "audio",
            channel_type: if facts.unmixed { "unmixed" } else { "mixed" },
            format: "wav",
            audio_configuration: AudioConfiguration {
                sample_rate: SAMPLE_RATE,
                bit_rate: CHANNEL_BIT_RATE.saturating_mul(channels),
                channels: plan.channels,
            },
        },
        participants: facts
            .participants
            .iter()
            .map(|member| member.raw_id.as_str())
            .filter(|raw_id| named.insert(*raw_id))
            .map(|participant_id| Participant {
                participant_id,
                channel: facts.channels.get(participant_id).copied(),
            })
            .collect(),
    };
    // Strings and numbers always serialise. The service ends its lines as Windows does.
    serde_json::to_string_pretty(&metadata)
        .unwrap_or_default()
        .replace('\n', "\r\n")
        .into()
}

/// The gaps between the recorded times, and the one before the end.
fn pauses(plan: &Plan, end: Timestamp) -> Vec<Pause> {
    let resumed = plan.spans.iter().skip(1).map(|span| span.start);
    plan.spans
        .iter()
        .zip(resumed.chain([end]))
        .filter(|(span, resumed)| span.end < *resumed)
        .map(|(span, resumed)| Pause {
            start_time: text(span.end),
            duration: milliseconds(resumed.duration_since(span.end)),
        })
        .collect()
}

/// Whole milliseconds, to the nearest.
pub(crate) fn milliseconds(length: jiff::SignedDuration) -> i64 {
    i64::try_from((length.as_nanos() + 500_000).div_euclid(1_000_000)).unwrap_or(i64::MAX)
}
