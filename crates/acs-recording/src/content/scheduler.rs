//! Assigns the missing ranges of a file to connections.

use std::ops::Range;

/// Below this, splitting the range of another connection costs more than it gains.
const MIN_SPLIT: u64 = 2 * 1024 * 1024;

/// Assigns missing ranges to connections.
#[derive(Debug)]
pub(super) struct RangeScheduler {
    /// Ranges without a connection, in order.
    unassigned: Vec<Range<u64>>,
    /// The bytes that each connection has yet to receive.
    assigned: Vec<Option<Range<u64>>>,
    /// Whether each connection has received something of its range.
    receiving: Vec<bool>,
    /// The number of connections that may have a range.
    limit: usize,
    /// The most bytes to assign at a time.
    max_assignment: u64,
}

impl RangeScheduler {
    /// Divides the missing bytes equally among the connections.
    pub(super) fn new(missing: Vec<Range<u64>>, connections: usize) -> Self {
        let total: u64 = missing.iter().map(|range| range.end - range.start).sum();
        Self {
            unassigned: missing,
            max_assignment: total.div_ceil(connections.max(1) as u64).max(1),
            assigned: vec![None; connections.max(1)],
            receiving: vec![false; connections.max(1)],
            limit: connections.max(1),
        }
    }

    /// The next range for a connection. None if nothing is left that is worth splitting.
    pub(super) fn assign(&mut self, connection: usize) -> Option<Range<u64>> {
        let range = if self.unassigned.is_empty() {
            self.split_largest()?
        } else {
            self.take_front(0)?
        };
        *self.assigned.get_mut(connection)? = Some(range.clone());
        *self.receiving.get_mut(connection)? = false;
        Some(range)
    }

    /// Takes bytes off the beginning of an unassigned range.
    fn take_front(&mut self, index: usize) -> Option<Range<u64>> {
        let free = self.unassigned.get_mut(index)?;
        let end = free.end.min(free.start.saturating_add(self.max_assignment));
        let range = free.start..end;
        free.start = end;
        if free.is_empty() {
            self.unassigned.remove(index);
        }
        Some(range)
    }

    /// Takes the second half of the largest assigned range.
    fn split_largest(&mut self) -> Option<Range<u64>> {
        let ranges = self.assigned.iter_mut().flatten();
        let largest = ranges.max_by_key(|range| range.end - range.start)?;
        let left = largest.end - largest.start;
        if left < 2 * MIN_SPLIT {
            return None;
        }
        let middle = largest.start + left / 2;
        let second_half = middle..largest.end;
        largest.end = middle;
        Some(second_half)
    }

    /// The current end of a connection's range, which may have been split.
    pub(super) fn end(&self, connection: usize) -> u64 {
        let range = self.assigned.get(connection).and_then(Option::as_ref);
        range.map_or(0, |range| range.end)
    }

    /// Records that a connection has received everything before `position`.
    pub(super) fn advance(&mut self, connection: usize, position: u64) {
        if let Some(Some(range)) = self.assigned.get_mut(connection) {
            range.start = position.min(range.end);
        }
        if let Some(receiving) = self.receiving.get_mut(connection) {
            *receiving = true;
        }
    }

    /// Extends a connection's range into the following one, if that has no connection.
    pub(super) fn extend(&mut self, connection: usize) -> bool {
        let Some(range) = self.assigned.get(connection).and_then(Option::as_ref) else {
            return false;
        };
        let end = range.end;
        let next = self.unassigned.iter().position(|free| free.start == end);
        let Some(next) = next.and_then(|next| self.take_front(next)) else {
            return false;
        };
        if let Some(Some(range)) = self.assigned.get_mut(connection) {
            range.end = next.end;
        }
        true
    }

    /// Makes the rest of a connection's range available to others.
    pub(super) fn release(&mut self, connection: usize) {
        let Some(range) = self.assigned.get_mut(connection).and_then(Option::take) else {
            return;
        };
        if !range.is_empty() {
            let index = self
                .unassigned
                .partition_point(|free| free.start < range.start);
            self.unassigned.insert(index, range);
        }
    }

    /// Sets the number of connections that may have a range.
    pub(super) fn set_limit(&mut self, connections: usize) {
        self.limit = connections.max(1);
    }

    /// Releases the range of a connection if too many have one.
    pub(super) fn release_surplus(&mut self, connection: usize) -> bool {
        let is_surplus = self.active() > self.limit;
        if is_surplus {
            self.release(connection);
        }
        is_surplus
    }

    /// The range with which a connection continues after its last one, unless it is one too many.
    pub(super) fn assign_next(&mut self, connection: usize) -> Option<Range<u64>> {
        self.release(connection);
        (self.active() < self.limit)
            .then(|| self.assign(connection))
            .flatten()
    }

    /// The number of connections that have received something of their range.
    pub(super) fn receiving(&self) -> usize {
        let connections = self.assigned.iter().zip(&self.receiving);
        let receiving = connections.filter(|(range, receiving)| range.is_some() && **receiving);
        receiving.count()
    }

    /// The number of bytes that no connection has received yet.
    pub(super) fn missing(&self) -> u64 {
        let assigned = self.assigned.iter().flatten();
        let ranges = assigned.chain(&self.unassigned);
        ranges.map(|range| range.end - range.start).sum()
    }

    /// The number of connections that have bytes to receive.
    pub(super) fn active(&self) -> usize {
        let ranges = self.assigned.iter().flatten();
        ranges.filter(|range| !range.is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::range_set::RangeSet;
    use super::*;

    /// A scheduler for a file of which everything is missing.
    fn for_file(bytes: u64, connections: usize) -> RangeScheduler {
        RangeScheduler::new(std::iter::once(0..bytes).collect(), connections)
    }

    #[test]
    fn an_idle_connection_takes_half_of_the_largest_range() {
        let mut scheduler = for_file(32 * MIN_SPLIT, 2);
        assert_eq!(scheduler.assign(0), Some(0..16 * MIN_SPLIT));
        assert_eq!(scheduler.assign(1), Some(16 * MIN_SPLIT..32 * MIN_SPLIT));
        scheduler.advance(1, 32 * MIN_SPLIT);
        scheduler.release(1);
        scheduler.advance(0, 4 * MIN_SPLIT);
        assert_eq!(scheduler.assign(1), Some(10 * MIN_SPLIT..16 * MIN_SPLIT));
        assert_eq!(scheduler.end(0), 10 * MIN_SPLIT);
        scheduler.advance(0, 9 * MIN_SPLIT);
        scheduler.advance(1, 15 * MIN_SPLIT);
        scheduler.release(1);
        assert_eq!(scheduler.assign(1), Some(15 * MIN_SPLIT..16 * MIN_SPLIT));
        scheduler.release(1);
        scheduler.advance(0, 10 * MIN_SPLIT);
        assert_eq!(scheduler.assign(1), Some(15 * MIN_SPLIT..16 * MIN_SPLIT));
        assert_eq!(
            scheduler.assign(0),
            None,
            "the rest is too small to be split"
        );
    }

    #[test]
    fn a_connection_continues_into_released_ranges() {
        let mut scheduler = for_file(30, 3);
        for connection in 0..3 {
            scheduler.assign(connection).unwrap();
        }
        scheduler.advance(1, 14);
        scheduler.release(1);
        scheduler.release(2);
        assert!(
            !scheduler.extend(0),
            "10..14 lies between, which is complete"
        );
        scheduler.release(0);
        let mut scheduler = for_file(30, 3);
        scheduler.assign(0).unwrap();
        assert!(scheduler.extend(0) && scheduler.extend(0) && !scheduler.extend(0));
        assert_eq!(scheduler.end(0), 30);
    }

    #[test]
    fn surplus_connections_end_and_leave_their_ranges() {
        let mut scheduler = for_file(30, 3);
        for connection in 0..3 {
            scheduler.assign(connection).unwrap();
        }
        scheduler.advance(1, 14);
        assert_eq!((scheduler.receiving(), scheduler.missing()), (1, 26));
        assert!(!scheduler.release_surplus(1));
        scheduler.set_limit(1);
        assert!(scheduler.release_surplus(1) && scheduler.release_surplus(0));
        assert!(!scheduler.release_surplus(2), "one connection remains");
        assert_eq!((scheduler.receiving(), scheduler.missing()), (0, 26));
        assert_eq!(scheduler.assign_next(2), Some(0..10));
        assert_eq!(scheduler.assign_next(0), None);
    }

    #[test]
    fn a_huge_size_takes_no_memory() {
        let mut scheduler = for_file(u64::MAX, 2);
        let half = u64::MAX.div_ceil(2);
        assert_eq!(scheduler.assign(0), Some(0..half));
        assert_eq!(scheduler.assign(1), Some(half..u64::MAX));
        assert_eq!(scheduler.unassigned.len(), 0);
        scheduler.advance(0, half);
        assert_eq!(scheduler.active(), 1);
    }

    proptest! {
        /// In whatever order connections act, each missing byte is received exactly once.
        #[test]
        fn every_byte_is_received_once(
            cuts in proptest::collection::btree_set(0_u64..64, 0..8),
            connections in 1_usize..6,
            steps in proptest::collection::vec((0_usize..6, 0_u64..9, any::<bool>()), 0..200),
        ) {
            const SCALE: u64 = MIN_SPLIT / 2;
            let cuts: Vec<_> = cuts.into_iter().collect();
            let missing: Vec<_> = cuts.chunks_exact(2).map(|two| two[0] * SCALE..two[1] * SCALE).collect();
            let mut scheduler = RangeScheduler::new(missing.clone(), connections);
            let mut positions = vec![None; connections];
            let mut received = RangeSet::default();
            let mut sum = 0;
            let mut steps = steps.into_iter();
            let mut done = false;
            while !done {
                let (connection, length, gives_up) = steps.next().unwrap_or((0, u64::MAX / MIN_SPLIT, false));
                let connection = connection % connections;
                let is_finishing = length == u64::MAX / MIN_SPLIT;
                if is_finishing {
                    for (other, position) in positions.iter_mut().enumerate().skip(1) {
                        scheduler.release(other);
                        *position = None;
                    }
                }
                let assigned = positions[connection].or_else(|| scheduler.assign(connection).map(|range| range.start));
                let Some(position) = assigned else {
                    done = is_finishing;
                    continue;
                };
                let end = scheduler.end(connection).min(position.saturating_add(length * SCALE));
                received.add(position..end);
                sum += end - position;
                scheduler.advance(connection, end);
                positions[connection] = Some(end);
                if gives_up || (end == scheduler.end(connection) && !scheduler.extend(connection)) {
                    scheduler.release(connection);
                    positions[connection] = None;
                }
            }
            let expected: u64 = missing.iter().map(|range| range.end - range.start).sum();
            prop_assert_eq!(sum, expected);
            prop_assert_eq!(received.len(), expected);
        }
    }
}
