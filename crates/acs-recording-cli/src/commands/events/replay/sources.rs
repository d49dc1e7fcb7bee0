//! The files that events were kept in. They are only read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::Failure;

/// The folders of a spool.
const PENDING: &str = "pending";
const NOTED: &str = "noted";
const DONE: &str = "done";

/// The files to read, in the order in which their events are sent.
pub(super) fn files(source: &Path, include_done: bool) -> Result<Vec<PathBuf>, Failure> {
    // `-` is standard input.
    if source.as_os_str() == "-" || !source.is_dir() {
        return Ok(vec![source.to_owned()]);
    }
    let inner = source.join(".spool");
    let files = if is_spool(source) {
        spooled(source, include_done)
    } else if is_spool(&inner) {
        spooled(&inner, include_done)
    } else {
        let mut files = Vec::new();
        collect(source, &mut files).map(|()| {
            files.sort();
            files
        })
    };
    let files = files.map_err(|error| Failure::file(source, &error))?;
    if files.is_empty() {
        return Err(Failure::usage("no files with events")
            .context_file(source)
            .hint(
                "of a spool, only pending and noted events are sent; --include-done adds the rest",
            ));
    }
    Ok(files)
}

/// Reads a file. An event of a spool may have been handled in the meantime.
pub(super) fn read_spooled(path: &Path) -> Option<Vec<u8>> {
    let (name, spool) = (path.file_name()?, path.parent()?.parent()?);
    let mut folders = [PENDING, DONE, NOTED].into_iter();
    folders.find_map(|folder| fs::read(spool.join(folder).join(name)).ok())
}

fn is_spool(folder: &Path) -> bool {
    [PENDING, NOTED, DONE]
        .iter()
        .all(|name| folder.join(name).is_dir())
}

/// The events of a spool in the order of their arrival.
fn spooled(folder: &Path, include_done: bool) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    let folders = [Some(PENDING), Some(NOTED), include_done.then_some(DONE)];
    for name in folders.into_iter().flatten() {
        for entry in fs::read_dir(folder.join(name))? {
            let path = entry?.path();
            let text = path.to_string_lossy();
            if !text.ends_with(".json") || text.ends_with(".reason.json") {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) => files.push((metadata.modified()?, path)),
                // It has just been handled.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The ends of names of files that may have events. Recordings may be in the same folder.
const ENDS: [&str; 5] = ["json", "jsonl", "ndjson", "txt", "log"];

/// All files with events below a folder, but not hidden ones.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A link to a folder could lead into a circle.
        let kind = entry.file_type()?;
        if is_hidden {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), files)?;
            continue;
        }
        let path = entry.path();
        let end = path
            .extension()
            .map(|end| end.to_string_lossy().to_ascii_lowercase());
        let may_have_events = end.is_none_or(|end| ENDS.contains(&end.as_str()));
        if may_have_events && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
