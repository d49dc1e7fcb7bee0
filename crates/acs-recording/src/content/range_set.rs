//! A set of byte ranges.

use std::ops::Range;

/// Ranges in order, which neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RangeSet(Vec<Range<u64>>);

impl RangeSet {
    pub(super) fn add(&mut self, mut range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|other| other.end < range.start);
        let after = self.0.partition_point(|other| other.start <= range.end);
        if let Some(touched) = self.0.get(first..after)
            && let (Some(low), Some(high)) = (touched.first(), touched.last())
        {
            range = range.start.min(low.start)..range.end.max(high.end);
        }
        self.0.splice(first..after, [range]);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// The parts of `within` that the set does not contain.
    pub(super) fn missing(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut position = within.start;
        for range in &self.0 {
            let gap = position..range.start.min(within.end);
            if !gap.is_empty() {
                missing.push(gap);
            }
            position = position.max(range.end);
        }
        if position < within.end {
            missing.push(position..within.end);
        }
        missing
    }

    /// The end of the first range.
    pub(super) fn first_end(&self) -> Option<u64> {
        self.0.first().map(|range| range.end)
    }

    /// The start of the contiguous bytes before `end`.
    pub(super) fn contiguous_start(&self, end: u64) -> u64 {
        let mut before = self.0.iter().filter(|range| range.start < end);
        let around = before.find(|range| range.end >= end);
        around.map_or(end, |range| range.start)
    }

    /// The end of the contiguous bytes from `start`.
    pub(super) fn contiguous_end(&self, start: u64) -> u64 {
        let around = self.0.iter().find(|range| range.contains(&start));
        around.map_or(start, |range| range.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_set_equals_a_set_of_bytes(parts in proptest::collection::vec((0_u64..200, 0_u64..40), 0..20)) {
            let mut ranges = RangeSet::default();
            let mut bytes = [false; 240];
            for (start, length) in parts {
                ranges.add(start..start + length);
                for at in start..start + length {
                    bytes[usize::try_from(at).unwrap()] = true;
                }
            }
            prop_assert_eq!(ranges.len(), bytes.iter().filter(|have| **have).count() as u64);
            let mut missing = [true; 240];
            for at in ranges.missing(0..240).into_iter().flatten() {
                missing[usize::try_from(at).unwrap()] = false;
            }
            prop_assert_eq!(missing, bytes);
            let end = bytes.iter().position(|have| !have).unwrap_or(240);
            prop_assert_eq!(ranges.contiguous_end(0), end as u64);
            let start = bytes.iter().rposition(|have| !have).map_or(0, |at| at + 1);
            prop_assert_eq!(ranges.contiguous_start(240), start as u64);
            prop_assert!(ranges.0.windows(2).all(|two| two[0].end < two[1].start));
        }
    }
}
