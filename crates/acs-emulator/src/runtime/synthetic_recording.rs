//! Recordings of any size that were never recorded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::Runtime;
use crate::activity::Change;
use crate::media::{Format, Noise, SAMPLE_RATE, Span, wav_header};
use crate::service::clock::after;
use crate::service::ids;
use crate::service::recording_request::{ChannelLayout, RecordingSpec};
use crate::service::recordings::{EndReason, EndedRecording};
use crate::storage::chunking::{Chunk, ChunkEnd};
use crate::storage::document::{ContentSource, Document};
use crate::storage::metadata::{self, MetadataInput};

/// The minimum file size.
pub(crate) const SMALLEST: u64 = 80;

/// Adds a recording with noise to the store and publishes its event. `sizes` are the sizes of its
/// files in bytes; the minimum is [`SMALLEST`], and odd sizes are rounded down.
pub(crate) fn add_synthetic_recording(
    runtime: &Runtime,
    sizes: &[u64],
    seed: u64,
) -> (Arc<EndedRecording>, Vec<Chunk>) {
    let (service, store) = (&runtime.service, &runtime.store);
    let now = service.clock().now();
    let correlation_id = Uuid::new_v4();
    let mut chunks = Vec::new();
    let mut spans = Vec::new();
    let files = sizes.iter().zip(0..);
    let files: Vec<_> = files
        .map(|(bytes, index)| noise(*bytes, seed, index))
        .collect();
    // The recording ends now.
    let length = files.iter().fold(Duration::ZERO, |sum, noise| {
        sum.saturating_add(duration(noise))
    });
    let mut begun = now.checked_sub(length).unwrap_or(Timestamp::MIN);
    let last = sizes.len().saturating_sub(1);
    for (index, noise) in files.into_iter().enumerate() {
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
    let ended = EndedRecording {
        recording_id,
        server_call_id: ids::server_call_id(now),
        correlation_id,
        spec: RecordingSpec {
            channels: ChannelLayout::Mixed,
            format: Format::Wav,
            container: None,
            content_origin: None,
        },
        requested_at: now,
        spans,
        participants: Vec::new(),
        ended_at: now,
        reason: EndReason::Stopped,
    };
    let ended = Arc::new(ended);
    store
        .catalog
        .add(Arc::clone(&ended), chunks.clone(), true, now);
    runtime.activity.changed(Change::Recording {
        id: ended.recording_id.clone(),
        call: None,
        state: "ended",
    });
    let recordings = &runtime.recordings;
    recordings.publish_file_status(Arc::clone(&ended), chunks.clone());
    (ended, chunks)
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
