//! Whether a media file is of its format, and how long its sound is, as far as its head tells.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::disk::file_error;
use super::sniff;
use crate::error::{Error, ErrorKind, Result};

/// How far lengths may differ: clocks and encoders round.
const TOLERANCE: Duration = Duration::from_secs(1);
/// And by how many thousandths of the length.
const RELATIVE_TOLERANCE: u32 = 5;
/// Chunks before the samples; a file with more of them is none of the service.
const MAX_CHUNKS: usize = 64;
/// How many bytes tell a format.
const HEAD: usize = 12;
/// What a writer puts in place of a size that it does not know yet.
const UNKNOWN: u32 = u32::MAX;
/// The boxes that an MP4 file may begin with.
const MP4_BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot",
];

/// What the head of a media file tells.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// How long its sound is, if it is WAV and its head is sound.
    pub(super) length: Option<Duration>,
    /// What is odd about it.
    pub(super) oddity: Option<String>,
}

/// Refuses a file that is in none of the formats in which it was announced, or that is no media at
/// all.
pub(super) fn refuse(path: &Path, announced: [Option<&'static str>; 2]) -> Result<()> {
    sniff::refuse_page(path)?;
    let mut head = [0; HEAD];
    let length = File::open(path)
        .and_then(|mut file| read_up_to(&mut file, &mut head))
        .map_err(|error| file_error(error, path))?;
    refuse_head(head.get(..length).unwrap_or_default(), announced)
}

/// Refuses content that begins like this, if that is none of the formats in which it was announced.
pub(super) fn refuse_head(head: &[u8], announced: [Option<&'static str>; 2]) -> Result<()> {
    let head = head.get(..HEAD).unwrap_or(head);
    let mut formats = announced.into_iter().flatten().peekable();
    let Some(first) = formats.peek().copied() else {
        return Ok(());
    };
    if formats.any(|format| is(head, format)) {
        return Ok(());
    }
    let text = format!(
        "the content was announced as {first} and begins with something else ({} bytes: {})",
        head.len(),
        head.escape_ascii()
    );
    Err(Error::new(ErrorKind::CorruptContent, text))
}

/// Looks at a file that is there. Nothing that it tells is reason enough to do without the file.
pub(super) fn look(path: &Path, ending: &str) -> io::Result<Look> {
    let mut file = File::open(path)?;
    let mut head = [0; 12];
    let length = read_up_to(&mut file, &mut head)?;
    let head = head.get(..length).unwrap_or_default();
    if ending != "bin" && !is(head, ending) {
        return Ok(Look {
            length: None,
            oddity: Some(format!("it is not {ending} by its first bytes")),
        });
    }
    if ending != "wav" {
        return Ok(Look::default());
    }
    match wav(&mut file) {
        Ok(look) => Ok(look),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Look {
            length: None,
            oddity: Some("its head is cut short".to_owned()),
        }),
        Err(error) => Err(error),
    }
}

/// Whether a file that begins like this is of a format.
fn is(head: &[u8], format: &str) -> bool {
    match format {
        "wav" => {
            matches!(head.get(..4), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"))
                && head.get(8..12) == Some(b"WAVE")
        }
        "mp4" => {
            let kind = head.get(4..8).unwrap_or_default();
            MP4_BOXES.iter().any(|known| known.as_slice() == kind)
        }
        "mp3" => match head {
            [b'I', b'D', b'3', ..] => true,
            [0xff, sync, ..] => sync & 0xe0 == 0xe0,
            _ => false,
        },
        _ => true,
    }
}

/// Whether two lengths can be those of the same sound.
pub(super) fn agree(one: Duration, other: Duration) -> bool {
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

fn wav(file: &mut (impl Read + Seek)) -> io::Result<Look> {
    let odd = |what: &str| {
        Ok(Look {
            length: None,
            oddity: Some(what.to_owned()),
        })
    };
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(12))?;
    let mut bytes_per_second = 0;
    for _ in 0..MAX_CHUNKS {
        let (name, size) = chunk_head(file)?;
        let at = file.stream_position()?;
        match &name {
            b"fmt " => {
                let mut format = [0; 12];
                file.read_exact(&mut format)?;
                let [.., a, b, c, d] = format;
                bytes_per_second = u32::from_le_bytes([a, b, c, d]);
            }
            b"data" => {
                let there = length.saturating_sub(at);
                let size = match size {
                    0 | UNKNOWN => there,
                    size => u64::from(size),
                };
                if bytes_per_second == 0 {
                    return odd("it does not tell its rate");
                }
                #[allow(clippy::cast_precision_loss, reason = "seconds need no more digits")]
                let seconds = size.min(there) as f64 / f64::from(bytes_per_second);
                return Ok(Look {
                    length: Duration::try_from_secs_f64(seconds).ok(),
                    oddity: (size > there).then(|| {
                        format!("its head tells of {size} bytes of samples, and {there} are there")
                    }),
                });
            }
            _ => {}
        }
        // Chunks begin at even places.
        file.seek(SeekFrom::Start(at + u64::from(size) + u64::from(size % 2)))?;
    }
    odd("it has no samples")
}

fn chunk_head(file: &mut impl Read) -> io::Result<([u8; 4], u32)> {
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

    fn look_at(bytes: &[u8]) -> Look {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, bytes).unwrap();
        look(&path, "wav").unwrap()
    }

    #[test]
    fn the_length_of_sound_is_told_whatever_the_head_leaves_open() {
        let bytes = file(3);
        let three = Some(Duration::from_secs(3));
        assert_eq!(look_at(&bytes).length, three);
        for unknown in [0, UNKNOWN] {
            for form in [b"RIFF", b"RF64"] {
                let mut open = bytes.clone();
                open[..4].copy_from_slice(form);
                open[4..8].copy_from_slice(&unknown.to_le_bytes());
                open[40..44].copy_from_slice(&unknown.to_le_bytes());
                let look = look_at(&open);
                assert_eq!((look.length, look.oddity), (three, None), "{unknown}");
            }
        }
    }

    #[test]
    fn what_is_odd_about_a_file_is_told() {
        let bytes = file(3);
        for (odd, says) in [
            (&bytes[..bytes.len() - 1], "and 5999 are there"),
            (&bytes[..30], "cut short"),
            (b"RIFF\0\0\0\0WAVE", "cut short"),
            (b"ID3", "not wav by its first bytes"),
        ] {
            let oddity = look_at(odd).oddity.unwrap();
            assert!(oddity.contains(says), "{oddity}");
        }
    }

    #[test]
    fn a_file_is_refused_only_if_it_is_of_no_announced_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let refused = |bytes: &[u8], announced| {
            std::fs::write(&path, bytes).unwrap();
            refuse(&path, announced).is_err()
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
            assert_eq!(refused(bytes, announced), expected, "{text} {announced:?}");
        }
    }

    #[test]
    fn lengths_agree_within_reason() {
        let seconds = Duration::from_secs;
        assert!(agree(seconds(10), seconds(11)) && agree(seconds(3600), seconds(3617)));
        assert!(!agree(seconds(10), seconds(12)) && !agree(seconds(3600), seconds(3640)));
        assert!(agree(Duration::MAX, Duration::MAX));
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), real: bool) {
            if real {
                let mut start = file(0);
                let at = bytes.len() % start.len();
                start.truncate(at);
                start.extend(&bytes);
                bytes = start;
            }
            let _ = wav(&mut Cursor::new(&bytes));
        }
    }
}
