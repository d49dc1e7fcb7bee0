//! Compares bytes received again with known ones, for servers that send no validators.

use std::collections::VecDeque;

use super::content_error::content_changed;
use super::identity::EntityIdentity;
use crate::error::Result;

/// The most bytes of an earlier run to request again.
pub(super) const MAX_OVERLAP: usize = 64 * 1024;
/// The most received bytes to keep in memory, to request again after an interruption.
const MAX_KEPT: usize = 16 * 1024;
/// The fewest bytes to request again, if there are as many.
const MIN_OVERLAP: usize = 1024;

/// The bytes before a position, which a later response must repeat.
///
/// They are kept only for content without an entity tag and a modification time: nothing else shows
/// that a later response is about the same version.
#[derive(Debug)]
pub(super) struct Overlap {
    is_needed: bool,
    bytes: VecDeque<u8>,
    /// The most of these bytes to request again.
    limit: usize,
}

impl Overlap {
    pub(super) fn new(identity: &EntityIdentity) -> Self {
        Self {
            is_needed: !identity.has_validator(),
            bytes: VecDeque::new(),
            limit: MAX_OVERLAP,
        }
    }

    /// Whether content must be compared.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// The number of bytes to request again.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len().min(self.limit) as u64
    }

    /// Sets the bytes that are on disk.
    pub(super) fn set(&mut self, bytes: Vec<u8>) {
        if self.is_needed {
            self.bytes = bytes.into();
        }
    }

    /// Requests fewer bytes from now on, because connections break before they deliver many more.
    pub(super) fn shrink(&mut self) {
        self.limit = (self.bytes.len().min(self.limit) / 4).max(MIN_OVERLAP);
    }

    /// Appends received bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.is_needed {
            return;
        }
        let last = bytes.get(bytes.len().saturating_sub(MAX_KEPT)..);
        let last = last.unwrap_or_default();
        let excess = (self.bytes.len() + last.len()).saturating_sub(MAX_KEPT);
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend(last);
    }

    /// Compares received bytes that begin `before` bytes before the position with the known ones.
    ///
    /// # Errors
    /// [`ErrorKind::ContentChanged`](crate::ErrorKind::ContentChanged) if they differ.
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
            Err(content_changed())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn content_with_a_validator_needs_no_comparison() {
        let tagged = EntityIdentity {
            total: Some(9),
            etag: Some("\"1\"".to_owned()),
            ..EntityIdentity::default()
        };
        let mut overlap = Overlap::new(&tagged);
        overlap.push(b"content");
        assert_eq!((overlap.len(), overlap.is_needed()), (0, false));
        assert!(overlap.compare(7, b"another").is_ok());
    }

    #[test]
    fn bytes_of_an_earlier_run_are_compared_completely() {
        let mut overlap = Overlap::new(&EntityIdentity::default());
        overlap.set(vec![1; MAX_OVERLAP]);
        assert_eq!(overlap.len(), MAX_OVERLAP as u64);
        let mut repeated = vec![1; MAX_OVERLAP];
        assert!(overlap.compare(overlap.len(), &repeated).is_ok());
        repeated[0] = 2;
        assert!(overlap.compare(overlap.len(), &repeated).is_err());
        overlap.push(&[3]);
        assert_eq!(overlap.len(), MAX_KEPT as u64);
    }

    proptest! {
        /// However the bytes were received, and however they are received again.
        #[test]
        fn bytes_received_again_are_compared(
            chunks in proptest::collection::vec(0_usize..100_000, 1..6),
            before in 1_usize..200_000,
            length in 1_usize..200_000,
            flipped in proptest::option::of(any::<proptest::sample::Index>()),
            shrinks in 0_usize..6,
        ) {
            let mut overlap = Overlap::new(&EntityIdentity::default());
            let total: usize = chunks.iter().sum();
            let content: Vec<u8> = (0..total).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut rest = content.as_slice();
            for chunk in chunks {
                let (now, later) = rest.split_at(chunk);
                overlap.push(now);
                rest = later;
            }
            prop_assert_eq!(overlap.len(), total.min(MAX_KEPT) as u64);
            for _ in 0..shrinks {
                overlap.shrink();
            }
            prop_assert!(overlap.len() >= total.min(MIN_OVERLAP) as u64);
            let known = usize::try_from(overlap.len()).unwrap();
            prop_assume!(before <= total);
            let start = total - before;
            let mut repeated = content[start..(start + length).min(total)].to_vec();
            let flipped = flipped.map(|index| index.index(repeated.len()));
            if let Some(at) = flipped {
                repeated[at] ^= 1;
            }
            let is_detected = flipped.is_some_and(|at| start + at + known >= total);
            prop_assert_eq!(overlap.compare(before as u64, &repeated).is_err(), is_detected);
        }
    }
}
