//! One download of a recording at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;

use super::disk::file_error;
use super::disk::{PRIVATE, open_locked, remove, with_suffix};
use crate::error::Result;

/// What is downloaded in this process, by where it goes.
static RUNNING: Mutex<BTreeMap<PathBuf, Weak<AsyncMutex<()>>>> = Mutex::new(BTreeMap::new());

/// The right to write the files of a recording.
#[derive(Debug)]
pub(super) struct Lock {
    _file: LockFile,
    _turn: OwnedMutexGuard<()>,
}

/// Keeps other processes away. The file is there for as long as the lock is held.
#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for downloads of the same recording in this process, and a moment for those in others.
    ///
    /// # Errors
    /// Another process downloads it; the error is retryable.
    pub(super) async fn acquire(folder: &Path, stem: &str) -> Result<Self> {
        let path = with_suffix(&folder.join(stem), ".lock");
        let turn = turn(&path).await.lock_owned().await;
        let place = path.clone();
        let locked = spawn_blocking(move || {
            let file = open_locked(&place, PRIVATE)?;
            Ok(LockFile {
                path: place,
                _file: file,
            })
        });
        let locked = locked.await.unwrap_or_else(|error| Err(error.into()));
        Ok(Self {
            _file: locked.map_err(|error| file_error(error, &path))?,
            _turn: turn,
        })
    }
}

/// The place in this process's queue for a path.
async fn turn(path: &Path) -> Arc<AsyncMutex<()>> {
    // Whatever the folder is called.
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let folder = tokio::fs::canonicalize(&folder).await.unwrap_or(folder);
    let place = folder.join(path.file_name().unwrap_or_default());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|_, turn| turn.strong_count() > 0);
    if let Some(turn) = running.get(&place).and_then(Weak::upgrade) {
        return turn;
    }
    let turn = Arc::default();
    running.insert(place, Arc::downgrade(&turn));
    turn
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // While it is locked, so that it is nobody else's.
        let _ = remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn others_in_this_process_wait_and_nothing_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::acquire(folder.path(), "a").await.unwrap();
        Lock::acquire(folder.path(), "b").await.unwrap();
        let path = folder.path().join(".");
        let mut second = tokio::spawn(async move { Lock::acquire(&path, "a").await });
        let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
        assert!(early.is_err(), "it waits");
        drop(first);
        drop(second.await.unwrap().unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn another_process_is_waited_for_only_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let _other = open_locked(&folder.path().join("a.lock"), PRIVATE).unwrap();
        let error = Lock::acquire(folder.path(), "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().contains("another download"), "{error}");
    }
}
