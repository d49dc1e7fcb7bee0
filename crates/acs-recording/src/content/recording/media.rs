//! Checks the format of a media file, and reads its duration from the header.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::super::error_page;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::file_error;

/// How much durations may differ: clocks and encoders round.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The same in thousandths of the duration.
const RELATIVE_TOLERANCE: u32 = 5;
/// The most chunks of a WAV file before its samples.
const MAX_CHUNKS: usize = 64;
/// The number of bytes that identify a format.
const FORMAT_BYTES: usize = 12;
/// The placeholder of a size that is not known yet.
const UNKNOWN_SIZE: u32 = u32::MAX;
/// The boxes that an MP4 file may begin with.
const MP4_BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot",
];

/// What the header of a media file says.
#[derive(Debug, Default)]
pub(super) struct MediaInfo {
    /// The duration of a WAV file with a valid header.
    pub(super) duration: Option<Duration>,
    /// What is wrong with the file.
    pub(super) problem: Option<String>,
}

/// Rejects a file that has none of the announced formats, an HTML page, and an error document.
pub(super) fn reject_other_format(path: &Path, announced: [Option<&'static str>; 2]) -> Result<()> {
    error_page::reject_error_page(path)?;
    let mut start = [0; FORMAT_BYTES];
    let length = File::open(path)
        .and_then(|mut file| read_up_to(&mut file, &mut start))
        .map_err(|error| file_error(error, path))?;
    reject_other_start(start.get(..length).unwrap_or_default(), announced)
}

/// Rejects content with this start if it has none of the announced formats.
pub(super) fn reject_other_start(start: &[u8], announced: [Option<&'static str>; 2]) -> Result<()> {
    let start = start.get(..FORMAT_BYTES).unwrap_or(start);
    let mut formats = announced.into_iter().flatten().peekable();
    let Some(first) = formats.peek().copied() else {
        return Ok(());
    };
    if formats.any(|format| has_format(start, format)) {
        return Ok(());
    }
    let text = format!(
        "the content was announced as {first} but begins with other bytes ({} bytes: {})",
        start.len(),
        start.escape_ascii()
    );
    Err(Error::new(ErrorKind::CorruptContent, text))
}

/// Inspects a saved file. A problem is no reason to reject it.
pub(super) fn inspect(path: &Path, extension: &str) -> io::Result<MediaInfo> {
    let mut file = File::open(path)?;
    let mut start = [0; 12];
    let length = read_up_to(&mut file, &mut start)?;
    let start = start.get(..length).unwrap_or_default();
    if extension != "bin" && !has_format(start, extension) {
        return Ok(MediaInfo {
            duration: None,
            problem: Some(format!("its first bytes are not those of {extension}")),
        });
    }
    if extension != "wav" {
        return Ok(MediaInfo::default());
    }
    match read_wav_header(&mut file) {
        Ok(info) => Ok(info),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(MediaInfo {
            duration: None,
            problem: Some("its header is incomplete".to_owned()),
        }),
        Err(error) => Err(error),
    }
}

/// Whether a file that begins with these bytes has the format.
fn has_format(start: &[u8], format: &str) -> bool {
    match format {
        "wav" => {
            matches!(start.get(..4), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"))
                && start.get(8..12) == Some(b"WAVE")
        }
        "mp4" => {
            let kind = start.get(4..8).unwrap_or_default();
            MP4_BOXES.iter().any(|known| known.as_slice() == kind)
        }
        "mp3" => match start {
            [b'I', b'D', b'3', ..] => true,
            [0xff, sync, ..] => sync & 0xe0 == 0xe0,
            _ => false,
        },
        _ => true,
    }
}

/// Whether two durations can be those of the same media.
pub(super) fn is_same_duration(one: Duration, other: Duration) -> bool {
    let margin = TOLERANCE.saturating_add(one.max(other) / 1000 * RELATIVE_TOLERANCE);
    one.abs_diff(other) <= margin
}

fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn read_wav_header(file: &mut (impl Read + Seek)) -> io::Result<MediaInfo> {
    let invalid = |what: &str| {
        Ok(MediaInfo {
            duration: None,
            problem: Some(what.to_owned()),
        })
    };
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(12))?;
    let mut bytes_per_second = 0;
    for _ in 0..MAX_CHUNKS {
        let (name, size) = read_chunk_header(file)?;
        let position = file.stream_position()?;
        match &name {
            b"fmt " => {
                let mut format = [0; 12];
                file.read_exact(&mut format)?;
                let [.., a, b, c, d] = format;
                bytes_per_second = u32::from_le_bytes([a, b, c, d]);
            }
            b"data" => {
                let available = length.saturating_sub(position);
                let size = match size {
                    0 | UNKNOWN_SIZE => available,
                    size => u64::from(size),
                };
                if bytes_per_second == 0 {
                    return invalid("its header has no byte rate");
                }
                #[allow(clippy::cast_precision_loss, reason = "seconds need no more digits")]
                let seconds = size.min(available) as f64 / f64::from(bytes_per_second);
                return Ok(MediaInfo {
                    duration: Duration::try_from_secs_f64(seconds).ok(),
                    problem: (size > available).then(|| {
                        format!(
                            "its header announces {size} bytes of samples, but it has {available}"
                        )
                    }),
                });
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        file.seek(SeekFrom::Start(
            position + u64::from(size) + u64::from(size % 2),
        ))?;
    }
    invalid("it has no samples")
}

fn read_chunk_header(file: &mut impl Read) -> io::Result<([u8; 4], u32)> {
    let (mut name, mut size) = ([0; 4], [0; 4]);
    file.read_exact(&mut name)?;
    file.read_exact(&mut size)?;
    Ok((name, u32::from_le_bytes(size)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn file(seconds: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 1000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for _ in 0..seconds * 1000 {
            writer.write_sample(0_i16).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn inspect_bytes(bytes: &[u8]) -> MediaInfo {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, bytes).unwrap();
        inspect(&path, "wav").unwrap()
    }

    #[test]
    fn the_duration_is_read_even_if_the_header_has_no_sizes() {
        let bytes = file(3);
        let three = Some(Duration::from_secs(3));
        assert_eq!(inspect_bytes(&bytes).duration, three);
        for unknown in [0, UNKNOWN_SIZE] {
            for form in [b"RIFF", b"RF64"] {
                let mut open = bytes.clone();
                open[..4].copy_from_slice(form);
                open[4..8].copy_from_slice(&unknown.to_le_bytes());
                open[40..44].copy_from_slice(&unknown.to_le_bytes());
                let info = inspect_bytes(&open);
                assert_eq!((info.duration, info.problem), (three, None), "{unknown}");
            }
        }
    }

    #[test]
    fn problems_of_a_file_are_described() {
        let bytes = file(3);
        for (bytes, text) in [
            (&bytes[..bytes.len() - 1], "but it has 5999"),
            (&bytes[..30], "incomplete"),
            (b"RIFF\0\0\0\0WAVE", "incomplete"),
            (b"ID3", "not those of wav"),
        ] {
            let problem = inspect_bytes(bytes).problem.unwrap();
            assert!(problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn a_file_is_rejected_only_if_it_has_no_announced_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let rejected = |bytes: &[u8], announced| {
            std::fs::write(&path, bytes).unwrap();
            reject_other_format(&path, announced).is_err()
        };
        let wav = file(0);
        for (bytes, announced, expected) in [
            (&wav[..], [Some("wav"), None], false),
            (&wav, [Some("mp3"), Some("wav")], false),
            (&wav, [Some("mp3"), None], true),
            (b"RF64\xff\xff\xff\xffWAVE", [Some("wav"), None], false),
            (b"RIFF\xff\xff\xff\xffAVI ", [Some("wav"), None], true),
            (b"\0\0\0\x18ftypmp42", [Some("mp4"), None], false),
            (b"\0\0\0\x18moofxxxx", [Some("mp4"), None], false),
            (b"ID3456789abc", [Some("mp4"), None], true),
            (b"ID3", [Some("mp3"), None], false),
            (b"\xff\xfb", [None, Some("mp3")], false),
            (b"\0\0", [None, Some("mp3")], true),
            (b"", [Some("wav"), None], true),
            (b"\0\0", [None, None], false),
            (b"<html>", [None, None], true),
        ] {
            let text = bytes.escape_ascii();
            assert_eq!(rejected(bytes, announced), expected, "{text} {announced:?}");
        }
    }

    #[test]
    fn durations_may_differ_within_a_tolerance() {
        let seconds = Duration::from_secs;
        assert!(
            is_same_duration(seconds(10), seconds(11))
                && is_same_duration(seconds(3600), seconds(3617))
        );
        assert!(
            !is_same_duration(seconds(10), seconds(12))
                && !is_same_duration(seconds(3600), seconds(3640))
        );
        assert!(is_same_duration(Duration::MAX, Duration::MAX));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), real: bool) {
            if real {
                let mut start = file(0);
                let at = bytes.len() % start.len();
                start.truncate(at);
                start.extend(&bytes);
                bytes = start;
            }
            let _ = read_wav_header(&mut Cursor::new(&bytes));
        }
    }
}
