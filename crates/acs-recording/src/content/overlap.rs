//! Comparing what comes in again with what is there, for servers that tell no version.

use std::collections::VecDeque;

use super::answer::changed;
use super::identity::Identity;
use crate::error::Result;

/// How much of an earlier run is asked for again at the most.
pub(super) const MAX_OVERLAP: usize = 64 * 1024;
/// How much is kept in memory of what came, to be asked for again after an interruption.
const KEPT: usize = 16 * 1024;
/// How much is asked for again at the least, if there is so much.
const LEAST: usize = 1024;

/// The end of what came before a position, which has to come again in the same form.
///
/// It is kept only for content whose server tells neither entity tag nor modification time: then
/// nothing else tells whether the rest belongs to the beginning.
#[derive(Debug)]
pub(super) struct Overlap {
    is_needed: bool,
    bytes: VecDeque<u8>,
    /// How many of these are asked for at the most.
    limit: usize,
}

impl Overlap {
    pub(super) fn new(identity: &Identity) -> Self {
        Self {
            is_needed: !identity.has_validator(),
            bytes: VecDeque::new(),
            limit: MAX_OVERLAP,
        }
    }

    /// Whether content has to be compared.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// How many bytes have to come again.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len().min(self.limit) as u64
    }

    /// Begins with what is on the disk.
    pub(super) fn begin_with(&mut self, bytes: Vec<u8>) {
        if self.is_needed {
            self.bytes = bytes.into();
        }
    }

    /// Asks for less from now on, because connections break off before they bring much more.
    pub(super) fn shrink(&mut self) {
        self.limit = (self.bytes.len().min(self.limit) / 4).max(LEAST);
    }

    /// Takes in what follows.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.is_needed {
            return;
        }
        let last = bytes.get(bytes.len().saturating_sub(KEPT)..);
        let last = last.unwrap_or_default();
        let excess = (self.bytes.len() + last.len()).saturating_sub(KEPT);
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend(last);
    }

    /// Compares bytes that begin `before` bytes before the position, as far as they were asked for
    /// again.
    ///
    /// # Errors
    /// [`ErrorKind::ContentChanged`](crate::ErrorKind::ContentChanged) if they are others.
    pub(super) fn compare(&self, before: u64, bytes: &[u8]) -> Result<()> {
        let known = before.min(self.len());
        let skipped = usize::try_from(before - known).unwrap_or(usize::MAX);
        let bytes = bytes.get(skipped..).unwrap_or_default();
        let unknown = self.bytes.len() as u64 - known;
        let known = self.bytes.iter();
        let known = known.skip(usize::try_from(unknown).unwrap_or(usize::MAX));
        if bytes.iter().zip(known).all(|(one, other)| one == other) {
            Ok(())
        } else {
            Err(changed())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_for_content_without_a_validator() {
        let tagged = Identity {
            total: Some(9),
            tag: Some("\"1\"".to_owned()),
            ..Identity::default()
        };
        let mut overlap = Overlap::new(&tagged);
        overlap.push(b"content");
        assert_eq!((overlap.len(), overlap.is_needed()), (0, false));
        assert!(overlap.compare(7, b"another").is_ok());
    }

    #[test]
    fn what_an_earlier_run_left_is_compared_in_full() {
        let mut overlap = Overlap::new(&Identity::default());
        overlap.begin_with(vec![1; MAX_OVERLAP]);
        assert_eq!(overlap.len(), MAX_OVERLAP as u64);
        let mut again = vec![1; MAX_OVERLAP];
        assert!(overlap.compare(overlap.len(), &again).is_ok());
        again[0] = 2;
        assert!(overlap.compare(overlap.len(), &again).is_err());
        overlap.push(&[3]);
        assert_eq!(overlap.len(), KEPT as u64);
    }

    proptest! {
        /// However the bytes came, and however they come again.
        #[test]
        fn what_comes_again_is_compared(
            pieces in proptest::collection::vec(0_usize..100_000, 1..6),
            before in 1_usize..200_000,
            length in 1_usize..200_000,
            flipped in proptest::option::of(any::<proptest::sample::Index>()),
            shrinks in 0_usize..6,
        ) {
            let mut overlap = Overlap::new(&Identity::default());
            let total: usize = pieces.iter().sum();
            let content: Vec<u8> = (0..total).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut rest = content.as_slice();
            for piece in pieces {
                let (now, later) = rest.split_at(piece);
                overlap.push(now);
                rest = later;
            }
            prop_assert_eq!(overlap.len(), total.min(KEPT) as u64);
            for _ in 0..shrinks {
                overlap.shrink();
            }
            prop_assert!(overlap.len() >= total.min(LEAST) as u64);
            let known = usize::try_from(overlap.len()).unwrap();
            prop_assume!(before <= total);
            let start = total - before;
            let mut again = content[start..(start + length).min(total)].to_vec();
            let flipped = flipped.map(|index| index.index(again.len()));
            if let Some(at) = flipped {
                again[at] ^= 1;
            }
            let is_seen = flipped.is_some_and(|at| start + at + known >= total);
            prop_assert_eq!(overlap.compare(before as u64, &again).is_err(), is_seen);
        }
    }
}
