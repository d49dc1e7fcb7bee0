//! The contents of a metadata document.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::identifier::CommunicationIdentifier;
use crate::ids::DocumentId;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// The metadata document of a chunk: when and how it was recorded, and who took part.
///
/// Every field may be missing, and documents of older versions have fewer. A member that cannot be
/// read counts as missing and is listed in [`unreadable`](Self::unreadable).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RecordingMetadata {
    /// The immutable id of the Communication Services resource, a GUID.
    pub resource_id: Option<String>,
    /// The id of the call, a GUID.
    pub call_id: Option<String>,
    /// The id of the chunk's document.
    pub document_id: Option<DocumentId>,
    /// The chunk's number, from 0.
    pub chunk_index: Option<u64>,
    /// The start of the chunk.
    pub start: Option<Timestamp>,
    /// The length of the chunk, at most 4 hours.
    pub duration: Option<Duration>,
    /// The pauses of the recording.
    pub pauses: Vec<Pause>,
    /// Audio, or audio and video.
    pub content: Option<RecordingContentType>,
    /// Mixed or unmixed.
    pub channel: Option<RecordingChannelType>,
    /// The format of the file.
    pub format: Option<RecordingFormatType>,
    /// The encoding of the audio.
    pub audio: Option<AudioConfiguration>,
    /// The encoding of the video, if there is any.
    pub video: Option<VideoConfiguration>,
    /// The participants; in an unmixed recording with their channels.
    pub participants: Vec<RecordedParticipant>,
    /// The version of the document's schema.
    pub version: Option<String>,
    /// The paths of the members that cannot be read, such as `participants[1].channel`.
    pub unreadable: Vec<String>,
}

/// An interval in which nothing was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// The start of the pause.
    pub start: Option<Timestamp>,
    /// The length of the pause.
    pub duration: Option<Duration>,
}

/// The encoding of a recording's audio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct AudioConfiguration {
    /// Samples per second, in hertz.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub sample_rate: Option<u64>,
    /// Bits per second.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub bit_rate: Option<u64>,
    /// Channels in the file.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub channels: Option<u64>,
}

/// The encoding of a recording's video.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct VideoConfiguration {
    /// The longer side, in pixels.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub longer_side_length: Option<u64>,
    /// The shorter side, in pixels.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub shorter_side_length: Option<u64>,
    /// Frames per second.
    #[cfg_attr(
        feature = "schemars",
        schemars(rename = "framerate", with = "Option<crate::schema::types::Number>")
    )]
    pub frame_rate: Option<f64>,
    /// Bits per second.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub bit_rate: Option<u64>,
}

/// A participant who was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedParticipant {
    /// The participant.
    pub id: CommunicationIdentifier,
    /// The channel of the file, in an unmixed recording.
    pub channel: Option<u64>,
}

/// A document is not a metadata document.
#[derive(Debug, thiserror::Error)]
#[error("not a metadata document of a recording: {0}")]
pub struct InvalidMetadata(#[source] pub(super) serde_json::Error);

impl From<InvalidMetadata> for Error {
    fn from(error: InvalidMetadata) -> Self {
        Error::new(ErrorKind::InvalidResponse, error.to_string()).with_source(error)
    }
}

impl RecordingMetadata {
    /// The participant on a channel of an unmixed recording.
    pub fn participant_on(&self, channel: u64) -> Option<&CommunicationIdentifier> {
        let participant = self
            .participants
            .iter()
            .find(|p| p.channel == Some(channel))?;
        Some(&participant.id)
    }

    /// The participants of an unmixed recording by their channels; empty for a mixed one.
    pub fn channels(&self) -> BTreeMap<u64, &CommunicationIdentifier> {
        self.participants
            .iter()
            .filter_map(|participant| Some((participant.channel?, &participant.id)))
            .collect()
    }

    /// The total length of all pauses.
    pub fn paused(&self) -> Duration {
        // A document may claim more than fits into a duration.
        self.pauses
            .iter()
            .filter_map(|pause| pause.duration)
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}
