//! The folder of a spool. Everything here blocks.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::content::{is_ours, no_links};
use crate::error::{Error, ErrorKind, Result};

/// Events that are still to be handled.
const PENDING: &str = "pending";
/// Events that were handled.
const DONE: &str = "done";
/// Events that cannot be handled, with the reasons.
const NOTED: &str = "noted";
/// What was delivered and is no event.
const UNREADABLE: &str = "unreadable";
/// Files before they are whole.
const TEMPORARY: &str = "tmp";
const LOCK: &str = "lock";

/// How long the lock of a spool that was just dropped is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Event Grid repeats what is at most 24 hours old.
const KEEP_DONE: Duration = Duration::from_secs(25 * 60 * 60);
const MAX_DONE: usize = 100_000;

const MAX_UNREADABLE: usize = 1000;
const MAX_UNREADABLE_BYTES: u64 = 64 * 1024 * 1024;

/// The folder, which is this process's alone.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Held as long as it is open.
    _lock: File,
    next_temporary: AtomicU64,
}

/// An event as it is kept.
pub(super) struct Stored {
    pub(super) text: Vec<u8>,
    /// For how long.
    pub(super) age: Duration,
}

/// What became of an event that was put into the folder.
pub(super) struct Put {
    pub(super) new: bool,
    pub(super) pending: bool,
    /// Whether it is on the disk, and not only in a cache.
    pub(super) synced: Result<()>,
}

impl Store {
    /// Opens the folder, makes it if need be, and removes what a crash left half written.
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
        // Files that a process named just before it crashed.
        sync(&store.folder.join(PENDING))?;
        Ok(store)
    }

    /// Keeps an event, unless it is there already or was handled.
    pub(super) fn put(&self, name: &str, text: &[u8]) -> Result<Put> {
        // Events go from the first of these folders to the others and never back, so looking in
        // this order misses none.
        for folder in [PENDING, DONE, NOTED] {
            let path = self.path(folder, name);
            if path.try_exists().map_err(|error| failed(&path, error))? {
                return Ok(Put {
                    new: false,
                    pending: folder == PENDING,
                    // Whoever is still putting it there may not have come that far.
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

    /// Whether an event is there or was handled.
    pub(super) fn contains(&self, name: &str) -> Result<bool> {
        for folder in [PENDING, DONE, NOTED] {
            let path = self.path(folder, name);
            if path.try_exists().map_err(|error| failed(&path, error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps what is no event, once for each content; tells where.
    pub(super) fn put_unreadable(&self, raw: &[u8]) -> Result<PathBuf> {
        let folder = self.folder.join(UNREADABLE);
        let mut name = String::new();
        for byte in Sha256::digest(raw) {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
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
                "{} is full: look at what is in it and remove it",
                folder.display()
            );
            return Err(Error::new(ErrorKind::Io, text));
        }
        self.write(&path, raw)?;
        sync(&folder)?;
        Ok(path)
    }

    /// The names of all events that are still to be handled, oldest first.
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

    /// Reads an event that is to be handled; none if somebody took it away.
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

    /// An event was handled. That is not synced, which would be slower than keeping events is, so
    /// that they would pile up: after a crash of the machine it may be handled again.
    pub(super) fn done(&self, name: &str) -> Result<()> {
        self.rename(name, DONE)
    }

    /// An event cannot be handled. It is kept, with a file beside it that says why.
    pub(super) fn note(&self, name: &str, reason: &str) -> Result<()> {
        let beside = self.folder.join(NOTED).join(format!("{name}.reason.json"));
        self.write(&beside, reason.as_bytes())?;
        self.file_away(name, NOTED)
    }

    /// A file among the events is none. It is kept elsewhere; tells where.
    pub(super) fn set_aside(&self, name: &str) -> Result<PathBuf> {
        self.file_away(name, UNREADABLE)?;
        Ok(self.path(UNREADABLE, name))
    }

    /// Forgets events that were handled and that nobody delivers again.
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

    /// A file is whole and on the disk before it gets its name.
    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(TEMPORARY).join(number.to_string());
        let written = || {
            let mut file = private().create_new(true).open(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        written().map_err(|error| {
            // If this fails, the next start removes it.
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
    let mut options = private();
    no_links(options.create(true));
    let file = options.open(&path).map_err(|error| failed(&path, error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Some network file systems have none.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(file);
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let text = format!(
                    "another process uses the spool {}: stop it, or choose another folder",
                    folder.display()
                );
                return Err(Error::new(ErrorKind::Io, text));
            }
        }
    }
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

/// How old a file is. One from the future, by a clock that was set back, is new.
fn age(metadata: &fs::Metadata) -> Duration {
    let modified = metadata.modified().unwrap_or_else(|_| SystemTime::now());
    modified.elapsed().unwrap_or_default()
}

/// A folder that somebody else made, or a link that leads elsewhere, could have events read by
/// others, and files of others removed. Who chose the folder of the spool may have made that a link.
fn make_folder(path: &Path, may_be_link: bool) -> Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path);
    if !matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        return made.map_err(|error| failed(path, error));
    }
    let look = || {
        let (named, found) = (fs::symlink_metadata(path)?, fs::metadata(path)?);
        if !found.is_dir() || named.is_symlink() && !may_be_link {
            return Ok(Some("it is not a plain folder"));
        }
        let ours = is_ours(&named, path)? && is_ours(&found, path)?;
        Ok((!ours).then_some("it belongs to another user"))
    };
    match look().map_err(|error| failed(path, error))? {
        None => Ok(()),
        Some(what) => {
            let path = path.display();
            let text = format!("{path} is in the way: {what}; choose another folder for the spool");
            Err(Error::new(ErrorKind::Io, text))
        }
    }
}

/// Opens files for writing that only their owner can read: events lead to what people said.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Gets names that were given or taken onto the disk.
#[cfg(unix)]
fn sync(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, error))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
fn sync(_folder: &Path) -> Result<()> {
    Ok(())
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
}
