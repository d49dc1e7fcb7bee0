//! MP3 files.

use rusty_mp3::{Error, Mp3Encoder, Mp3EncoderConfig};

use super::SAMPLE_RATE;
use super::error::EncodeError;
use super::format::{Format, MP3_BIT_RATE};

/// Encodes the file: frames of constant size after a tag frame with the exact length.
pub(super) fn file(sound: &[i16]) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig {
        bitrate_kbps: MP3_BIT_RATE / 1_000,
        vbr_quality: None,
    });
    let mut file = Vec::new();
    let failed = |error: Error| EncodeError::new(Format::Mp3, &format_args!("{error:?}"));
    encoder
        .push_pcm_s16(sound, 1, SAMPLE_RATE)
        .map_err(failed)?;
    encoder.finish();
    while let Ok(packet) = encoder.next_packet() {
        file.extend(packet);
    }
    Ok(file)
}
