//! The metadata document of a recorded chunk.

mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

#[cfg(feature = "schemars")]
pub(crate) use read::Document;

use crate::error::{Error, ErrorKind};
use crate::identifier::CommunicationIdentifier;
use crate::ids::DocumentId;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// What the service notes about a chunk: when it was recorded, how, and who took part.
///
/// Anything may be missing; documents of older versions have less. What cannot be read counts as
/// missing, too, and is named in [`unreadable`](Self::unreadable).
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The members that are there and cannot be read, such as `participants[1].channel`.
    pub unreadable: Vec<String>,
}

/// A time during which nothing was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// When it began.
    pub start: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Option<Duration>,
}

/// How the audio of a recording is encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct AudioConfiguration {
    /// Samples per second, in hertz.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub sample_rate: Option<u64>,
    /// Bits per second.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub bit_rate: Option<u64>,
    /// Channels in the file.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub channels: Option<u64>,
}

/// How the video of a recording is encoded.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct VideoConfiguration {
    /// The longer side, in pixels.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub longer_side_length: Option<u64>,
    /// The shorter side, in pixels.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub shorter_side_length: Option<u64>,
    /// Pictures per second.
    #[cfg_attr(
        feature = "schemars",
        schemars(rename = "framerate", with = "Option<crate::schema::Number>")
    )]
    pub frame_rate: Option<f64>,
    /// Bits per second.
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
        Error::new(ErrorKind::InvalidResponse, error.to_string()).with_source(error)
    }
}

impl RecordingMetadata {
    /// Reads a document as it was downloaded.
    ///
    /// A member that has an unexpected form costs nothing but itself.
    ///
    /// # Errors
    /// The document is not a JSON object.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidMetadata> {
        read::document(document).map_err(InvalidMetadata)
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
    fn what_is_missing_is_none_and_only_what_is_no_object_is_an_error() {
        let metadata = RecordingMetadata::parse(b"\xef\xbb\xbf{}").unwrap();
        assert_eq!(metadata, RecordingMetadata::default());
        let null = br#"{"participants": null, "recordingInfo": null, "pauseResumeIntervals": null,
            "chunkIndex": null, "chunkStartTime": null, "version": null}"#;
        let metadata = RecordingMetadata::parse(null).unwrap();
        assert_eq!(metadata, RecordingMetadata::default());
        for document in ["", "[]", "null", "7", "\"{}\"", "<html>", "{\"a\":"] {
            assert!(
                RecordingMetadata::parse(document.as_bytes()).is_err(),
                "{document}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_costs_nothing_but_itself_and_is_named() {
        let document = r#"{
            "callId": 7, "resourceId": {}, "chunkDocumentId": "two words", "chunkIndex": -1,
            "chunkStartTime": "yesterday", "chunkDuration": "5580",
            "pauseResumeIntervals": [null, {"duration": "long"}, {"duration": "20"}],
            "recordingInfo": {"format": 2, "audioConfiguration": {"channels": -1, "bitRate": "8"},
                              "videoConfiguration": []},
            "participants": [{"participantId": "8:acs:a", "channel": -1}, {"channel": 0}, null,
                             {"participantId": "8:acs:b", "channel": "1"}],
            "version": 1.0, "callId": "c"
        }"#;
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.call_id.as_deref(), Some("c"));
        assert_eq!(metadata.duration, Some(Duration::from_millis(5580)));
        assert_eq!(metadata.pauses.len(), 2);
        assert_eq!(metadata.paused(), Duration::from_millis(20));
        let audio = metadata.audio.as_ref().unwrap();
        assert_eq!((audio.channels, audio.bit_rate), (None, Some(8)));
        assert_eq!(metadata.format, Some("2".into()));
        assert_eq!(metadata.version.as_deref(), Some("1.0"));
        assert_eq!(metadata.participants.len(), 2);
        assert_eq!(metadata.participants[0].channel, None);
        assert_eq!(metadata.participant_on(1), Some(&"8:acs:b".into()));
        assert_eq!(
            metadata.unreadable,
            [
                "resourceId",
                "chunkDocumentId",
                "chunkIndex",
                "chunkStartTime",
                "pauseResumeIntervals[0]",
                "pauseResumeIntervals[1].duration",
                "recordingInfo.audioConfiguration.channels",
                "recordingInfo.videoConfiguration",
                "participants[0].channel",
                "participants[1].participantId",
                "participants[2]",
            ]
        );
    }
}
