//! The file that tells other programs that the emulator is ready.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;

/// The file of `--ready-file`. It is removed when this is dropped.
#[derive(Debug)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes the file, which appears complete. Only its owner can read it, because it contains an
    /// access key.
    pub(super) fn write(path: &Path, content: &Value) -> Result<Self, Error> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            writeln!(file, "{content}")?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(failure(path))?;
        Ok(Self(path.to_owned()))
    }
}

/// Removes the file of an earlier run, which would announce an emulator that has ended.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(path)(error)),
        _ => Ok(()),
    }
}

fn failure(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::ReadyFile { path, source }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "cannot remove the ready file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_appears_complete_and_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        fs::write(&path, "of an earlier run").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        let content = serde_json::json!({"event": "ready"});
        let file = ReadyFile::write(&path, &content).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), content);
        drop(file);
        assert!(!path.exists());

        let nowhere = folder.path().join("missing/ready.json");
        let error = ReadyFile::write(&nowhere, &content).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
