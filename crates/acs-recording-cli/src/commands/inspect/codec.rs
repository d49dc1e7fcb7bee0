//! Coded sound, unit by unit.

use symphonia_bundle_mp3::MpaDecoder;
use symphonia_codec_aac::AacDecoder;
use symphonia_core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3};
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use super::levels::Meter;

pub(super) struct Decoder {
    inner: Box<dyn AudioDecoder>,
    samples: Vec<f32>,
    channels: usize,
    /// Frames that come before the sound, or after it.
    skipped: u64,
    left: u64,
    /// Units that could not be decoded.
    pub(super) failed: u64,
}

impl Decoder {
    /// AAC as its configuration says; none if that is a kind that cannot be decoded.
    pub(super) fn aac(config: &[u8]) -> Option<Self> {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_AAC);
        parameters.with_extra_data(config.into());
        let decoder = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok()?;
        let channels = decoder.codec_params().channels.as_ref()?.count();
        Some(Self::new(Box::new(decoder), channels))
    }

    pub(super) fn mp3(channels: usize) -> Option<Self> {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_MP3);
        let decoder = MpaDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok()?;
        Some(Self::new(Box::new(decoder), channels))
    }

    fn new(inner: Box<dyn AudioDecoder>, channels: usize) -> Self {
        Self {
            inner,
            samples: Vec::new(),
            channels: channels.max(1),
            skipped: 0,
            left: u64::MAX,
            failed: 0,
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Leaves out so many frames at the start, and what comes after so many more.
    pub(super) fn trim(mut self, start: u64, frames: u64) -> Self {
        (self.skipped, self.left) = (start, frames);
        self
    }

    /// Decodes a unit of so many frames. One that cannot be decoded is silent.
    pub(super) fn feed(&mut self, unit: &[u8], frames: u32, meter: &mut Meter) {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, unit);
        self.samples.clear();
        match self.inner.decode_ref(&packet) {
            Ok(sound) if sound.num_planes() == self.channels => {
                sound.copy_to_vec_interleaved(&mut self.samples);
            }
            _ => {
                self.failed += 1;
                let count = usize::try_from(frames).unwrap_or(0).min(1 << 16);
                self.samples.resize(count * self.channels, 0.0);
            }
        }
        for frame in self.samples.chunks_exact(self.channels) {
            if self.skipped > 0 {
                self.skipped -= 1;
            } else if self.left > 0 {
                self.left -= 1;
                for sample in frame {
                    meter.add(f64::from(*sample));
                }
            }
        }
    }
}
