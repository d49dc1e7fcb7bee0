//! The metadata document of a recorded chunk.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::identifier::CommunicationIdentifier;
use crate::ids::DocumentId;
use crate::lenient;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};
use crate::text;

/// What the service notes about a chunk: when it was recorded, how, and who took part.
///
/// Anything may be missing; documents of older versions have less.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordingMetadata {
    /// The Communication Services resource's immutable id, a GUID.
    pub resource_id: Option<String>,
    /// The id of the call, a GUID.
    pub call_id: Option<String>,
    /// The chunk's document.
    pub document_id: Option<DocumentId>,
    /// The chunk's number, from 0.
    pub chunk_index: Option<u64>,
    /// When the chunk begins.
    pub start: Option<Timestamp>,
    /// How long the chunk is; at most 4 hours.
    pub duration: Option<Duration>,
    /// When recording was paused.
    pub pauses: Vec<Pause>,
    /// Audio, or audio and video.
    pub content: Option<RecordingContentType>,
    /// Mixed or unmixed.
    pub channel: Option<RecordingChannelType>,
    /// The format of the file.
    pub format: Option<RecordingFormatType>,
    /// How audio is encoded.
    pub audio: Option<AudioConfiguration>,
    /// How video is encoded, if there is any.
    pub video: Option<VideoConfiguration>,
    /// Who took part; in an unmixed recording with their channels.
    pub participants: Vec<RecordedParticipant>,
    /// The version of the document's form.
    pub version: Option<String>,
}

/// A time during which nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// When it began.
    pub start: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Option<Duration>,
}

/// How the audio of a recording is encoded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AudioConfiguration {
    /// Samples per second, in hertz.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub sample_rate: Option<u64>,
    /// Bits per second.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub bit_rate: Option<u64>,
    /// Channels in the file.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub channels: Option<u64>,
}

/// How the video of a recording is encoded.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VideoConfiguration {
    /// The longer side, in pixels.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub longer_side_length: Option<u64>,
    /// The shorter side, in pixels.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub shorter_side_length: Option<u64>,
    /// Pictures per second.
    #[serde(default, rename = "framerate", deserialize_with = "lenient::number")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub frame_rate: Option<f64>,
    /// Bits per second.
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub bit_rate: Option<u64>,
}

/// Someone who was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedParticipant {
    /// Who it is.
    pub id: CommunicationIdentifier,
    /// The channel of the file, in an unmixed recording.
    pub channel: Option<u64>,
}

/// A document is no metadata document.
#[derive(Debug, thiserror::Error)]
#[error("not a metadata document of a recording: {0}")]
pub struct InvalidMetadata(#[source] serde_json::Error);

impl From<InvalidMetadata> for Error {
    fn from(error: InvalidMetadata) -> Self {
        Error::new(ErrorKind::UnexpectedAnswer, error.to_string()).with_source(error)
    }
}

impl RecordingMetadata {
    /// Reads a document as it was downloaded.
    ///
    /// # Errors
    /// It is not JSON, or a member has a type that no version uses.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidMetadata> {
        serde_json::from_str::<Document>(&text::decode_lossy(document))
            .map(Self::from)
            .map_err(InvalidMetadata)
    }

    /// Who is on a channel of an unmixed recording.
    pub fn participant_on(&self, channel: u64) -> Option<&CommunicationIdentifier> {
        let participant = self
            .participants
            .iter()
            .find(|p| p.channel == Some(channel))?;
        Some(&participant.id)
    }

    /// Who is on which channel of an unmixed recording; empty for a mixed one.
    pub fn channels(&self) -> BTreeMap<u64, &CommunicationIdentifier> {
        self.participants
            .iter()
            .filter_map(|participant| Some((participant.channel?, &participant.id)))
            .collect()
    }

    /// How long recording was paused in all.
    pub fn paused(&self) -> Duration {
        // What a document says may be more than a duration holds.
        self.pauses
            .iter()
            .filter_map(|pause| pause.duration)
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// What the service notes about a chunk of a recording.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "RecordingMetadata"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    resource_id: Option<String>,
    call_id: Option<String>,
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    chunk_document_id: Option<DocumentId>,
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    chunk_index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::timestamp")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    chunk_start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::number")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    chunk_duration: Option<f64>,
    #[serde(default)]
    pause_resume_intervals: Option<Vec<Interval>>,
    recording_info: Option<Info>,
    #[serde(default)]
    participants: Option<Vec<Participant>>,
    version: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(rename_all = "camelCase")]
struct Interval {
    #[serde(default, deserialize_with = "lenient::timestamp")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::number")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    duration: Option<f64>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(rename_all = "camelCase")]
struct Info {
    content_type: Option<String>,
    channel_type: Option<String>,
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    format: Option<RecordingFormatType>,
    audio_configuration: Option<AudioConfiguration>,
    video_configuration: Option<VideoConfiguration>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(rename_all = "camelCase")]
struct Participant {
    #[cfg_attr(feature = "schemars", schemars(with = "String"))]
    participant_id: CommunicationIdentifier,
    #[serde(default, deserialize_with = "lenient::count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    channel: Option<u64>,
}

impl From<Document> for RecordingMetadata {
    fn from(document: Document) -> Self {
        let info = document.recording_info;
        let (content, channel) = info.as_ref().map_or((None, None), Info::kinds);
        let (format, audio, video) = match info {
            Some(info) => (
                info.format,
                info.audio_configuration,
                info.video_configuration,
            ),
            None => (None, None, None),
        };
        Self {
            resource_id: document.resource_id,
            call_id: document.call_id,
            document_id: document.chunk_document_id,
            chunk_index: document.chunk_index,
            start: document.chunk_start_time,
            duration: document.chunk_duration.and_then(milliseconds),
            pauses: document
                .pause_resume_intervals
                .unwrap_or_default()
                .into_iter()
                .map(|interval| Pause {
                    start: interval.start_time,
                    duration: interval.duration.and_then(milliseconds),
                })
                .collect(),
            content,
            channel,
            format,
            audio,
            video,
            participants: document
                .participants
                .unwrap_or_default()
                .into_iter()
                .map(|participant| RecordedParticipant {
                    id: participant.participant_id,
                    channel: participant.channel,
                })
                .collect(),
            version: document.version,
        }
    }
}

impl Info {
    /// Content and channel type, told apart by their values: real documents have them under each
    /// other's name.
    fn kinds(&self) -> (Option<RecordingContentType>, Option<RecordingChannelType>) {
        let content = self.content_type.as_deref().map(RecordingContentType::from);
        let channel = self.channel_type.as_deref().map(RecordingChannelType::from);
        let swapped = self
            .content_type
            .as_deref()
            .map(RecordingChannelType::from)
            .filter(|channel| RecordingChannelType::KNOWN.contains(channel));
        match swapped {
            Some(channel) => (
                self.channel_type.as_deref().map(RecordingContentType::from),
                Some(channel),
            ),
            None => (content, channel),
        }
    }
}

fn milliseconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of documents as the service writes them, with other values.
    const SWAPPED: &str = r#"{
        "resourceId": "r", "callId": "c", "chunkDocumentId": "0-eus-d1-00", "chunkIndex": 0,
        "chunkStartTime": "2025-03-04T05:06:07.1234567Z", "chunkDuration": 5580.0,
        "pauseResumeIntervals": [{"startTime": "2025-03-04T05:06:09.0Z", "duration": 1500}],
        "recordingInfo": {
            "contentType": "mixed", "channelType": "audioVideo", "format": "mp4",
            "audioConfiguration": {"sampleRate": "16000", "bitRate": 128000, "channels": 1},
            "videoConfiguration": {"longerSideLength": 1920, "shorterSideLength": 1080,
                                   "framerate": 8, "bitRate": 1000000}
        },
        "participants": [{"participantId": "8:acs:a_b"}, {"participantId": "4:+1", "channel": 3}],
        "version": "1.0"
    }"#;

    #[test]
    fn reads_a_document_with_the_types_swapped() {
        let metadata = RecordingMetadata::parse(SWAPPED.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(metadata.content, Some(RecordingContentType::AudioVideo));
        assert_eq!(metadata.channel, Some(RecordingChannelType::Mixed));
        assert_eq!(metadata.duration, Some(Duration::from_millis(5580)));
        assert_eq!(
            metadata.pauses[0].duration,
            Some(Duration::from_millis(1500))
        );
        assert_eq!(metadata.audio.as_ref().unwrap().sample_rate, Some(16000));
        assert_eq!(metadata.video.as_ref().unwrap().frame_rate, Some(8.0));
        assert_eq!(metadata.participant_on(3), Some(&"4:+1".into()));
        assert_eq!(metadata.participant_on(0), None);
        assert_eq!(metadata.channels().into_keys().collect::<Vec<_>>(), [3]);
        assert_eq!(metadata.paused(), Duration::from_millis(1500));
        assert_eq!(metadata.version.as_deref(), Some("1.0"));
    }

    #[test]
    fn reads_the_types_where_they_belong() {
        let document = SWAPPED
            .replace(r#""contentType": "mixed""#, r#""contentType": "Audio""#)
            .replace(
                r#""channelType": "audioVideo""#,
                r#""channelType": "Unmixed""#,
            );
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.content, Some(RecordingContentType::Audio));
        assert_eq!(metadata.channel, Some(RecordingChannelType::Unmixed));
    }

    #[test]
    fn pauses_of_any_length_have_a_sum() {
        let pause = r#"{"duration": 1.2e22}"#;
        let document = format!(r#"{{"pauseResumeIntervals": [{pause}, {pause}]}}"#);
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert!(metadata.pauses[1].duration.is_some());
        assert_eq!(metadata.paused(), Duration::MAX);
    }

    #[test]
    fn what_is_missing_is_none_and_what_is_wrong_is_an_error() {
        let metadata = RecordingMetadata::parse(b"\xef\xbb\xbf{}").unwrap();
        assert!(metadata.participants.is_empty() && metadata.format.is_none());
        for document in [
            "",
            "[]",
            "{\"chunkIndex\":-1}",
            "{\"participants\":[{}]}",
            "<html>",
        ] {
            assert!(
                RecordingMetadata::parse(document.as_bytes()).is_err(),
                "{document}"
            );
        }
    }
}
