//! Stored files, which are generated when they are read.

use bytes::Bytes;
use jiff::Timestamp;

use crate::media::{EncodeError, Format, Noise, Timeline, encode, wav_data, wav_header};

/// Larger files are generated piece by piece; others as a whole, and cached.
const STREAM_ABOVE: u64 = 32 << 20;

/// The source of a file's bytes.
#[derive(Debug)]
pub(crate) enum ContentSource {
    Sound {
        timeline: Timeline,
        format: Format,
        /// The seconds of the recording before this file.
        first_second: u64,
    },
    Noise(Noise),
}

/// A recorded file with its metadata. It exists until it expires or is deleted.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The last segment of the file's URL.
    pub(crate) content_name: &'static str,
    pub(crate) metadata: Bytes,
    pub(crate) source: ContentSource,
    pub(crate) expires_at: Timestamp,
    /// The origin of its locations; `None` for the usual one.
    pub(crate) origin: Option<String>,
}

impl Document {
    pub(crate) fn new(
        id: String,
        content_name: &'static str,
        metadata: Bytes,
        source: ContentSource,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            content_name,
            metadata,
            source,
            expires_at,
            origin: None,
        }
    }

    pub(crate) fn at_origin(mut self, origin: Option<String>) -> Self {
        self.origin = origin;
        self
    }

    /// The length of a file that is generated as it is read, and never as a whole.
    pub(crate) fn streamed(&self) -> Option<u64> {
        match &self.source {
            ContentSource::Noise(noise) => Some(noise.length()),
            ContentSource::Sound { .. } => {
                self.size_of_wav().filter(|length| *length > STREAM_ABOVE)
            }
        }
    }

    /// The size of a recording as WAV, which is known without generating it.
    pub(super) fn size_of_wav(&self) -> Option<u64> {
        let ContentSource::Sound {
            timeline,
            format: Format::Wav,
            ..
        } = &self.source
        else {
            return None;
        };
        let data = data_length(timeline);
        Some(data + wav_header(data, timeline.channels).len() as u64)
    }

    /// Whether [`Document::read`] takes negligible time.
    pub(crate) fn reads_at_once(&self) -> bool {
        matches!(self.source, ContentSource::Noise(_))
    }

    /// The content of a streamed file from `offset` on: at most about `limit` bytes, and none at
    /// the end.
    pub(crate) fn read(&self, offset: u64, limit: usize) -> Bytes {
        match &self.source {
            ContentSource::Noise(noise) => noise.read(offset, limit),
            ContentSource::Sound { timeline, .. } => read_wav(timeline, offset, limit),
        }
    }

    /// Generates the whole file, which may take a while.
    pub(super) fn encode(&self) -> Result<Bytes, EncodeError> {
        let ContentSource::Sound {
            timeline,
            format,
            first_second,
        } = &self.source
        else {
            return Ok(self.read(0, usize::MAX));
        };
        let samples = timeline.all_samples();
        let file = encode(*format, &samples, timeline.channels, *first_second)?;
        Ok(file.into())
    }
}

fn data_length(timeline: &Timeline) -> u64 {
    u64::try_from(timeline.frames()).unwrap_or(0) * 2 * timeline.channels as u64
}

fn read_wav(timeline: &Timeline, offset: u64, limit: usize) -> Bytes {
    let data = data_length(timeline);
    let header = wav_header(data, timeline.channels);
    let start = header.len() as u64;
    if let Some(position) = usize::try_from(offset)
        .ok()
        .filter(|position| *position < header.len())
    {
        let end = header.len().min(position.saturating_add(limit));
        return header.slice(position..end);
    }
    let position = offset - start;
    let frame = 2 * timeline.channels as u64;
    let (first, skipped) = (position / frame, position % frame);
    let left = (data / frame).saturating_sub(first);
    let wanted = (limit as u64).saturating_add(skipped).div_ceil(frame);
    let (Ok(first), Ok(count)) = (i64::try_from(first), usize::try_from(left.min(wanted))) else {
        return Bytes::new();
    };
    let samples = wav_data(&timeline.samples(first, count)).freeze();
    let skipped = usize::try_from(skipped).unwrap_or(0).min(samples.len());
    let end = samples.len().min(skipped.saturating_add(limit));
    samples.slice(skipped..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Span, Track, Voice};
    use crate::service::clock::after;
    use std::sync::Arc;
    use std::time::Duration;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn sound(format: Format, millis: u64, channels: usize) -> Document {
        let timeline = Timeline {
            spans: vec![Span {
                start: START,
                end: after(START, Duration::from_millis(millis)),
            }],
            tracks: (0..channels)
                .map(|channel| Track {
                    voice: Arc::new(Voice::tone(channel)),
                    channel,
                    begins: START,
                    from: START,
                    until: None,
                })
                .collect(),
            channels,
        };
        let source = ContentSource::Sound {
            timeline,
            format,
            first_second: 0,
        };
        let id = format!("{format:?}{millis}");
        Document::new(id, "", Bytes::new(), source, START)
    }

    #[test]
    fn parts_of_a_wav_file_match_the_whole() {
        let document = sound(Format::Wav, 25, 3);
        let whole = document.encode().unwrap();
        assert_eq!(whole.len(), 44 + 400 * 6);
        for (offset, limit) in [(0, 10), (40, 100), (44, 1), (47, 3), (45, 600), (2_440, 99)] {
            let mut got = Vec::new();
            while got.len() < limit {
                let piece = document.read(offset + got.len() as u64, limit - got.len());
                if piece.is_empty() {
                    break;
                }
                got.extend(piece);
            }
            let from = usize::try_from(offset).unwrap();
            assert_eq!(
                got,
                whole[from..whole.len().min(from + limit)],
                "{offset} {limit}"
            );
        }
        assert!(document.read(2_444, 9).is_empty());
    }

    #[test]
    fn only_large_files_are_streamed() {
        assert_eq!(sound(Format::Wav, 1_000, 1).streamed(), None);
        let hour = sound(Format::Wav, 3_600_000, 1);
        assert_eq!(hour.streamed(), Some(44 + 115_200_000));
        // Five channels for ten hours exceed 4 GiB.
        let large = sound(Format::Wav, 36_000_000, 5);
        assert_eq!(large.streamed(), Some(80 + 5_760_000_000));
        assert_eq!(large.read(5_760_000_079, 9).len(), 1);
    }
}
