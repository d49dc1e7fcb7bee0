//! The part file: the incomplete file of a download, and its journal.
//!
//! For `call.wav`, these are `call.wav.part` and `call.wav.part.journal`. A lock on the part file
//! keeps other processes away.

mod finish;
mod hash;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

use super::content_hash::ContentHash;
use super::digest::Hasher;
use super::identity::EntityIdentity;
use super::journal::{Journal, Record};
use super::leftovers::{journal_path, new_journal_path, part_path};
use super::range_set::RangeSet;
use crate::fs::{
    create_new, open_existing, open_locked, read_at, remove, sync_parent, write_all_at,
};

/// Journals are far smaller. The rest of a larger file is ignored.
const MAX_JOURNAL_BYTES: u64 = 16 * 1024 * 1024;
const READ_BUFFER: usize = 128 * 1024;
/// How long to wait for the lock of a download that was just dropped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The incomplete file of a download. All methods block.
#[derive(Debug)]
pub(super) struct PartFile {
    /// The final path.
    path: PathBuf,
    part: PathBuf,
    journal: PathBuf,
    file: File,
    key: String,
    /// The offset in the content of the file's first byte.
    base: u64,
    /// The permissions of new files.
    mode: u32,
    /// Whether the file was renamed or removed.
    is_done: AtomicBool,
    /// The number of restarts. It is locked while the file is used, so that no write that began
    /// before a restart can finish after it.
    generation: RwLock<u64>,
    /// Held during a sync, so that a second one waits for the first.
    syncing: Mutex<()>,
    /// Held during a write. File systems write to a file one after another anyway, but wait by spinning.
    writing: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    identity: Option<EntityIdentity>,
    expected_sha256: Option<ContentHash>,
    journal: Option<File>,
    /// Durable ranges.
    synced: RangeSet,
    /// Ranges that are written but not synced, with their checksums.
    pending: Vec<(Range<u64>, crc32fast::Hasher)>,
    hasher: Hasher,
    /// The end of the hashed bytes.
    hashed: u64,
}

impl PartFile {
    /// Opens the part file. Intact ranges of an earlier run are kept.
    pub(super) fn open(path: &Path, key: String, base: u64, mode: u32) -> io::Result<Self> {
        let part = part_path(path);
        let journal = journal_path(path);
        let file = open_locked(&part, mode, LOCK_TIMEOUT)?;
        let part_file = Self {
            path: path.to_owned(),
            part,
            journal,
            file,
            key,
            base,
            mode,
            is_done: AtomicBool::new(false),
            generation: RwLock::default(),
            syncing: Mutex::default(),
            writing: Mutex::default(),
            state: Mutex::default(),
        };
        if !part_file.load_journal()? {
            part_file.restart()?;
        }
        Ok(part_file)
    }

    /// Reads the journal. False if it has no intact range of the same content.
    fn load_journal(&self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let Some(mut journal) = open_existing(&self.journal)? else {
            return Ok(false);
        };
        (&mut journal)
            .take(MAX_JOURNAL_BYTES)
            .read_to_end(&mut bytes)?;
        let Some(found) = Journal::parse(&bytes).filter(|found| found.key == self.key) else {
            return Ok(false);
        };
        let length = self.file.metadata()?.len();
        let mut intact = Vec::new();
        let mut synced = RangeSet::default();
        let mut buffer = vec![0; READ_BUFFER];
        for record in found.records {
            let is_intact = record.range.start >= self.base
                && record.range.end - self.base <= length
                && self.checksum(record.range.clone(), &mut buffer)? == record.checksum;
            if is_intact {
                synced.add(record.range.clone());
                intact.push(record);
            }
        }
        if synced.len() == 0 {
            return Ok(false);
        }
        let text = self.journal_text(&found.identity, found.expected_sha256, &intact);
        if text.as_bytes() == bytes {
            // The disk may have no room for another one.
            self.lock().journal = Some(journal);
        } else {
            self.write_journal(&text)?;
        }
        let mut state = self.lock();
        state.identity = Some(found.identity);
        state.expected_sha256 = found.expected_sha256;
        state.synced = synced;
        Ok(true)
    }

    fn checksum(&self, range: Range<u64>, buffer: &mut [u8]) -> io::Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        self.read(range, buffer, |bytes| hasher.update(bytes))?;
        Ok(hasher.finalize())
    }

    fn read(
        &self,
        range: Range<u64>,
        buffer: &mut [u8],
        mut consume: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut position = range.start;
        while position < range.end {
            let left = usize::try_from(range.end - position).unwrap_or(usize::MAX);
            let length = left.min(buffer.len());
            let Some(space) = buffer.get_mut(..length) else {
                break;
            };
            let count = read_at(&self.file, space, position - self.base)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            consume(space.get(..count).unwrap_or_default());
            position += count as u64;
        }
        Ok(())
    }

    /// Discards all content, so that no earlier byte can become part of the new content.
    pub(super) fn restart(&self) -> io::Result<()> {
        let mut generation = self.generation.write();
        *generation += 1;
        *self.lock() = State::default();
        self.remove_journal()?;
        // Before anything is written: a journal that reappears after a power failure would describe
        // the new bytes.
        sync_parent(&self.path)?;
        self.file.set_len(0)
    }

    /// The version of the content, if it is known.
    pub(super) fn identity(&self) -> Option<EntityIdentity> {
        self.lock().identity.clone()
    }

    /// The SHA-256 that the server announced for the complete content.
    pub(super) fn expected_sha256(&self) -> Option<ContentHash> {
        self.lock().expected_sha256
    }

    /// Allocates the file for content of known size, and begins the journal.
    pub(super) fn begin(
        &self,
        identity: &EntityIdentity,
        expected_sha256: Option<ContentHash>,
        range: &Range<u64>,
    ) -> io::Result<()> {
        self.file.set_len(range.end - range.start)?;
        self.write_journal(&self.journal_text(identity, expected_sha256, &[]))?;
        let mut state = self.lock();
        state.identity = Some(identity.clone());
        state.expected_sha256 = expected_sha256;
        Ok(())
    }

    fn journal_text(
        &self,
        identity: &EntityIdentity,
        expected_sha256: Option<ContentHash>,
        records: &[Record],
    ) -> String {
        let mut text = Journal::header(&self.key, identity, expected_sha256);
        text.extend(records.iter().map(Record::line));
        text
    }

    fn write_journal(&self, text: &str) -> io::Result<()> {
        let temporary = new_journal_path(&self.path);
        remove(&temporary)?;
        let written = create_new(&temporary, self.mode).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&temporary, &self.journal)?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                self.lock().journal = Some(file);
                Ok(())
            }
            Err(error) => {
                // This error says more than one from cleaning up.
                let _ = remove(&temporary);
                Err(error)
            }
        }
    }

    /// The path of the part file.
    pub(super) fn part_path(&self) -> &Path {
        &self.part
    }

    /// The parts of a range that are not durable.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.lock().synced.missing(range)
    }

    /// Reads the bytes before a position, as far as they are written and at most `limit` of them.
    pub(super) fn read_before(&self, position: u64, limit: usize) -> io::Result<Vec<u8>> {
        let _generation = self.lock_generation();
        let start = {
            let state = self.lock();
            let mut written = state.synced.clone();
            let pending = state.pending.iter().map(|(range, _)| range.clone());
            pending.for_each(|range| written.add(range));
            written.contiguous_start(position)
        };
        let start = start.max(position.saturating_sub(limit as u64));
        let mut bytes = Vec::new();
        let mut buffer = vec![0; limit.min(READ_BUFFER)];
        self.read(start..position, &mut buffer, |read| {
            bytes.extend_from_slice(read);
        })?;
        Ok(bytes)
    }

    /// The end of the first durable range.
    pub(super) fn first_synced_end(&self) -> Option<u64> {
        self.lock().synced.first_end()
    }

    /// The number of bytes that a later run can keep: none without a journal.
    pub(super) fn resumable_bytes(&self) -> u64 {
        let state = self.lock();
        state.journal.as_ref().map_or(0, |_| state.synced.len())
    }

    /// The number of bytes that are written but not synced.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        let state = self.lock();
        let lengths = state
            .pending
            .iter()
            .map(|(range, _)| range.end - range.start);
        lengths.sum()
    }

    /// Writes at an offset in the content, unless the download was restarted since.
    pub(super) fn write(&self, generation: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let current = self.lock_generation();
        if *current != generation {
            return Ok(());
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes);
        {
            let _writing = self.writing.lock();
            write_all_at(&self.file, bytes, offset - self.base)?;
        }
        let end = offset + bytes.len() as u64;
        let mut state = self.lock();
        let before = state
            .pending
            .iter_mut()
            .find(|(range, _)| range.end == offset);
        if let Some((range, checksum)) = before {
            range.end = end;
            checksum.combine(&hasher);
        } else {
            state.pending.push((offset..end, hasher));
        }
        Ok(())
    }

    /// Syncs all written bytes, and then records them in the journal.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _syncing = self.syncing.lock();
        let _generation = self.lock_generation();
        let pending = std::mem::take(&mut self.lock().pending);
        if pending.is_empty() {
            return Ok(());
        }
        // After a failed sync, none of these bytes count as durable.
        self.file.sync_data()?;
        let records = pending.into_iter().map(|(range, hasher)| Record {
            range,
            checksum: hasher.finalize(),
        });
        let mut state = self.lock();
        let mut lines = String::new();
        for record in records {
            lines += &record.line();
            state.synced.add(record.range);
        }
        match &mut state.journal {
            Some(journal) => journal.write_all(lines.as_bytes()),
            None => Ok(()),
        }
    }

    fn remove_journal(&self) -> io::Result<()> {
        remove(&new_journal_path(&self.path))?;
        remove(&self.journal)
    }

    /// The argument of [`write`](Self::write).
    pub(super) fn generation(&self) -> u64 {
        *self.lock_generation()
    }

    fn lock_generation(&self) -> RwLockReadGuard<'_, u64> {
        self.generation.read()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
