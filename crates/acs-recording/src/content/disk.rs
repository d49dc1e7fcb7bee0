//! What differs among systems about files, and what `std` leaves to do.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::error::{Error, ErrorKind, Result};

/// How long the lock of a download that was just dropped is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// The permissions of new files, as far as the system has them: recorded calls are private.
pub(super) const PRIVATE: u32 = 0o600;

/// Opens a file for this process alone, and makes it with these permissions if need be.
///
/// A file that somebody else may have put there, in a folder that others write to, is not used.
pub(super) fn open_locked(path: &Path, mode: u32) -> io::Result<File> {
    let begun = std::time::Instant::now();
    loop {
        let file = match open_existing(path)? {
            Some(file) => Some(file),
            None => match create_new(path, mode) {
                // It came in between.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                created => Some(created?),
            },
        };
        match file.as_ref().map(|file| (file, file.try_lock())) {
            // The name may belong to another file since: the one before was finished or removed.
            Some((opened, Ok(()))) if same_file(opened, path)? => {
                permit(opened, mode);
                return file.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            Some((_, Err(TryLockError::Error(error))))
                if error.kind() == io::ErrorKind::Unsupported =>
            {
                return file.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            Some((_, Err(TryLockError::Error(error)))) => return Err(error),
            Some((_, Ok(()) | Err(TryLockError::WouldBlock))) | None => {}
        }
        if begun.elapsed() > LOCK_PATIENCE {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "another download is writing to it; try again when that is done",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Opens a file for reading and writing, if it is there. Never follows a link.
///
/// # Errors
/// There is something else, or a file that belongs to another user.
pub(super) fn open_existing(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = open_ours(path, OpenOptions::new().read(true).write(true))? else {
        return Ok(None);
    };
    if has_other_names(&file.metadata()?) {
        // Writing to it would change what the other name stands for.
        remove(path)?;
        return Ok(None);
    }
    Ok(Some(file))
}

/// As [`open_existing`], for reading alone.
pub(super) fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    open_ours(path, OpenOptions::new().read(true))
}

fn open_ours(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    let in_the_way = |what: &str| {
        let text = format!("{} is in the way: {what}; remove it", path.display());
        io::Error::new(io::ErrorKind::AlreadyExists, text)
    };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err(in_the_way("it is not a plain file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    no_links(options);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(in_the_way("it is not a plain file"));
    }
    if !is_ours(&found, path)? {
        return Err(in_the_way("it belongs to another user"));
    }
    Ok(Some(file))
}

/// Makes a file with these permissions, which must not be there yet.
pub(super) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let file = options.open(path)?;
    permit(&file, mode);
    Ok(file)
}

/// Writes a file in one step: it is there as a whole or not at all, whatever happens meanwhile.
pub(super) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::io::Write as _;

    let beside = with_suffix(path, ".new");
    remove(&beside)?;
    let written = create_new(&beside, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    });
    if let Err(error) = written {
        // The error says more than one from tidying up.
        let _ = remove(&beside);
        return Err(error);
    }
    sync_folder(path)
}

/// Makes opening fail where the name is a link, or no plain file that would keep this waiting.
#[cfg(unix)]
pub(crate) fn no_links(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(windows)]
pub(crate) fn no_links(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt as _;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

#[cfg(not(any(unix, windows)))]
pub(crate) fn no_links(_options: &mut OpenOptions) {}

/// Whether nobody but this user could have put the file there. On file systems without users of
/// their own all files belong to one, as the folder does.
#[cfg(unix)]
pub(crate) fn is_ours(found: &std::fs::Metadata, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = found.uid();
    let us = rustix::process::geteuid().as_raw();
    Ok(owner == us || owner == 0 || owner == std::fs::metadata(folder_of(path))?.uid())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
pub(crate) fn is_ours(_found: &std::fs::Metadata, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn has_other_names(found: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(found) > 1
}

#[cfg(not(unix))]
fn has_other_names(_found: &std::fs::Metadata) -> bool {
    false
}

/// Gives a file these permissions, whatever the umask took away. A file system that has none is
/// no reason to fail: the file was made with no more than these.
#[cfg(unix)]
fn permit(file: &File, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn permit(_file: &File, _mode: u32) {}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path with something behind its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
pub(super) fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
pub(super) fn same_file(_file: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Gets names that were given or taken onto the disk.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes all of it at a place, whatever others write elsewhere.
#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Reads at a place; 0 at the end.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !bytes.is_empty() {
        let count = file.seek_write(bytes, at)?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
        at += count as u64;
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

pub(super) async fn on_disk<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.into()))
        .map_err(|error| file_error(error, path))
}

/// What to do about a file that cannot be used.
pub(super) fn file_error(error: io::Error, path: &Path) -> Error {
    // What this crate has to say about a file, it says in words.
    let known = error.get_ref().is_none();
    let what = match error.kind() {
        io::ErrorKind::AlreadyExists if known => "exists already; it was left as it is",
        io::ErrorKind::NotFound => "cannot be made: its folder does not exist; make that first",
        io::ErrorKind::NotADirectory => {
            "cannot be made: its folder is a file; choose another folder"
        }
        io::ErrorKind::IsADirectory => "cannot be written: it is a folder; choose another name",
        io::ErrorKind::StorageFull => "does not fit on the disk; make room and download it again",
        io::ErrorKind::QuotaExceeded => {
            "is more than this user's quota on the disk allows; make room and download it again"
        }
        io::ErrorKind::FileTooLarge => {
            "is larger than its file system or this user's limit (ulimit -f) allows; choose another \
             folder or raise the limit, and download it again"
        }
        io::ErrorKind::PermissionDenied => {
            "cannot be written: permission denied; give this user the right to write to its folder \
             and download it again"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "cannot be written: its file system is read-only; make that writable or choose another \
             folder"
        }
        _ => "",
    };
    let text = match what {
        "" => format!("{} cannot be written: {error}", path.display()),
        what => format!("{} {what}", path.display()),
    };
    let is_busy = error.kind() == io::ErrorKind::WouldBlock;
    let error = Error::new(ErrorKind::Io, text).with_source(error);
    if is_busy {
        error.with_retryable(true)
    } else {
        error
    }
}
