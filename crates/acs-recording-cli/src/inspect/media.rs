//! What a recording is made of, whatever its format.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::measure::Channel;
use super::{mp3, mp4, other, wav};
use crate::failure::Failure;

/// Files with more channels are absurd, and their levels would take much memory.
pub(super) const MOST_CHANNELS: usize = 256;

/// A file that was looked at.
pub(super) struct Media {
    pub(super) format: Format,
    pub(super) duration: Duration,
    /// Whether the file ends before what it announces.
    pub(super) truncated: bool,
    pub(super) tracks: Vec<Track>,
    /// The levels of all tracks with sound, one after the other.
    pub(super) channels: Vec<Channel>,
    /// What should be known of the file, in whole sentences.
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Wav,
    Mp3,
    Mp4,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Mp3 => "MP3",
            Self::Mp4 => "MP4",
        }
    }

    pub(super) fn json_name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
        }
    }
}

/// One stream of sound or pictures.
pub(super) struct Track {
    pub(super) kind: Kind,
    /// How it is coded.
    pub(super) codec: String,
    pub(super) duration: Duration,
    /// Coded bytes, without those of the container.
    pub(super) bytes: u64,
    /// Bits per second, on average.
    pub(super) bit_rate: Option<u64>,
}

pub(super) enum Kind {
    Sound(Sound),
    Picture(Picture),
    Other,
}

#[derive(Clone, Copy)]
pub(super) struct Sound {
    pub(super) channels: usize,
    pub(super) sample_rate: u32,
    /// Bits per sample, where there is such a thing.
    pub(super) bits: Option<u16>,
}

#[derive(Clone, Copy)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frames: u64,
    /// Frames per second, on average.
    pub(super) frame_rate: Option<f64>,
    pub(super) key_frames: u64,
    /// The bytes of key frames.
    pub(super) key_bytes: u64,
}

impl Track {
    pub(super) fn sound(&self) -> Option<Sound> {
        match self.kind {
            Kind::Sound(sound) => Some(sound),
            _ => None,
        }
    }
}

/// Bits per second, on average.
pub(super) fn bit_rate(bytes: u64, time: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 8_000_000_000).checked_div(time.as_nanos())?;
    u64::try_from(rate).ok()
}

/// Why a file cannot be looked at.
#[derive(Debug)]
pub(super) enum Problem {
    Io(io::Error),
    /// Nothing in it can be read: what it is instead.
    Content(String),
}

impl Problem {
    pub(super) fn content(what: impl Into<String>) -> Self {
        Self::Content(what.into())
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of a file, with its length.
pub(super) struct Source {
    file: BufReader<File>,
    pub(super) len: u64,
    position: u64,
}

impl Source {
    fn new(file: File, len: u64) -> Self {
        Self {
            file: BufReader::with_capacity(64 * 1024, file),
            len,
            position: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What is left of the file.
    pub(super) fn left(&self) -> u64 {
        self.len.saturating_sub(self.position)
    }

    pub(super) fn seek(&mut self, position: u64) -> io::Result<()> {
        let forth = i128::from(position) - i128::from(self.position);
        match i64::try_from(forth) {
            Ok(0) => {}
            // This keeps what is buffered.
            Ok(forth) => self.file.seek_relative(forth)?,
            Err(_) => {
                self.file.seek(SeekFrom::Start(position))?;
            }
        }
        self.position = position;
        Ok(())
    }

    /// Fills the buffer as far as the file goes, and returns how much that is.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// So many bytes, if the file has them.
    pub(super) fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        let whole = self.read(&mut bytes)? == N;
        Ok(whole.then_some(bytes))
    }

    /// At most so many bytes.
    pub(super) fn up_to(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let filled = self.read(&mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// Looks at a file. Its content tells what it is, not its name. Waveforms get so many columns, once
/// for each width.
pub(super) fn look(path: &Path, widths: &[usize]) -> Result<Media, Failure> {
    open(path, widths).map_err(|problem| match problem {
        Problem::Io(error) => Failure::file(path, &error),
        Problem::Content(what) => {
            Failure::unreadable(path, &what).advise("`inspect` reads WAV, MP3 and MP4 files")
        }
    })
}

fn open(path: &Path, widths: &[usize]) -> Result<Media, Problem> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    let mut source = Source::new(file, metadata.len());
    let head = source.up_to(4096)?;
    if !metadata.is_file() {
        let text = "not a file that can be read twice; save it to a file first";
        return Err(io::Error::other(text).into());
    }
    source.seek(0)?;
    if wav::is_wav(&head) {
        wav::look(&mut source, widths)
    } else if mp4::is_mp4(&head) {
        mp4::look(&mut source, widths)
    } else if mp3::is_mp3(&mut source)? {
        mp3::look(&mut source, widths)
    } else {
        Err(Problem::content(other::what(&head)))
    }
}

#[cfg(test)]
pub(super) fn look_at(bytes: &[u8], widths: &[usize]) -> Result<Media, Problem> {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    open(file.path(), widths)
}
