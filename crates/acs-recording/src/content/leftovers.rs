//! The names of part files and journals, and removing those that an earlier run left behind.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::{is_same_file, open_existing, remove, with_suffix};

/// The part file of the file at `path`.
pub(super) fn part_path(path: &Path) -> PathBuf {
    with_suffix(path, ".part")
}

/// The journal of its part file.
pub(super) fn journal_path(path: &Path) -> PathBuf {
    with_suffix(path, ".part.journal")
}

/// A journal before it has its name.
pub(super) fn new_journal_path(path: &Path) -> PathBuf {
    with_suffix(path, ".part.journal.new")
}

/// Removes the journal of a run that ended after it had renamed its part file, and an empty part
/// file that no process is writing.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    let part = part_path(path);
    match std::fs::symlink_metadata(&part) {
        Ok(found) if found.is_file() && found.len() == 0 => {
            let is_free = match open_existing(&part)? {
                Some(file) => file.try_lock().is_ok() && is_same_file(&file, &part)?,
                None => true,
            };
            if !is_free {
                return Ok(());
            }
            remove(&part)?;
        }
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    remove_journals(path)
}

/// Removes the part file and the journal of a file that exists already, unless another process is
/// writing them.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    let part = part_path(path);
    if let Some(file) = open_existing(&part)?
        && file.try_lock().is_ok()
        && is_same_file(&file, &part)?
    {
        remove_journals(path)?;
        return remove(&part);
    }
    remove_stale(path)
}

fn remove_journals(path: &Path) -> io::Result<()> {
    remove(&new_journal_path(path))?;
    remove(&journal_path(path))
}
