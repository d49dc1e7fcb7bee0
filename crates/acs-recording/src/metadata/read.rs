//! Reading a metadata document, member by member.

use std::time::Duration;

use serde::de::Error as _;
use serde_json::{Map, Value};

use super::model::{
    AudioConfiguration, InvalidMetadata, Pause, RecordedParticipant, RecordingMetadata,
    VideoConfiguration,
};
use crate::identifier::CommunicationIdentifier;
use crate::lenient;
use crate::models::{RecordingChannelType, RecordingContentType, RecordingFormatType};
use crate::text;

/// A longer list of unreadable members is not useful.
const MAX_UNREADABLE: usize = 50;

impl RecordingMetadata {
    /// Reads a metadata document.
    ///
    /// A member that has an unexpected form does not affect the others.
    ///
    /// # Errors
    /// The document is not a JSON object.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidMetadata> {
        read(document).map_err(InvalidMetadata)
    }
}

fn read(bytes: &[u8]) -> serde_json::Result<RecordingMetadata> {
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
        (metadata.content, metadata.channel) =
            content_and_channel(types.each_ref().map(Option::as_deref));
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
            participant.mark_unreadable("participantId");
        }
        let id = CommunicationIdentifier::from(id?.as_str());
        Some(RecordedParticipant { id, channel })
    });
    metadata.unreadable = unreadable;
    Ok(metadata)
}

/// An object of the document, and the list of members that cannot be read.
struct Object<'a> {
    path: String,
    members: Map<String, Value>,
    unreadable: &'a mut Vec<String>,
}

impl Object<'_> {
    /// Reads a member. One that exists and cannot be read is added to the list.
    fn member<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> serde_json::Result<Option<T>>,
    ) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        // The service writes a missing time as the year 1.
        let is_read = |read: &serde_json::Result<Option<T>>| match read {
            Ok(None) => name.ends_with("Time"),
            read => read.is_ok(),
        };
        let read = read(value);
        if !is_read(&read) {
            self.mark_unreadable(name);
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

    /// Reads the elements of a list, and skips those that `read` returns nothing for.
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
                self.mark_unreadable(name);
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

    fn mark_unreadable(&mut self, name: &str) {
        push(self.unreadable, format!("{}{name}", self.path));
    }
}

fn push(list: &mut Vec<String>, path: String) {
    if list.len() < MAX_UNREADABLE && list.last() != Some(&path) {
        list.push(path);
    }
}

/// Content type and channel type, distinguished by their values: real documents have them under each
/// other's name.
fn content_and_channel(
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A document in the form that the service writes.
    const SWAPPED: &str = r#"{
        "resourceId": "r", "callId": "c", "chunkDocumentId": "0-eus-d1-00", "chunkIndex": 0,
        "chunkStartTime": "2025-03-04T05:06:07.1234567Z", "chunkDuration": 5580.0,
        "pauseResumeIntervals": [{"startTime": "2025-03-04T05:06:09.0Z", "duration": 1500}],
        "recordingInfo": {
            "contentType": "mixed", "channelType": "audioVideo", "format": "mp4",
            "audioConfiguration": {"sampleRate": "16000", "bitRate": 128000, "channels": 1},
            "videoConfiguration": {"longerSideLength": 1920, "shorterSideLength": 1080,
                                   "framerate": 8, "bitRate": 1000000}
        },
        "participants": [{"participantId": "8:acs:a_b"}, {"participantId": "4:+1", "channel": 3}],
        "version": "1.0"
    }"#;

    #[test]
    fn swapped_types_are_recognized() {
        let metadata = RecordingMetadata::parse(SWAPPED.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(metadata.content, Some(RecordingContentType::AudioVideo));
        assert_eq!(metadata.channel, Some(RecordingChannelType::Mixed));
        assert_eq!(metadata.duration, Some(Duration::from_millis(5580)));
        assert_eq!(
            metadata.pauses[0].duration,
            Some(Duration::from_millis(1500))
        );
        assert_eq!(metadata.audio.as_ref().unwrap().sample_rate, Some(16000));
        assert_eq!(metadata.video.as_ref().unwrap().frame_rate, Some(8.0));
        assert_eq!(metadata.participant_on(3), Some(&"4:+1".into()));
        assert_eq!(metadata.participant_on(0), None);
        assert_eq!(metadata.channels().into_keys().collect::<Vec<_>>(), [3]);
        assert_eq!(metadata.paused(), Duration::from_millis(1500));
        assert_eq!(metadata.version.as_deref(), Some("1.0"));
    }

    #[test]
    fn types_in_their_own_place_are_read() {
        let document = SWAPPED
            .replace(r#""contentType": "mixed""#, r#""contentType": "Audio""#)
            .replace(
                r#""channelType": "audioVideo""#,
                r#""channelType": "Unmixed""#,
            );
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.content, Some(RecordingContentType::Audio));
        assert_eq!(metadata.channel, Some(RecordingChannelType::Unmixed));
    }

    #[test]
    fn the_sum_of_pauses_does_not_overflow() {
        let pause = r#"{"duration": 1.2e22}"#;
        let document = format!(r#"{{"pauseResumeIntervals": [{pause}, {pause}]}}"#);
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert!(metadata.pauses[1].duration.is_some());
        assert_eq!(metadata.paused(), Duration::MAX);
    }

    #[test]
    fn every_member_is_optional_and_only_an_object_is_a_document() {
        let metadata = RecordingMetadata::parse(b"\xef\xbb\xbf{}").unwrap();
        assert_eq!(metadata, RecordingMetadata::default());
        let null = br#"{"participants": null, "recordingInfo": null, "pauseResumeIntervals": null,
            "chunkIndex": null, "chunkStartTime": null, "version": null}"#;
        let metadata = RecordingMetadata::parse(null).unwrap();
        assert_eq!(metadata, RecordingMetadata::default());
        for document in ["", "[]", "null", "7", "\"{}\"", "<html>", "{\"a\":"] {
            assert!(
                RecordingMetadata::parse(document.as_bytes()).is_err(),
                "{document}"
            );
        }
    }

    #[test]
    fn an_unreadable_member_is_listed_and_does_not_affect_others() {
        let document = r#"{
            "callId": 7, "resourceId": {}, "chunkDocumentId": "two words", "chunkIndex": -1,
            "chunkStartTime": "yesterday", "chunkDuration": "5580",
            "pauseResumeIntervals": [null, {"duration": "long"}, {"duration": "20"}],
            "recordingInfo": {"format": 2, "audioConfiguration": {"channels": -1, "bitRate": "8"},
                              "videoConfiguration": []},
            "participants": [{"participantId": "8:acs:a", "channel": -1}, {"channel": 0}, null,
                             {"participantId": "8:acs:b", "channel": "1"}],
            "version": 1.0, "callId": "c"
        }"#;
        let metadata = RecordingMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.call_id.as_deref(), Some("c"));
        assert_eq!(metadata.duration, Some(Duration::from_millis(5580)));
        assert_eq!(metadata.pauses.len(), 2);
        assert_eq!(metadata.paused(), Duration::from_millis(20));
        let audio = metadata.audio.as_ref().unwrap();
        assert_eq!((audio.channels, audio.bit_rate), (None, Some(8)));
        assert_eq!(metadata.format, Some("2".into()));
        assert_eq!(metadata.version.as_deref(), Some("1.0"));
        assert_eq!(metadata.participants.len(), 2);
        assert_eq!(metadata.participants[0].channel, None);
        assert_eq!(metadata.participant_on(1), Some(&"8:acs:b".into()));
        assert_eq!(
            metadata.unreadable,
            [
                "resourceId",
                "chunkDocumentId",
                "chunkIndex",
                "chunkStartTime",
                "pauseResumeIntervals[0]",
                "pauseResumeIntervals[1].duration",
                "recordingInfo.audioConfiguration.channels",
                "recordingInfo.videoConfiguration",
                "participants[0].channel",
                "participants[1].participantId",
                "participants[2]",
            ]
        );
    }
}
