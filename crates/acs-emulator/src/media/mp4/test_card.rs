//! The picture in videos: colour bars, and below them a clock with the recorded time.

use super::h264::{COLUMNS, Colour, GREY, Picture, ROWS};

/// White, yellow, cyan, green, magenta, red, blue, black.
const BARS: [Colour; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];
const PAPER: Colour = [32, 128, 128];
const INK: Colour = [225, 128, 128];

/// Digits of 3 by 5 dots, in rows of three bits. The last character is a colon.
const FONT: [u16; 11] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_001_001_001,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
    0b000_010_000_010_000,
];
const COLON: usize = 10;
/// The size of a dot in macroblocks, in both directions.
const DOT: usize = 3;
const LETTER: usize = 4 * DOT;
const TOP: usize = 46;
const BARS_END: usize = 40;

/// The picture at `second` of the recording.
pub(super) fn picture(second: u64) -> Picture {
    let mut picture: Picture = (0..ROWS * COLUMNS)
        .map(|index| match (index / COLUMNS, index % COLUMNS) {
            (row, column) if row < BARS_END => BARS
                .get(column * BARS.len() / COLUMNS)
                .copied()
                .unwrap_or(GREY),
            _ => PAPER,
        })
        .collect();
    let digit = |value: u64| usize::try_from(value % 10).unwrap_or(0);
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    let letters = [
        digit(hours / 10),
        digit(hours),
        COLON,
        digit(minutes / 10),
        digit(minutes),
        COLON,
        digit(seconds / 10),
        digit(seconds),
    ];
    let left = (COLUMNS - letters.len() * LETTER) / 2;
    for (place, letter) in letters.into_iter().enumerate() {
        for dot in (0..15).filter(|dot| FONT[letter] >> (14 - dot) & 1 == 1) {
            for cell in 0..DOT * DOT {
                let row = TOP + dot / 3 * DOT + cell / DOT;
                let column = left + place * LETTER + dot % 3 * DOT + cell % DOT;
                if let Some(colour) = picture.get_mut(row * COLUMNS + column) {
                    *colour = INK;
                }
            }
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_different_seconds_differ() {
        let pictures: Vec<_> = [0, 1, 10, 60, 600, 3_600].map(picture).into();
        for (n, one) in pictures.iter().enumerate() {
            assert_eq!(one.len(), COLUMNS * ROWS);
            assert!(pictures[n + 1..].iter().all(|other| other != one), "{n}");
        }
        assert_eq!(picture(7), picture(7));
    }
}
