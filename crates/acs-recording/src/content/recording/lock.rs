//! A lock that allows one download of a recording at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::Result;
use crate::fs::{PRIVATE, open_locked, remove, run_blocking, with_suffix};

/// How long to wait for the lock of a download that was just dropped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The downloads of this process, by the paths of their lock files.
static RUNNING: Mutex<BTreeMap<PathBuf, Weak<AsyncMutex<()>>>> = Mutex::new(BTreeMap::new());

/// The lock on the files of a recording.
#[derive(Debug)]
pub(super) struct RecordingLock {
    _file: LockFile,
    _guard: OwnedMutexGuard<()>,
}

/// Keeps other processes away. The file exists as long as the lock is held.
#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    _file: File,
}

impl RecordingLock {
    /// Waits for downloads of the same recording in this process, and for a short time for those in
    /// other processes.
    ///
    /// # Errors
    /// A retryable one if another process is downloading the recording.
    pub(super) async fn acquire(folder: &Path, stem: &str) -> Result<Self> {
        let path = with_suffix(&folder.join(stem), ".lock");
        let guard = process_lock(&path).await.lock_owned().await;
        let lock_path = path.clone();
        let file = run_blocking(&path, move || {
            let file = open_locked(&lock_path, PRIVATE, LOCK_TIMEOUT)?;
            Ok(LockFile {
                path: lock_path,
                _file: file,
            })
        });
        Ok(Self {
            _file: file.await?,
            _guard: guard,
        })
    }
}

/// The lock of this process for a path.
async fn process_lock(path: &Path) -> Arc<AsyncMutex<()>> {
    // The same for all names of the folder.
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let folder = tokio::fs::canonicalize(&folder).await.unwrap_or(folder);
    let key = folder.join(path.file_name().unwrap_or_default());
    let mut running = RUNNING.lock();
    running.retain(|_, lock| lock.strong_count() > 0);
    if let Some(lock) = running.get(&key).and_then(Weak::upgrade) {
        return lock;
    }
    let lock = Arc::default();
    running.insert(key, Arc::downgrade(&lock));
    lock
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // It is still locked, so it belongs to nobody else.
        let _ = remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn other_downloads_in_this_process_wait_and_no_file_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let first = RecordingLock::acquire(folder.path(), "a").await.unwrap();
        RecordingLock::acquire(folder.path(), "b").await.unwrap();
        let path = folder.path().join(".");
        let mut second = tokio::spawn(async move { RecordingLock::acquire(&path, "a").await });
        let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
        assert!(early.is_err(), "it waits");
        drop(first);
        drop(second.await.unwrap().unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn another_process_is_waited_for_only_a_short_time() {
        let folder = tempfile::tempdir().unwrap();
        let _other = open_locked(&folder.path().join("a.lock"), PRIVATE, LOCK_TIMEOUT).unwrap();
        let error = RecordingLock::acquire(folder.path(), "a")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().contains("another download"), "{error}");
    }
}
