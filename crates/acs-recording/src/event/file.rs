//! `RecordingFileStatusUpdated`: a recording can be downloaded.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Subject;
use super::payload::{Common, Data as EventData};
use super::wire::or_none;
use crate::content::ContentUrl;
use crate::ids::{DocumentId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// The files of a recording can be downloaded, for 24 hours.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordingFileStatusUpdated {
    /// The recording. The service writes it into the subject, and older versions not at all.
    pub recording_id: Option<RecordingId>,
    /// The call that was recorded, if the event tells.
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs and metadata, a GUID.
    pub call_id: Option<String>,
    /// The parts of the recording, in order. Long recordings have several.
    pub chunks: Vec<RecordingChunk>,
    /// When recording began.
    pub start: Option<Timestamp>,
    /// How long the recording is.
    pub duration: Option<Duration>,
    /// Why it ended, such as `CallEnded` or `InitiatorLeft`.
    pub session_end_reason: Option<String>,
    /// Audio, or audio and video.
    pub content: Option<RecordingContentType>,
    /// Mixed or unmixed.
    pub channel: Option<RecordingChannelType>,
    /// The format of the files.
    pub format: Option<RecordingFormatType>,
    /// Where the files are, for recordings into storage of your own, such as `AzureBlob`.
    pub storage_type: Option<String>,
}

/// One part of a recording: a media file and its metadata document.
///
/// Every member may be missing. An entry of the event that cannot be read at all is a chunk in
/// which all of them are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RecordingChunk {
    /// The part's id in the service's storage; taken from a location if the event names none.
    #[serde(deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub document_id: Option<DocumentId>,
    /// The part's number, from 0.
    #[serde(deserialize_with = "count")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    pub index: Option<u64>,
    /// Why the part ended, such as `SessionEnded` or `ChunkMaximumTimeExceeded`.
    #[serde(deserialize_with = "lenient::text")]
    pub end_reason: Option<String>,
    /// The media file; none for a part that could not be uploaded, and in the first events of 2021.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub content_location: Option<ContentUrl>,
    /// The metadata document; missing in older events.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub metadata_location: Option<ContentUrl>,
    /// What to delete to remove both; missing in events before 2022.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub delete_location: Option<ContentUrl>,
}

impl RecordingChunk {
    fn read(entry: Value) -> Self {
        let mut chunk: Self = serde_json::from_value(entry).unwrap_or_default();
        let locations = [
            &chunk.content_location,
            &chunk.delete_location,
            &chunk.metadata_location,
        ];
        let id = locations.into_iter().flatten().find_map(ContentUrl::object);
        let id = lenient::parse(id);
        chunk.document_id = chunk.document_id.or(id);
        chunk
    }
}

/// The files of a recording can be downloaded.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "RecordingFileStatusUpdated"))]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    #[cfg_attr(feature = "schemars", schemars(with = "Option<StorageInfo>"))]
    recording_storage_info: Option<Value>,
    #[serde(default, deserialize_with = "timestamp")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "milliseconds")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<crate::schema::Number>"))]
    recording_duration_ms: Option<Duration>,
    #[serde(default, deserialize_with = "lenient::text")]
    session_end_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_content_type: Option<RecordingContentType>,
    #[serde(default, deserialize_with = "lenient::text")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_channel_type: Option<RecordingChannelType>,
    #[serde(default, deserialize_with = "lenient::text")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_format_type: Option<RecordingFormatType>,
    #[serde(default, deserialize_with = "lenient::text")]
    storage_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_id: Option<RecordingId>,
}

#[cfg(feature = "schemars")]
#[derive(schemars::JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct StorageInfo {
    recording_chunks: Option<Vec<RecordingChunk>>,
}

impl Data {
    fn parse(data: &str) -> serde_json::Result<Self> {
        // A member that is there twice is no reason to lose a recording.
        serde_json::from_str(data).or_else(|error| match serde_json::from_str(data) {
            Ok(value @ Value::Object(_)) => serde_json::from_value(value),
            _ => Err(error),
        })
    }
}

/// The chunks that an event announces. What should be some and cannot be read is one without a
/// location, so that nobody takes the event for one that announces nothing.
fn chunks(storage_info: Option<Value>) -> Vec<RecordingChunk> {
    let list = match storage_info {
        Some(Value::Object(mut info)) => info.remove("recordingChunks"),
        other => other,
    };
    let mut chunks: Vec<_> = match list {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.into_iter().map(RecordingChunk::read).collect(),
        Some(entry) => vec![RecordingChunk::read(entry)],
    };
    // With a number missing, the order in which they came says more.
    if chunks.iter().all(|chunk| chunk.index.is_some()) {
        chunks.sort_by_key(|chunk| chunk.index);
    }
    chunks
}

// What the files can be had without must not cost them.

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    or_none(deserializer, lenient::count)
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    or_none(deserializer, lenient::timestamp)
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    or_none(deserializer, lenient::milliseconds)
}

fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ContentUrl>, D::Error> {
    or_none(deserializer, Option::deserialize)
}

impl RecordingFileStatusUpdated {
    /// Whether the recording was meant for a storage account of your own, in whatever cloud.
    ///
    /// Where the service could not write it there, the locations are the service's nonetheless,
    /// and it can be downloaded as any other.
    pub fn is_for_own_storage(&self) -> bool {
        const SERVICE: &[&str] = &["acs", "azurecommunicationservices"];
        let storage = self.storage_type.as_deref().map(str::trim);
        storage.is_some_and(|storage| {
            !storage.is_empty() && !SERVICE.iter().any(|own| own.eq_ignore_ascii_case(storage))
        })
    }
}

impl EventData for RecordingFileStatusUpdated {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
        let data = Data::parse(data)?;
        Ok(Self {
            recording_id: data
                .recording_id
                .or_else(|| lenient::parse(subject.recording_id)),
            server_call_id: lenient::parse(subject.server_call_id),
            call_id: subject.call.map(str::to_owned),
            chunks: chunks(data.recording_storage_info),
            start: data.recording_start_time,
            duration: data.recording_duration_ms,
            session_end_reason: data.session_end_reason,
            content: data.recording_content_type,
            channel: data.recording_channel_type,
            format: data.recording_format_type,
            storage_type: data.storage_type,
        })
    }

    fn common(&self) -> Common<'_> {
        Common {
            recording_id: self.recording_id.as_ref().map(RecordingId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            ..Common::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str) -> RecordingFileStatusUpdated {
        let subject = Subject::parse("/recording/call/c/recordingId/r");
        RecordingFileStatusUpdated::read(data, &subject).unwrap()
    }

    const GOOD: &str = r#"{"documentId": "0-weu-d1-aa", "index": 0,
        "contentLocation": "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-aa/content/audiowav"}"#;

    #[test]
    fn a_chunk_that_cannot_be_read_takes_no_other_with_it() {
        for entry in [
            "null",
            "7",
            "\"x\"",
            "[]",
            "{}",
            r#"{"contentLocation": null}"#,
            r#"{"contentLocation": {"url": 1}, "documentId": ["x"], "endReason": {"code": 1}}"#,
            r#"{"index": 1, "index": 1, "contentLocation": "nowhere"}"#,
        ] {
            let data =
                format!(r#"{{"recordingStorageInfo": {{"recordingChunks": [{GOOD}, {entry}]}}}}"#);
            let file = read(&data);
            assert_eq!(file.chunks.len(), 2, "{entry}");
            assert!(file.chunks[0].content_location.is_some(), "{entry}");
            assert_eq!(file.chunks[1].content_location, None, "{entry}");
        }
    }

    #[test]
    fn an_event_that_should_announce_something_never_announces_nothing() {
        for (info, count) in [
            ("null", 0),
            (r#"{"recordingChunks": null}"#, 0),
            (r#"{"recordingChunks": []}"#, 0),
            (r#"{"recordingChunks": "x"}"#, 1),
            ("7", 1),
            (&format!("[{GOOD}]"), 1),
            (&format!(r#"{{"recordingChunks": {GOOD}}}"#), 1),
        ] {
            let file = read(&format!(r#"{{"recordingStorageInfo": {info}}}"#));
            assert_eq!(file.chunks.len(), count, "{info}");
        }
        assert!(read("{}").chunks.is_empty());
    }

    #[test]
    fn members_of_other_types_cost_nothing() {
        let file = read(&format!(
            r#"{{"recordingStorageInfo": {{"recordingChunks": [{GOOD}]}}, "recordingFormatType": 2,
                "recordingContentType": {{"x": 1}}, "recordingChannelType": true, "recordingId": 5,
                "sessionEndReason": {{"code": 7000}}, "storageType": null,
                "recordingDurationMs": [], "recordingStartTime": 5, "sessionEndReason": null}}"#
        ));
        assert_eq!(file.chunks.len(), 1);
        assert_eq!(file.format, Some("2".into()));
        assert_eq!(file.recording_id.unwrap().as_str(), "5");
        let file = read(r#"{"sessionEndReason": {"code": 7000}}"#);
        assert_eq!(file.session_end_reason.as_deref(), Some(r#"{"code":7000}"#));
    }

    #[test]
    fn a_document_without_an_id_has_that_of_its_location() {
        let file = read(
            r#"{"recordingStorageInfo": {"recordingChunks": [{"deleteLocation":
                "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-aa"}]}}"#,
        );
        let id = file.chunks[0].document_id.as_ref().unwrap();
        assert_eq!(id.as_str(), "0-weu-d1-aa");
    }
}
