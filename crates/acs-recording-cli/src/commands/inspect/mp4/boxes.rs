//! The boxes that MP4 files consist of, in memory. What is cut off is left out.

use std::ops::Range;
use std::time::Duration;

/// The content of a box.
#[derive(Clone, Copy)]
pub(super) struct Content<'a>(pub(super) &'a [u8]);

impl<'a> Content<'a> {
    /// The boxes within, from a place on.
    pub(super) fn boxes(self, from: usize) -> impl Iterator<Item = ([u8; 4], Content<'a>)> {
        let mut rest = self.0.get(from..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (name, header, size) = header(rest)?;
            let all = rest.len();
            let size = usize::try_from(size.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
            let (one, after) = rest.split_at(size.clamp(header, all));
            rest = after;
            Some((name, Content(one.get(header..)?)))
        })
    }

    /// The first box within that is found by these names, one inside of the other.
    pub(super) fn find(self, path: &[&[u8; 4]]) -> Option<Content<'a>> {
        path.iter().try_fold(self, |content, wanted| {
            let mut boxes = content.boxes(0);
            boxes.find_map(|(name, content)| (name == **wanted).then_some(content))
        })
    }

    pub(super) fn bytes<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn version(self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    pub(super) fn flags(self) -> u32 {
        self.long(0).unwrap_or_default() & 0x00FF_FFFF
    }

    pub(super) fn short(self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    pub(super) fn long(self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    pub(super) fn huge(self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_be_bytes)
    }

    /// A number of four or eight bytes, as the version of the box says.
    pub(super) fn by_version(self, short_at: usize, long_at: usize) -> Option<u64> {
        match self.version() {
            1 => self.huge(long_at),
            _ => self.long(short_at).map(u64::from),
        }
    }

    /// The rows of a table with their number before them, as far as they are there.
    pub(super) fn rows<const N: usize>(
        self,
        at: usize,
    ) -> impl ExactSizeIterator<Item = [u8; N]> + Clone + 'a {
        let announced = self.long(at).unwrap_or_default();
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        let rows = self.0.get(at.saturating_add(4)..).unwrap_or_default();
        let (rows, _) = rows.as_chunks::<N>();
        rows.get(..announced.min(rows.len()))
            .unwrap_or_default()
            .iter()
            .copied()
    }
}

/// Name, length of the header, and length of the whole box; none for a box that extends to the end.
pub(super) fn header(bytes: &[u8]) -> Option<([u8; 4], usize, Option<u64>)> {
    let content = Content(bytes);
    let name = content.bytes(4)?;
    match content.long(0)? {
        0 => Some((name, 8, None)),
        1 => Some((name, 16, Some(content.huge(8)?.max(16)))),
        size => Some((name, 8, Some(u64::from(size).max(8)))),
    }
}

/// The first two numbers of a row, of four bytes each.
pub(super) fn pair(row: &[u8]) -> [u32; 2] {
    [0, 4].map(|at| Content(row).long(at).unwrap_or_default())
}

/// The content of an MPEG-4 descriptor with this tag, at the start of these bytes.
pub(super) fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = bytes.split_first()?;
    let mut size = 0_usize;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        size = size << 7 | usize::from(byte & 0x7F);
        rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let content: Range<usize> = 0..size.min(rest.len());
    rest.get(content).filter(|_| *found == tag)
}

/// The time scale of a movie or track header, in ticks per second.
pub(super) fn timescale(header: Content<'_>) -> Option<u32> {
    header.long(if header.version() == 1 { 20 } else { 12 })
}

/// Converts ticks of a time scale to a duration.
pub(super) fn time(ticks: u64, scale: u32) -> Option<Duration> {
    let nanos = (u128::from(ticks) * 1_000_000_000).checked_div(u128::from(scale))?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}
