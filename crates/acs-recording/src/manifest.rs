//! The record of a recording that was saved.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::content::{ContentHash, ContentUrl};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::ids::{DocumentId, RecordingId, ServerCallId};
use crate::lenient;

/// The form of a manifest that this version writes.
const SCHEMA: u32 = 1;
/// Larger files are not manifests.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What was saved of a recording, and what was verified about it.
///
/// A whole recording leaves one beside its files, as `ID.manifest.json`. It is written after
/// everything else, and it is what later runs go by: a file is skipped, and the service's copy is
/// deleted, only if the file has the SHA-256 that stands here. It holds no secrets: locations come
/// without their queries.
///
/// In JSON the members have the same names in camel case. Members that this version does not know
/// are skipped when a manifest is read, and a member that cannot be read counts as missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RecordingManifest {
    /// The version of this form, 1.
    #[serde(deserialize_with = "lenient::or_default")]
    pub schema: u32,
    /// The event that announced the recording, if it was
    /// [given](crate::DownloadRecording::event).
    #[serde(deserialize_with = "lenient::or_default")]
    pub event_id: Option<String>,
    /// When that happened.
    #[serde(deserialize_with = "lenient::or_default")]
    pub event_time: Option<Timestamp>,
    /// The recording.
    #[serde(deserialize_with = "lenient::or_default")]
    pub recording_id: Option<RecordingId>,
    /// The id of the call in logs and metadata, a GUID.
    #[serde(deserialize_with = "lenient::or_default")]
    pub call_id: Option<String>,
    /// The call that was recorded.
    #[serde(deserialize_with = "lenient::or_default")]
    pub server_call_id: Option<ServerCallId>,
    /// When recording began.
    #[serde(deserialize_with = "lenient::or_default")]
    pub start: Option<Timestamp>,
    /// How long the recording is, in milliseconds, as the event said.
    #[serde(deserialize_with = "lenient::or_default")]
    pub duration_ms: Option<u64>,
    /// Why it ended.
    #[serde(deserialize_with = "lenient::or_default")]
    pub session_end_reason: Option<String>,
    /// Every chunk that an event announced, by its index. An event that names other chunks than an
    /// earlier one adds them, and those of the earlier one stay.
    #[serde(deserialize_with = "lenient::list")]
    pub chunks: Vec<ManifestChunk>,
    /// The indices below the highest one that no chunk has.
    #[serde(deserialize_with = "lenient::or_default")]
    pub gaps: Vec<u64>,
    /// What is odd about the recording.
    #[serde(deserialize_with = "lenient::or_default")]
    pub warnings: Vec<String>,
    /// Whether everything that was recorded is here: no gap, no chunk without its media, no
    /// metadata document that could not be fetched.
    #[serde(deserialize_with = "lenient::or_default")]
    pub complete: bool,
    /// When the last of the files was saved.
    #[serde(deserialize_with = "lenient::or_default")]
    pub saved_at: Option<Timestamp>,
    /// When the last of the service's copies was deleted; none unless this program deleted those of
    /// all chunks that are saved.
    #[serde(deserialize_with = "lenient::or_default")]
    pub deleted_at: Option<Timestamp>,
    /// The program that wrote this, such as `acs-recording/0.1.0`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub saved_by: Option<String>,
}

/// A chunk of a recording in its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ManifestChunk {
    /// Its number, from 0: that of the event, or a free one if the event has none.
    #[serde(deserialize_with = "lenient::or_default")]
    pub index: u64,
    /// Its id in the service's storage.
    #[serde(deserialize_with = "lenient::or_default")]
    pub document_id: Option<DocumentId>,
    /// Why it ended.
    #[serde(deserialize_with = "lenient::or_default")]
    pub end_reason: Option<String>,
    /// Where the media came from, without a query.
    #[serde(deserialize_with = "lenient::or_default")]
    pub content_location: Option<ContentUrl>,
    /// Where the metadata came from, without a query.
    #[serde(deserialize_with = "lenient::or_default")]
    pub metadata_location: Option<ContentUrl>,
    /// What removes both, without a query.
    #[serde(deserialize_with = "lenient::or_default")]
    pub delete_location: Option<ContentUrl>,
    /// The media file; none if it could not be had.
    #[serde(deserialize_with = "lenient::or_default")]
    pub media: Option<ManifestFile>,
    /// The file with the metadata document; none if there was none.
    #[serde(deserialize_with = "lenient::or_default")]
    pub metadata: Option<ManifestFile>,
    /// When the service's copy was deleted; none if this program did not delete it.
    #[serde(deserialize_with = "lenient::or_default")]
    pub deleted_at: Option<Timestamp>,
}

/// A file of a recording in its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManifestFile {
    /// Its name, in the folder of the manifest.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, computed from what the service sent.
    pub sha256: ContentHash,
}

impl ManifestFile {
    /// A file with this name, size and checksum.
    pub fn new(name: impl Into<String>, bytes: u64, sha256: ContentHash) -> Self {
        Self {
            name: name.into(),
            bytes,
            sha256,
        }
    }
}

impl RecordingManifest {
    /// A manifest with everything that the event says about the recording, and without its chunks.
    pub fn new(file: &RecordingFileStatusUpdated) -> Self {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).ok();
        Self {
            schema: SCHEMA,
            recording_id: file.recording_id.clone(),
            call_id: file.call_id.clone(),
            server_call_id: file.server_call_id.clone(),
            start: file.start,
            duration_ms: file.duration.and_then(milliseconds),
            session_end_reason: file.session_end_reason.clone(),
            saved_by: Some(concat!("acs-recording/", env!("CARGO_PKG_VERSION")).to_owned()),
            ..Self::default()
        }
    }

    /// Reads the manifest in this file. It blocks.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the file cannot be read or is not a manifest.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        use std::io::Read as _;

        let path = path.as_ref();
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        let failed = |what: String| {
            let text = format!("the manifest {} cannot be read: {what}", path.display());
            Error::new(ErrorKind::Io, text)
        };
        read.map_err(|error| failed(error.to_string()).with_source(error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()).with_source(error))
    }
}

impl ManifestChunk {
    /// A chunk of an event as number `index`, of which nothing is saved yet.
    pub fn new(index: u64, chunk: &RecordingChunk) -> Self {
        let plain =
            |location: &Option<ContentUrl>| location.as_ref().map(ContentUrl::without_secrets);
        Self {
            index,
            document_id: chunk.document_id.clone(),
            end_reason: chunk.end_reason.clone(),
            content_location: plain(&chunk.content_location),
            metadata_location: plain(&chunk.metadata_location),
            delete_location: plain(&chunk.delete_location),
            media: None,
            metadata: None,
            deleted_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let url = "https://eu-storage.asm.skype.com/v1/objects/a/content/audiowav?sig=s3cret";
        let chunk = RecordingChunk {
            content_location: Some(url.parse().unwrap()),
            ..RecordingChunk::default()
        };
        let mut chunk = ManifestChunk::new(3, &chunk);
        chunk.media = Some(ManifestFile::new("a.003.wav", 3, SHA.parse().unwrap()));
        let manifest = RecordingManifest {
            schema: SCHEMA,
            chunks: vec![chunk],
            gaps: vec![0, 1, 2],
            saved_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            ..RecordingManifest::default()
        };
        let text = serde_json::to_string(&manifest).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains(&format!(r#""sha256":"{SHA}""#)), "{text}");
        assert!(
            text.contains(r#""savedAt":"2026-01-02T03:04:05Z""#),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<RecordingManifest>(&text).unwrap(),
            manifest
        );
    }

    #[test]
    fn a_manifest_of_a_later_version_is_read_as_far_as_it_can_be() {
        let text = format!(
            r#"{{"schema": 9, "later": [1], "savedAt": 5, "complete": "yes", "warnings": {{}},
                "recordingId": "two words",
                "chunks": [7, {{"index": 1, "media": {{"name": "a", "bytes": 1, "sha256": "{SHA}",
                "x": 1}}, "metadata": {{"name": "b"}}, "contentLocation": "nowhere"}}]}}"#
        );
        let manifest: RecordingManifest = serde_json::from_str(&text).unwrap();
        let [chunk] = manifest.chunks.as_slice() else {
            panic!("{manifest:?}");
        };
        assert_eq!(chunk.media.as_ref().unwrap().bytes, 1);
        assert_eq!((&chunk.metadata, &chunk.content_location), (&None, &None));
        assert!(!manifest.complete);
    }

    #[test]
    fn what_is_no_manifest_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.manifest.json");
        assert!(RecordingManifest::load(&path).is_err());
        std::fs::write(&path, "{\"schema\": 1, \"chu").unwrap();
        let error = RecordingManifest::load(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("x.manifest.json"), "{error}");
    }
}
