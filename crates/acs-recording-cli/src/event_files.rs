//! Files with events, as people have them.

use std::path::Path;

use acs_recording::{Event, EventPayload, Events, RecordingFileStatusUpdated};

use crate::failure::Failure;

/// A recording that an event announces.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) event: Event,
    pub(crate) file: RecordingFileStatusUpdated,
}

/// The recordings that the events in a file tell of, and what is wrong with the first event that
/// cannot be read. It takes no other with it: the last line of a listener may be cut off.
pub(crate) async fn ready_files(
    source: &Path,
) -> Result<(Vec<Announced>, Option<Failure>), Failure> {
    let body = read(source).await?;
    let mut files = Vec::new();
    let mut bad = None;
    for event in Events::parse(&body) {
        match event {
            Ok(event) => {
                if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
                    let file = file.clone();
                    files.push(Announced { event, file });
                }
            }
            Err(_) if bad.is_some() => {}
            Err(error) => {
                bad = Some(Failure::usage(error.to_string()).about_file(source));
            }
        }
    }
    if !files.is_empty() {
        return Ok((files, bad));
    }
    Err(bad.unwrap_or_else(|| {
        Failure::usage(format!("{}: no files are announced", source.display()))
            .of_file(source)
            .advise("give an event RecordingFileStatusUpdated as Event Grid posts it")
    }))
}

/// A file, or standard input for `-`.
pub(crate) async fn read(source: &Path) -> Result<Vec<u8>, Failure> {
    let path = source.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(path)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| Failure::file(source, &error))
}
