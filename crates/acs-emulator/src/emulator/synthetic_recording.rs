//! Generated recordings of any size, for tests of downloads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::delivery::event_grid::file_status::Locations;
use crate::emulator::Emulator;
use crate::media::{Format, Pattern, SAMPLE_RATE, Span, wav_header};
use crate::service::clock::after;
use crate::service::ids;
use crate::service::recordings::{EndReason, Finished};
use crate::storage::chunking::{Chunk, ChunkEnd};
use crate::storage::document::{Document, Source};
use crate::storage::metadata::{self, Facts};

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

impl Emulator {
    /// Adds a recording to the store as if it had just been stopped: subscribers receive the event,
    /// and the content expires after the retention time.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the recording is consumed by adding it"
    )]
    pub fn add_recording(&self, recording: LargeRecording) -> StoredRecording {
        let shared = self.shared();
        let now = shared.now();
        let correlation_id = Uuid::new_v4();
        let mut chunks = Vec::new();
        let mut begun = now;
        let mut total = SignedDuration::ZERO;
        let last = recording.chunks.len() - 1;
        for (index, bytes) in recording.chunks.iter().enumerate() {
            let pattern = pattern(*bytes, recording.seed, index as u64);
            let span = Span {
                start: begun,
                end: after(begun, sound(&pattern)),
            };
            begun = span.end;
            total = total.saturating_add(span.length());
            let id = ids::document_id();
            let metadata = metadata::document(&Facts {
                resource: shared.resource,
                call: correlation_id,
                document_id: &id,
                index,
                start: span.start,
                length: span.length(),
                spans: &[span],
                end: span.end,
                unmixed: false,
                format: Format::Wav,
                width: 1,
                participants: &[],
                channels: &std::collections::HashMap::new(),
                swapped: shared.settings.store.swapped,
            });
            let name = Format::Wav.content_name(false);
            let expires_at = after(now, shared.settings.retention);
            let source = Source::Pattern(pattern);
            chunks.push(Chunk {
                document: Arc::new(Document::new(id, name, metadata, source, expires_at)),
                end: if index == last {
                    ChunkEnd::Session
                } else {
                    ChunkEnd::Size
                },
            });
        }
        shared.world().recordings.keep(&chunks, now);
        let recording_id = ids::recording_id(&ids::guid());
        let stored = StoredRecording {
            recording_id: recording_id.clone(),
            chunks: chunks
                .iter()
                .map(|chunk| StoredChunk {
                    locations: Locations::of(shared, &chunk.document),
                    length: chunk.document.streamed().unwrap_or(SMALLEST),
                    document: Arc::clone(&chunk.document),
                })
                .collect(),
        };
        shared.announce(Some(Finished {
            recording_id,
            server_call_id: ids::server_call_id(now),
            correlation_id,
            chunks,
            unmixed: false,
            format: Format::Wav,
            storage: None,
            started_at: now,
            ended_at: now,
            length: total,
            reason: EndReason::Stopped,
        }));
        stored
    }
}

fn pattern(bytes: u64, seed: u64, index: u64) -> Pattern {
    let bytes = bytes.max(SMALLEST) & !1;
    // Just above 4 GiB, the longer header would leave so little data that the short one would do. A
    // few bytes more after the data are harmless.
    let longest = wav_header(bytes - 44, 1).len() as u64;
    let header = wav_header(bytes - longest, 1);
    Pattern::new(header, bytes, seed ^ index.rotate_left(32))
}

/// The duration of the noise.
fn sound(pattern: &Pattern) -> Duration {
    let frames = pattern.noise_length() / 2;
    Duration::from_nanos(frames.saturating_mul(1_000_000_000 / u64::from(SAMPLE_RATE)))
}
