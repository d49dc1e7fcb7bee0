//! The data of `RecordingFileStatusUpdated`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::cursor::Cursor;
use super::data::{CommonFields, EventData};
use super::subject::Subject;
use crate::content_url::ContentUrl;
use crate::ids::{DocumentId, RecordingId, ServerCallId};
use crate::lenient::{self, or_none};
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};

/// The files of a recording can be downloaded, for 24 hours.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordingFileStatusUpdated {
    /// The recording's id. The service writes it into the subject, and older versions not at all.
    pub recording_id: Option<RecordingId>,
    /// The id of the recorded call, if the event has it.
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs and metadata, a GUID.
    pub call_id: Option<String>,
    /// The chunks of the recording, in order. Long recordings have several.
    pub chunks: Vec<RecordingChunk>,
    /// The start of the recording.
    pub start: Option<Timestamp>,
    /// The length of the recording.
    pub duration: Option<Duration>,
    /// The reason for its end, such as `CallEnded` or `InitiatorLeft`.
    pub session_end_reason: Option<String>,
    /// Audio, or audio and video.
    pub content: Option<RecordingContentType>,
    /// Mixed or unmixed.
    pub channel: Option<RecordingChannelType>,
    /// The format of the files.
    pub format: Option<RecordingFormatType>,
    /// The kind of storage that the files are in, such as `AzureBlob` for a storage account of your
    /// own.
    pub storage_type: Option<String>,
}

/// A chunk of a recording: a media file and its metadata document.
///
/// Every field may be missing. An entry of the event that cannot be read becomes a chunk without any
/// of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RecordingChunk {
    /// The id of the chunk in the service's storage, taken from a location if the event does not have
    /// it.
    #[serde(deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub document_id: Option<DocumentId>,
    /// The number of the chunk, from 0.
    #[serde(deserialize_with = "count")]
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub index: Option<u64>,
    /// The reason for the end of the chunk, such as `SessionEnded` or `ChunkMaximumTimeExceeded`.
    #[serde(deserialize_with = "lenient::text")]
    pub end_reason: Option<String>,
    /// The URL of the media file. `None` for a chunk that could not be uploaded, and in the first events
    /// of 2021.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub content_location: Option<ContentUrl>,
    /// The URL of the metadata document. Older events do not have it.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub metadata_location: Option<ContentUrl>,
    /// The URL that deletes both. Events before 2022 do not have it.
    #[serde(deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub delete_location: Option<ContentUrl>,
}

impl RecordingChunk {
    fn read(entry: Value) -> Self {
        let chunk: Self = serde_json::from_value(entry).unwrap_or_default();
        chunk.with_document_id()
    }

    /// Reads a chunk of the usual form in one pass. None for every other form.
    fn read_usual(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut chunk = Self::default();
        let mut known = Members::default();
        cursor.object(&CHUNK_MEMBERS, |cursor, member| {
            match member {
                "documentId" => {
                    known.add(0)?;
                    chunk.document_id = lenient::parse(Some(&cursor.string()?));
                }
                "index" => {
                    known.add(1)?;
                    chunk.index = Some(cursor.count()?);
                }
                "endReason" => {
                    known.add(2)?;
                    chunk.end_reason = Some(cursor.string()?.into_owned());
                }
                "contentLocation" => {
                    known.add(3)?;
                    chunk.content_location = cursor.string()?.parse().ok();
                }
                "metadataLocation" => {
                    known.add(4)?;
                    chunk.metadata_location = cursor.string()?.parse().ok();
                }
                "deleteLocation" => {
                    known.add(5)?;
                    chunk.delete_location = cursor.string()?.parse().ok();
                }
                // Members of later versions.
                _ => {
                    cursor.string()?;
                }
            }
            Some(())
        })?;
        Some(chunk.with_document_id())
    }

    fn with_document_id(mut self) -> Self {
        if self.document_id.is_none() {
            let locations = [
                &self.content_location,
                &self.delete_location,
                &self.metadata_location,
            ];
            let mut locations = locations.into_iter().flatten();
            self.document_id = lenient::parse(locations.find_map(ContentUrl::object_id));
        }
        self
    }
}

/// The files of a recording can be downloaded.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "RecordingFileStatusUpdated"))]
#[serde(rename_all = "camelCase")]
pub(super) struct WireData {
    #[cfg_attr(feature = "schemars", schemars(with = "Option<StorageInfo>"))]
    recording_storage_info: Option<Value>,
    #[serde(default, deserialize_with = "timestamp")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    recording_start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "milliseconds")]
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
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

impl WireData {
    fn parse(data: &str) -> serde_json::Result<Self> {
        // A duplicate member is no reason to lose a recording.
        serde_json::from_str(data).or_else(|error| match serde_json::from_str(data) {
            Ok(value @ Value::Object(_)) => serde_json::from_value(value),
            _ => Err(error),
        })
    }
}

/// The chunks that an event lists. A list that cannot be read becomes a chunk without a location, so
/// that the event is not mistaken for one without chunks.
fn chunks(storage_info: Option<Value>) -> Vec<RecordingChunk> {
    let list = match storage_info {
        Some(Value::Object(mut info)) => info.remove("recordingChunks"),
        other => other,
    };
    in_order(match list {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.into_iter().map(RecordingChunk::read).collect(),
        Some(entry) => vec![RecordingChunk::read(entry)],
    })
}

fn in_order(mut chunks: Vec<RecordingChunk>) -> Vec<RecordingChunk> {
    // If a number is missing, the order of the event is kept.
    if chunks.iter().all(|chunk| chunk.index.is_some()) {
        chunks.sort_by_key(|chunk| chunk.index);
    }
    chunks
}

// A member that is not needed for a download must not prevent it.

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

/// The members of the data in the order in which they are sent.
const DATA_MEMBERS: [&str; 7] = [
    "recordingStorageInfo",
    "recordingStartTime",
    "recordingDurationMs",
    "sessionEndReason",
    "recordingContentType",
    "recordingChannelType",
    "recordingFormatType",
];
const CHUNK_MEMBERS: [&str; 6] = [
    "documentId",
    "index",
    "endReason",
    "contentLocation",
    "metadataLocation",
    "deleteLocation",
];

/// The members of an object that were read. A second one of a name is not the usual form.
#[derive(Default)]
struct Members(u16);

impl Members {
    fn add(&mut self, member: u16) -> Option<()> {
        let bit = 1 << member;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first.then_some(())
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

fn read_storage_info(cursor: &mut Cursor<'_>) -> Option<Vec<RecordingChunk>> {
    // A recording has one for every two hours.
    let mut chunks = Vec::with_capacity(2);
    let mut known = Members::default();
    cursor.object(&["recordingChunks"], |cursor, member| {
        if member != "recordingChunks" {
            return None;
        }
        known.add(0)?;
        cursor.array(|cursor| {
            chunks.push(RecordingChunk::read_usual(cursor)?);
            Some(())
        })
    })?;
    Some(in_order(chunks))
}

impl RecordingFileStatusUpdated {
    /// The event type.
    pub(super) const TYPE: &'static str = "Microsoft.Communication.RecordingFileStatusUpdated";

    /// An event about these chunks that says nothing else, for tests of code that gets one. Set its
    /// fields, or [parse](crate::Events::parse) a whole event.
    pub fn new(chunks: Vec<RecordingChunk>) -> Self {
        Self {
            recording_id: None,
            server_call_id: None,
            call_id: None,
            chunks,
            start: None,
            duration: None,
            session_end_reason: None,
            content: None,
            channel: None,
            format: None,
            storage_type: None,
        }
    }

    /// Reads data of the usual form in one pass, except for the ids of the subject.
    ///
    /// None for every other form. [`EventData::read`] reads those, too.
    pub(super) fn read_usual(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut file = Self::new(Vec::new());
        let mut known = Members::default();
        cursor.object(&DATA_MEMBERS, |cursor, member| {
            match member {
                "recordingStorageInfo" => {
                    known.add(0)?;
                    file.chunks = read_storage_info(cursor)?;
                }
                "recordingStartTime" => {
                    known.add(1)?;
                    file.start = lenient::received_time(&cursor.string()?);
                }
                "recordingDurationMs" => {
                    known.add(2)?;
                    file.duration = lenient::duration_of_count(cursor.count()?);
                }
                "sessionEndReason" => {
                    known.add(3)?;
                    file.session_end_reason = Some(cursor.string()?.into_owned());
                }
                "recordingContentType" => {
                    known.add(4)?;
                    file.content = Some((*cursor.string()?).into());
                }
                "recordingChannelType" => {
                    known.add(5)?;
                    file.channel = Some((*cursor.string()?).into());
                }
                "recordingFormatType" => {
                    known.add(6)?;
                    file.format = Some((*cursor.string()?).into());
                }
                "storageType" => {
                    known.add(7)?;
                    file.storage_type = Some(cursor.string()?.into_owned());
                }
                "recordingId" => {
                    known.add(8)?;
                    file.recording_id = lenient::parse(Some(&cursor.string()?));
                }
                // The data of another type is not worth the attempt.
                _ if known.is_empty() => return None,
                _ => {
                    cursor.value()?;
                }
            }
            Some(())
        })?;
        Some(file)
    }

    /// Takes ids that the data does not have from the subject.
    pub(super) fn with_ids_of(mut self, subject: &Subject<'_>) -> Self {
        self.recording_id = self
            .recording_id
            .or_else(|| lenient::parse(subject.recording_id));
        self.server_call_id = lenient::parse(subject.server_call_id);
        self.call_id = subject.call.map(str::to_owned);
        self
    }

    /// Whether the recording was to be written to a storage account of your own.
    ///
    /// If the service could not write it there, the locations are those of the service, and it can be
    /// downloaded like every other recording.
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
        let data = WireData::parse(data)?;
        let file = Self {
            recording_id: data.recording_id,
            server_call_id: None,
            call_id: None,
            chunks: chunks(data.recording_storage_info),
            start: data.recording_start_time,
            duration: data.recording_duration_ms,
            session_end_reason: data.session_end_reason,
            content: data.recording_content_type,
            channel: data.recording_channel_type,
            format: data.recording_format_type,
            storage_type: data.storage_type,
        };
        Ok(file.with_ids_of(subject))
    }

    fn common(&self) -> CommonFields<'_> {
        CommonFields {
            recording_id: self.recording_id.as_ref().map(RecordingId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            ..CommonFields::default()
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
    fn an_unreadable_chunk_does_not_affect_others() {
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
    fn an_unreadable_list_of_chunks_is_not_empty() {
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
    fn members_of_unexpected_types_do_not_prevent_a_download() {
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
    fn a_missing_document_id_is_taken_from_a_location() {
        let file = read(
            r#"{"recordingStorageInfo": {"recordingChunks": [{"deleteLocation":
                "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-aa"}]}}"#,
        );
        let id = file.chunks[0].document_id.as_ref().unwrap();
        assert_eq!(id.as_str(), "0-weu-d1-aa");
    }
}
