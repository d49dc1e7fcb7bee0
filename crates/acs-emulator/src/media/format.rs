//! The file formats of recordings.

use jiff::SignedDuration;

use super::{SAMPLE_RATE, wav};

/// The PCM bit rate of one channel.
const CHANNEL_BIT_RATE: u32 = SAMPLE_RATE * 16;
/// The bit rate of MP3 files, which is constant.
pub(super) const MP3_BIT_RATE: u32 = 48_000;
/// The average audio bit rate of MP4 files.
pub(super) const MP4_AUDIO_BIT_RATE: u32 = 48_000;
/// The video bit rate that the service reports. Test cards need far less.
const VIDEO_BIT_RATE: u32 = 1_000_000;
/// The frame rate of videos.
pub(super) const PICTURE_RATE: u32 = 8;

/// Upper bounds for the size of an MP4 file: the fixed part, and the bytes per second.
const MP4_OVERHEAD: u64 = 16_000;
const MP4_BYTE_RATE: u64 = 9_000;

/// The file format of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Wav,
    Mp3,
    Mp4,
}

/// The size and rate of a video.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VideoShape {
    pub(crate) longer_side: u32,
    pub(crate) shorter_side: u32,
    pub(crate) frame_rate: u32,
    pub(crate) bit_rate: u32,
}

impl Format {
    /// The name of the format, which is also the file extension.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
        }
    }

    /// Whether the emulator was built with the encoder for this format.
    pub(crate) fn is_built(self) -> bool {
        match self {
            Self::Wav => true,
            Self::Mp3 => cfg!(feature = "mp3"),
            Self::Mp4 => cfg!(feature = "mp4"),
        }
    }

    /// The name of the file in the store.
    pub(crate) fn content_name(self, unmixed: bool) -> &'static str {
        match self {
            Self::Wav if unmixed => "audiowavmultichannel",
            Self::Wav => "audiowav",
            Self::Mp3 => "audiomp3",
            Self::Mp4 => "video",
        }
    }

    pub(crate) fn audio_bit_rate(self, channels: usize) -> u32 {
        match self {
            Self::Wav => {
                let channels = u32::try_from(channels).unwrap_or(u32::MAX);
                CHANNEL_BIT_RATE.saturating_mul(channels)
            }
            Self::Mp3 => MP3_BIT_RATE,
            Self::Mp4 => MP4_AUDIO_BIT_RATE,
        }
    }

    pub(crate) fn video(self) -> Option<VideoShape> {
        (self == Self::Mp4).then_some(VideoShape {
            longer_side: 1920,
            shorter_side: 1080,
            frame_rate: PICTURE_RATE,
            bit_rate: VIDEO_BIT_RATE,
        })
    }

    /// The maximum length of audio that is certain to fit into a file of this size.
    pub(crate) fn fitting(self, size: u64, channels: usize) -> SignedDuration {
        let frames = match self {
            Self::Wav => size.saturating_sub(wav::HEADER) / (2 * channels.max(1) as u64),
            // Frames have 216 bytes and 576 samples each. Four frames are reserved for the tag and
            // the ends.
            Self::Mp3 => (size / 216).saturating_sub(4).saturating_mul(576),
            Self::Mp4 => {
                let data = size.saturating_sub(MP4_OVERHEAD);
                data.saturating_mul(u64::from(SAMPLE_RATE)) / MP4_BYTE_RATE
            }
        };
        let nanos = u128::from(frames.max(1)) * 1_000_000_000 / u128::from(SAMPLE_RATE);
        SignedDuration::from_nanos_i128(i128::try_from(nanos).unwrap_or(i128::MAX))
    }
}
