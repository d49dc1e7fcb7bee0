//! Stored files, which are generated when they are read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use crate::media::{EncodeError, Format, Pattern, Plan, encode, wav_data, wav_header};

/// Files up to this size are generated as a whole and cached.
const WHOLE: u64 = 32 << 20;
/// The size of the cache of generated files.
const KEPT: usize = 256 << 20;

/// The source of a file's bytes.
#[derive(Debug)]
pub(crate) enum Source {
    Sound {
        plan: Plan,
        format: Format,
        /// The seconds of the recording before this file.
        first_second: u64,
    },
    Pattern(Pattern),
}

/// A recorded file with its metadata. It exists until it expires or is deleted.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The last segment of the file's URL.
    pub(crate) content_name: &'static str,
    pub(crate) metadata: Bytes,
    pub(crate) source: Source,
    pub(crate) expires_at: Timestamp,
    file: Mutex<Option<Bytes>>,
}

impl Document {
    pub(crate) fn new(
        id: String,
        content_name: &'static str,
        metadata: Bytes,
        source: Source,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            content_name,
            metadata,
            source,
            expires_at,
            file: Mutex::default(),
        }
    }

    /// The length of a file that is generated as it is read, and never as a whole.
    pub(crate) fn streamed(&self) -> Option<u64> {
        match &self.source {
            Source::Pattern(pattern) => Some(pattern.length()),
            Source::Sound { plan, format, .. } if *format == Format::Wav => {
                let data = data_length(plan);
                let length = data + wav_header(data, plan.channels).len() as u64;
                (length > WHOLE).then_some(length)
            }
            Source::Sound { .. } => None,
        }
    }

    /// Whether [`Document::read`] takes negligible time.
    pub(crate) fn reads_at_once(&self) -> bool {
        matches!(self.source, Source::Pattern(_))
    }

    /// The content of a streamed file from `offset` on: at most about `limit` bytes, and none at
    /// the end.
    pub(crate) fn read(&self, offset: u64, limit: usize) -> Bytes {
        match &self.source {
            Source::Pattern(pattern) => pattern.read(offset, limit),
            Source::Sound { plan, .. } => read_wav(plan, offset, limit),
        }
    }

    /// The whole file. Generating it may take a while; concurrent readers wait.
    pub(crate) fn file(self: &Arc<Self>, cache: &Cache) -> Result<Bytes, EncodeError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        let made = self.make()?;
        *file = Some(made.clone());
        drop(file);
        cache.keep(self, made.len());
        Ok(made)
    }

    fn make(&self) -> Result<Bytes, EncodeError> {
        let Source::Sound {
            plan,
            format,
            first_second,
        } = &self.source
        else {
            return Ok(self.read(0, usize::MAX));
        };
        let samples = plan.all_samples();
        let file = encode(*format, &samples, plan.channels, *first_second)?;
        Ok(file.into())
    }

    fn forget(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn data_length(plan: &Plan) -> u64 {
    u64::try_from(plan.frames()).unwrap_or(0) * 2 * plan.channels as u64
}

fn read_wav(plan: &Plan, offset: u64, limit: usize) -> Bytes {
    let data = data_length(plan);
    let header = wav_header(data, plan.channels);
    let start = header.len() as u64;
    if let Some(position) = usize::try_from(offset)
        .ok()
        .filter(|position| *position < header.len())
    {
        let end = header.len().min(position.saturating_add(limit));
        return header.slice(position..end);
    }
    let position = offset - start;
    let frame = 2 * plan.channels as u64;
    let (first, skipped) = (position / frame, position % frame);
    let left = (data / frame).saturating_sub(first);
    let wanted = (limit as u64).saturating_add(skipped).div_ceil(frame);
    let (Ok(first), Ok(count)) = (i64::try_from(first), usize::try_from(left.min(wanted))) else {
        return Bytes::new();
    };
    let samples = wav_data(&plan.samples(first, count)).freeze();
    let skipped = usize::try_from(skipped).unwrap_or(0).min(samples.len());
    let end = samples.len().min(skipped.saturating_add(limit));
    samples.slice(skipped..end)
}

/// Limits the memory for generated files. When it is full, the oldest files are dropped and
/// generated again on the next read.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    files: VecDeque<(Arc<Document>, usize)>,
    size: usize,
}

impl Cache {
    fn keep(&self, document: &Arc<Document>, size: usize) {
        let mut forgotten = Vec::new();
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.files.push_back((Arc::clone(document), size));
            kept.size += size;
            while kept.size > KEPT && kept.files.len() > 1 {
                if let Some((oldest, size)) = kept.files.pop_front() {
                    kept.size -= size;
                    forgotten.push(oldest);
                }
            }
        }
        for document in forgotten {
            document.forget();
        }
    }

    /// Removes a deleted file. Expired files are removed when their space is needed.
    pub(crate) fn remove(&self, id: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.files.retain(|(document, _)| document.id != id);
        kept.size = kept.files.iter().map(|(_, size)| size).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Span, Track, Voice};
    use crate::service::clock::after;
    use std::time::Duration;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn sound(format: Format, millis: u64, channels: usize) -> Arc<Document> {
        let plan = Plan {
            spans: vec![Span {
                start: START,
                end: after(START, Duration::from_millis(millis)),
            }],
            tracks: (0..channels)
                .map(|channel| Track {
                    voice: Arc::new(Voice::tone(channel)),
                    channel,
                    from: START,
                    until: None,
                })
                .collect(),
            channels,
        };
        let source = Source::Sound {
            plan,
            format,
            first_second: 0,
        };
        let id = format!("{format:?}{millis}");
        Arc::new(Document::new(id, "", Bytes::new(), source, START))
    }

    #[test]
    fn parts_of_a_wav_file_match_the_whole() {
        let document = sound(Format::Wav, 25, 3);
        let whole = document.file(&Cache::default()).unwrap();
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

    #[test]
    fn the_cache_is_limited() {
        let cache = Cache::default();
        let documents: Vec<_> = (0..3).map(|n| sound(Format::Wav, 10 + n, 1)).collect();
        let kept = |document: &Document| document.file.lock().unwrap().is_some();
        for document in &documents {
            document.file(&cache).unwrap();
            cache.keep(document, KEPT / 2 - 1_000);
        }
        assert_eq!(
            documents
                .iter()
                .map(|document| kept(document))
                .collect::<Vec<_>>(),
            [false, true, true]
        );
        cache.remove(&documents[2].id);
        assert!(cache.0.lock().unwrap().size < KEPT);
    }
}
