//! Reads events from files and standard input.

use std::path::Path;

use acs_recording::{Event, EventPayload, Events, RecordingFileStatusUpdated};

use crate::failure::Failure;

/// A recording that an event announces, with its event.
#[derive(Debug)]
pub(crate) struct AnnouncedRecording {
    pub(crate) event: Event,
    pub(crate) file: RecordingFileStatusUpdated,
}

/// The recordings that the events in a file announce, and the error of the first event that cannot
/// be read. Such an event does not affect the others: the last line of a listener may be cut off.
pub(crate) async fn announced_recordings(
    source: &Path,
) -> Result<(Vec<AnnouncedRecording>, Option<Failure>), Failure> {
    let body = read(source).await?;
    let mut files = Vec::new();
    let mut bad = None;
    for event in Events::parse(&body) {
        match event {
            Ok(event) => {
                if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
                    let file = file.clone();
                    files.push(AnnouncedRecording { event, file });
                }
            }
            Err(_) if bad.is_some() => {}
            Err(error) => {
                bad = Some(Failure::usage(error.to_string()).context_file(source));
            }
        }
    }
    if !files.is_empty() {
        return Ok((files, bad));
    }
    Err(bad.unwrap_or_else(|| {
        Failure::usage(format!(
            "{}: no event announces a recording",
            source.display()
        ))
        .with_path(source)
        .hint("pass a RecordingFileStatusUpdated event as Event Grid posts it")
    }))
}

/// Reads a file, or standard input for `-`.
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
