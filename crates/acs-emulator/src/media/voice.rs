//! The voices of participants.

use std::f64::consts::TAU;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{SAMPLE_RATE, wav};

/// The frequencies of the test tones in Hz. They can be told apart by ear and by filters.
const TONES: [f64; 8] = [220.0, 277.18, 329.63, 415.3, 523.25, 659.26, 830.61, 1046.5];
/// The peak of a test tone, relative to full scale.
const LOUDNESS: f64 = 0.3;
/// How many times per second a test tone swells, which is similar to the rate of syllables.
const SYLLABLES: f64 = 2.5;

/// A sequence of samples at [`SAMPLE_RATE`].
pub(crate) enum Voice {
    /// A sine wave of this frequency in Hz that swells like speech.
    Tone(f64),
    /// Recorded audio, followed by silence.
    Clip(Arc<[i16]>),
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Voice")
    }
}

impl Voice {
    /// The test tone of the participant with this index in a call.
    pub(crate) fn tone(index: usize) -> Self {
        let octave = f64::from(u8::try_from(index / TONES.len()).unwrap_or(u8::MAX));
        Self::Tone(TONES[index % TONES.len()] * (1.0 + octave * 0.06))
    }

    /// Reads a voice from a WAV file.
    pub(crate) fn from_wav(path: &Path) -> Result<Self, hound::Error> {
        wav::read(path).map(|samples| Self::Clip(samples.into()))
    }

    /// Reads a voice from the content of a WAV file.
    pub(crate) fn from_wav_bytes(content: &[u8]) -> Result<Self, hound::Error> {
        wav::read_bytes(content).map(|samples| Self::Clip(samples.into()))
    }

    /// The length of recorded audio; `None` for a tone, which does not end.
    pub(crate) fn length(&self) -> Option<Duration> {
        match self {
            Self::Tone(_) => None,
            Self::Clip(samples) => {
                let nanos = samples.len() as u64 * (1_000_000_000 / u64::from(SAMPLE_RATE));
                Some(Duration::from_nanos(nanos))
            }
        }
    }

    pub(crate) fn sample(&self, position: u64) -> i16 {
        match self {
            Self::Tone(frequency) => tone(*frequency, position),
            Self::Clip(samples) => usize::try_from(position)
                .ok()
                .and_then(|position| samples.get(position).copied())
                .unwrap_or(0),
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "positions stay far below 2^52, and samples within the range of i16"
)]
fn tone(frequency: f64, position: u64) -> i16 {
    let seconds = position as f64 / f64::from(SAMPLE_RATE);
    let swell = 0.65 - 0.35 * (TAU * SYLLABLES * seconds).cos();
    let sample = LOUDNESS * swell * (TAU * frequency * seconds).sin();
    (sample * f64::from(i16::MAX)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_differ_and_have_the_configured_loudness() {
        let mut tones: Vec<u64> = (0..16)
            .map(|index| match Voice::tone(index) {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "frequencies are a few hundred hertz"
                )]
                Voice::Tone(frequency) => frequency.round() as u64,
                Voice::Clip(_) => panic!("not a tone"),
            })
            .collect();
        tones.sort_unstable();
        tones.dedup();
        assert_eq!(tones.len(), 16);

        let voice = Voice::tone(0);
        let peak = (0..32_000).map(|n| voice.sample(n).unsigned_abs()).max();
        assert!((9_500..=9_831).contains(&peak.unwrap()), "{peak:?}");
    }

    #[test]
    fn a_clip_ends_in_silence() {
        let voice = Voice::Clip(Arc::from([7, 8].as_slice()));
        assert_eq!([0, 1, 2, u64::MAX].map(|n| voice.sample(n)), [7, 8, 0, 0]);
    }
}
