//! The end of a part file: its final name, or its removal.

use std::io;
use std::sync::atomic::Ordering;

use tempfile::TempPath;

use super::PartFile;
use crate::fs::{is_same_file, remove, sync_parent};

impl PartFile {
    /// Truncates the file to the size of content that had no announced size.
    pub(in crate::content) fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Renames the complete part file to its final name, over an existing file only with `replace`.
    pub(in crate::content) fn persist(&self, length: u64, replace: bool) -> io::Result<()> {
        let found = self.file.metadata()?.len();
        if found != length {
            let text = format!("the part file has {found} bytes instead of {length}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        // Only its length may not be durable yet.
        self.file.sync_data()?;
        if replace {
            std::fs::rename(&self.part, &self.path)?;
            self.is_done.store(true, Ordering::Relaxed);
        } else {
            let part = TempPath::try_from_path(&self.part)?;
            if let Err(error) = part.persist_noclobber(&self.path) {
                // It is complete, and kept until the existing file is moved away.
                error.path.keep()?;
                return Err(error.error);
            }
            self.is_done.store(true, Ordering::Relaxed);
        }
        self.remove_journal()?;
        sync_parent(&self.path)
    }

    /// Removes the part file and its journal.
    pub(in crate::content) fn discard(&self) -> io::Result<()> {
        self.is_done.store(true, Ordering::Relaxed);
        self.remove_journal()?;
        remove(&self.part)
    }
}

/// A dropped download leaves only a part file that a later run can resume.
impl Drop for PartFile {
    fn drop(&mut self) {
        let is_done = self.is_done.load(Ordering::Relaxed);
        let is_ours = || is_same_file(&self.file, &self.part).unwrap_or(false);
        if !is_done && self.resumable_bytes() == 0 && is_ours() {
            // There is no caller to return an error to.
            let _ = self.discard();
        }
    }
}
