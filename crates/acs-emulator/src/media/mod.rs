//! Audio and video from a timeline of voices. Knows neither documents nor requests.

mod channels;
mod encode;
mod error;
mod format;
#[cfg(feature = "mp3")]
mod mp3;
#[cfg(feature = "mp4")]
mod mp4;
mod noise;
mod timeline;
mod voice;
mod wav;

pub(crate) use channels::{MAX_CHANNELS, assign};
pub(crate) use encode::encode;
pub(crate) use error::EncodeError;
pub(crate) use format::Format;
pub(crate) use noise::Noise;
pub(crate) use timeline::{Span, Timeline, Track, total};
pub(crate) use voice::Voice;
pub(crate) use wav::{data as wav_data, header as wav_header};

/// The sample rate of all recordings in Hz.
pub(crate) const SAMPLE_RATE: u32 = 16_000;
