//! What a recording is made of, whatever its format.

use std::io;
use std::time::Duration;

use super::levels::Channel;

/// Files with more channels are absurd, and their levels would take much memory.
pub(super) const MOST_CHANNELS: usize = 256;

/// A file that was looked at.
pub(super) struct Media {
    pub(super) format: Format,
    pub(super) duration: Duration,
    /// Whether the file ends before what it announces.
    pub(super) truncated: bool,
    pub(super) tracks: Vec<Track>,
    /// The levels of all tracks with sound, one after the other.
    pub(super) channels: Vec<Channel>,
    /// What should be known of the file, in whole sentences.
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Wav,
    Mp3,
    Mp4,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Mp3 => "MP3",
            Self::Mp4 => "MP4",
        }
    }

    pub(super) fn json_name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
        }
    }
}

/// One stream of sound or pictures.
pub(super) struct Track {
    pub(super) kind: Kind,
    /// How it is coded.
    pub(super) codec: String,
    pub(super) duration: Duration,
    /// Coded bytes, without those of the container.
    pub(super) bytes: u64,
    /// Bits per second, on average.
    pub(super) bit_rate: Option<u64>,
}

pub(super) enum Kind {
    Sound(Sound),
    Picture(Picture),
    Other,
}

#[derive(Clone, Copy)]
pub(super) struct Sound {
    pub(super) channels: usize,
    pub(super) sample_rate: u32,
    /// Bits per sample, where there is such a thing.
    pub(super) bits: Option<u16>,
}

#[derive(Clone, Copy)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frames: u64,
    /// Frames per second, on average.
    pub(super) frame_rate: Option<f64>,
    pub(super) key_frames: u64,
    /// The bytes of key frames.
    pub(super) key_bytes: u64,
}

impl Track {
    pub(super) fn sound(&self) -> Option<Sound> {
        match self.kind {
            Kind::Sound(sound) => Some(sound),
            _ => None,
        }
    }
}

/// Bits per second, on average.
pub(super) fn bit_rate(bytes: u64, time: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 8_000_000_000).checked_div(time.as_nanos())?;
    u64::try_from(rate).ok()
}

/// Why a file cannot be looked at.
#[derive(Debug)]
pub(super) enum Problem {
    Io(io::Error),
    /// Nothing in it can be read: what it is instead.
    Content(String),
}

impl Problem {
    pub(super) fn content(what: impl Into<String>) -> Self {
        Self::Content(what.into())
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
