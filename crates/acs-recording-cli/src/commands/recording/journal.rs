//! What `record` has started, in a file that survives a crash.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use acs_recording::RecordingId;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::text::{json_line, put_path};

/// The file in the folder of the recordings: one line of JSON for each step.
const NAME: &str = "recordings.jsonl";

/// The file of a folder.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the file of a folder, which must exist.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let open = || -> io::Result<File> {
            let mut file = options.open(&path)?;
            // A crash may have cut off the last line.
            if !ends_with_newline(&mut file)? {
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().map_err(|error| Failure::file(&path, &error))?;
        Ok(Self { path, file })
    }

    /// Appends a step, which is on disk when this returns.
    pub(super) fn write(&mut self, step: &str, mut members: Value) -> Result<(), Failure> {
        members["step"] = step.into();
        members["time"] = Timestamp::now().to_string().into();
        let line = format!("{}\n", json_line(&members));
        let mut write = || -> io::Result<()> {
            self.file.write_all(line.as_bytes())?;
            self.file.sync_all()
        };
        write().map_err(|error| Failure::file(&self.path, &error))
    }

    /// Appends a step of a recording.
    pub(super) fn step(&mut self, step: &str, id: &RecordingId) -> Result<(), Failure> {
        self.write(step, json!({"recording_id": id}))
    }

    /// Appends that a recording is saved.
    pub(super) fn saved(&mut self, id: &RecordingId, manifest: &Path) -> Result<(), Failure> {
        let mut members = json!({"recording_id": id});
        put_path(&mut members, "manifest", manifest);
        self.write("saved", members)
    }

    /// Whether an earlier run has saved a recording, and the manifest that it wrote.
    pub(super) fn manifest(&self, id: &RecordingId) -> Result<Option<PathBuf>, Failure> {
        let text = std::fs::read(&self.path).map_err(|error| Failure::file(&self.path, &error))?;
        let text = String::from_utf8_lossy(&text);
        let steps = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut saved =
            steps.filter(|step| step["step"] == "saved" && step["recording_id"] == id.as_str());
        let manifest = saved.find_map(|step| step["manifest"].as_str().map(PathBuf::from));
        Ok(manifest.filter(|path| path.exists()))
    }
}

/// Whether a file is empty, or its last line is complete.
fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let id: RecordingId = "rid".parse().unwrap();
        let manifest = dir.path().join("m.json");
        std::fs::write(dir.path().join(NAME), "{\"step\": \"start").unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        journal.step("started", &id).unwrap();
        assert_eq!(journal.manifest(&id).unwrap(), None);
        journal.saved(&id, &manifest).unwrap();
        // The files were moved away.
        assert_eq!(journal.manifest(&id).unwrap(), None);
        std::fs::write(&manifest, "{}").unwrap();
        assert_eq!(journal.manifest(&id).unwrap(), Some(manifest));
        assert_eq!(journal.manifest(&"other".parse().unwrap()).unwrap(), None);
    }
}
