//! Audio: who speaks when and on which channel, and the encoded files.

mod channels;
#[cfg(feature = "mp3")]
mod mp3;
#[cfg(feature = "mp4")]
mod mp4;
mod noise;
mod voice;
mod wav;

use std::fmt::{self, Display};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub(crate) use channels::{MAX_CHANNELS, assign};
pub(crate) use noise::Pattern;
pub(crate) use voice::Voice;
pub(crate) use wav::{data as wav_data, header as wav_header};

/// The sample rate of all recordings in Hz.
pub(crate) const SAMPLE_RATE: u32 = 16_000;
/// The PCM bit rate of one channel.
pub(crate) const CHANNEL_BIT_RATE: u32 = SAMPLE_RATE * 16;

/// The bit rate of MP3 files, which is constant.
const MP3_BIT_RATE: u32 = 48_000;
/// The average audio bit rate of MP4 files.
const MP4_AUDIO_BIT_RATE: u32 = 48_000;
/// The video bit rate that the service reports. Test cards need far less.
const VIDEO_BIT_RATE: u32 = 1_000_000;
/// The frame rate of videos.
const PICTURE_RATE: u32 = 8;

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

/// An encoding error.
#[derive(Debug, thiserror::Error)]
#[error("{format} cannot be encoded: {reason}")]
pub(crate) struct EncodeError {
    format: &'static str,
    reason: String,
}

impl EncodeError {
    fn new(format: Format, reason: &impl Display) -> Self {
        Self {
            format: format.name(),
            reason: reason.to_string(),
        }
    }
}

/// Encodes interleaved samples. Files with several channels are always WAV.
///
/// `first_second` is the initial value of the clock in a video.
#[cfg_attr(
    not(feature = "mp4"),
    allow(unused_variables, reason = "only videos have a clock")
)]
pub(crate) fn encode(
    format: Format,
    samples: &[i16],
    channels: usize,
    first_second: u64,
) -> Result<Vec<u8>, EncodeError> {
    match format {
        Format::Wav => Ok(wav::file(samples, channels)),
        #[cfg(feature = "mp3")]
        Format::Mp3 => mp3::file(samples),
        #[cfg(feature = "mp4")]
        Format::Mp4 => mp4::file(samples, first_second),
        // A start request for such a recording is refused, so this is unreachable.
        #[cfg(not(all(feature = "mp3", feature = "mp4")))]
        format => Err(EncodeError::new(
            format,
            &"the emulator was built without its encoder",
        )),
    }
}

/// Upper bounds for the size of an MP4 file: the fixed part, and the bytes per second.
const MP4_OVERHEAD: u64 = 16_000;
const MP4_BYTE_RATE: u64 = 9_000;

/// An uninterrupted period of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

impl Span {
    pub(crate) fn length(self) -> SignedDuration {
        self.end.duration_since(self.start)
    }
}

/// One voice in a file.
#[derive(Clone)]
pub(crate) struct Track {
    pub(crate) voice: Arc<Voice>,
    pub(crate) channel: usize,
    /// When the voice begins to speak, whether or not it is being recorded.
    pub(crate) from: Timestamp,
    /// When the voice stops, if it does.
    pub(crate) until: Option<Timestamp>,
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track")
            .field("channel", &self.channel)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Everything that determines the content of a file.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The recorded periods in order. The time between them is not in the file.
    pub(crate) spans: Vec<Span>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) channels: usize,
}

impl Plan {
    /// The length of the recorded audio.
    pub(crate) fn length(&self) -> SignedDuration {
        total(&self.spans)
    }

    /// The number of frames in the file. The total length is rounded once, not per span.
    pub(crate) fn frames(&self) -> i64 {
        frames(self.length())
    }

    /// The interleaved samples of `count` frames, starting at frame `first`.
    pub(crate) fn samples(&self, first: i64, count: usize) -> Vec<i16> {
        let mut samples = vec![0_i16; count * self.channels];
        let wanted = first..first.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        let mut recorded = SignedDuration::ZERO;
        for span in &self.spans {
            let start = frames(recorded);
            recorded = recorded.saturating_add(span.length());
            let part = start.max(wanted.start)..frames(recorded).min(wanted.end);
            if part.is_empty() {
                continue;
            }
            for track in &self.tracks {
                let position = frames(span.start.duration_since(track.from)) + part.start - start;
                let silent = track
                    .until
                    .map_or(i64::MAX, |until| frames(until.duration_since(track.from)));
                for (frame, position) in part.clone().zip(position..silent) {
                    let (Ok(frame), Ok(position)) =
                        (usize::try_from(frame - first), u64::try_from(position))
                    else {
                        continue;
                    };
                    if let Some(sample) = samples.get_mut(frame * self.channels + track.channel) {
                        *sample = sample.saturating_add(track.voice.sample(position));
                    }
                }
            }
        }
        samples
    }

    /// The interleaved samples of the whole file.
    pub(crate) fn all_samples(&self) -> Vec<i16> {
        self.samples(0, usize::try_from(self.frames()).unwrap_or(0))
    }
}

/// The total length of the spans.
pub(crate) fn total(spans: &[Span]) -> SignedDuration {
    spans.iter().fold(SignedDuration::ZERO, |sum, span| {
        sum.saturating_add(span.length())
    })
}

/// The number of frames in a length of time, rounded to the nearest.
pub(crate) fn frames(length: SignedDuration) -> i64 {
    const NANOS: i128 = 1_000_000_000;
    let frames = (length.as_nanos() * i128::from(SAMPLE_RATE) + NANOS / 2).div_euclid(NANOS);
    i64::try_from(frames).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::clock::after;
    use std::time::Duration;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn at(nanos: u64) -> Timestamp {
        after(START, Duration::from_nanos(nanos))
    }

    fn span(start: u64, end: u64) -> Span {
        Span {
            start: at(start),
            end: at(end),
        }
    }

    /// A voice whose sample at position n is n + 1.
    fn counting(samples: i16) -> Arc<Voice> {
        Arc::new(Voice::Clip((1..=samples).collect()))
    }

    fn track(voice: &Arc<Voice>, channel: usize, from: Timestamp) -> Track {
        Track {
            voice: Arc::clone(voice),
            channel,
            from,
            until: None,
        }
    }

    /// The samples, read at once. Asserts that reading frame by frame gives the same result.
    fn samples(plan: &Plan) -> Vec<i16> {
        let all = plan.all_samples();
        let single = (0..plan.frames()).flat_map(|frame| plan.samples(frame, 1));
        assert!(single.eq(all.iter().copied()));
        all
    }

    #[test]
    fn frames_are_rounded_to_the_nearest() {
        for (nanos, expected) in [
            (0, 0),
            (31_249, 0),
            (31_250, 1),
            (62_500, 1),
            (1_000_000_000, 16_000),
            (-31_251, -1),
            (-62_500, -1),
        ] {
            assert_eq!(
                frames(SignedDuration::from_nanos(nanos)),
                expected,
                "{nanos}"
            );
        }
    }

    #[test]
    fn rounding_errors_do_not_accumulate() {
        // Each span is a third of a frame long, so only the total is a whole number of frames.
        let spans: Vec<Span> = (0..300_u64)
            .map(|n| span(n * 100_000, n * 100_000 + 20_833))
            .collect();
        let plan = Plan {
            spans,
            tracks: vec![track(&counting(i16::MAX), 0, START)],
            channels: 1,
        };
        assert_eq!(plan.frames(), 100);
        assert_eq!(samples(&plan).len(), 100);
    }

    #[test]
    fn audio_during_a_pause_is_left_out_of_the_file() {
        let plan = Plan {
            spans: vec![span(0, 125_000), span(625_000, 750_000)],
            tracks: vec![track(&counting(100), 0, START)],
            channels: 1,
        };
        assert_eq!(samples(&plan), [1, 2, 11, 12]);
    }

    #[test]
    fn voices_are_silent_before_they_join_and_after_they_leave() {
        let plan = Plan {
            spans: vec![span(0, 375_000)],
            tracks: vec![
                track(&counting(100), 0, at(125_000)),
                Track {
                    until: Some(at(187_500)),
                    ..track(&counting(100), 1, at(0))
                },
            ],
            channels: 2,
        };
        assert_eq!(samples(&plan), [0, 1, 0, 2, 1, 3, 2, 0, 3, 0, 4, 0]);
    }

    #[test]
    fn mixing_saturates() {
        let loud = Arc::new(Voice::Clip(Arc::from([i16::MAX, 5, i16::MIN].as_slice())));
        let plan = Plan {
            spans: vec![span(0, 187_500)],
            tracks: vec![track(&loud, 0, START), track(&loud, 0, START)],
            channels: 1,
        };
        assert_eq!(samples(&plan), [i16::MAX, 10, i16::MIN]);
    }
}
