//! Who speaks when, on which channel, and what of it was recorded.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::SAMPLE_RATE;
use super::voice::Voice;

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
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) voice: Arc<Voice>,
    pub(crate) channel: usize,
    /// When the voice begins to speak, whether or not it is audible or recorded.
    pub(crate) begins: Timestamp,
    /// When the voice becomes audible.
    pub(crate) from: Timestamp,
    /// When the voice is no longer audible, if it stops.
    pub(crate) until: Option<Timestamp>,
}

/// Everything that determines the content of a file.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// The recorded periods in order. The time between them is not in the file.
    pub(crate) spans: Vec<Span>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) channels: usize,
}

impl Timeline {
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
                let of_voice = |at: Timestamp| frames(at.duration_since(track.begins));
                let position = of_voice(span.start) + part.start - start;
                let silent = track.until.map_or(i64::MAX, of_voice);
                let audible = of_voice(track.from);
                for (frame, position) in part.clone().zip(position..silent) {
                    if position < audible {
                        continue;
                    }
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
fn frames(length: SignedDuration) -> i64 {
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
            begins: from,
            from,
            until: None,
        }
    }

    /// The samples, read at once. Asserts that reading frame by frame gives the same result.
    fn samples(timeline: &Timeline) -> Vec<i16> {
        let all = timeline.all_samples();
        let single = (0..timeline.frames()).flat_map(|frame| timeline.samples(frame, 1));
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
        let timeline = Timeline {
            spans,
            tracks: vec![track(&counting(i16::MAX), 0, START)],
            channels: 1,
        };
        assert_eq!(timeline.frames(), 100);
        assert_eq!(samples(&timeline).len(), 100);
    }

    #[test]
    fn audio_during_a_pause_is_left_out_of_the_file() {
        let timeline = Timeline {
            spans: vec![span(0, 125_000), span(625_000, 750_000)],
            tracks: vec![track(&counting(100), 0, START)],
            channels: 1,
        };
        assert_eq!(samples(&timeline), [1, 2, 11, 12]);
    }

    #[test]
    fn voices_are_silent_before_they_join_and_after_they_leave() {
        let timeline = Timeline {
            spans: vec![span(0, 375_000)],
            tracks: vec![
                track(&counting(100), 0, at(125_000)),
                Track {
                    until: Some(at(187_500)),
                    ..track(&counting(100), 1, at(0))
                },
                // Muted at first.
                Track {
                    from: at(312_500),
                    ..track(&counting(100), 1, at(0))
                },
            ],
            channels: 2,
        };
        assert_eq!(samples(&timeline), [0, 1, 0, 2, 1, 3, 2, 0, 3, 0, 4, 6]);
    }

    #[test]
    fn mixing_saturates() {
        let loud = Arc::new(Voice::Clip(Arc::from([i16::MAX, 5, i16::MIN].as_slice())));
        let timeline = Timeline {
            spans: vec![span(0, 187_500)],
            tracks: vec![track(&loud, 0, START), track(&loud, 0, START)],
            channels: 1,
        };
        assert_eq!(samples(&timeline), [i16::MAX, 10, i16::MIN]);
    }
}
