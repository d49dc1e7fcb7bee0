//! Levels and waveforms of sound, in one pass that keeps no samples.

/// Moments with a lower level are silence.
const SPEECH_THRESHOLD: f64 = 0.005_623_413; // -45 dBFS
/// The largest sample that decoders produce for digital silence.
const SILENCE_THRESHOLD: f64 = 1e-6; // -120 dBFS
/// Moments per second.
const MOMENTS: u32 = 50;

/// Levels are from 0 to 1.
#[derive(Clone)]
pub(super) struct Channel {
    /// The number of its track.
    pub(super) track: usize,
    pub(super) rms: f64,
    pub(super) peak: f64,
    /// The share of moments with speech.
    pub(super) speech: f64,
    /// The peak in each of equal spans, once for each width that was asked for.
    pub(super) waveforms: Vec<Vec<f64>>,
}

/// The level in dBFS; none for digital silence.
pub(super) fn decibels(level: f64) -> Option<f64> {
    (level > SILENCE_THRESHOLD).then(|| 20.0 * level.log10())
}

/// The sums of one channel.
#[derive(Clone, Default)]
struct Sums {
    all: f64,
    moment: f64,
    loud: u32,
    peak: f64,
    waveforms: Vec<Vec<f64>>,
}

/// Takes samples, channel by channel for each frame.
pub(super) struct Meter {
    sums: Vec<Sums>,
    frames: u64,
    /// The frame and channel that come next.
    frame: u64,
    channel: usize,
    moment: u32,
    in_moment: u32,
    moments: u32,
}

impl Meter {
    /// A meter for so many frames.
    pub(super) fn new(channels: usize, frames: u64, sample_rate: u32, widths: &[usize]) -> Self {
        let sums = Sums {
            waveforms: widths.iter().map(|width| vec![0.0; *width]).collect(),
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
        }
    }

    pub(super) fn add(&mut self, sample: f64) {
        // Files with floating point may say anything.
        let sample = if sample.is_finite() { sample } else { 0.0 };
        if let Some(sums) = self.sums.get_mut(self.channel) {
            sums.all += sample * sample;
            sums.moment += sample * sample;
            let peak = sample.abs().min(1.0);
            sums.peak = sums.peak.max(peak);
            for waveform in &mut sums.waveforms {
                let column = u128::from(self.frame) * waveform.len() as u128
                    / u128::from(self.frames.max(1));
                let column = usize::try_from(column).unwrap_or(usize::MAX);
                if let Some(column) = waveform.get_mut(column) {
                    *column = column.max(peak);
                }
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
            sums.loud += u32::from(rms > SPEECH_THRESHOLD);
            sums.moment = 0.0;
        }
        self.moments += 1;
        self.in_moment = 0;
    }

    /// The levels of the channels of a track.
    pub(super) fn finish(mut self, track: usize) -> Vec<Channel> {
        if self.in_moment > 0 {
            self.end_moment();
        }
        #[allow(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
        let frames = self.frame.max(1) as f64;
        let moments = f64::from(self.moments.max(1));
        let channels = self.sums.into_iter().map(|sums| Channel {
            track,
            rms: (sums.all / frames).sqrt(),
            peak: sums.peak,
            speech: f64::from(sums.loud) / moments,
            waveforms: sums.waveforms,
        });
        channels.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_shares_are_right() {
        let mut meter = Meter::new(2, 1000, 1000, &[4, 1]);
        for frame in 0..1000 {
            // Half of full scale for the first quarter, and nothing at all on the other channel.
            meter.add(if frame < 250 { -0.5 } else { 0.0 });
            meter.add(0.0);
        }
        let channels = meter.finish(0);
        let [one, other] = &channels[..] else {
            panic!("two channels");
        };
        assert_eq!(one.waveforms, [vec![0.5, 0.0, 0.0, 0.0], vec![0.5]]);
        assert!((one.speech - 0.26).abs() < 1e-9, "{}", one.speech);
        assert!((decibels(one.rms).unwrap() + 12.04).abs() < 0.01);
        assert!((decibels(one.peak).unwrap() + 6.02).abs() < 0.01);
        assert_eq!(decibels(other.rms), None);
        assert!(other.speech.abs() < 1e-9);
    }

    #[test]
    fn what_is_no_number_counts_as_nothing() {
        let mut meter = Meter::new(1, 3, 8000, &[3]);
        for sample in [f64::NAN, f64::INFINITY, 2.0] {
            meter.add(sample);
        }
        let channel = &meter.finish(0)[0];
        assert_eq!(channel.waveforms, [[0.0, 0.0, 1.0]]);
        assert!(channel.rms.is_finite());
    }
}
