//! Errors about files, in words that say what to do.

use std::io;
use std::path::Path;

use tokio::task::spawn_blocking;

use crate::error::{Error, ErrorKind, Result};

/// Runs work that blocks on another thread. A failure becomes an error about the file at `path`.
pub(crate) async fn run_blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = spawn_blocking(work).await;
    outcome
        .unwrap_or_else(|error| Err(error.into()))
        .map_err(|error| file_error(error, path))
}

/// The error about a file that cannot be used. It says what to do about it.
pub(crate) fn file_error(error: io::Error, path: &Path) -> Error {
    // An error of this crate carries its own text.
    let is_from_system = error.get_ref().is_none();
    let what = match error.kind() {
        io::ErrorKind::AlreadyExists if is_from_system => "already exists and was left unchanged",
        io::ErrorKind::WouldBlock if is_from_system => {
            "is being written by another download; try again when that has finished"
        }
        io::ErrorKind::NotFound => {
            "cannot be created: its folder does not exist; create the folder first"
        }
        io::ErrorKind::NotADirectory => {
            "cannot be created: its folder is a file; choose another folder"
        }
        io::ErrorKind::IsADirectory => "cannot be written: it is a folder; choose another name",
        io::ErrorKind::StorageFull => {
            "does not fit on the disk; free some space and download it again"
        }
        io::ErrorKind::QuotaExceeded => {
            "exceeds this user's disk quota; free some space and download it again"
        }
        io::ErrorKind::FileTooLarge => {
            "is larger than its file system or this user's limit (ulimit -f) allows; choose another \
             folder or raise the limit, and download it again"
        }
        io::ErrorKind::PermissionDenied => {
            "cannot be written: permission denied; give this user write access to its folder and \
             download it again"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "cannot be written: its file system is read-only; make it writable or choose another \
             folder"
        }
        _ => "",
    };
    let text = match what {
        "" => format!("{} cannot be written: {error}", path.display()),
        what => format!("{} {what}", path.display()),
    };
    let is_locked = error.kind() == io::ErrorKind::WouldBlock;
    let error = Error::new(ErrorKind::Io, text).with_source(error);
    if is_locked {
        error.with_retryable(true)
    } else {
        error
    }
}
