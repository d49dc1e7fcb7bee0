//! Downloading a whole recording into a folder.

use std::path::PathBuf;

use super::super::options::{FileOptions, Overwrite, file_options};
use super::super::request::DOWNLOAD;
use super::request::{DirOptions, RecordingRequest};
use super::run::run;
use super::saved::SavedRecording;
use crate::error::Result;
use crate::operation::into_future;
use crate::telemetry::{record_bytes, record_recording_id};

/// A download of a recording into a folder; made by
/// [`DownloadRecording::to_dir`](super::DownloadRecording::to_dir).
///
/// The media of all chunks are downloaded one after the other, and then their metadata. Files that
/// are already complete are kept unless [`overwrite`](Self::overwrite) says otherwise, so that the
/// same download resumes after a failure. Downloads of the same recording to the same folder wait for
/// each other. If another process is downloading it, the download fails with a retryable error.
///
/// Only proof rejects a file: another checksum or length than the server announced, first bytes of
/// another format than the announced one, an HTML page or an error document. Other inconsistencies,
/// such as different durations, are [warnings](SavedRecording::warnings).
///
/// # Errors
/// As [`DownloadToFile`](crate::DownloadToFile).
/// [`ErrorKind::NothingToDownload`](crate::ErrorKind::NothingToDownload) if the event announces no
/// chunks, [`ErrorKind::OwnStorage`](crate::ErrorKind::OwnStorage) if they are in storage of your own.
/// If one chunk fails, the others are saved first.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct DownloadToDir {
    request: RecordingRequest,
    files: FileOptions,
    dir: DirOptions,
}

impl DownloadToDir {
    pub(super) fn new(request: RecordingRequest, folder: PathBuf) -> Self {
        Self {
            request,
            files: FileOptions {
                overwrite: Overwrite::Skip,
                sha256: true,
                ..FileOptions::default()
            },
            dir: DirOptions {
                folder,
                deletes: false,
                deletes_incomplete: false,
            },
        }
    }

    /// Deletes the recording from the service once all of it is on disk, verified, and recorded in
    /// the manifest. An incomplete recording is not deleted.
    ///
    /// Only objects that the event names are deleted. Content that no longer exists counts as
    /// deleted. If the process ends or deleting fails, the same download finishes the deletion:
    /// before that, it reads each file again and compares it with its SHA-256 in the manifest. If the
    /// event has no delete location of a chunk, or the location of another object, the other chunks
    /// are deleted first, and then the download fails.
    pub fn delete_after(mut self) -> Self {
        self.dir.deletes = true;
        self
    }

    /// As [`delete_after`](Self::delete_after), and also deletes the saved chunks of an incomplete
    /// recording.
    pub fn delete_incomplete(mut self) -> Self {
        self.dir.deletes = true;
        self.dir.deletes_incomplete = true;
        self
    }

    async fn send(self) -> Result<SavedRecording> {
        let recording_id = self.request.file.recording_id.clone();
        if let Some(id) = &recording_id {
            record_recording_id(id.as_str());
        }
        let outcome = Box::pin(run(self.request, self.files, self.dir)).await;
        match (outcome, recording_id) {
            (Ok(saved), _) => {
                record_bytes(saved.bytes());
                Ok(saved)
            }
            (Err(error), Some(id)) => Err(error.with_recording_id(id)),
            (Err(error), None) => Err(error),
        }
    }
}

file_options!(DownloadToDir);
into_future!(DownloadToDir -> SavedRecording, DOWNLOAD);
