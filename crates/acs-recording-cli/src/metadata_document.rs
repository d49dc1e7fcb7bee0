//! Reads metadata documents of recordings from files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use acs_recording::RecordingMetadata;
use serde_json::Value;

use crate::failure::Failure;

/// A document with hundreds of participants has some dozens of kilobytes.
const MAX_SIZE: u64 = 16 << 20;
/// Members that identify a metadata document.
const MEMBERS: [&str; 9] = [
    "resourceId",
    "callId",
    "chunkDocumentId",
    "chunkIndex",
    "chunkStartTime",
    "chunkDuration",
    "pauseResumeIntervals",
    "recordingInfo",
    "participants",
];

/// Reads a document.
pub(crate) fn read(path: &Path) -> Result<RecordingMetadata, Failure> {
    let io = |error| Failure::file(path, &error);
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_SIZE {
        let error = io::Error::other("too large for a metadata document");
        return Err(Failure::corrupt(path, &error));
    }
    let document =
        RecordingMetadata::parse(&bytes).map_err(|error| Failure::corrupt(path, &error))?;
    if is_empty(&document) && is_other(&bytes) {
        let error = io::Error::other("not a metadata document of a recording");
        return Err(Failure::corrupt(path, &error));
    }
    Ok(document)
}

/// Whether JSON is an object without any member of a metadata document, or no object.
fn is_other(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => {
            !members.is_empty() && !MEMBERS.iter().any(|name| members.contains_key(*name))
        }
        _ => true,
    }
}

/// Whether a document has no known member. All of them are optional.
pub(crate) fn is_empty(document: &RecordingMetadata) -> bool {
    RecordingMetadata::parse(b"{}").is_ok_and(|nothing| nothing == *document)
}

/// Whole milliseconds, which fit into a JSON number.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
