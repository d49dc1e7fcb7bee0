//! The folder of a spool. Everything here blocks.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::format::Hex;
use crate::fs::{PRIVATE, create_new, is_trusted, open_locked, sync_dir};

/// Events to handle.
const PENDING: &str = "pending";
/// Handled events.
const DONE: &str = "done";
/// Events that cannot be handled, with the reasons.
const NOTED: &str = "noted";
/// Deliveries that are not events.
const UNREADABLE: &str = "unreadable";
/// Incomplete files.
const TEMPORARY: &str = "tmp";
const LOCK: &str = "lock";

/// How long to wait for the lock of a spool that was just dropped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Event Grid delivers an event again for up to 24 hours.
const KEEP_DONE: Duration = Duration::from_secs(25 * 60 * 60);
const MAX_DONE: usize = 100_000;

const MAX_UNREADABLE: usize = 1000;
const MAX_UNREADABLE_BYTES: u64 = 64 * 1024 * 1024;

/// The folder, which only this process uses.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// The lock is held as long as the file is open.
    _lock: File,
    next_temporary: AtomicU64,
}

/// A stored event.
pub(super) struct Stored {
    pub(super) text: Vec<u8>,
    /// The time since it was stored.
    pub(super) age: Duration,
}

/// The result of storing an event.
pub(super) struct Put {
    pub(super) new: bool,
    pub(super) pending: bool,
    /// Whether it is on the disk, and not only in a cache.
    pub(super) synced: Result<()>,
}

impl Store {
    /// Opens the folder, creates it if necessary, and removes incomplete files of a crash.
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        if let Some(parent) = folder.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        make_folder(&folder, true)?;
        let lock = lock(&folder)?;
        for name in [PENDING, DONE, NOTED, UNREADABLE, TEMPORARY] {
            make_folder(&folder.join(name), false)?;
        }
        let store = Self {
            folder,
            _lock: lock,
            next_temporary: AtomicU64::new(0),
        };
        let temporary = store.folder.join(TEMPORARY);
        for (path, _) in list(&temporary)? {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
        sync(&store.folder)?;
        // A process may have crashed before it synced the names of events.
        sync(&store.folder.join(PENDING))?;
        Ok(store)
    }

    /// Stores an event, unless it is already stored or was handled.
    pub(super) fn put(&self, name: &str, text: &[u8]) -> Result<Put> {
        // Events move from the first of these folders to the others and never back, so none is missed
        // in this order.
        for folder in [PENDING, DONE, NOTED] {
            let path = self.path(folder, name);
            if path.try_exists().map_err(|error| failed(&path, error))? {
                return Ok(Put {
                    new: false,
                    pending: folder == PENDING,
                    // Another call may have created the file and not have synced it yet.
                    synced: sync(&self.folder.join(folder)),
                });
            }
        }
        let path = self.path(PENDING, name);
        self.write(&path, text)?;
        Ok(Put {
            new: true,
            pending: true,
            synced: sync(&self.folder.join(PENDING)),
        })
    }

    /// Whether an event is stored or was handled.
    pub(super) fn contains(&self, name: &str) -> Result<bool> {
        for folder in [PENDING, DONE, NOTED] {
            let path = self.path(folder, name);
            if path.try_exists().map_err(|error| failed(&path, error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores a delivery that is not an event, once for each content. Returns the path.
    pub(super) fn put_unreadable(&self, raw: &[u8]) -> Result<PathBuf> {
        let folder = self.folder.join(UNREADABLE);
        let name = Hex(&Sha256::digest(raw)).to_string();
        let path = folder.join(name).with_extension("raw");
        let (mut count, mut bytes) = (1, raw.len() as u64);
        for (known, metadata) in list(&folder)? {
            if known == path {
                return Ok(path);
            }
            count += 1;
            bytes += metadata.len();
        }
        if count > MAX_UNREADABLE || bytes > MAX_UNREADABLE_BYTES {
            let text = format!(
                "{} is full; inspect its files and remove them",
                folder.display()
            );
            return Err(Error::new(ErrorKind::Io, text));
        }
        self.write(&path, raw)?;
        sync(&folder)?;
        Ok(path)
    }

    /// The names of all pending events, oldest first.
    pub(super) fn pending(&self) -> Result<Vec<String>> {
        let mut files: Vec<_> = list(&self.folder.join(PENDING))?
            .into_iter()
            .filter(|(path, _)| path.extension().is_some_and(|ending| ending == "json"))
            .filter_map(|(path, metadata)| {
                let name = path.file_stem()?.to_str()?.to_owned();
                Some((metadata.modified().ok(), name))
            })
            .collect();
        files.sort();
        Ok(files.into_iter().map(|(_, name)| name).collect())
    }

    /// Reads a pending event. None if the file was removed.
    pub(super) fn read(&self, name: &str) -> Result<Option<Stored>> {
        let path = self.path(PENDING, name);
        let read = || -> io::Result<Stored> {
            let age = age(&fs::metadata(&path)?);
            let text = fs::read(&path)?;
            Ok(Stored { text, age })
        };
        match read() {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Records that an event was handled. This is not synced: it would be slower than storing events,
    /// which would pile up. After a crash of the machine, the event may be handled again.
    pub(super) fn done(&self, name: &str) -> Result<()> {
        self.rename(name, DONE)
    }

    /// Records that an event cannot be handled, with the reason in a file beside it.
    pub(super) fn note(&self, name: &str, reason: &str) -> Result<()> {
        let beside = self.folder.join(NOTED).join(format!("{name}.reason.json"));
        self.write(&beside, reason.as_bytes())?;
        self.file_away(name, NOTED)
    }

    /// Moves a file that is not an event out of the way. Returns its new path.
    pub(super) fn set_aside(&self, name: &str) -> Result<PathBuf> {
        self.file_away(name, UNREADABLE)?;
        Ok(self.path(UNREADABLE, name))
    }

    /// Removes handled events that are not delivered again.
    pub(super) fn prune(&self) -> Result<()> {
        let mut files: Vec<_> = list(&self.folder.join(DONE))?
            .into_iter()
            .map(|(path, metadata)| (age(&metadata), path))
            .collect();
        files.sort();
        for (number, (age, path)) in files.iter().enumerate() {
            if *age >= KEEP_DONE || number >= MAX_DONE {
                fs::remove_file(path).map_err(|error| failed(path, error))?;
            }
        }
        Ok(())
    }

    fn file_away(&self, name: &str, folder: &str) -> Result<()> {
        self.rename(name, folder)?;
        sync(&self.folder.join(folder))?;
        sync(&self.folder.join(PENDING))
    }

    /// The file keeps its time: that of the event's arrival.
    fn rename(&self, name: &str, folder: &str) -> Result<()> {
        let to = self.path(folder, name);
        fs::rename(self.path(PENDING, name), &to).map_err(|error| failed(&to, error))
    }

    /// A file appears under its final name only when it is complete and durable.
    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(TEMPORARY).join(number.to_string());
        let written = || {
            let mut file = create_new(&temporary, PRIVATE)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        written().map_err(|error| {
            // Otherwise the next start removes it.
            let _ = fs::remove_file(&temporary);
            failed(path, error)
        })
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{name}.json"))
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    open_locked(&path, PRIVATE, LOCK_TIMEOUT).map_err(|error| {
        if error.kind() != io::ErrorKind::WouldBlock {
            return failed(&path, error);
        }
        let text = format!(
            "another process uses the spool {}; stop it, or choose another folder",
            folder.display()
        );
        Error::new(ErrorKind::Io, text)
    })
}

/// The files in a folder.
fn list(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>> {
    let read = || {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => files.push((entry.path(), metadata)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    };
    read().map_err(|error| failed(folder, error))
}

/// The age of a file. After a clock was set back, a file from the future is new.
fn age(metadata: &fs::Metadata) -> Duration {
    let modified = metadata.modified().unwrap_or_else(|_| SystemTime::now());
    modified.elapsed().unwrap_or_default()
}

/// Creates a folder, or checks the existing one. In a folder of another user, or behind a link, others
/// could read events, and files of others could be removed. Only the folder of the spool itself may be
/// a link.
fn make_folder(path: &Path, may_be_link: bool) -> Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path);
    if !matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        return made.map_err(|error| failed(path, error));
    }
    let inspect = || {
        let (named, found) = (fs::symlink_metadata(path)?, fs::metadata(path)?);
        if !found.is_dir() || named.is_symlink() && !may_be_link {
            return Ok(Some("it is not a plain folder"));
        }
        let ours = is_trusted(&named, path)? && is_trusted(&found, path)?;
        Ok((!ours).then_some("it belongs to another user"))
    };
    match inspect().map_err(|error| failed(path, error))? {
        None => Ok(()),
        Some(what) => {
            let path = path.display();
            let text = format!("{path} is in the way: {what}; choose another folder for the spool");
            Err(Error::new(ErrorKind::Io, text))
        }
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<()> {
    sync_dir(folder).map_err(|error| failed(folder, error))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
}
