//! Opens a media file, and detects its format by its content.

use std::fs::File;
use std::io;
use std::path::Path;

use super::media::{Media, Problem};
use super::source::Source;
use super::{mp3, mp4, other, wav};
use crate::failure::Failure;

/// Reads a file. Its content determines the format, not its name. Each width yields a waveform of that
/// many columns.
pub(super) fn read(path: &Path, widths: &[usize]) -> Result<Media, Failure> {
    open(path, widths).map_err(|problem| match problem {
        Problem::Io(error) => Failure::file(path, &error),
        Problem::Content(what) => {
            Failure::unreadable(path, &what).hint("`inspect` reads WAV, MP3 and MP4 files")
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
        let text = "it cannot be read twice; save it to a regular file first";
        return Err(io::Error::other(text).into());
    }
    source.seek(0)?;
    if wav::is_wav(&head) {
        wav::read(&mut source, widths)
    } else if mp4::is_mp4(&head) {
        mp4::read(&mut source, widths)
    } else if mp3::is_mp3(&mut source)? {
        mp3::read(&mut source, widths)
    } else {
        Err(Problem::content(other::what(&head)))
    }
}

#[cfg(test)]
pub(super) fn read_bytes(bytes: &[u8], widths: &[usize]) -> Result<Media, Problem> {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    open(file.path(), widths)
}
