//! Content of any size that is generated as it is read.

use bytes::Bytes;

/// The period of the noise in bytes. It is a prime, so that parts of a file that begin at round
/// offsets all differ.
const PERIOD: usize = 1_048_573;

/// Noise of a given length. The same seed always produces the same noise.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    header: Bytes,
    /// One period of the noise.
    period: Bytes,
    length: u64,
}

impl Noise {
    /// Creates `length` bytes that begin with `header`.
    pub(crate) fn new(header: Bytes, length: u64, seed: u64) -> Self {
        let mut state = seed;
        let mut noise = Vec::with_capacity(PERIOD + 8);
        while noise.len() < PERIOD {
            // SplitMix64: short, and every seed is good.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            noise.extend_from_slice(&(word ^ word >> 31).to_le_bytes());
        }
        noise.truncate(PERIOD);
        Self {
            header,
            period: noise.into(),
            length,
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The length without the header.
    pub(crate) fn noise_length(&self) -> u64 {
        self.length.saturating_sub(self.header.len() as u64)
    }

    /// The content from `offset` on: at most `limit` bytes, and at least one unless `offset` is at
    /// or after the end. Does not copy.
    pub(crate) fn read(&self, offset: u64, limit: usize) -> Bytes {
        let left = self.length.saturating_sub(offset);
        let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
        let of = |bytes: &Bytes, start: usize| {
            bytes.slice(start..bytes.len().min(start.saturating_add(limit)))
        };
        match usize::try_from(offset) {
            Ok(start) if start < self.header.len() => of(&self.header, start),
            _ => {
                let position = (offset - self.header.len() as u64) % PERIOD as u64;
                of(&self.period, usize::try_from(position).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(noise: &Noise, mut offset: u64, limit: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = noise.read(offset, limit);
            if piece.is_empty() {
                return all;
            }
            offset += piece.len() as u64;
            all.extend(piece);
        }
    }

    #[test]
    fn parts_match_the_whole() {
        let noise = Noise::new(Bytes::from_static(b"header"), 2_500_000, 7);
        let whole = all(&noise, 0, usize::MAX);
        assert_eq!(whole.len(), 2_500_000);
        assert!(whole.starts_with(b"header"));
        assert!(whole == all(&noise, 0, 65_536));
        for offset in [1, 5, 6, 7, 1_048_578, 1_048_579, 2_499_999] {
            let from = usize::try_from(offset).unwrap();
            assert!(whole[from..] == all(&noise, offset, 1_000), "{offset}");
        }
        assert!(noise.read(2_500_000, 10).is_empty());
        assert!(noise.read(u64::MAX, 10).is_empty());
    }

    #[test]
    fn noise_differs_by_seed_and_position() {
        let one = Noise::new(Bytes::new(), u64::MAX, 1);
        let two = Noise::new(Bytes::new(), u64::MAX, 2);
        assert_ne!(one.read(0, 64), two.read(0, 64));
        let mebibytes: Vec<_> = (0..64_u64).map(|n| one.read(n << 20, 64)).collect();
        for (n, piece) in mebibytes.iter().enumerate() {
            assert!(!mebibytes[n + 1..].contains(piece), "{n}");
        }
        assert_eq!(one.read(40 << 30, 64), one.read(40 << 30, 64));
    }
}
