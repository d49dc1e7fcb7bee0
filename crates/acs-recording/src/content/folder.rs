//! A whole recording, into a folder.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;

use super::file::SavedFile;
use super::names;
use super::numbers::{Numbered, number};
use super::options::{Options, Overwrite, settings};
use super::progress::Progress;
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Hint, Result};
use crate::event::{Event, RecordingFileStatusUpdated};
use crate::ids::DocumentId;
use crate::manifest::ManifestChunk;
use crate::metadata::RecordingMetadata;

/// All files of a recording; say [where to](Self::to_dir).
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is told where to"]
pub struct DownloadRecording {
    pub(super) client: ClientCore,
    pub(super) file: RecordingFileStatusUpdated,
    pub(super) event_id: Option<String>,
    pub(super) event_time: Option<Timestamp>,
}

impl DownloadRecording {
    pub(crate) fn new(client: ClientCore, file: &RecordingFileStatusUpdated) -> Self {
        Self {
            client,
            file: file.clone(),
            event_id: None,
            event_time: None,
        }
    }

    /// The event that announced the recording: its id and time go into the manifest.
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
        self.event_id = Some(event.id.clone());
        self.event_time = event.time;
        self
    }

    /// What the names of all files of the recording begin with: the id of its first document, or
    /// else that of the recording, without anything that a name cannot have. Two events about the
    /// same recording have the same, if they have the same first chunk.
    pub fn file_stem(&self) -> String {
        self.stem(&number(&self.file.chunks, Vec::new()))
    }

    pub(super) fn stem(&self, numbered: &Numbered) -> String {
        let chunks = || numbered.chunks.iter().map(|(_, chunk)| chunk);
        let document = chunks().find_map(|chunk| chunk.document_id.as_ref());
        let location = chunks().find_map(|chunk| chunk.content_location.as_ref());
        let recording = self.file.recording_id.as_ref().map(AsRef::as_ref);
        let id = document
            .map(AsRef::as_ref)
            .or(recording)
            .or(self.event_id.as_deref());
        match id {
            Some(id) => names::stem(id),
            None => names::stem(&location.map(ToString::to_string).unwrap_or_default()),
        }
    }

    /// Into this folder, which is made if need be; `await` the result, after setting options on it.
    ///
    /// The files are called after the first chunk's document: `ID.000.wav` and `ID.000.json` with
    /// the metadata, then `ID.001.wav` and so on, by the index of each chunk. `ID.manifest.json`,
    /// written last, says what was saved and verified; see
    /// [`RecordingManifest`](crate::RecordingManifest). No name leads out of the folder, whatever
    /// an event says.
    ///
    /// A later event about the same recording may name fewer chunks, or others. Those that are saved
    /// stay in the manifest, and no chunk takes the place of another.
    pub fn to_dir(self, folder: impl Into<PathBuf>) -> SaveRecording {
        SaveRecording {
            what: self,
            folder: folder.into(),
            options: Options {
                overwrite: Overwrite::Skip,
                sha256: true,
                ..Options::default()
            },
            deletes: false,
            deletes_incomplete: false,
        }
    }

    /// When the recording ended, as far as that is known.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.file.end()
    }

    /// Fails unless there is content that the service has.
    pub(super) fn check(&self) -> Result<()> {
        if self.file.chunks.is_empty() {
            let reason = match &self.file.session_end_reason {
                Some(reason) => format!(" (the recording ended with {reason})"),
                None => String::new(),
            };
            let text =
                format!("the event announces no content{reason}: there is nothing to download");
            return Err(Error::new(ErrorKind::NothingToDownload, text));
        }
        let mut locations = self
            .file
            .chunks
            .iter()
            .filter_map(|chunk| chunk.content_location.as_ref());
        let is_foreign = self.file.is_for_own_storage();
        let hosts = &self.client.pipeline().hosts;
        let mut is_named = false;
        let is_own = locations.all(|location| {
            is_named = true;
            let checked = hosts.check(&Method::GET, location.as_url());
            checked.is_err_and(|error| is_foreign || error.kind() == ErrorKind::OwnStorage)
        });
        if is_own && (is_foreign || is_named) {
            let text = format!(
                "the recording is in storage of your own ({})",
                self.file
                    .storage_type
                    .as_deref()
                    .unwrap_or("a storage account")
            );
            let error = Error::new(ErrorKind::OwnStorage, text);
            return Err(error.with_hint(Hint::UseStorageCredentials));
        }
        Ok(())
    }
}

/// A recording about to be downloaded into a folder; `await` it.
///
/// The media of all chunks come one after the other, and then their metadata. What is there already
/// is left as it is, unless [`overwrite`](Self::overwrite) says otherwise, so that the same download
/// goes on where an earlier one failed or was killed. Downloads of the same recording to the same
/// folder wait for each other; another process gets a retryable error.
///
/// Only proof rejects a file: another checksum or length than the server announced, first bytes of
/// another format than the announced one, a page or an error document in its place. Anything else
/// that is odd, such as lengths that differ, is a [warning](SavedRecording::warnings).
///
/// # Errors
/// As [`Download::to_file`](super::Download::to_file). [`ErrorKind::NothingToDownload`] if the event
/// announces no chunks, [`ErrorKind::OwnStorage`] if they are in storage of your own. An error about
/// one chunk comes after the others are saved.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct SaveRecording {
    pub(super) what: DownloadRecording,
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    pub(super) deletes: bool,
    pub(super) deletes_incomplete: bool,
}

/// A recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedRecording {
    /// The chunks of the event that are saved, in order.
    pub chunks: Vec<SavedChunk>,
    /// The chunks that could not be saved, because no event says where they are.
    pub missing: Vec<MissingChunk>,
    /// What is odd about the recording, in words.
    pub warnings: Vec<String>,
    /// The file with the [manifest](crate::RecordingManifest).
    pub manifest: PathBuf,
    /// Whether the service's copy of these chunks is deleted.
    pub deleted: bool,
    pub(super) complete: bool,
    /// Whether there are metadata that could not be fetched, and nothing else is missing for good.
    pub(super) lacks_metadata: bool,
}

/// A chunk of a recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedChunk {
    /// Its number, from 0, which is in the names of its files.
    pub index: u64,
    /// The media file.
    pub media: SavedFile,
    /// The file with the metadata document, as it came; none if there was none.
    pub metadata: Option<SavedFile>,
    /// The metadata document; none if it cannot be read.
    pub document: Option<RecordingMetadata>,
}

/// A chunk of a recording of which there are no media.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingChunk {
    /// Its number, from 0.
    pub index: u64,
    /// Its id; none if the event does not announce the chunk at all, or gives it no id.
    pub document_id: Option<DocumentId>,
    /// Why it ended, such as `ChunkUploadFailure`.
    pub end_reason: Option<String>,
}

impl MissingChunk {
    /// One that no event announces.
    pub(super) fn gap(index: u64) -> Self {
        Self {
            index,
            document_id: None,
            end_reason: None,
        }
    }

    pub(super) fn of(chunk: &ManifestChunk) -> Self {
        Self {
            index: chunk.index,
            document_id: chunk.document_id.clone(),
            end_reason: chunk.end_reason.clone(),
        }
    }
}

impl SavedRecording {
    /// The size of all media files together.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.media.bytes).sum()
    }

    /// Whether everything that was recorded is saved: no chunk is missing, and every metadata
    /// document that the service has is here.
    ///
    /// An incomplete recording is deleted from the service only with
    /// [`delete_incomplete`](SaveRecording::delete_incomplete).
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the same download may complete the recording later: all media are saved, and a
    /// metadata document was not there yet.
    pub fn may_be_completed(&self) -> bool {
        self.lacks_metadata && self.missing.is_empty()
    }
}

impl SaveRecording {
    settings!();

    /// Deletes the recording from the service, once all of it is on the disk, verified, and written
    /// down in the manifest. An incomplete one is kept.
    ///
    /// Only what the event names is deleted. What is gone already counts as deleted. If the process
    /// ends on the way, or deleting fails, the same download finishes it: before anything is deleted,
    /// each file is read again and compared with its SHA-256 in the manifest. A chunk for which the
    /// event names no delete location, or that of something else, is an error that comes after the
    /// others are deleted.
    pub fn delete_after(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// As [`delete_after`](Self::delete_after), and also deletes what is saved of an incomplete
    /// recording.
    pub fn delete_incomplete(mut self) -> Self {
        self.deletes = true;
        self.deletes_incomplete = true;
        self
    }
}
