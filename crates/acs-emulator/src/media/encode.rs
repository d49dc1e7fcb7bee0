//! Encoding of whole files.

use super::error::EncodeError;
use super::format::Format;
#[cfg(feature = "mp3")]
use super::mp3;
#[cfg(feature = "mp4")]
use super::mp4;
use super::wav;

/// Encodes interleaved samples. Files with several channels are always WAV.
///
/// `first_second` is the initial value of the clock in a video.
#[cfg_attr(
    not(feature = "mp4"),
    allow(unused_variables, reason = "only videos have a clock")
)]
pub(crate) fn encode(
    format: Format,
    samples: &[i16],
    channels: usize,
    first_second: u64,
) -> Result<Vec<u8>, EncodeError> {
    match format {
        Format::Wav => Ok(wav::file(samples, channels)),
        #[cfg(feature = "mp3")]
        Format::Mp3 => mp3::file(samples),
        #[cfg(feature = "mp4")]
        Format::Mp4 => mp4::file(samples, first_second),
        // A start request for such a recording is refused, so this is unreachable.
        #[cfg(not(all(feature = "mp3", feature = "mp4")))]
        format => Err(EncodeError::new(
            format,
            &"the emulator was built without its encoder",
        )),
    }
}
