//! Whether a media file is what it claims to be, as far as its head tells.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How far lengths may differ: clocks and encoders round.
const TOLERANCE: Duration = Duration::from_secs(1);
/// And by which part of the length.
const RELATIVE_TOLERANCE: f64 = 0.005;
/// Chunks before the samples; a file with more of them is none of the service.
const MAX_CHUNKS: usize = 64;
/// What a writer puts in place of a size that it does not know yet.
const UNKNOWN: u32 = u32::MAX;

/// What a media file is checked against before it gets its name.
pub(super) struct MediaCheck {
    /// The name.
    pub(super) path: PathBuf,
    pub(super) ending: &'static str,
    /// How long its metadata says that it is.
    pub(super) told: Option<Duration>,
    pub(super) lengths: Lengths,
    /// Where its length goes.
    pub(super) sound: Arc<Mutex<Option<Duration>>>,
}

/// How long the sound of a recording is.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    /// That of the chunks before, if it is known.
    pub(super) before: Option<Duration>,
    /// That of all chunks, with the last of them.
    pub(super) all: Option<Duration>,
}

impl MediaCheck {
    pub(super) fn run(&self, file: &Path) -> Result<()> {
        let length = check(file, self.ending, &self.path)?;
        *self.sound.lock().unwrap_or_else(PoisonError::into_inner) = length;
        let all = self.lengths.before.zip(length);
        let all = all.map(|(before, length)| before + length);
        let path = self.path.display();
        let texts = [
            disagree(
                self.told,
                length,
                &format!("{path} is"),
                "its metadata says",
            ),
            disagree(self.lengths.all, all, "the files are", "the event says"),
        ];
        match texts.into_iter().flatten().next() {
            Some(text) => Err(Error::new(ErrorKind::CorruptContent, text)),
            None => Ok(()),
        }
    }
}

fn disagree(
    told: Option<Duration>,
    length: Option<Duration>,
    what: &str,
    who: &str,
) -> Option<String> {
    let (told, length) = told.zip(length)?;
    (!agree(told, length)).then(|| format!("{what} {length:?} long, and {who} {told:?}"))
}

/// Checks a file by its ending; tells how long the sound is, if it is WAV.
fn check(path: &Path, ending: &str, name: &Path) -> Result<Option<Duration>> {
    let corrupt = |what: &str| {
        let text = format!("{} is no {ending} file: {what}", name.display());
        Err(Error::new(ErrorKind::CorruptContent, text))
    };
    let outcome = File::open(path).and_then(|mut file| match ending {
        "wav" => wav(&mut file),
        _ => magic(&mut file, ending).map(|outcome| outcome.map(|()| None)),
    });
    match outcome {
        Ok(Ok(length)) => Ok(length),
        Ok(Err(what)) => corrupt(what),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => corrupt("it is too short"),
        Err(error) => Err(super::file::file_error(error, path)),
    }
}

/// Whether two lengths can be those of the same sound.
fn agree(one: Duration, other: Duration) -> bool {
    let margin = TOLERANCE + one.max(other).mul_f64(RELATIVE_TOLERANCE);
    one.abs_diff(other) <= margin
}

fn magic(file: &mut impl Read, ending: &str) -> io::Result<Result<(), &'static str>> {
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    let is_right = match (ending, head) {
        ("mp4", [_, _, _, _, b'f', b't', b'y', b'p', ..]) | ("mp3", [b'I', b'D', b'3', ..]) => true,
        ("mp3", [0xff, sync, ..]) => sync & 0xe0 == 0xe0,
        (ending, _) => !matches!(ending, "mp3" | "mp4"),
    };
    Ok(if is_right {
        Ok(())
    } else {
        Err("it begins with something else")
    })
}

fn wav(file: &mut (impl Read + Seek)) -> io::Result<Result<Option<Duration>, &'static str>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let (riff, size) = chunk_head(file)?;
    let mut form = [0; 4];
    file.read_exact(&mut form)?;
    if !matches!(&riff, b"RIFF" | b"RF64") || &form != b"WAVE" {
        return Ok(Err("it begins with something else"));
    }
    if !matches!(size, 0 | UNKNOWN) && u64::from(size) + 8 != length {
        return Ok(Err("its head tells another size"));
    }
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
                let there = length - at;
                let size = match size {
                    0 | UNKNOWN => there,
                    size => u64::from(size),
                };
                if size > there {
                    return Ok(Err("samples are missing at its end"));
                }
                if bytes_per_second == 0 {
                    return Ok(Err("it does not tell its rate"));
                }
                #[allow(clippy::cast_precision_loss, reason = "seconds need no more digits")]
                let seconds = size as f64 / f64::from(bytes_per_second);
                return Ok(Ok(Duration::try_from_secs_f64(seconds).ok()));
            }
            _ => {}
        }
        // Chunks begin at even places.
        file.seek(SeekFrom::Start(at + u64::from(size) + u64::from(size % 2)))?;
    }
    Ok(Err("it has no samples"))
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

    fn length(bytes: &[u8]) -> Option<Duration> {
        wav(&mut Cursor::new(bytes)).ok()?.ok()?
    }

    #[test]
    fn the_length_of_sound_is_told() {
        let bytes = file(3);
        assert_eq!(length(&bytes), Some(Duration::from_secs(3)));
        for wrong in [
            &bytes[..bytes.len() - 1],
            &bytes[..30],
            b"",
            b"<!DOCTYPE html>",
        ] {
            assert_eq!(length(wrong), None);
        }
        let mut unknown = bytes;
        unknown[4..8].copy_from_slice(&UNKNOWN.to_le_bytes());
        unknown[40..44].fill(0);
        assert_eq!(length(&unknown), Some(Duration::from_secs(3)));
    }

    #[test]
    fn formats_are_told_apart() {
        let is = |bytes: &[u8], ending| magic(&mut Cursor::new(bytes), ending).unwrap().is_ok();
        assert!(is(b"\0\0\0\x18ftypmp42", "mp4") && !is(b"ID3456789abc", "mp4"));
        assert!(is(b"ID3456789abc", "mp3") && is(b"\xff\xfb0123456789", "mp3"));
        assert!(!is(b"<html>012345", "mp3") && is(b"<html>012345", "bin"));
    }

    #[test]
    fn lengths_agree_within_reason() {
        let seconds = Duration::from_secs;
        assert!(agree(seconds(10), seconds(11)) && agree(seconds(3600), seconds(3617)));
        assert!(!agree(seconds(10), seconds(12)) && !agree(seconds(3600), seconds(3640)));
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
