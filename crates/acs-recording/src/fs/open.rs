//! Opening files that belong to this user, with a lock and private permissions.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::names::parent_of;
use super::names::remove;

/// The permissions of new files, on systems that have them: recorded calls are private.
pub(crate) const PRIVATE: u32 = 0o600;

/// Opens a file with an exclusive lock, and creates it with these permissions if necessary.
///
/// A file that another user may have put into a shared folder is not used.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if another process keeps the lock for longer than `timeout`.
pub(crate) fn open_locked(path: &Path, mode: u32, timeout: Duration) -> io::Result<File> {
    let started = Instant::now();
    loop {
        let file = match open_existing(path)? {
            Some(file) => Some(file),
            None => match create_new(path, mode) {
                // Another process created it in the meantime.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                created => Some(created?),
            },
        };
        match file.as_ref().map(|file| (file, file.try_lock())) {
            // The name may refer to another file now: the previous one was renamed or removed.
            Some((opened, Ok(()))) if is_same_file(opened, path)? => {
                set_permissions(opened, mode);
                return file.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            // Some network file systems have no locks.
            Some((_, Err(TryLockError::Error(error))))
                if error.kind() == io::ErrorKind::Unsupported =>
            {
                return file.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            Some((_, Err(TryLockError::Error(error)))) => return Err(error),
            Some((_, Ok(()) | Err(TryLockError::WouldBlock))) | None => {}
        }
        if started.elapsed() > timeout {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Opens a file for reading and writing, if it exists. Never follows a link.
///
/// # Errors
/// The path is not a plain file, or the file belongs to another user.
pub(crate) fn open_existing(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = open_trusted(path, OpenOptions::new().read(true).write(true))? else {
        return Ok(None);
    };
    if has_other_names(&file.metadata()?) {
        // Writing would also change the file under its other name.
        remove(path)?;
        return Ok(None);
    }
    Ok(Some(file))
}

/// As [`open_existing`], for reading only.
pub(crate) fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    open_trusted(path, OpenOptions::new().read(true))
}

fn open_trusted(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
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
    deny_links(options);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(in_the_way("it is not a plain file"));
    }
    if !is_trusted(&found, path)? {
        return Err(in_the_way("it belongs to another user"));
    }
    Ok(Some(file))
}

/// Creates a file with these permissions. It must not exist yet.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let file = options.open(path)?;
    set_permissions(&file, mode);
    Ok(file)
}

/// Makes opening a link fail, and opening a pipe or device return at once.
#[cfg(unix)]
fn deny_links(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(windows)]
fn deny_links(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt as _;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

#[cfg(not(any(unix, windows)))]
fn deny_links(_options: &mut OpenOptions) {}

/// Whether only this user can have created the file. On a file system without owners, all files
/// belong to the user that its folders belong to.
#[cfg(unix)]
pub(crate) fn is_trusted(found: &std::fs::Metadata, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = found.uid();
    let user = rustix::process::geteuid().as_raw();
    Ok(owner == user || owner == 0 || owner == std::fs::metadata(parent_of(path))?.uid())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
pub(crate) fn is_trusted(_found: &std::fs::Metadata, _path: &Path) -> io::Result<bool> {
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

/// Gives a file these permissions regardless of the umask. A file system without permissions is no
/// error: the file was created with no more than these.
#[cfg(unix)]
fn set_permissions(file: &File, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_permissions(_file: &File, _mode: u32) {}

/// Whether the path still names the open file.
#[cfg(unix)]
pub(crate) fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
pub(crate) fn is_same_file(_file: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}
