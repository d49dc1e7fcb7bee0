//! Metadata documents of recordings, as files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use acs_recording::RecordingMetadata;
use serde_json::Value;

use crate::failure::Failure;

/// Documents with hundreds of participants have some dozens of kilobytes.
const LARGEST: u64 = 16 << 20;
/// By these a document is known that says nothing else.
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
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST {
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

/// Whether JSON has members, and none of those of a metadata document.
fn is_other(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => {
            !members.is_empty() && !MEMBERS.iter().any(|name| members.contains_key(*name))
        }
        _ => true,
    }
}

/// Whether nothing is known of what a document says: all its members are optional.
pub(crate) fn is_empty(document: &RecordingMetadata) -> bool {
    RecordingMetadata::parse(b"{}").is_ok_and(|nothing| nothing == *document)
}

/// JSON numbers need no more.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
