//! H.264 video of pictures that are mosaics: every macroblock of 16 by 16 pixels has one colour.
//!
//! Such pictures need only a small part of the standard. A macroblock is predicted from its
//! neighbour and corrected by one coefficient per colour component. The quantiser is chosen so that
//! a coefficient equals a difference in pixel values. After a key frame, only the macroblocks that
//! changed are sent. The profile is constrained baseline, which all players support.

use super::bits::Bits;
use crate::media::format::PICTURE_RATE;

/// The number of macroblocks in a row.
pub(super) const COLUMNS: usize = 120;
/// The number of macroblocks in a column. Half of the last row is cropped.
pub(super) const ROWS: usize = 68;

/// With this luma quantiser, and the chroma quantiser below, a coefficient of one is one pixel
/// value.
const QUANTISER_FROM_26: i32 = 2;
const CHROMA_OFFSET: i32 = -6;
const LEVEL: u32 = 40;
/// Frame numbers are counted modulo this number.
const FRAME_NUMBERS: u32 = 16;

/// Luma, and blue and red chroma difference.
pub(super) type Colour = [u8; 3];

/// The macroblocks of a picture, row by row.
pub(super) type Picture = Vec<Colour>;

pub(super) const GREY: Colour = [128; 3];

/// The sequence and picture parameter sets, which precede the video.
pub(super) fn parameters() -> [Vec<u8>; 2] {
    let mut sequence = Bits::default();
    sequence.put(66, 8);
    sequence.put(0xC0, 8);
    sequence.put(LEVEL, 8);
    sequence.unsigned(0); // id
    sequence.unsigned(0); // 16 frame numbers
    sequence.unsigned(2); // display order is stream order
    sequence.unsigned(1); // reference pictures
    sequence.bit(false);
    sequence.unsigned(119);
    sequence.unsigned(67);
    sequence.put(0b11, 2); // frames only, direct 8x8 inference
    sequence.bit(true); // cropping, in steps of two lines
    for edge in [0, 0, 0, 4] {
        sequence.unsigned(edge);
    }
    sequence.bit(true); // usability information: timing only
    sequence.put(0, 4);
    sequence.bit(true);
    sequence.put(1, 32);
    sequence.put(2 * PICTURE_RATE, 32);
    sequence.bit(true);
    sequence.put(0, 4);

    let mut picture = Bits::default();
    picture.unsigned(0);
    picture.unsigned(0);
    picture.put(0, 2); // variable length codes
    picture.unsigned(0);
    picture.unsigned(0);
    picture.unsigned(0);
    picture.put(0, 3);
    picture.signed(QUANTISER_FROM_26);
    picture.signed(0);
    picture.signed(CHROMA_OFFSET);
    picture.put(0b100, 3); // the slice turns the deblocking filter off
    [unit(0x67, sequence), unit(0x68, picture)]
}

/// A NAL unit with its header byte, in which start codes are escaped.
fn unit(header: u8, bits: Bits) -> Vec<u8> {
    let mut unit = vec![header];
    let mut zeros = 0;
    for byte in bits.finish() {
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// Encodes pictures as NAL units.
#[derive(Default)]
pub(super) struct Encoder {
    last: Picture,
    frame: u32,
    keys: u32,
}

impl Encoder {
    /// Encodes a key frame.
    pub(super) fn key(&mut self, picture: &Picture) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.unsigned(0);
        bits.unsigned(7);
        bits.unsigned(0);
        bits.put(0, 4);
        bits.unsigned(self.keys % 2); // two key frames in a row must differ
        bits.put(0, 2);
        bits.signed(0);
        bits.unsigned(1);
        for index in 0..picture.len() {
            macroblock(&mut bits, 0, picture, index);
        }
        self.frame = 0;
        self.keys += 1;
        self.last.clone_from(picture);
        unit(0x65, bits)
    }

    /// Encodes the picture that follows the previous one.
    pub(super) fn next(&mut self, picture: &Picture) -> Vec<u8> {
        self.frame = (self.frame + 1) % FRAME_NUMBERS;
        let mut bits = Bits::default();
        bits.unsigned(0);
        bits.unsigned(5);
        bits.unsigned(0);
        bits.put(self.frame, 4);
        bits.put(0, 3);
        bits.signed(0);
        bits.unsigned(1);
        let mut skipped = 0;
        for (index, colour) in picture.iter().enumerate() {
            if self.last.get(index) == Some(colour) {
                skipped += 1;
                continue;
            }
            bits.unsigned(skipped);
            skipped = 0;
            macroblock(&mut bits, 5, picture, index);
        }
        if skipped > 0 {
            bits.unsigned(skipped);
        }
        self.last.clone_from(picture);
        unit(0x61, bits)
    }
}

/// Encodes one macroblock. `base` is the number of the first intra type in this kind of slice.
fn macroblock(bits: &mut Bits, base: u32, picture: &Picture, index: usize) {
    let colour = |index: usize| picture.get(index).copied().unwrap_or(GREY);
    // The prediction modes of luma and chroma, which are numbered differently.
    let (from, luma_mode, chroma_mode) = if !index.is_multiple_of(COLUMNS) {
        (colour(index - 1), 1, 1)
    } else if index > 0 {
        (colour(index - COLUMNS), 0, 2)
    } else {
        (GREY, 2, 0)
    };
    let wanted = colour(index);
    let [luma, blue, red] = [0, 1, 2].map(|n| i32::from(wanted[n]) - i32::from(from[n]));
    let coloured = blue != 0 || red != 0;
    bits.unsigned(base + 1 + luma_mode + if coloured { 4 } else { 0 });
    bits.unsigned(chroma_mode);
    bits.signed(0);
    // The codes for "no coefficient", "one coefficient of magnitude one" and "one larger
    // coefficient", for luma and chroma.
    coefficient(bits, luma, [(0b1, 1), (0b01, 2), (0b00_0101, 6)]);
    if coloured {
        coefficient(bits, blue, [(0b01, 2), (0b1, 1), (0b00_0111, 6)]);
        coefficient(bits, red, [(0b01, 2), (0b1, 1), (0b00_0111, 6)]);
    }
}

fn coefficient(bits: &mut Bits, level: i32, [none, small, large]: [(u32, u32); 3]) {
    let magnitude = level.unsigned_abs();
    let negative = level < 0;
    match magnitude {
        0 => return bits.put(none.0, none.1),
        1 => {
            bits.put(small.0, small.1);
            bits.bit(negative);
        }
        _ => {
            bits.put(large.0, large.1);
            let code = 2 * magnitude - 4 + u32::from(negative);
            let (prefix, suffix, length) = match code {
                0..14 => (code, 0, 0),
                14..30 => (14, code - 14, 4),
                _ => (15, code - 30, 12),
            };
            bits.put(1, prefix + 1);
            bits.put(suffix, length);
        }
    }
    bits.bit(true); // no zero coefficients before it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_in_a_unit_are_escaped() {
        let mut bits = Bits::default();
        for byte in [0, 0, 0, 0, 0, 1, 0, 0, 4] {
            bits.put(byte, 8);
        }
        let unit = unit(0x65, bits);
        assert_eq!(unit, [0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 4, 0x80]);
    }

    #[test]
    fn unchanged_macroblocks_are_skipped() {
        let mut encoder = Encoder::default();
        let mut picture = vec![GREY; COLUMNS * ROWS];
        let key = encoder.key(&picture).len();
        assert!((8_000..8_400).contains(&key), "{key}");
        assert!(encoder.next(&picture).len() < 12);
        picture[500] = [16, 90, 240];
        let changed = encoder.next(&picture).len();
        assert!((12..32).contains(&changed), "{changed}");
    }
}
