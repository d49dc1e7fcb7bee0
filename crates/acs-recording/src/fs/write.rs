//! Writing files atomically, and making their names durable.

#[cfg(unix)]
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

#[cfg(unix)]
use super::names::parent_of;
use super::names::{remove, with_suffix};
use super::open::create_new;

/// Writes a file atomically: after a crash it exists completely or not at all.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = with_suffix(path, ".new");
    remove(&temporary)?;
    let written = create_new(&temporary, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // This error says more than one from cleaning up.
        let _ = remove(&temporary);
        return Err(error);
    }
    sync_parent(path)
}

/// Makes the creation, renaming or removal of the file at `path` durable.
#[cfg(unix)]
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_dir(parent_of(path))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
pub(crate) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(all(not(unix), feature = "webhook"))]
#[allow(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
pub(crate) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}
