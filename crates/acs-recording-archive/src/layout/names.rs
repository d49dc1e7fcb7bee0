//! The names that a layout gives to objects.

use std::fmt::Write as _;

use acs_recording::{Event, RecordingChunk, RecordingFileStatusUpdated};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use super::template::{Field, KEEPS_APART, Layout, Part};
use crate::error::{Error, ErrorKind, Result};

/// What receipts have in place of `{ext}`.
const RECEIPT: &str = "receipt.json";
const METADATA: &str = "json";
/// Longer components are cut, so that names fit into every file system.
const MAX_COMPONENT: usize = 120;
/// What stands for something that the event does not say.
const UNKNOWN: &str = "unknown";

/// The names of the objects of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct ChunkNames {
    /// The media file.
    pub media: Path,
    /// The service's metadata document.
    pub metadata: Path,
    /// The receipt.
    pub receipt: Path,
}

/// What names are made of.
pub(crate) struct Subject<'a> {
    file: &'a RecordingFileStatusUpdated,
    event: Option<&'a Event>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(file: &'a RecordingFileStatusUpdated, event: Option<&'a Event>) -> Self {
        Self { file, event }
    }

    fn began(&self) -> Option<Timestamp> {
        self.file
            .start
            .or_else(|| self.event.and_then(|event| event.time))
    }
}

impl Layout {
    /// The names of the objects of chunk `index`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEvent`] if the event says nothing that keeps the chunk apart from others.
    pub(crate) fn names(
        &self,
        subject: &Subject<'_>,
        index: u64,
        chunk: &RecordingChunk,
    ) -> Result<ChunkNames> {
        let document = document_of(chunk);
        let recording = subject.file.recording_id.as_ref();
        let by_document = document.is_some() && self.has(Field::Document);
        let by_index = recording.is_some() && self.has_all(KEEPS_APART);
        if !by_document && !by_index {
            let text = format!(
                "chunk {index} of the event has neither a document id nor a location to name its \
                 objects after"
            );
            return Err(Error::new(ErrorKind::InvalidEvent, text));
        }
        let began = subject
            .began()
            .map(|time| time.to_zoned(TimeZone::UTC).date());
        let number = |number: Option<i16>, width: usize| {
            number.map_or_else(|| UNKNOWN.to_owned(), |number| format!("{number:0width$}"))
        };
        let name = |extension: &str| {
            let mut name = String::new();
            for part in &self.0 {
                let field = match part {
                    Part::Text(text) => {
                        name.push_str(text);
                        continue;
                    }
                    Part::Field(field) => *field,
                };
                let value = match field {
                    Field::Year => number(began.map(Date::year), 4),
                    Field::Month => number(began.map(|date| i16::from(date.month())), 2),
                    Field::Day => number(began.map(|date| i16::from(date.day())), 2),
                    Field::Call => component(subject.file.call_id.as_deref()),
                    Field::Recording => recording.map_or_else(
                        || UNKNOWN.to_owned(),
                        |recording| digest(recording.as_str(), 8),
                    ),
                    Field::Index => format!("{index:03}"),
                    Field::Document => component(document.as_deref()),
                    Field::Extension => extension.to_owned(),
                };
                name.push_str(&value);
            }
            Path::from(name)
        };
        Ok(ChunkNames {
            media: name(subject.file.file_extension(chunk)),
            metadata: name(METADATA),
            receipt: name(RECEIPT),
        })
    }

    /// The name of the event document, beside these objects.
    pub(crate) fn event_name(beside: &ChunkNames, event_id: &str) -> Path {
        folder_of(&beside.receipt).join(format!("event.{}.json", component(Some(event_id))))
    }

    /// Whether an object of this name is a receipt.
    pub(crate) fn is_receipt(name: &Path) -> bool {
        name.filename()
            .and_then(|name| name.strip_suffix(RECEIPT))
            .is_some_and(|stem| stem.ends_with('.'))
    }

    /// What the names of all recordings that began on this day begin with, if the layout begins with
    /// the date.
    pub(crate) fn day_prefix(&self, day: Date) -> Option<Path> {
        let mut prefix = String::new();
        let mut seen = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => prefix.push_str(text),
                Part::Field(field @ Field::Year) => {
                    seen.push(*field);
                    let _ = write!(prefix, "{:04}", day.year());
                }
                Part::Field(field @ Field::Month) => {
                    seen.push(*field);
                    let _ = write!(prefix, "{:02}", day.month());
                }
                Part::Field(field @ Field::Day) => {
                    seen.push(*field);
                    let _ = write!(prefix, "{:02}", day.day());
                }
                Part::Field(_) => break,
            }
        }
        let is_dated = [Field::Year, Field::Month, Field::Day]
            .iter()
            .all(|field| seen.contains(field));
        // A store lists whole components.
        let (folder, _) = prefix.rsplit_once('/')?;
        let is_whole = folder.contains(&format!("{:02}", day.day()));
        (is_dated && is_whole).then(|| Path::from(folder))
    }
}

/// The folder that an object is in.
pub(crate) fn folder_of(name: &Path) -> Path {
    let mut parts: Vec<_> = name.parts().collect();
    parts.pop();
    parts.into_iter().collect()
}

/// What tells a chunk from all others: its id, or else a checksum of its location.
fn document_of(chunk: &RecordingChunk) -> Option<String> {
    let id = chunk.document_id.as_ref().map(|id| id.as_str().to_owned());
    id.or_else(|| {
        let location = chunk.content_location.as_ref()?;
        // Its display has no query, which may change from event to event.
        Some(format!("sha256-{}", digest(&location.to_string(), 16)))
    })
}

/// The first bytes of a SHA-256, in hexadecimal.
fn digest(text: &str, bytes: usize) -> String {
    let mut digits = String::with_capacity(2 * bytes);
    for byte in Sha256::digest(text).iter().take(bytes) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// A value as part of a name. A checksum keeps values apart that are not taken as they are.
fn component(value: Option<&str>) -> String {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return UNKNOWN.to_owned();
    };
    let name: String = value
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => letter,
            _ => '_',
        })
        .take(MAX_COMPONENT)
        .collect();
    // Two dots lead out of a folder, and a hash marks files that are being written locally.
    if name != value || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        let harmless = name.replace("..", "__");
        return format!("{}_{}", harmless.trim_matches('.'), digest(value, 4));
    }
    name
}

#[cfg(test)]
mod tests {
    use acs_recording::{EventPayload, Events};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::template::DEFAULT;
    use super::*;

    fn event(subject: &str, data: &serde_json::Value) -> Event {
        let event = json!({
            "id": "e1",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "subject": subject,
            "eventTime": "2026-03-04T05:06:07Z",
            "data": data,
        });
        let mut events = Events::parse(event.to_string().as_bytes());
        events.next().unwrap().unwrap()
    }

    fn file(event: &Event) -> &RecordingFileStatusUpdated {
        match event.payload() {
            EventPayload::RecordingFileStatusUpdated(file) => file,
            other => panic!("{other:?}"),
        }
    }

    fn names(template: &str, event: &Event) -> Result<ChunkNames> {
        let file = file(event);
        let layout: Layout = template.parse().unwrap();
        layout.names(&Subject::new(file, Some(event)), 7, &file.chunks[0])
    }

    fn usual() -> Event {
        event(
            "/recording/call/aa-bb/recordingId/rid",
            &json!({
                "recordingStartTime": "2026-01-02T23:59:59.9Z",
                "recordingFormatType": "wav",
                "recordingStorageInfo": {"recordingChunks": [{
                    "documentId": "0-weu-d1-0a",
                    "index": 7,
                    "contentLocation": "https://eu.asm.skype.com/v1/objects/0-weu-d1-0a/content/audiowav?sig=1",
                }]},
            }),
        )
    }

    #[test]
    fn names_follow_the_template_and_the_event() {
        let names = names(DEFAULT, &usual()).unwrap();
        let stem = format!("2026/01/02/aa-bb/{}/007.0-weu-d1-0a", digest("rid", 8));
        assert_eq!(names.media.as_ref(), format!("{stem}.wav"));
        assert_eq!(names.metadata.as_ref(), format!("{stem}.json"));
        assert_eq!(names.receipt.as_ref(), format!("{stem}.receipt.json"));
        assert!(Layout::is_receipt(&names.receipt));
        assert!(!Layout::is_receipt(&names.metadata));
        let event = Layout::event_name(&names, "e/1");
        let expected = format!(
            "2026/01/02/aa-bb/{}/event.e_1_{}.json",
            digest("rid", 8),
            digest("e/1", 4)
        );
        assert_eq!(event.as_ref(), expected);
    }

    #[test]
    fn what_the_event_does_not_say_is_unknown() {
        let location = "https://eu.asm.skype.com/x?sig=1";
        let bare = event(
            "/x",
            &json!({"recordingStorageInfo": {"recordingChunks": [{"contentLocation": location}]}}),
        );
        let named = names(DEFAULT, &bare).unwrap();
        let document = format!("sha256-{}", digest("https://eu.asm.skype.com/x", 16));
        assert_eq!(
            named.media.as_ref(),
            format!("2026/03/04/unknown/unknown/007.{document}.bin")
        );
        let nameless = event(
            "/x",
            &json!({"recordingStorageInfo": {"recordingChunks": [{}]}}),
        );
        for template in [DEFAULT, "{recording}.{index}.{ext}"] {
            let error = names(template, &nameless).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEvent, "{template}");
        }
        assert!(names("{recording}.{index}.{ext}", &bare).is_err());
    }

    #[test]
    fn a_day_has_a_prefix_where_the_layout_begins_with_the_date() {
        let day = "2026-01-09".parse().unwrap();
        let prefix = |template: &str| {
            let layout: Layout = template.parse().unwrap();
            layout.day_prefix(day).map(|prefix| prefix.to_string())
        };
        assert_eq!(prefix(DEFAULT).as_deref(), Some("2026/01/09"));
        let dashed = "acs/{yyyy}-{mm}-{dd}/{document}.{ext}";
        assert_eq!(prefix(dashed).as_deref(), Some("acs/2026-01-09"));
        for undated in [
            "{document}.{ext}",
            "{yyyy}/{mm}/{document}.{ext}",
            "{call}/{yyyy}/{mm}/{dd}/{document}.{ext}",
            "{yyyy}{mm}{dd}.{document}.{ext}",
            "{yyyy}/{mm}/{dd}.{document}.{ext}",
        ] {
            assert_eq!(prefix(undated), None, "{undated}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_component(value in ".{0,200}") {
            let name = component(Some(&value));
            prop_assert!(!name.is_empty() && name.len() <= MAX_COMPONENT + 10);
            prop_assert!(!name.contains(['/', '\\', '#', '%']) && !name.contains(".."));
            prop_assert!(!name.starts_with('.') && !name.ends_with('.'));
            // Stores take it as it is.
            let path = Path::from(name.as_str());
            prop_assert_eq!(path.as_ref(), name.as_str());
        }

        #[test]
        fn different_values_have_different_names(one in "[ab./]{1,6}", other in "[ab./]{1,6}") {
            let same = component(Some(&one)) == component(Some(&other));
            prop_assert_eq!(same, one == other);
        }

        #[test]
        fn any_text_is_a_layout_or_an_error(
            template in "(\\{(yyyy|mm|document|index|recording|ext|call|x)\\}|[a./ {}]){0,8}(\\.\\{ext\\})?",
            call in ".{0,20}",
            document in "[!-~]{1,40}",
        ) {
            let Ok(layout) = template.parse::<Layout>() else { return Ok(()) };
            prop_assert_eq!(layout.to_string(), template);
            let event = event(&format!("/recording/call/{call}/recordingId/r"), &json!({
                "recordingStorageInfo": {"recordingChunks": [{"documentId": document}]},
            }));
            let file = file(&event);
            let subject = Subject::new(file, Some(&event));
            let names = layout.names(&subject, 0, &file.chunks[0]).unwrap();
            prop_assert!(names.media != names.metadata && names.metadata != names.receipt);
            prop_assert_eq!(names.clone(), layout.names(&subject, 0, &file.chunks[0]).unwrap());
            prop_assert_eq!(folder_of(&names.media), folder_of(&names.receipt));
            prop_assert!(Layout::is_receipt(&names.receipt) && !Layout::is_receipt(&names.metadata));
        }
    }
}
