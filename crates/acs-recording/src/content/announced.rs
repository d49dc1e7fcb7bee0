//! What an event says about the content that it announces.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::download::RETENTION;
use super::{media, names, sniff};
use crate::error::Result;
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};

impl RecordingFileStatusUpdated {
    /// When the recording ended, if the event tells its start and duration.
    pub fn end(&self) -> Option<Timestamp> {
        after(self.start?, self.duration?)
    }

    /// When the service drops the content: 24 hours after [the end](Self::end).
    pub fn expires_at(&self) -> Option<Timestamp> {
        after(self.end()?, RETENTION)
    }

    /// The file name extension for the media of a chunk, without a dot: `wav`, `mp3` or `mp4`, by
    /// the format or else by the location, and `bin` if neither tells.
    pub fn file_extension(&self, chunk: &RecordingChunk) -> &'static str {
        names::ending(self.format.as_ref(), media_path(chunk))
    }

    /// Checks that media with these first bytes can be those of a chunk. Twelve bytes are enough to
    /// tell a format, and 64 KiB to recognize any error document.
    ///
    /// Every download into a file checks this by itself. It is for programs that read
    /// [streams](crate::Download::stream).
    ///
    /// # Errors
    /// [`ErrorKind::CorruptContent`](crate::ErrorKind::CorruptContent) if they are an HTML page, an
    /// error document, or in another format than the event announces.
    pub fn check_format(&self, chunk: &RecordingChunk, first_bytes: &[u8]) -> Result<()> {
        sniff::refuse(first_bytes)?;
        let announced = names::announced(self.format.as_ref(), media_path(chunk));
        media::refuse_head(first_bytes, announced)
    }
}

fn media_path(chunk: &RecordingChunk) -> &str {
    let location = chunk.content_location.as_ref();
    location.map_or("", |location| location.as_url().path())
}

fn after(then: Timestamp, duration: Duration) -> Option<Timestamp> {
    let duration = SignedDuration::try_from(duration).ok()?;
    then.checked_add(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::event::{EventPayload, Events};

    fn file(data: &str) -> RecordingFileStatusUpdated {
        let event = format!(
            r#"{{"id": "1", "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
                "subject": "/recording/call/c/recordingId/r", "data": {data}}}"#
        );
        let event = Events::parse(event.as_bytes()).next().unwrap().unwrap();
        match event.into_payload() {
            EventPayload::RecordingFileStatusUpdated(file) => file,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn content_expires_a_day_after_the_recording_ended() {
        let known =
            file(r#"{"recordingStartTime": "2026-01-01T10:00:00Z", "recordingDurationMs": 90000}"#);
        let time = |text: &str| Some(text.parse().unwrap());
        assert_eq!(known.end(), time("2026-01-01T10:01:30Z"));
        assert_eq!(known.expires_at(), time("2026-01-02T10:01:30Z"));
        for unknown in [
            r#"{"recordingStartTime": "2026-01-01T10:00:00Z"}"#,
            r#"{"recordingDurationMs": 1}"#,
            r#"{"recordingStartTime": "9999-12-30T22:00:00Z", "recordingDurationMs": 1e15}"#,
        ] {
            assert_eq!(file(unknown).expires_at(), None, "{unknown}");
        }
    }

    #[test]
    fn the_format_gives_the_extension_and_the_check() {
        let file = file(
            r#"{"recordingFormatType": "Mp3", "recordingStorageInfo": {"recordingChunks": [
                {"contentLocation": "https://eu.asm.skype.com/v1/objects/a/content/audiomp3"}]}}"#,
        );
        let chunk = &file.chunks[0];
        assert_eq!(file.file_extension(chunk), "mp3");
        assert_eq!(file.file_extension(&RecordingChunk::default()), "mp3");
        file.check_format(chunk, b"ID3\x04 and so on").unwrap();
        for other in [&b"RIFF\0\0\0\0WAVE"[..], b"<html><body>", b""] {
            let error = file.check_format(chunk, other).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptContent);
        }
    }
}
