//! Reading a media file from place to place.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};

/// The bytes of a file, with its length.
pub(super) struct Source {
    file: BufReader<File>,
    pub(super) len: u64,
    position: u64,
}

impl Source {
    pub(super) fn new(file: File, len: u64) -> Self {
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
