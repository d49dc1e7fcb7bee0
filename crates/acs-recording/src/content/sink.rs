//! The file that a download grows in, until it gets its name.
//!
//! Beside `call.wav` these are `call.wav.part` with the content and `call.wav.part.journal` with
//! what is known about it. A lock on the former keeps other processes away for as long as this one
//! lives.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use tempfile::TempPath;

use super::disk::{
    create_new, open_existing, open_locked, read_at, remove, same_file, sync_folder, with_suffix,
    write_all_at,
};
use super::identity::Identity;
use super::journal::{Journal, Record};
use super::plan::Ranges;
use super::verify::{Announced, Hasher};

/// A journal is far smaller; what is larger is none.
const MAX_JOURNAL: u64 = 16 * 1024 * 1024;
const BUFFER: usize = 128 * 1024;

/// A file that grows. All methods block.
#[derive(Debug)]
pub(super) struct Sink {
    path: PathBuf,
    part: PathBuf,
    journal: PathBuf,
    file: File,
    key: String,
    /// Where in the content the file begins.
    base: u64,
    /// The permissions of what is made.
    mode: u32,
    /// Whether the file has its name, or is removed.
    is_done: AtomicBool,
    /// How often it was started over. Whoever touches the file holds this, so that what was on its
    /// way before cannot arrive after.
    generation: RwLock<u64>,
    /// Held while bytes get onto the disk, so that who waits for that waits for all of them.
    syncing: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    identity: Option<Identity>,
    announced: Announced,
    journal: Option<File>,
    /// On the disk for certain.
    synced: Ranges,
    /// Written, and not yet synced.
    pending: Vec<(Range<u64>, crc32fast::Hasher)>,
    hasher: Hasher,
    hashed: u64,
}

impl Sink {
    /// Opens the file as an earlier run left it, and believes what is sound.
    pub(super) fn open(path: &Path, key: String, base: u64, mode: u32) -> io::Result<Self> {
        let part = with_suffix(path, ".part");
        let journal = with_suffix(path, ".part.journal");
        let file = open_locked(&part, mode)?;
        let sink = Self {
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
            state: Mutex::default(),
        };
        if !sink.take_up()? {
            sink.start_over()?;
        }
        Ok(sink)
    }

    /// Whether an earlier run left something of the same content.
    fn take_up(&self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let Some(mut journal) = open_existing(&self.journal)? else {
            return Ok(false);
        };
        (&mut journal).take(MAX_JOURNAL).read_to_end(&mut bytes)?;
        let Some(found) = Journal::parse(&bytes).filter(|found| found.key == self.key) else {
            return Ok(false);
        };
        let length = self.file.metadata()?.len();
        let mut kept = Vec::new();
        let mut synced = Ranges::default();
        let mut buffer = vec![0; BUFFER];
        for record in found.records {
            let sound = record.range.start >= self.base
                && record.range.end - self.base <= length
                && self.checksum(record.range.clone(), &mut buffer)? == record.checksum;
            if sound {
                synced.add(record.range.clone());
                kept.push(record);
            }
        }
        if synced.bytes() == 0 {
            return Ok(false);
        }
        let text = self.journal_text(&found.identity, found.announced, &kept);
        if text.as_bytes() == bytes {
            // There may be no room for another.
            self.lock().journal = Some(journal);
        } else {
            self.write_journal(&text)?;
        }
        let mut state = self.lock();
        state.identity = Some(found.identity);
        state.announced = found.announced;
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
        mut use_bytes: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut position = range.start;
        while position < range.end {
            let wanted = usize::try_from(range.end - position).unwrap_or(usize::MAX);
            let length = wanted.min(buffer.len());
            let Some(space) = buffer.get_mut(..length) else {
                break;
            };
            let count = read_at(&self.file, space, position - self.base)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            use_bytes(space.get(..count).unwrap_or_default());
            position += count as u64;
        }
        Ok(())
    }

    /// Forgets everything, so that no byte of before can become part of what comes.
    pub(super) fn start_over(&self) -> io::Result<()> {
        let mut generation = self.generation.write();
        *generation += 1;
        *self.lock() = State::default();
        self.forget()?;
        // Before anything is written: a journal that came back after a power failure would vouch
        // for bytes that are not its own.
        sync_folder(&self.path)?;
        self.file.set_len(0)
    }

    /// The content that an earlier run began with, if it left something.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.lock().identity.clone()
    }

    /// The checksums that were announced when it began.
    pub(super) fn announced(&self) -> Announced {
        self.lock().announced
    }

    /// Makes room for content, and notes down which it is if its size is known.
    pub(super) fn begin(
        &self,
        identity: &Identity,
        announced: Announced,
        range: &Range<u64>,
    ) -> io::Result<()> {
        self.file.set_len(range.end - range.start)?;
        self.write_journal(&self.journal_text(identity, announced, &[]))?;
        let mut state = self.lock();
        state.identity = Some(identity.clone());
        state.announced = announced;
        Ok(())
    }

    fn journal_text(
        &self,
        identity: &Identity,
        announced: Announced,
        records: &[Record],
    ) -> String {
        let mut text = Journal::head(&self.key, identity, announced);
        text.extend(records.iter().map(Record::line));
        text
    }

    fn write_journal(&self, text: &str) -> io::Result<()> {
        let beside = with_suffix(&self.journal, ".new");
        remove(&beside)?;
        let written = create_new(&beside, self.mode).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&beside, &self.journal)?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                self.lock().journal = Some(file);
                Ok(())
            }
            Err(error) => {
                // The error says more than one from tidying up.
                let _ = remove(&beside);
                Err(error)
            }
        }
    }

    /// Where the content is until it gets its name.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// What is missing of a range.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.lock().synced.missing(range)
    }

    /// What was written right before a position, of no more than `limit` bytes.
    pub(super) fn before(&self, position: u64, limit: usize) -> io::Result<Vec<u8>> {
        let _current = self.hold();
        let start = {
            let state = self.lock();
            let mut written = state.synced.clone();
            let pending = state.pending.iter().map(|(range, _)| range.clone());
            pending.for_each(|range| written.add(range));
            written.since(position)
        };
        let start = start.max(position.saturating_sub(limit as u64));
        let mut bytes = Vec::new();
        let mut buffer = vec![0; limit.min(BUFFER)];
        self.read(start..position, &mut buffer, |read| {
            bytes.extend_from_slice(read);
        })?;
        Ok(bytes)
    }

    /// Where the first of what an earlier run left ends.
    pub(super) fn first_end(&self) -> Option<u64> {
        self.lock().synced.first_end()
    }

    /// Bytes that a next run would not have to fetch: none without a journal to tell of them.
    pub(super) fn kept(&self) -> u64 {
        let state = self.lock();
        state.journal.as_ref().map_or(0, |_| state.synced.bytes())
    }

    /// Bytes that a next run would have to fetch again.
    pub(super) fn unsynced(&self) -> u64 {
        let state = self.lock();
        let lengths = state
            .pending
            .iter()
            .map(|(range, _)| range.end - range.start);
        lengths.sum()
    }

    /// Writes at a place in the content, unless it was started over since.
    pub(super) fn write(&self, generation: u64, at: u64, bytes: &[u8]) -> io::Result<()> {
        let current = self.hold();
        if *current != generation {
            return Ok(());
        }
        write_all_at(&self.file, bytes, at - self.base)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes);
        let position = at + bytes.len() as u64;
        let mut state = self.lock();
        let before = state.pending.iter_mut().find(|(range, _)| range.end == at);
        if let Some((range, checksum)) = before {
            range.end = position;
            checksum.combine(&hasher);
        } else {
            state.pending.push((at..position, hasher));
        }
        Ok(())
    }

    /// Gets everything that was written onto the disk, and then says so in the journal.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _alone = self.syncing.lock();
        let _current = self.hold();
        let pending = std::mem::take(&mut self.lock().pending);
        if pending.is_empty() {
            return Ok(());
        }
        // After a failure nobody can tell which bytes are there: none of them count.
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

    /// Computes checksums from now on.
    pub(super) fn hash_with(&self, hasher: Hasher) {
        let mut state = self.lock();
        state.hasher = hasher;
        state.hashed = self.base;
    }

    /// Computes checksums as far as there is no gap, but of no more than `limit` bytes.
    pub(super) fn hash(&self, limit: u64) -> io::Result<()> {
        let _current = self.hold();
        let (mut hasher, start, reach) = {
            let mut state = self.lock();
            if state.hasher.is_idle() {
                return Ok(());
            }
            let reach = state.synced.reach(state.hashed);
            (std::mem::take(&mut state.hasher), state.hashed, reach)
        };
        let end = reach.min(start.saturating_add(limit));
        let mut buffer = vec![0; BUFFER];
        let outcome = self.read(start..end, &mut buffer, |bytes| hasher.update(bytes));
        let mut state = self.lock();
        state.hasher = hasher;
        state.hashed = end;
        outcome
    }

    /// The checksums of all that was hashed.
    pub(super) fn take_hasher(&self) -> Hasher {
        std::mem::take(&mut self.lock().hasher)
    }

    /// Gives the complete file its name, over another file only if that is wanted.
    pub(super) fn finish(&self, length: u64, replace: bool) -> io::Result<()> {
        let found = self.file.metadata()?.len();
        if found != length {
            let text = format!("it has {found} bytes instead of {length}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        // What is not synced of it by now is its length at the most.
        self.file.sync_data()?;
        if replace {
            std::fs::rename(&self.part, &self.path)?;
            self.is_done.store(true, Ordering::Relaxed);
        } else {
            let part = TempPath::try_from_path(&self.part)?;
            if let Err(error) = part.persist_noclobber(&self.path) {
                // It is complete: it stays for when the other file is out of the way.
                error.path.keep()?;
                return Err(error.error);
            }
            self.is_done.store(true, Ordering::Relaxed);
        }
        self.forget()?;
        sync_folder(&self.path)
    }

    /// Removes the journal, and what was to become one.
    fn forget(&self) -> io::Result<()> {
        remove(&with_suffix(&self.journal, ".new"))?;
        remove(&self.journal)
    }

    /// Cuts the file to what came of content whose size nobody told.
    pub(super) fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Removes the file and what is known about it.
    pub(super) fn discard(&self) -> io::Result<()> {
        self.is_done.store(true, Ordering::Relaxed);
        self.forget()?;
        remove(&self.part)
    }

    /// What `write` wants to know.
    pub(super) fn generation(&self) -> u64 {
        *self.hold()
    }

    fn hold(&self) -> RwLockReadGuard<'_, u64> {
        self.generation.read()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A download that is dropped leaves what can be gone on with, and nothing else.
impl Drop for Sink {
    fn drop(&mut self) {
        let is_done = self.is_done.load(Ordering::Relaxed);
        let is_ours = || same_file(&self.file, &self.part).unwrap_or(false);
        if !is_done && self.kept() == 0 && is_ours() {
            // There is nobody to tell.
            let _ = self.discard();
        }
    }
}

/// Removes what a run left that ended between giving the file its name and tidying up, and an empty
/// file that nobody is writing to.
pub(super) fn tidy(path: &Path) -> io::Result<()> {
    let part = with_suffix(path, ".part");
    let journal = with_suffix(path, ".part.journal");
    let mut is_free = true;
    match std::fs::symlink_metadata(&part) {
        Ok(found) if found.is_file() && found.len() == 0 => {
            is_free = match open_existing(&part)? {
                Some(file) => file.try_lock().is_ok() && same_file(&file, &part)?,
                None => true,
            };
            if is_free {
                remove(&part)?;
            }
        }
        Ok(_) => is_free = false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if is_free {
        remove(&with_suffix(&journal, ".new"))?;
        remove(&journal)?;
    }
    Ok(())
}

/// Removes what is left of a download of which the file is there already, unless somebody is
/// writing to it.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let part = with_suffix(path, ".part");
    if let Some(file) = open_existing(&part)?
        && file.try_lock().is_ok()
        && same_file(&file, &part)?
    {
        let journal = with_suffix(path, ".part.journal");
        remove(&with_suffix(&journal, ".new"))?;
        remove(&journal)?;
        return remove(&part);
    }
    tidy(path)
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
