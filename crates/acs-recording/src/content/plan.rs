//! Which bytes are still missing, and who fetches which of them.

use std::ops::Range;

/// Below this, splitting what another connection fetches costs more than it gains.
const MIN_STEAL: u64 = 2 * 1024 * 1024;
/// Content for which a second connection is opened, and as much again for each further one.
const PER_CONNECTION: u64 = 4 * 1024 * 1024;
/// Connections that a download opens by itself at the most.
const MAX_CONNECTIONS: u64 = 8;

/// How many connections content of this size is worth.
pub(super) fn connections_for(bytes: u64) -> usize {
    let wanted = (bytes / PER_CONNECTION).clamp(1, MAX_CONNECTIONS);
    usize::try_from(wanted).unwrap_or(1)
}

/// Ranges that neither overlap nor touch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
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

    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// What lies in `within` and in none of the ranges.
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

    /// Where the first range ends.
    pub(super) fn first_end(&self) -> Option<u64> {
        self.0.first().map(|range| range.end)
    }

    /// Where what ends at `end` begins, if it has no gap.
    pub(super) fn since(&self, end: u64) -> u64 {
        let mut before = self.0.iter().filter(|range| range.start < end);
        let around = before.find(|range| range.end >= end);
        around.map_or(end, |range| range.start)
    }

    /// How far it goes from `start` without a gap.
    pub(super) fn reach(&self, start: u64) -> u64 {
        let around = self.0.iter().find(|range| range.contains(&start));
        around.map_or(start, |range| range.end)
    }
}

/// Shares missing ranges out among workers.
#[derive(Debug)]
pub(super) struct Plan {
    /// Claimed by nobody, in order.
    open: Vec<Range<u64>>,
    /// What each worker has yet to fetch of its part.
    claimed: Vec<Option<Range<u64>>>,
    /// How large a part is at the most. They are cut as they are claimed, since there is no end
    /// to how many a server may promise.
    piece: u64,
    /// Whether an idle worker takes over half of another's part.
    splits: bool,
}

impl Plan {
    /// Shares out what is missing in one part per worker, or in parts of the size that the caller
    /// wants.
    pub(super) fn new(missing: Vec<Range<u64>>, workers: usize, size: Option<u64>) -> Self {
        let total: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let even = total.div_ceil(workers.max(1) as u64);
        Self {
            open: missing,
            piece: size.unwrap_or(even).max(1),
            claimed: vec![None; workers.max(1)],
            splits: size.is_none(),
        }
    }

    /// The next part for a worker; none when nothing is left that is worth sharing.
    pub(super) fn claim(&mut self, worker: usize) -> Option<Range<u64>> {
        let part = if self.open.is_empty() {
            self.steal()?
        } else {
            self.cut(0)?
        };
        *self.claimed.get_mut(worker)? = Some(part.clone());
        Some(part)
    }

    /// Takes a part off the beginning of an open range.
    fn cut(&mut self, place: usize) -> Option<Range<u64>> {
        let open = self.open.get_mut(place)?;
        let part = open.start..open.end.min(open.start.saturating_add(self.piece));
        open.start = part.end;
        if open.is_empty() {
            self.open.remove(place);
        }
        Some(part)
    }

    fn steal(&mut self) -> Option<Range<u64>> {
        if !self.splits {
            return None;
        }
        let parts = self.claimed.iter_mut().flatten();
        let largest = parts.max_by_key(|part| part.end - part.start)?;
        let left = largest.end - largest.start;
        if left < 2 * MIN_STEAL {
            return None;
        }
        let middle = largest.start + left / 2;
        let stolen = middle..largest.end;
        largest.end = middle;
        Some(stolen)
    }

    /// Where a worker's part ends by now; others may have taken some of it.
    pub(super) fn end(&self, worker: usize) -> u64 {
        let part = self.claimed.get(worker).and_then(Option::as_ref);
        part.map_or(0, |part| part.end)
    }

    /// A worker has everything before `position`.
    pub(super) fn advance(&mut self, worker: usize, position: u64) {
        if let Some(Some(part)) = self.claimed.get_mut(worker) {
            part.start = position.min(part.end);
        }
    }

    /// Lets a worker go on into the next part, if that begins where its own ends and is free.
    pub(super) fn extend(&mut self, worker: usize) -> bool {
        let Some(end) = self.claimed.get(worker).and_then(Option::as_ref) else {
            return false;
        };
        let end = end.end;
        let next = self.open.iter().position(|open| open.start == end);
        let Some(next) = next.and_then(|next| self.cut(next)) else {
            return false;
        };
        if let Some(Some(part)) = self.claimed.get_mut(worker) {
            part.end = next.end;
        }
        true
    }

    /// Takes back what a worker has not fetched.
    pub(super) fn release(&mut self, worker: usize) {
        let Some(part) = self.claimed.get_mut(worker).and_then(Option::take) else {
            return;
        };
        if !part.is_empty() {
            let place = self.open.partition_point(|open| open.start < part.start);
            self.open.insert(place, part);
        }
    }

    /// How many workers have something to fetch yet.
    pub(super) fn active(&self) -> usize {
        let parts = self.claimed.iter().flatten();
        parts.filter(|part| !part.is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A plan of which everything is missing.
    fn fresh(bytes: u64, workers: usize, size: Option<u64>) -> Plan {
        Plan::new(std::iter::once(0..bytes).collect(), workers, size)
    }

    #[test]
    fn size_decides_on_connections() {
        const MIB: u64 = 1024 * 1024;
        for (bytes, expected) in [
            (0, 1),
            (5 * MIB, 1),
            (8 * MIB, 2),
            (32 * MIB, 8),
            (u64::MAX, 8),
        ] {
            assert_eq!(connections_for(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn an_idle_worker_takes_half_of_the_largest_part() {
        let mut plan = fresh(32 * MIN_STEAL, 2, None);
        assert_eq!(plan.claim(0), Some(0..16 * MIN_STEAL));
        assert_eq!(plan.claim(1), Some(16 * MIN_STEAL..32 * MIN_STEAL));
        plan.advance(1, 32 * MIN_STEAL);
        plan.release(1);
        plan.advance(0, 4 * MIN_STEAL);
        assert_eq!(plan.claim(1), Some(10 * MIN_STEAL..16 * MIN_STEAL));
        assert_eq!(plan.end(0), 10 * MIN_STEAL);
        plan.advance(0, 9 * MIN_STEAL);
        plan.advance(1, 15 * MIN_STEAL);
        plan.release(1);
        assert_eq!(plan.claim(1), Some(15 * MIN_STEAL..16 * MIN_STEAL));
    }

    #[test]
    fn one_stream_goes_on_into_what_others_gave_back() {
        let mut plan = fresh(30, 3, Some(10));
        for worker in 0..3 {
            plan.claim(worker).unwrap();
        }
        plan.advance(1, 14);
        plan.release(1);
        plan.release(2);
        assert!(!plan.extend(0), "there is 10..14 in between, which is done");
        plan.release(0);
        let mut plan = fresh(30, 3, Some(10));
        plan.claim(0).unwrap();
        assert!(plan.extend(0) && plan.extend(0) && !plan.extend(0));
        assert_eq!(plan.end(0), 30);
    }

    #[test]
    fn a_size_without_bounds_takes_no_memory() {
        let mut plan = fresh(u64::MAX, 2, Some(1));
        assert_eq!(plan.claim(0), Some(0..1));
        assert!(plan.extend(0));
        assert_eq!(plan.claim(1), Some(2..3));
        assert_eq!(plan.open.len(), 1);
        plan.advance(0, 2);
        assert_eq!(plan.active(), 1);
    }

    proptest! {
        #[test]
        fn ranges_are_sets_of_bytes(parts in proptest::collection::vec((0_u64..200, 0_u64..40), 0..20)) {
            let mut ranges = Ranges::default();
            let mut bytes = [false; 240];
            for (start, length) in parts {
                ranges.add(start..start + length);
                for at in start..start + length {
                    bytes[usize::try_from(at).unwrap()] = true;
                }
            }
            prop_assert_eq!(ranges.bytes(), bytes.iter().filter(|have| **have).count() as u64);
            let mut missing = [true; 240];
            for at in ranges.missing(0..240).into_iter().flatten() {
                missing[usize::try_from(at).unwrap()] = false;
            }
            prop_assert_eq!(missing, bytes);
            let reach = bytes.iter().position(|have| !have).unwrap_or(240);
            prop_assert_eq!(ranges.reach(0), reach as u64);
            let gap = bytes.iter().rposition(|have| !have).map_or(0, |at| at + 1);
            prop_assert_eq!(ranges.since(240), gap as u64);
            prop_assert!(ranges.0.windows(2).all(|two| two[0].end < two[1].start));
        }

        /// Whatever workers do in whatever order, each missing byte is fetched exactly once.
        #[test]
        fn every_byte_is_fetched_once(
            cuts in proptest::collection::btree_set(0_u64..64, 0..8),
            workers in 1_usize..6,
            size in proptest::option::of(1_u64..9),
            steps in proptest::collection::vec((0_usize..6, 0_u64..9, any::<bool>()), 0..200),
        ) {
            let scale = if size.is_some() { 1 } else { MIN_STEAL / 2 };
            let cuts: Vec<_> = cuts.into_iter().collect();
            let missing: Vec<_> = cuts.chunks_exact(2).map(|two| two[0] * scale..two[1] * scale).collect();
            let mut plan = Plan::new(missing.clone(), workers, size);
            let mut at = vec![None; workers];
            let mut fetched = Ranges::default();
            let mut sum = 0;
            let mut steps = steps.into_iter();
            let mut done = false;
            while !done {
                let (worker, length, gives_up) = steps.next().unwrap_or((0, u64::MAX / MIN_STEAL, false));
                let worker = worker % workers;
                let finishing = length == u64::MAX / MIN_STEAL;
                if finishing {
                    for (other, at) in at.iter_mut().enumerate().skip(1) {
                        plan.release(other);
                        *at = None;
                    }
                }
                let Some(position) = at[worker].or_else(|| plan.claim(worker).map(|part| part.start)) else {
                    done = finishing;
                    continue;
                };
                let end = plan.end(worker).min(position.saturating_add(length * scale));
                fetched.add(position..end);
                sum += end - position;
                plan.advance(worker, end);
                at[worker] = Some(end);
                if gives_up || (end == plan.end(worker) && !plan.extend(worker)) {
                    plan.release(worker);
                    at[worker] = None;
                }
            }
            let expected: u64 = missing.iter().map(|range| range.end - range.start).sum();
            prop_assert_eq!(sum, expected);
            prop_assert_eq!(fetched.bytes(), expected);
        }
    }
}
