//! Levels and waveforms of a WAV file, in one pass that keeps no samples.

use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavReader};

use crate::failure::Failure;

/// Quieter moments are silence.
const SPEECH: f64 = 0.005_623_413; // -45 dBFS
/// Moments per second.
const MOMENTS: u32 = 50;

pub(super) struct Sound {
    pub(super) sample_rate: u32,
    pub(super) bits: u16,
    pub(super) duration: Duration,
    pub(super) channels: Vec<Channel>,
}

/// Levels are from 0 to 1.
#[derive(Clone)]
pub(super) struct Channel {
    pub(super) rms: f64,
    pub(super) peak: f64,
    /// The share of moments with speech.
    pub(super) speech: f64,
    /// The peak in each of equal spans.
    pub(super) columns: Vec<f64>,
}

/// The sums of one channel.
#[derive(Clone, Default)]
struct Sums {
    all: f64,
    moment: f64,
    loud: u32,
    columns: Vec<f64>,
}

pub(super) fn measure(path: &Path, width: usize) -> Result<Sound, Failure> {
    let bad = |error: hound::Error| match error {
        // What the system did not say is said of the content, as that it ends too early.
        hound::Error::IoError(error) if error.raw_os_error().is_some() => {
            Failure::file(path, &error)
        }
        error => Failure::corrupt(path, &error).advise("only WAV can be inspected"),
    };
    let mut reader = WavReader::open(path).map_err(bad)?;
    let spec = reader.spec();
    let frames = u64::from(reader.duration());
    let mut meter = Meter::new(usize::from(spec.channels), frames, spec.sample_rate, width);
    if spec.sample_format == SampleFormat::Float {
        for sample in reader.samples::<f32>() {
            meter.add(f64::from(sample.map_err(bad)?));
        }
    } else {
        let full = 2_f64.powi(i32::from(spec.bits_per_sample) - 1);
        for sample in reader.samples::<i32>() {
            meter.add(f64::from(sample.map_err(bad)?) / full);
        }
    }
    Ok(Sound {
        sample_rate: spec.sample_rate,
        bits: spec.bits_per_sample,
        duration: Duration::from_millis(frames * 1000 / u64::from(spec.sample_rate.max(1))),
        channels: meter.finish(),
    })
}

/// The level in dBFS; none for no sound at all.
pub(super) fn decibels(level: f64) -> Option<f64> {
    (level > 0.0).then(|| 20.0 * level.log10())
}

struct Meter {
    sums: Vec<Sums>,
    frames: u64,
    /// The frame and channel that come next.
    frame: u64,
    channel: usize,
    moment: u32,
    in_moment: u32,
    moments: u32,
    width: usize,
}

impl Meter {
    fn new(channels: usize, frames: u64, sample_rate: u32, width: usize) -> Self {
        let sums = Sums {
            columns: vec![0.0; width],
            ..Sums::default()
        };
        Self {
            sums: vec![sums; channels],
            frames,
            frame: 0,
            channel: 0,
            moment: (sample_rate / MOMENTS).max(1),
            in_moment: 0,
            moments: 0,
            width,
        }
    }

    fn add(&mut self, sample: f64) {
        let width = u64::try_from(self.width).unwrap_or(1);
        let column = self.frame * width / self.frames.max(1);
        let column = usize::try_from(column).unwrap_or_default();
        if let Some(sums) = self.sums.get_mut(self.channel) {
            sums.all += sample * sample;
            sums.moment += sample * sample;
            if let Some(peak) = sums.columns.get_mut(column) {
                *peak = peak.max(sample.abs().min(1.0));
            }
        }
        self.channel += 1;
        if self.channel == self.sums.len() {
            self.channel = 0;
            self.frame += 1;
            self.in_moment += 1;
            if self.in_moment == self.moment {
                self.end_moment();
            }
        }
    }

    fn end_moment(&mut self) {
        for sums in &mut self.sums {
            let rms = (sums.moment / f64::from(self.in_moment)).sqrt();
            sums.loud += u32::from(rms > SPEECH);
            sums.moment = 0.0;
        }
        self.moments += 1;
        self.in_moment = 0;
    }

    fn finish(mut self) -> Vec<Channel> {
        if self.in_moment > 0 {
            self.end_moment();
        }
        #[allow(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
        let frames = self.frame.max(1) as f64;
        let moments = f64::from(self.moments.max(1));
        let channels = self.sums.into_iter().map(|sums| Channel {
            rms: (sums.all / frames).sqrt(),
            peak: sums.columns.iter().copied().fold(0.0, f64::max),
            speech: f64::from(sums.loud) / moments,
            columns: sums.columns,
        });
        channels.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_shares_are_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 1000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for frame in 0..1000 {
            // Half of full scale for the first quarter, and nothing at all on the other channel.
            writer
                .write_sample(if frame < 250 { 16_384_i16 } else { 0 })
                .unwrap();
            writer.write_sample(0_i16).unwrap();
        }
        writer.finalize().unwrap();
        let sound = measure(&path, 4).unwrap();
        assert_eq!(sound.duration, Duration::from_secs(1));
        let [one, other] = &sound.channels[..] else {
            panic!("two channels");
        };
        assert_eq!(one.columns, [0.5, 0.0, 0.0, 0.0]);
        assert!((one.speech - 0.26).abs() < 1e-9, "{}", one.speech);
        assert!((decibels(one.rms).unwrap() + 12.04).abs() < 0.01);
        assert!((decibels(one.peak).unwrap() + 6.02).abs() < 0.01);
        assert_eq!(decibels(other.rms), None);
        assert!(other.speech.abs() < 1e-9);
    }
}
