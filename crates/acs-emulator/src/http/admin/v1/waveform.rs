//! The waveform of a file, from its audio before encoding.

use serde::Serialize;

use crate::media::{SAMPLE_RATE, Timeline};
use crate::storage::document::{ContentSource, Document};
use crate::storage::metadata::milliseconds;

/// The number of samples of all channels that are examined at most. Longer audio is sampled.
const EXAMINED: usize = 4_000_000;
/// The number of frames that are rendered at a time.
const BLOCK: usize = 4_096;

/// The loudest samples of each channel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waveform {
    duration_ms: i64,
    /// Whether only a part of the audio was examined.
    sampled: bool,
    channels: Vec<Channel>,
}

#[derive(Debug, Serialize)]
struct Channel {
    channel: usize,
    /// From 0 to 1.
    peaks: Vec<f32>,
}

/// Computes the waveform, which may take a while.
pub(super) fn waveform(document: &Document, points: usize) -> Waveform {
    match &document.source {
        ContentSource::Sound { timeline, .. } => of_timeline(timeline, points),
        ContentSource::Noise(_) => of_noise(document, points),
    }
}

fn of_timeline(timeline: &Timeline, points: usize) -> Waveform {
    let channels = timeline.channels.max(1);
    let frames = usize::try_from(timeline.frames()).unwrap_or(0);
    let (peaks, sampled) = peaks(frames, channels, points, |first, count| {
        timeline.samples(i64::try_from(first).unwrap_or(i64::MAX), count)
    });
    Waveform {
        duration_ms: milliseconds(timeline.length()),
        sampled,
        channels: numbered(peaks),
    }
}

fn of_noise(document: &Document, points: usize) -> Waveform {
    // A header of 44 or 80 bytes is too short to be seen.
    let frames = usize::try_from(document.streamed().unwrap_or(0) / 2).unwrap_or(usize::MAX);
    let header = 40.min(frames);
    let frames = frames - header;
    let (peaks, sampled) = peaks(frames, 1, points, |first, count| {
        let offset = 2 * (first + header) as u64;
        let bytes = document.read(offset, 2 * count);
        let samples = bytes.chunks_exact(2);
        samples
            .map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
            .collect()
    });
    let millis = frames as u64 * 1_000 / u64::from(SAMPLE_RATE);
    Waveform {
        duration_ms: i64::try_from(millis).unwrap_or(i64::MAX),
        sampled,
        channels: numbered(peaks),
    }
}

fn numbered(peaks: Vec<Vec<f32>>) -> Vec<Channel> {
    let channels = peaks.into_iter().enumerate();
    channels
        .map(|(channel, peaks)| Channel { channel, peaks })
        .collect()
}

/// The peaks of each channel, and whether only a part of the frames was examined. `read` returns the
/// interleaved samples of some frames.
fn peaks(
    frames: usize,
    channels: usize,
    points: usize,
    read: impl Fn(usize, usize) -> Vec<i16>,
) -> (Vec<Vec<f32>>, bool) {
    let sampled = frames.saturating_mul(channels) > EXAMINED;
    let most = (EXAMINED / channels / points).max(1);
    let at = |point: usize| {
        let place = frames as u128 * point as u128 / points as u128;
        usize::try_from(place).unwrap_or(usize::MAX)
    };
    let mut peaks = vec![Vec::with_capacity(points); channels];
    for point in 0..points {
        // Audio that is shorter than the points is repeated.
        let first = at(point);
        let end = at(point + 1).max(first + 1).min(frames);
        let end = if sampled { end.min(first + most) } else { end };
        let mut loudest = vec![0_u16; channels];
        let mut frame = first;
        while frame < end {
            let count = BLOCK.min(end - frame);
            for (index, sample) in read(frame, count).into_iter().enumerate() {
                let peak = &mut loudest[index % channels];
                *peak = sample.unsigned_abs().max(*peak);
            }
            frame += count;
        }
        for (peaks, loudest) in peaks.iter_mut().zip(loudest) {
            peaks.push(f32::from(loudest) / 32_768.0);
        }
    }
    (peaks, sampled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_the_loudest_sample_of_its_part() {
        let audio = [0, 100, -8_192, 50, i16::MIN, 16_384, 0, 1];
        let read = |first: usize, count: usize| audio[2 * first..2 * (first + count)].to_vec();
        let (peaks, sampled) = peaks(4, 2, 2, read);
        assert!(!sampled);
        assert_eq!(peaks[0], [0.25, 1.0]);
        assert_eq!(peaks[1], [100.0 / 32_768.0, 0.5]);
    }

    #[test]
    fn long_audio_is_sampled() {
        let (peaks, sampled) = peaks(EXAMINED * 10, 1, 100, |_, count| vec![16_384; count]);
        assert!(sampled);
        assert_eq!(peaks[0], vec![0.5; 100]);
    }

    #[test]
    fn short_audio_has_all_points() {
        let (peaks, _) = peaks(1, 1, 3, |_, count| vec![16_384; count]);
        assert_eq!(peaks[0], [0.5; 3]);
        let (silence, _) = super::peaks(0, 1, 2, |_, _| Vec::new());
        assert_eq!(silence[0], [0.0; 2]);
    }
}
