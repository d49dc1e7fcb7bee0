//! Where the samples of a track are: in tables of the movie, or in its fragments.

use super::boxes::{Content, pair};

/// Four hours at 60 pictures per second are less than a million.
const MOST_IN_FRAGMENTS: usize = 4_000_000;

/// All samples of a track, in order.
#[derive(Default)]
pub(super) struct Samples {
    sizes: Vec<u32>,
    /// All samples have this size instead, and there are so many.
    equal: Option<(u32, u64)>,
    chunks: Vec<Chunk>,
    /// Numbers of key frames, from 0; none if all are.
    keys: Option<Vec<u64>>,
    /// Counts of samples that last equally long.
    durations: Vec<(u64, u32)>,
    /// Where the last sample of a fragment ends.
    end: u64,
}

/// Samples behind each other.
#[derive(Clone, Copy)]
struct Chunk {
    offset: u64,
    samples: u64,
}

/// Sums over samples.
#[derive(Clone, Copy, Default)]
pub(super) struct Present {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) ticks: u64,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    pub(super) duration: u32,
}

impl Samples {
    /// Reads the tables in a box `stbl`.
    pub(super) fn read(table: Content<'_>) -> Self {
        let mut samples = Self::default();
        if let Some(sizes) = table.find(&[b"stsz"]) {
            match sizes.long(4) {
                Some(0) => samples.sizes = sizes.rows(8).map(u32::from_be_bytes).collect(),
                Some(size) => samples.equal = Some((size, sizes.long(8).unwrap_or(0).into())),
                None => {}
            }
        } else if let Some(sizes) = table.find(&[b"stz2"]) {
            samples.sizes = compact_sizes(sizes);
        }
        samples.keys = table.find(&[b"stss"]).map(|keys| {
            let keys = keys.rows(4).map(u32::from_be_bytes);
            keys.map(|key| u64::from(key.saturating_sub(1))).collect()
        });
        if let Some(durations) = table.find(&[b"stts"]) {
            let rows = durations.rows::<8>(4).map(|row| pair(&row));
            samples.durations = rows.map(|[count, each]| (count.into(), each)).collect();
        }
        samples.chunks = chunks(table);
        samples
    }

    /// Adds a sample of a fragment, if there are not absurdly many.
    pub(super) fn push(&mut self, sample: Sample, is_key: bool) {
        if self.sizes.len() >= MOST_IN_FRAGMENTS {
            return;
        }
        let keys = self.keys.get_or_insert_default();
        if is_key {
            keys.push(self.sizes.len() as u64);
        }
        self.sizes.push(sample.size);
        match self.durations.last_mut() {
            Some((count, each)) if *each == sample.duration => *count += 1,
            _ => self.durations.push((1, sample.duration)),
        }
        match self.chunks.last_mut() {
            Some(chunk) if self.end == sample.offset => chunk.samples += 1,
            _ => self.chunks.push(Chunk {
                offset: sample.offset,
                samples: 1,
            }),
        }
        self.end = sample.offset.saturating_add(sample.size.into());
    }

    pub(super) fn count(&self) -> u64 {
        self.equal
            .map_or(self.sizes.len() as u64, |(_, count)| count)
    }

    fn bytes(&self) -> u64 {
        match self.equal {
            Some((size, count)) => u64::from(size).saturating_mul(count),
            None => self.sizes.iter().map(|size| u64::from(*size)).sum(),
        }
    }

    /// How long all of them last.
    fn ticks(&self) -> u64 {
        let lengths = self.durations.iter();
        lengths.fold(0, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul((*each).into()))
        })
    }

    /// Samples per second, of which the last one may be shown for any time.
    pub(super) fn rate(&self, present: Present, scale: u32) -> Option<f64> {
        let (_, last) = self.durations.last()?;
        let ticks = present.ticks.checked_sub(u64::from(*last))?;
        #[allow(clippy::cast_precision_loss, reason = "a rate needs few digits")]
        let [count, ticks] = [present.count.checked_sub(1)?, ticks].map(|value| value as f64);
        (ticks > 0.0).then(|| count * f64::from(scale) / ticks)
    }

    /// What a file of this length has of them.
    pub(super) fn present(&self, len: u64) -> Present {
        if self.is_within(len) {
            return Present {
                count: self.count(),
                bytes: self.bytes(),
                ticks: self.ticks(),
            };
        }
        let samples = self.truncated_to(len);
        samples.fold(Present::default(), |present, sample| Present {
            count: present.count + 1,
            bytes: present.bytes + u64::from(sample.size),
            ticks: present.ticks.saturating_add(sample.duration.into()),
        })
    }

    /// Whether samples of equal size, of which there may be very many, are all within a file of this
    /// length. Others are looked at one by one.
    fn is_within(&self, len: u64) -> bool {
        let Some((size, count)) = self.equal else {
            return false;
        };
        let mut chunks = self.chunks.iter().map(|chunk| {
            let bytes = u64::from(size).saturating_mul(chunk.samples);
            (chunk.samples, chunk.offset.saturating_add(bytes))
        });
        let total = chunks.try_fold(0_u64, |sum, (samples, end)| {
            (end <= len).then(|| sum.saturating_add(samples))
        });
        total == Some(count) && self.bytes() <= len
    }

    /// How many of the first so many are key frames, and their bytes.
    pub(super) fn keys(&self, first: Present) -> (u64, u64) {
        let Some(keys) = &self.keys else {
            return (first.count, first.bytes);
        };
        let keys = keys.iter().filter(|key| **key < first.count);
        let sizes = keys.filter_map(|key| self.size(*key));
        sizes.fold((0, 0), |(count, bytes), size| {
            (count + 1, bytes + u64::from(size))
        })
    }

    fn size(&self, number: u64) -> Option<u32> {
        match self.equal {
            Some((size, count)) => (number < count).then_some(size),
            None => self.sizes.get(usize::try_from(number).ok()?).copied(),
        }
    }

    /// The samples that a file of this length has. No more are told than the file can have, however
    /// large a table is.
    pub(super) fn truncated_to(&self, len: u64) -> impl Iterator<Item = Sample> {
        let mut chunks = self.chunks.iter();
        let mut chunk = Chunk {
            offset: 0,
            samples: 0,
        };
        let mut durations = self.durations.iter();
        let (mut equally_long, mut duration) = (0, 0);
        let mut number = 0;
        let mut left = len;
        std::iter::from_fn(move || {
            loop {
                while chunk.samples == 0 {
                    chunk = *chunks.next()?;
                }
                while equally_long == 0
                    && let Some((count, each)) = durations.next()
                {
                    (equally_long, duration) = (*count, *each);
                }
                let size = self.size(number)?;
                let sample = Sample {
                    offset: chunk.offset,
                    size,
                    duration,
                };
                number += 1;
                equally_long = equally_long.saturating_sub(1);
                chunk.samples -= 1;
                chunk.offset = chunk.offset.saturating_add(size.into());
                // Even a sample without bytes takes some room in a table.
                left = left.checked_sub(u64::from(size.max(1)))?;
                if chunk.offset <= len {
                    return Some(sample);
                }
            }
        })
    }
}

/// Sizes of 4, 8 or 16 bits.
fn compact_sizes(sizes: Content<'_>) -> Vec<u32> {
    match sizes.long(4).map(|bits| bits & 0xFF) {
        Some(16) => sizes
            .rows(8)
            .map(|size| u16::from_be_bytes(size).into())
            .collect(),
        Some(8) => sizes.rows(8).map(|[size]| size.into()).collect(),
        Some(4) => {
            let count = usize::try_from(sizes.long(8).unwrap_or(0)).unwrap_or(usize::MAX);
            let bytes = sizes.0.get(12..).unwrap_or_default().iter();
            let halves = bytes.flat_map(|byte| [byte >> 4, byte & 15]);
            halves.take(count).map(u32::from).collect()
        }
        _ => Vec::new(),
    }
}

fn chunks(table: Content<'_>) -> Vec<Chunk> {
    let offsets: Vec<u64> = match (table.find(&[b"stco"]), table.find(&[b"co64"])) {
        (Some(offsets), _) => offsets
            .rows(4)
            .map(|offset| u32::from_be_bytes(offset).into())
            .collect(),
        (None, Some(offsets)) => offsets.rows(4).map(u64::from_be_bytes).collect(),
        (None, None) => Vec::new(),
    };
    let Some(runs) = table.find(&[b"stsc"]) else {
        return Vec::new();
    };
    let runs: Vec<[u32; 2]> = runs.rows::<12>(4).map(|row| pair(&row)).collect();
    let mut next = runs.iter().peekable();
    let mut samples = 0;
    let chunks = (1_u32..).zip(offsets).map(|(number, offset)| {
        while let Some([_, count]) = next.next_if(|[first, _]| *first <= number) {
            samples = *count;
        }
        Chunk {
            offset,
            samples: samples.into(),
        }
    });
    chunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_lie_end() {
        let samples = Samples {
            equal: Some((1, u64::MAX)),
            chunks: vec![
                Chunk {
                    offset: 0,
                    samples: u64::MAX,
                };
                1000
            ],
            durations: vec![(u64::MAX, u32::MAX)],
            ..Samples::default()
        };
        assert_eq!(samples.truncated_to(10).count(), 10);
        assert_eq!(samples.ticks(), u64::MAX);
        assert_eq!(samples.bytes(), u64::MAX);
    }
}
