//! Generated recordings of any size, for tests of downloads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::media::{Format, Noise, SAMPLE_RATE, Span, wav_header};
use crate::runtime::Runtime;
use crate::service::clock::after;
use crate::service::ids;
use crate::service::recording_request::{ChannelLayout, RecordingSpec};
use crate::service::recordings::{EndReason, EndedRecording};
use crate::storage::chunking::{Chunk, ChunkEnd};
use crate::storage::document::{ContentSource, Document};
use crate::storage::locations::Locations;
use crate::storage::metadata::{self, MetadataInput};

/// The minimum file size.
const SMALLEST: u64 = 80;

/// A recording to add to the store. Its files are WAV files with noise that is generated as it is
/// read, so that tens of GiB need neither disk space nor memory.
///
/// The noise depends on the seed, the index of the chunk and the position in the file. Files larger
/// than 4 GiB use the RF64 format.
#[derive(Clone, Debug)]
#[must_use = "a recording is only stored when it is added"]
pub struct LargeRecording {
    chunks: Vec<u64>,
    seed: u64,
}

impl LargeRecording {
    /// A recording in one file of `bytes` bytes. The minimum size is 80. An odd size is rounded
    /// down.
    pub fn new(bytes: u64) -> Self {
        Self {
            chunks: vec![bytes],
            seed: 0,
        }
    }

    /// Adds another chunk of `bytes` bytes, with the same rules for its size.
    pub fn chunk(mut self, bytes: u64) -> Self {
        self.chunks.push(bytes);
        self
    }

    /// The seed of the noise. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A recording in the store.
#[derive(Clone, Debug)]
pub struct StoredRecording {
    recording_id: String,
    chunks: Vec<StoredChunk>,
}

impl StoredRecording {
    /// The id of the recording, as in the event.
    pub fn recording_id(&self) -> &str {
        &self.recording_id
    }

    /// The files of the recording, in order.
    pub fn chunks(&self) -> &[StoredChunk] {
        &self.chunks
    }
}

/// A file in the store.
#[derive(Clone, Debug)]
pub struct StoredChunk {
    document: Arc<Document>,
    locations: Locations,
    length: u64,
}

impl StoredChunk {
    /// The document id.
    pub fn document_id(&self) -> &str {
        &self.document.id
    }

    /// The location of the media.
    pub fn content_location(&self) -> &str {
        &self.locations.content
    }

    /// The location of the metadata document.
    pub fn metadata_location(&self) -> &str {
        &self.locations.metadata
    }

    /// The location for deleting the file.
    pub fn delete_location(&self) -> &str {
        self.locations.delete.as_deref().unwrap_or_default()
    }

    /// The size of the file in bytes, which is never zero.
    #[allow(clippy::len_without_is_empty, reason = "no file is empty")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The content of the file from `offset` on: at most `limit` bytes, and at least one byte
    /// unless `offset` is at or after the end. Tests compare a download with it, piece by piece.
    pub fn read(&self, offset: u64, limit: usize) -> Bytes {
        self.document.read(offset, limit)
    }
}

/// Adds a recording to the store and publishes its event.
pub(super) fn add(runtime: &Runtime, recording: &LargeRecording) -> StoredRecording {
    let (service, store) = (&runtime.service, &runtime.store);
    let now = service.clock().now();
    let correlation_id = Uuid::new_v4();
    let mut chunks = Vec::new();
    let mut spans = Vec::new();
    let mut begun = now;
    let last = recording.chunks.len() - 1;
    for (index, bytes) in recording.chunks.iter().enumerate() {
        let noise = noise(*bytes, recording.seed, index as u64);
        let span = Span {
            start: begun,
            end: after(begun, duration(&noise)),
        };
        begun = span.end;
        spans.push(span);
        let id = ids::document_id();
        let metadata = metadata::document(&MetadataInput {
            resource: service.resource,
            call: correlation_id,
            document_id: &id,
            index,
            start: span.start,
            length: span.length(),
            spans: &[span],
            end: span.end,
            unmixed: false,
            format: Format::Wav,
            channel_count: 1,
            participants: &[],
            channels: &HashMap::new(),
            swap_types: store.settings.swap_metadata_types,
        });
        let name = Format::Wav.content_name(false);
        let expires_at = after(now, store.settings.retention);
        let source = ContentSource::Noise(noise);
        chunks.push(Chunk {
            document: Arc::new(Document::new(id, name, metadata, source, expires_at)),
            end: if index == last {
                ChunkEnd::Session
            } else {
                ChunkEnd::Size
            },
        });
    }
    store.keep(&chunks, now);
    let recording_id = ids::recording_id(&ids::new_id().to_string());
    let stored = StoredRecording {
        recording_id: recording_id.clone(),
        chunks: chunks
            .iter()
            .map(|chunk| StoredChunk {
                locations: store.locations(&chunk.document),
                length: chunk.document.streamed().unwrap_or(SMALLEST),
                document: Arc::clone(&chunk.document),
            })
            .collect(),
    };
    let ended = EndedRecording {
        recording_id,
        server_call_id: ids::server_call_id(now),
        correlation_id,
        spec: RecordingSpec {
            channels: ChannelLayout::Mixed,
            format: Format::Wav,
            container: None,
        },
        spans,
        participants: Vec::new(),
        ended_at: now,
        reason: EndReason::Stopped,
    };
    let recordings = &runtime.recordings;
    recordings.publish_file_status(Arc::new(ended), chunks);
    stored
}

fn noise(bytes: u64, seed: u64, index: u64) -> Noise {
    let bytes = bytes.max(SMALLEST) & !1;
    // Just above 4 GiB, the longer header would leave so little data that the short one would do. A
    // few bytes more after the data are harmless.
    let longest = wav_header(bytes - 44, 1).len() as u64;
    let header = wav_header(bytes - longest, 1);
    Noise::new(header, bytes, seed ^ index.rotate_left(32))
}

/// The duration of the noise.
fn duration(noise: &Noise) -> Duration {
    let frames = noise.noise_length() / 2;
    Duration::from_nanos(frames.saturating_mul(1_000_000_000 / u64::from(SAMPLE_RATE)))
}
