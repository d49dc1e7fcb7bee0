//! The download of a whole recording: what to request.

use std::path::PathBuf;

use super::super::options::transfer_options;
use super::chunk_numbers::number_chunks;
use super::request::RecordingRequest;
use super::to_dir::DownloadToDir;
use crate::client_core::ClientCore;
use crate::event::{Event, RecordingFileStatusUpdated};
use crate::transport::{RequestOptions, request_options};

/// A download of a whole recording without a destination; made by
/// [`RecordingClient::download_recording`](crate::RecordingClient::download_recording).
///
/// How to transfer it is set here. Then [`to_dir`](Self::to_dir) sets the folder, and options of its
/// files follow.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before a destination is set and awaited"]
pub struct DownloadRecording {
    request: RecordingRequest,
    options: RequestOptions,
}

impl DownloadRecording {
    pub(crate) fn new(client: ClientCore, file: &RecordingFileStatusUpdated) -> Self {
        Self {
            request: RecordingRequest::new(client, file),
            options: RequestOptions::new(),
        }
    }

    /// Adds the id and the time of the event that announced the recording to the manifest.
    ///
    /// ```no_run
    /// # use acs_recording::{Event, EventPayload, RecordingClient, Result};
    /// # async fn run(client: &RecordingClient, event: &Event) -> Result<()> {
    /// if let EventPayload::RecordingFileStatusUpdated(file) = event.payload() {
    ///     let download = client.download_recording(file).event(event);
    ///     download.to_dir("recordings").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn event(mut self, event: &Event) -> Self {
        self.request.event_id = Some(event.id.clone());
        self.request.event_time = event.time;
        self
    }

    /// The beginning of the names of all files: the id of the recording's first document, or of the
    /// recording, with characters replaced that a file name cannot have. Two events about the same
    /// recording with the same first chunk have the same stem.
    pub fn file_stem(&self) -> String {
        let chunks = &self.request.file.chunks;
        self.request.stem(&number_chunks(chunks, Vec::new()))
    }

    /// Writes the recording to this folder, which is created if necessary.
    ///
    /// The files are named after the document of the first chunk: `ID.000.wav` and its metadata
    /// `ID.000.json`, then `ID.001.wav` and so on, by the index of each chunk. `ID.manifest.json` is
    /// written last and lists what was saved and verified; see
    /// [`RecordingManifest`](crate::RecordingManifest). File names never lead out of the folder,
    /// whatever the event contains.
    ///
    /// A later event about the same recording may contain fewer or other chunks. Chunks that are
    /// already saved stay in the manifest, and no chunk replaces another.
    pub fn to_dir(self, folder: impl Into<PathBuf>) -> DownloadToDir {
        let request = RecordingRequest {
            options: self.options,
            ..self.request
        };
        DownloadToDir::new(request, folder.into())
    }
}

transfer_options!(DownloadRecording);
request_options! {
    DownloadRecording,
    /// Time limit for each file until its content begins to arrive, and after an interruption until
    /// more arrives, retries included (default: the client's
    /// [`operation_timeout`](crate::RecordingClientBuilder::operation_timeout)).
}
