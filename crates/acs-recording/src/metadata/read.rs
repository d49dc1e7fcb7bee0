//! Reading a metadata document, member by member.

use std::time::Duration;

use serde::de::Error as _;
use serde_json::{Map, Value};

use super::{
    AudioConfiguration, Pause, RecordedParticipant, RecordingMetadata, VideoConfiguration,
};
use crate::identifier::CommunicationIdentifier;
use crate::lenient;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};
use crate::text;

/// Longer lists of what cannot be read say nothing new.
const MAX_UNREADABLE: usize = 50;

pub(super) fn document(bytes: &[u8]) -> serde_json::Result<RecordingMetadata> {
    let Value::Object(members) = serde_json::from_str(&text::decode_lossy(bytes))? else {
        return Err(serde_json::Error::custom("it is not a JSON object"));
    };
    let mut unreadable = Vec::new();
    let mut object = Object {
        path: String::new(),
        members,
        unreadable: &mut unreadable,
    };
    let mut metadata = RecordingMetadata {
        resource_id: object.text("resourceId"),
        call_id: object.text("callId"),
        document_id: object.member("chunkDocumentId", lenient::id),
        chunk_index: object.member("chunkIndex", lenient::count),
        start: object.member("chunkStartTime", lenient::timestamp),
        duration: object.milliseconds("chunkDuration"),
        version: object.text("version"),
        ..RecordingMetadata::default()
    };
    metadata.pauses = object.list("pauseResumeIntervals", |interval| {
        Some(Pause {
            start: interval.member("startTime", lenient::timestamp),
            duration: interval.milliseconds("duration"),
        })
    });
    object.object("recordingInfo", |info| {
        let types = [info.text("contentType"), info.text("channelType")];
        (metadata.content, metadata.channel) = kinds(types.each_ref().map(Option::as_deref));
        metadata.format = info.text("format").map(RecordingFormatType::from);
        metadata.audio = info.object("audioConfiguration", |audio| AudioConfiguration {
            sample_rate: audio.member("sampleRate", lenient::count),
            bit_rate: audio.member("bitRate", lenient::count),
            channels: audio.member("channels", lenient::count),
        });
        metadata.video = info.object("videoConfiguration", |video| VideoConfiguration {
            longer_side_length: video.member("longerSideLength", lenient::count),
            shorter_side_length: video.member("shorterSideLength", lenient::count),
            frame_rate: video.member("framerate", lenient::number),
            bit_rate: video.member("bitRate", lenient::count),
        });
    });
    metadata.participants = object.list("participants", |participant| {
        let channel = participant.member("channel", lenient::count);
        let id = participant.text("participantId");
        if id.is_none() {
            participant.note("participantId");
        }
        let id = CommunicationIdentifier::from(id?.as_str());
        Some(RecordedParticipant { id, channel })
    });
    metadata.unreadable = unreadable;
    Ok(metadata)
}

/// An object of the document, and where to note what cannot be read.
struct Object<'a> {
    path: String,
    members: Map<String, Value>,
    unreadable: &'a mut Vec<String>,
}

impl Object<'_> {
    /// What `read` makes of a member; one that is there and means nothing is noted.
    fn member<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> serde_json::Result<Option<T>>,
    ) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        // The year 1 is a time that says that there is none.
        let is_read = |read: &serde_json::Result<Option<T>>| match read {
            Ok(None) => name.ends_with("Time"),
            read => read.is_ok(),
        };
        let read = read(value);
        if !is_read(&read) {
            self.note(name);
        }
        read.ok().flatten()
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.member(name, |value| match value {
            Value::Array(_) | Value::Object(_) => Ok(None),
            value => lenient::text(value),
        })
    }

    fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.member(name, lenient::milliseconds)
    }

    fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Object<'_>) -> T) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        let path = format!("{}{name}", self.path);
        self.at_path(path, value, read)
    }

    /// The elements of a list, without those that `read` makes nothing of.
    fn list<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Object<'_>) -> Option<T>,
    ) -> Vec<T> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => {
                let elements = list.into_iter().enumerate();
                let read = elements.filter_map(|(number, value)| {
                    let path = format!("{}{name}[{number}]", self.path);
                    self.at_path(path, value, &mut read)?
                });
                read.collect()
            }
            Some(_) => {
                self.note(name);
                Vec::new()
            }
        }
    }

    fn at_path<T>(
        &mut self,
        path: String,
        value: Value,
        read: impl FnOnce(&mut Object<'_>) -> T,
    ) -> Option<T> {
        let Value::Object(members) = value else {
            push(self.unreadable, path);
            return None;
        };
        Some(read(&mut Object {
            path: format!("{path}."),
            members,
            unreadable: &mut *self.unreadable,
        }))
    }

    fn note(&mut self, name: &str) {
        push(self.unreadable, format!("{}{name}", self.path));
    }
}

fn push(list: &mut Vec<String>, path: String) {
    if list.len() < MAX_UNREADABLE && list.last() != Some(&path) {
        list.push(path);
    }
}

/// Content and channel type, told apart by their values: real documents have them under each
/// other's name.
fn kinds(
    [content, channel]: [Option<&str>; 2],
) -> (Option<RecordingContentType>, Option<RecordingChannelType>) {
    let swapped = content
        .map(RecordingChannelType::from)
        .filter(|channel| RecordingChannelType::KNOWN.contains(channel));
    match swapped {
        Some(swapped) => (channel.map(RecordingContentType::from), Some(swapped)),
        None => (
            content.map(RecordingContentType::from),
            channel.map(RecordingChannelType::from),
        ),
    }
}

/// What the service notes about a chunk of a recording.
#[cfg(feature = "schemars")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "RecordingMetadata", rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
pub(crate) struct Document {
    resource_id: Option<String>,
    call_id: Option<String>,
    chunk_document_id: Option<String>,
    chunk_index: Option<crate::schema::Number>,
    chunk_start_time: Option<String>,
    chunk_duration: Option<crate::schema::Number>,
    pause_resume_intervals: Option<Vec<Interval>>,
    recording_info: Option<Info>,
    participants: Option<Vec<Participant>>,
    version: Option<String>,
}

#[cfg(feature = "schemars")]
#[derive(schemars::JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Interval {
    start_time: Option<String>,
    duration: Option<crate::schema::Number>,
}

#[cfg(feature = "schemars")]
#[derive(schemars::JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Info {
    content_type: Option<String>,
    channel_type: Option<String>,
    format: Option<String>,
    audio_configuration: Option<AudioConfiguration>,
    video_configuration: Option<VideoConfiguration>,
}

#[cfg(feature = "schemars")]
#[derive(schemars::JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct Participant {
    participant_id: String,
    channel: Option<crate::schema::Number>,
}
