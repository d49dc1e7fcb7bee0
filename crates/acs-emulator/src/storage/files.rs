//! The cache of generated files.

use std::sync::Arc;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::document::Document;
use crate::media::EncodeError;

/// The size of the cache.
const CACHE_BYTES: u32 = 256 << 20;

/// Generated files, by document id. When the cache is full, the files that were not read for the
/// longest time are dropped, and generated again on the next read.
pub(super) struct Files(Cache<String, Bytes>);

impl Files {
    pub(super) fn new() -> Self {
        Self::with_capacity(CACHE_BYTES)
    }

    fn with_capacity(bytes: u32) -> Self {
        // A file that is larger than the cache replaces all others.
        let weigher = move |_: &String, file: &Bytes| {
            u32::try_from(file.len()).map_or(bytes, |size| size.min(bytes))
        };
        Self(
            Cache::builder()
                .max_capacity(u64::from(bytes))
                .eviction_policy(EvictionPolicy::lru())
                .weigher(weigher)
                .build(),
        )
    }

    /// A whole file. Generating it may take a while; concurrent readers wait.
    pub(super) fn get(&self, document: &Document) -> Result<Bytes, Arc<EncodeError>> {
        self.0
            .try_get_with_by_ref(&document.id, || document.encode())
    }

    /// The size of a file that is in the cache.
    pub(super) fn size(&self, id: &str) -> Option<u64> {
        self.0.get(id).map(|file| file.len() as u64)
    }

    /// Removes all files.
    pub(super) fn clear(&self) {
        self.0.invalidate_all();
    }

    /// Removes a deleted file. Expired files are dropped when their space is needed.
    pub(super) fn remove(&self, id: &str) {
        self.0.invalidate(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Format, Span, Timeline};
    use crate::service::clock::after;
    use crate::storage::document::ContentSource;
    use jiff::Timestamp;
    use std::time::Duration;

    /// A WAV file with 44 bytes before the sound, and 2 bytes for each frame.
    fn document(id: &str, frames: u64) -> Document {
        let start = Timestamp::UNIX_EPOCH;
        let timeline = Timeline {
            spans: vec![Span {
                start,
                end: after(start, Duration::from_nanos(frames * 62_500)),
            }],
            tracks: Vec::new(),
            channels: 1,
        };
        let source = ContentSource::Sound {
            timeline,
            format: Format::Wav,
            first_second: 0,
        };
        Document::new(id.to_owned(), "", Bytes::new(), source, Timestamp::MAX)
    }

    fn cached(files: &Files) -> Vec<&'static str> {
        files.0.run_pending_tasks();
        let names = ["a", "b", "c"].into_iter();
        names.filter(|id| files.0.contains_key(*id)).collect()
    }

    #[test]
    fn the_cache_is_limited() {
        let files = Files::with_capacity(1_000);
        for (id, expected) in [
            ("a", ["a"].as_slice()),
            ("b", &["a", "b"]),
            ("c", &["b", "c"]),
        ] {
            files.get(&document(id, 220)).unwrap();
            assert_eq!(cached(&files), expected);
        }
        files.remove("b");
        assert_eq!(cached(&files), ["c"]);
        files.get(&document("a", 2_000)).unwrap();
        assert_eq!(cached(&files), ["a"]);
    }

    #[test]
    fn a_file_is_generated_once() {
        let files = Files::new();
        let document = document("a", 10);
        let first = files.get(&document).unwrap();
        let second = files.get(&document).unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
}
