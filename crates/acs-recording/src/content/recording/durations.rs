//! Compares the durations that media files, metadata documents and the event have.

use std::time::Duration;

use super::media::is_same_duration;
use super::run::RecordingDownload;
use crate::metadata::RecordingMetadata;

impl RecordingDownload {
    /// Adds a warning for durations that differ. It is unknown whether the service counts pauses.
    pub(super) fn compare_durations(&mut self) {
        let mut sum = Some(Duration::ZERO);
        for chunk in &self.chunks {
            let document = chunk.document.as_ref();
            let announced = document.and_then(|document| document.duration);
            sum = sum
                .zip(chunk.duration.or(announced))
                .map(|(sum, duration)| sum.saturating_add(duration));
            if let (Some(duration), Some(announced)) = (chunk.duration, announced)
                && !is_same_duration(duration, announced)
            {
                let paused = document.map(RecordingMetadata::paused);
                let paused = paused.filter(|paused| !paused.is_zero());
                let suffix = paused.map(|paused| format!(", with pauses of {paused:?}"));
                self.warnings.push(format!(
                    "chunk {} has a duration of {duration:?}, but its metadata document says \
                     {announced:?}{}",
                    chunk.index,
                    suffix.unwrap_or_default()
                ));
            }
        }
        let has_all_chunks = self.gaps.is_empty()
            && self.unnamed.is_empty()
            && self.chunks.iter().all(|chunk| chunk.media.is_some());
        if let (Some(sum), Some(announced), true) =
            (sum, self.request.file.duration, has_all_chunks)
            && !is_same_duration(sum, announced)
        {
            self.warnings.push(format!(
                "the chunks have a total duration of {sum:?}, but the event says {announced:?}"
            ));
        }
    }
}
