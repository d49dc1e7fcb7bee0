//! WAV files: writes 16-bit PCM, and reads all common formats.

use std::io::Read;
use std::path::Path;

use bytes::{BufMut as _, Bytes, BytesMut};
use hound::{SampleFormat, WavReader};

use super::SAMPLE_RATE;

/// The size of the header of a file smaller than 4 GiB.
pub(super) const HEADER: u64 = 44;

/// The minimum sample rate of files that are read. A file of a lower rate would be many times larger
/// when it is converted.
const LOWEST_RATE: u32 = 1_000;

/// The header for `data` bytes of 16-bit PCM at [`SAMPLE_RATE`] with interleaved channels. If the
/// data exceeds 4 GiB, this is an RF64 header, which has 64-bit sizes.
pub(crate) fn header(data: u64, channels: usize) -> Bytes {
    let channels = u16::try_from(channels).unwrap_or(u16::MAX);
    let frame = channels.saturating_mul(2);
    let mut header = BytesMut::with_capacity(80);
    if let Ok(size) = u32::try_from(data.saturating_add(36)) {
        header.put_slice(b"RIFF");
        header.put_u32_le(size);
        header.put_slice(b"WAVE");
    } else {
        header.put_slice(b"RF64\xFF\xFF\xFF\xFFWAVEds64");
        header.put_u32_le(28);
        header.put_u64_le(data.saturating_add(72));
        header.put_u64_le(data);
        header.put_u64_le(data / u64::from(frame.max(1)));
        header.put_u32_le(0);
    }
    header.put_slice(b"fmt ");
    header.put_u32_le(16);
    // Plain PCM regardless of the number of channels, because some readers support nothing else.
    header.put_u16_le(1);
    header.put_u16_le(channels);
    header.put_u32_le(SAMPLE_RATE);
    header.put_u32_le(SAMPLE_RATE * u32::from(frame));
    header.put_u16_le(frame);
    header.put_u16_le(16);
    header.put_slice(b"data");
    header.put_u32_le(u32::try_from(data).unwrap_or(u32::MAX));
    header.freeze()
}

/// Encodes the file.
pub(super) fn file(samples: &[i16], channels: usize) -> Vec<u8> {
    let data = data(samples);
    let mut file = Vec::with_capacity(data.len() + 80);
    file.extend_from_slice(&header(data.len() as u64, channels));
    file.extend_from_slice(&data);
    file
}

/// Samples in the byte order of the file.
pub(crate) fn data(samples: &[i16]) -> BytesMut {
    let mut data = BytesMut::with_capacity(samples.len() * 2);
    for sample in samples {
        data.put_i16_le(*sample);
    }
    data
}

/// Reads a WAV file as mono at [`SAMPLE_RATE`].
pub(crate) fn read(path: &Path) -> Result<Vec<i16>, hound::Error> {
    read_from(WavReader::open(path)?)
}

/// Reads the content of a WAV file as mono at [`SAMPLE_RATE`].
pub(crate) fn read_bytes(content: &[u8]) -> Result<Vec<i16>, hound::Error> {
    read_from(WavReader::new(content)?)
}

fn read_from(mut reader: WavReader<impl Read>) -> Result<Vec<i16>, hound::Error> {
    let spec = reader.spec();
    if spec.sample_rate < LOWEST_RATE {
        return Err(hound::Error::FormatError(
            "the sample rate is below 1,000 Hz",
        ));
    }
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        SampleFormat::Int => {
            let scale = full_scale(spec.bits_per_sample);
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|sample| to_f32(sample) / scale))
                .collect::<Result<_, _>>()?
        }
    };
    let mono = mix_down(&samples, usize::from(spec.channels).max(1));
    Ok(resample(&mono, spec.sample_rate))
}

fn full_scale(bits: u16) -> f32 {
    2_f32.powi(i32::from(bits) - 1)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "f32 has 24 bits of precision, and 16 are kept"
)]
fn to_f32(sample: i32) -> f32 {
    sample as f32
}

fn mix_down(samples: &[f32], channels: usize) -> Vec<f32> {
    let share = 1.0 / f32::from(u16::try_from(channels).unwrap_or(u16::MAX));
    samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() * share)
        .collect()
}

/// Resamples with linear interpolation, which is good enough for voices in tests.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "values are fractions of a sample, or clamped"
)]
fn resample(samples: &[f32], rate: u32) -> Vec<i16> {
    let (from, to) = (u64::from(rate), u64::from(SAMPLE_RATE));
    let length = (samples.len() as u64 * to + from / 2) / from;
    (0..length)
        .map(|n| {
            let at = |index: u64| {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let last = samples.last().copied().unwrap_or(0.0);
                samples.get(index).copied().unwrap_or(last)
            };
            let (index, rest) = (n * from / to, n * from % to);
            let (left, right) = (at(index), at(index + 1));
            let sample = left + (right - left) * (rest as f32 / to as f32);
            (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    fn written<S: hound::Sample + Copy>(spec: WavSpec, samples: &[S]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = WavWriter::create(file.path(), spec).unwrap();
        for sample in samples {
            writer.write_sample(*sample).unwrap();
        }
        writer.finalize().unwrap();
        file
    }

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
        let sample_format = if bits_per_sample == 32 {
            SampleFormat::Float
        } else {
            SampleFormat::Int
        };
        WavSpec {
            channels,
            sample_rate,
            bits_per_sample,
            sample_format,
        }
    }

    #[test]
    fn all_bit_depths_give_the_same_samples() {
        let expected = [0, 16_384, -16_384];
        let eight = written(spec(1, 16_000, 8), &[0_i8, 64, -64]);
        let sixteen = written(spec(1, 16_000, 16), &[0_i16, 16_384, -16_384]);
        let wide = written(spec(1, 16_000, 24), &[0_i32, 4_194_304, -4_194_304]);
        let float = written(spec(1, 16_000, 32), &[0.0_f32, 0.5, -0.5]);
        for file in [eight, sixteen, wide, float] {
            assert_eq!(read(file.path()).unwrap(), expected);
        }
    }

    #[test]
    fn channels_are_averaged() {
        let file = written(spec(2, 16_000, 16), &[100_i16, 300, -50, 50]);
        assert_eq!(read(file.path()).unwrap(), [200, 0]);
    }

    #[test]
    fn other_rates_are_interpolated() {
        let half = written(spec(1, 8_000, 16), &[0_i16, 100, 200]);
        assert_eq!(read(half.path()).unwrap(), [0, 50, 100, 150, 200, 200]);
        let triple = written(spec(1, 48_000, 16), &[0_i16, 10, 20, 30, 40, 50]);
        assert_eq!(read(triple.path()).unwrap(), [0, 30]);
    }

    #[test]
    fn files_read_back_as_written() {
        let bytes = [header(12, 3), data(&[1, -2, 3, -4, 5, -6]).freeze()].concat();
        assert_eq!(bytes.len() as u64, HEADER + 12);
        let mut reader = WavReader::new(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(reader.spec(), spec(3, 16_000, 16));
        assert_eq!(reader.duration(), 2);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, -2, 3, -4, 5, -6]);
    }

    #[test]
    fn large_files_use_rf64() {
        let large = header(5 << 30, 1);
        assert_eq!(large.len(), 80);
        assert!(large.starts_with(b"RF64") && large.ends_with(b"data\xFF\xFF\xFF\xFF"));
        assert_eq!(large[28..36], (5_u64 << 30).to_le_bytes());
        assert_eq!(header(u64::from(u32::MAX) - 36, 1).len(), 44);
        assert_eq!(header(u64::from(u32::MAX) - 35, 1).len(), 80);
    }

    #[test]
    fn a_text_file_is_not_a_wav_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not sound").unwrap();
        assert!(read(file.path()).is_err());
    }
}
