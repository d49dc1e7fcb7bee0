//! What is recorded, and in which format.

use acs_call_automation::types::{ChannelAffinity, StartCallRecordingRequest};

use crate::error::{Error, ErrorKind, Result};
use crate::identifier::CommunicationIdentifier;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// What is recorded, and in which format: the four combinations that the service has.
///
/// ```
/// use acs_recording::Media;
///
/// let video = Media::mixed_mp4();
/// let speech = Media::unmixed_wav()
///     .channel(0, "8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007-0464-274b-b274-5a3a0d000101")
///     .channel(1, "4:+14255550123");
/// ```
///
/// Only unmixed media has channels for participants:
///
/// ```compile_fail
/// # use acs_recording::Media;
/// let wrong = Media::mixed_mp3().channel(0, "4:+14255550123");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    content: RecordingContentType,
    channel: RecordingChannelType,
    format: RecordingFormatType,
    channels: Vec<(u8, CommunicationIdentifier)>,
    order: Vec<CommunicationIdentifier>,
}

impl Media {
    /// Audio and video of the call in one file, 1920×1080; the service's default.
    pub fn mixed_mp4() -> Self {
        Self::mixed(RecordingContentType::AudioVideo, RecordingFormatType::Mp4)
    }

    /// The audio of all participants in one channel, compressed: at most 0.36 MB per minute.
    pub fn mixed_mp3() -> Self {
        Self::mixed(RecordingContentType::Audio, RecordingFormatType::Mp3)
    }

    /// The audio of all participants in one channel, 16 kHz 16-bit PCM: 1.92 MB per minute.
    pub fn mixed_wav() -> Self {
        Self::mixed(RecordingContentType::Audio, RecordingFormatType::Wav)
    }

    /// The audio of each of up to five participants in a channel of its own, 16 kHz 16-bit PCM:
    /// 1.92 MB per minute and channel.
    pub fn unmixed_wav() -> UnmixedWav {
        UnmixedWav::default()
    }

    fn mixed(content: RecordingContentType, format: RecordingFormatType) -> Self {
        Self {
            content,
            channel: RecordingChannelType::Mixed,
            format,
            channels: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Writes the media into a request.
    ///
    /// The service checks the channels itself, but not that the two ways to assign them agree.
    pub(super) fn apply(&self, request: &mut StartCallRecordingRequest) -> Result<()> {
        for (channel, participant) in &self.channels {
            let channel = usize::from(*channel);
            let contradicts = |(place, ordered): (usize, &CommunicationIdentifier)| {
                (place == channel) != (ordered == participant)
            };
            if self.order.iter().enumerate().any(contradicts) {
                let text = format!(
                    "channel {channel} is assigned to {participant}, and the channel order says \
                     otherwise"
                );
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
        }
        request.recording_content_type = Some(self.content.clone());
        request.recording_channel_type = Some(self.channel.clone());
        request.recording_format_type = Some(self.format.clone());
        request.channel_affinity = self
            .channels
            .iter()
            .map(|(channel, participant)| {
                ChannelAffinity::new(participant.to_model()).channel(i32::from(*channel))
            })
            .collect();
        request.audio_channel_participant_ordering = self
            .order
            .iter()
            .map(CommunicationIdentifier::to_model)
            .collect();
        Ok(())
    }
}

/// Unmixed media, and the participants on its channels.
///
/// Other participants get the next free channel when they first speak. The recording's metadata
/// document tells who is on which channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnmixedWav {
    channels: Vec<(u8, CommunicationIdentifier)>,
    order: Vec<CommunicationIdentifier>,
}

impl UnmixedWav {
    /// Assigns a channel from 0 to 4 to a participant (channel affinity).
    pub fn channel(mut self, number: u8, participant: impl Into<CommunicationIdentifier>) -> Self {
        self.channels.push((number, participant.into()));
        self
    }

    /// Assigns the channels 0, 1, 2… to participants in this order, to five at most.
    pub fn channel_order<P: Into<CommunicationIdentifier>>(
        mut self,
        participants: impl IntoIterator<Item = P>,
    ) -> Self {
        self.order.extend(participants.into_iter().map(Into::into));
        self
    }
}

impl From<UnmixedWav> for Media {
    fn from(unmixed: UnmixedWav) -> Self {
        Self {
            channel: RecordingChannelType::Unmixed,
            channels: unmixed.channels,
            order: unmixed.order,
            ..Self::mixed_wav()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(media: UnmixedWav) -> Result<StartCallRecordingRequest> {
        let mut request = StartCallRecordingRequest::default();
        Media::from(media).apply(&mut request)?;
        Ok(request)
    }

    #[test]
    fn channels_that_contradict_the_order_are_rejected() {
        let ordered = || Media::unmixed_wav().channel_order(["4:+1", "4:+2"]);
        for (channel, participant) in [(0, "4:+2"), (1, "4:+3"), (2, "4:+1")] {
            let error = apply(ordered().channel(channel, participant)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains(participant) && text.contains("order"),
                "{text}"
            );
        }
        for (channel, participant) in [(0, "4:+1"), (1, "4:+2"), (2, "4:+3")] {
            let request = apply(ordered().channel(channel, participant)).unwrap();
            assert_eq!(request.channel_affinity.len(), 1);
            assert_eq!(request.audio_channel_participant_ordering.len(), 2);
        }
    }
}
