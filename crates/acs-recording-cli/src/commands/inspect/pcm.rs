//! Samples of WAV files, from 0 to 1 and below.

/// Numbers of formats in WAV files.
pub(super) const PCM: u16 = 1;
pub(super) const FLOAT: u16 = 3;
pub(super) const A_LAW: u16 = 6;
pub(super) const MU_LAW: u16 = 7;

/// Reads a sample from as many bytes as it takes.
pub(super) type Reader = fn(&[u8]) -> f64;

/// How samples of a format and of so many bytes are read; none if they are compressed in another
/// way.
pub(super) fn reader(format: u16, bytes: u16) -> Option<Reader> {
    let reader: Reader = match (format, bytes) {
        (PCM, 1) => |bytes| (f64::from(byte(bytes)) - 128.0) / 128.0,
        (PCM, 2..=4) => integer,
        (FLOAT, 4) => |bytes| bytes.try_into().map_or(0.0, f32::from_le_bytes).into(),
        (FLOAT, 8) => |bytes| bytes.try_into().map_or(0.0, f64::from_le_bytes),
        (A_LAW, 1) => |bytes| a_law(byte(bytes)),
        (MU_LAW, 1) => |bytes| mu_law(byte(bytes)),
        _ => return None,
    };
    Some(reader)
}

fn byte(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or_default()
}

/// A sample of 2 to 4 bytes. Those with fewer bits than bytes have their zeros at the end.
fn integer(bytes: &[u8]) -> f64 {
    let mut padded = [0; 4];
    for (place, byte) in padded.iter_mut().rev().zip(bytes.iter().rev()) {
        *place = *byte;
    }
    f64::from(i32::from_le_bytes(padded)) / 2_147_483_648.0
}

/// G.711 A-law.
fn a_law(byte: u8) -> f64 {
    let byte = byte ^ 0x55;
    let (segment, step) = (byte >> 4 & 7, i32::from(byte & 15));
    let level = match segment {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    f64::from(if byte & 0x80 == 0 { -level } else { level }) / 32_768.0
}

/// G.711 mu-law.
fn mu_law(byte: u8) -> f64 {
    let byte = !byte;
    let (segment, step) = (byte >> 4 & 7, i32::from(byte & 15));
    let level = (((step << 3) + 0x84) << segment) - 0x84;
    f64::from(if byte & 0x80 == 0 { level } else { -level }) / 32_768.0
}
