//! The record of a chunk that was archived.

use acs_recording::{
    ContentUrl, DocumentId, Event, ManifestChunk, ManifestFile, RecordingChunk,
    RecordingFileStatusUpdated, RecordingId, RecordingManifest, ServerCallId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of a receipt that this version writes.
const SCHEMA: u32 = 1;

/// What was archived of a chunk, and what was verified about it.
///
/// The receipt is the commit: it is written last, and only if none exists. A chunk without one is
/// not archived, whatever other objects there are, and it never changes. It holds no secrets:
/// locations come without their queries.
///
/// In JSON the members have the same names in camel case, which are those of a
/// [`RecordingManifest`]. Members that this version does not know are skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Receipt {
    /// The version of this form, 1.
    pub schema: u32,
    /// The event that announced the recording.
    #[serde(default)]
    pub event_id: Option<String>,
    /// When that happened.
    #[serde(default)]
    pub event_time: Option<Timestamp>,
    /// The recording.
    #[serde(default)]
    pub recording_id: Option<RecordingId>,
    /// The id of the call in logs and metadata, a GUID.
    #[serde(default)]
    pub call_id: Option<String>,
    /// The call that was recorded.
    #[serde(default)]
    pub server_call_id: Option<ServerCallId>,
    /// When recording began.
    #[serde(default)]
    pub start: Option<Timestamp>,
    /// How long the whole recording is, in milliseconds, as the event said.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// Why the recording ended.
    #[serde(default)]
    pub session_end_reason: Option<String>,
    /// The number of the chunk, from 0.
    pub index: u64,
    /// How many chunks the event announced.
    #[serde(default)]
    pub chunk_count: Option<u64>,
    /// The chunk's id in the service's storage.
    #[serde(default)]
    pub document_id: Option<DocumentId>,
    /// Why the chunk ended.
    #[serde(default)]
    pub end_reason: Option<String>,
    /// Where the media came from, without a query.
    #[serde(default)]
    pub content_location: Option<ContentUrl>,
    /// Where the metadata came from, without a query.
    #[serde(default)]
    pub metadata_location: Option<ContentUrl>,
    /// What removes both from the service, without a query.
    #[serde(default)]
    pub delete_location: Option<ContentUrl>,
    /// Where the media is for a recording into storage of your own, such as `AzureBlob`. Nothing was
    /// copied then.
    #[serde(default)]
    pub storage_type: Option<String>,
    /// The media file, beside this receipt; none if the recording is in storage of your own.
    #[serde(default)]
    pub media: Option<ManifestFile>,
    /// The service's metadata document, beside this receipt; none if there was none.
    #[serde(default)]
    pub metadata: Option<ManifestFile>,
    /// The entity tag that the service gave the media.
    #[serde(default)]
    pub content_etag: Option<String>,
    /// Who was recorded, as the metadata document says.
    #[serde(default)]
    pub participants: Vec<String>,
    /// What is odd about the chunk, such as missing metadata.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When this was written.
    pub saved_at: Timestamp,
    /// The program that wrote this, such as `acs-recording-archive/0.1.0`.
    pub saved_by: String,
}

impl Receipt {
    /// A receipt for a chunk of which nothing is archived yet.
    pub(crate) fn new(
        file: &RecordingFileStatusUpdated,
        event: Option<&Event>,
        index: u64,
        chunk: &RecordingChunk,
    ) -> Self {
        let recording = RecordingManifest::new(file);
        // Leaves the secrets of the locations out.
        let chunk = ManifestChunk::new(index, chunk);
        Self {
            schema: SCHEMA,
            event_id: event.map(|event| event.id.clone()),
            event_time: event.and_then(|event| event.time),
            recording_id: recording.recording_id,
            call_id: recording.call_id,
            server_call_id: recording.server_call_id,
            start: recording.start,
            duration_ms: recording.duration_ms,
            session_end_reason: recording.session_end_reason,
            index: chunk.index,
            chunk_count: u64::try_from(file.chunks.len()).ok(),
            document_id: chunk.document_id,
            end_reason: chunk.end_reason,
            content_location: chunk.content_location,
            metadata_location: chunk.metadata_location,
            delete_location: chunk.delete_location,
            storage_type: None,
            media: None,
            metadata: None,
            content_etag: None,
            participants: Vec::new(),
            warnings: Vec::new(),
            saved_at: Timestamp::now(),
            saved_by: concat!("acs-recording-archive/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// When the recording began, or else when the event happened: the date that a catalogue goes by.
    pub fn date(&self) -> Option<Timestamp> {
        self.start.or(self.event_time)
    }

    /// Whether nothing is missing: the media is here, and so is the metadata document if the event
    /// named one.
    pub fn is_complete(&self) -> bool {
        self.media.is_some() && (self.metadata.is_some() || self.metadata_location.is_none())
    }

    /// Whether it is about this chunk.
    pub(crate) fn is_about(&self, chunk: &RecordingChunk) -> bool {
        let other = ManifestChunk::new(self.index, chunk);
        match (&self.document_id, &other.document_id) {
            (Some(one), Some(other)) => one == other,
            _ => self.content_location == other.content_location,
        }
    }

    /// Whether both vouch for the same media.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.document_id == other.document_id && self.media == other.media
    }
}
