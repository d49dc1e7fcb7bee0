//! The members of an envelope, in either schema.

use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use jiff::Timestamp;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::cursor::Cursor;
use super::file::RecordingFileStatusUpdated;
use crate::lenient;

/// A batch of Event Grid has at most 5000 events.
pub(super) const MAX_EVENTS: usize = 10_000;

/// The members of the Event Grid schema in the order in which they are sent.
const MEMBERS: [&str; 8] = [
    "id",
    "topic",
    "subject",
    "data",
    "eventType",
    "dataVersion",
    "metadataVersion",
    "eventTime",
];

/// The members of both schemas. Those that exist tell which one it is.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub id: Option<String>,
    pub subject: Option<String>,
    /// JSON.
    pub data: Option<&'a str>,
    /// What the data says, if it has the form of the data of this type.
    pub file: Option<RecordingFileStatusUpdated>,
    pub data_base64: Option<String>,
    // Event Grid schema
    pub event_type: Option<String>,
    pub topic: Option<String>,
    pub event_time: Option<Timestamp>,
    pub data_version: Option<String>,
    pub metadata_version: Option<String>,
    // CloudEvents
    pub cloud_type: Option<String>,
    pub source: Option<String>,
    pub time: Option<Timestamp>,
    pub spec_version: Option<String>,
    pub data_content_type: Option<String>,
    pub data_schema: Option<String>,
    /// Everything else, in order.
    pub attributes: Vec<(String, Box<RawValue>)>,
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Member {
    #[serde(rename = "id")]
    Id,
    #[serde(rename = "subject")]
    Subject,
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "data_base64", alias = "dataBase64")]
    DataBase64,
    #[serde(rename = "eventType")]
    EventType,
    #[serde(rename = "topic")]
    Topic,
    #[serde(rename = "eventTime")]
    EventTime,
    #[serde(rename = "dataVersion")]
    DataVersion,
    #[serde(rename = "metadataVersion")]
    MetadataVersion,
    #[serde(rename = "type")]
    Type,
    #[serde(rename = "source")]
    Source,
    #[serde(rename = "time")]
    Time,
    // The service's own examples spell it both ways.
    #[serde(rename = "specversion", alias = "specVersion")]
    SpecVersion,
    #[serde(rename = "datacontenttype", alias = "dataContentType")]
    DataContentType,
    #[serde(rename = "dataschema", alias = "dataSchema")]
    DataSchema,
    Other(String),
}

struct Time(Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let time = lenient::timestamp(&mut serde_json::Deserializer::from_str(text));
        // An invalid time is no reason to lose an event.
        Ok(Self(time.unwrap_or_default()))
    }
}

/// Optional text. A number counts as text, and anything else as missing.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // Only versions have fractions: 1.0 is not 1.
        Ok(Some(format!("{number:?}")))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'a> Envelope<'a> {
    /// Reads an envelope of the usual form, together with the data of the most frequent type.
    ///
    /// None for every other form. `Deserialize` reads those, too.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut event = Self::default();
        cursor.object(&MEMBERS, |cursor, member| event.read_member(cursor, member))?;
        Some(event)
    }

    fn read_member(&mut self, cursor: &mut Cursor<'a>, member: &str) -> Option<()> {
        let field = match member {
            "id" => &mut self.id,
            "subject" => &mut self.subject,
            "data_base64" | "dataBase64" => &mut self.data_base64,
            "eventType" => &mut self.event_type,
            "topic" => &mut self.topic,
            "dataVersion" => &mut self.data_version,
            "metadataVersion" => &mut self.metadata_version,
            "type" => &mut self.cloud_type,
            "source" => &mut self.source,
            "specversion" | "specVersion" => &mut self.spec_version,
            "datacontenttype" | "dataContentType" => &mut self.data_content_type,
            "dataschema" | "dataSchema" => &mut self.data_schema,
            "data" => return self.read_data(cursor),
            "eventTime" => return read_time(&mut self.event_time, cursor),
            "time" => return read_time(&mut self.time, cursor),
            _ => {
                let value: &RawValue = serde_json::from_str(cursor.value()?).ok()?;
                self.attributes.push((member.to_owned(), value.to_owned()));
                return Some(());
            }
        };
        let text = cursor.string()?;
        set_once(field, Some(text.into_owned()))
    }

    fn read_data(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let event_type = self.event_type.as_deref().or(self.cloud_type.as_deref());
        let may_be_file = match event_type {
            Some(event_type) => event_type == RecordingFileStatusUpdated::TYPE,
            // Event Grid sends the type after the data.
            None => has_file_type(cursor.rest()),
        };
        if may_be_file {
            let start = *cursor;
            if let Some(file) = RecordingFileStatusUpdated::read_usual(cursor) {
                self.file = Some(file);
                let data = cursor.text_since(start).map(str::trim_start);
                return set_once(&mut self.data, data);
            }
            *cursor = start;
        }
        let data = cursor.value()?;
        set_once(&mut self.data, Some(data))
    }
}

/// Whether the type of events about files is near in a text.
fn has_file_type(text: &str) -> bool {
    /// The data of such an event is shorter. More would take long for a batch of other events.
    const NEAR: usize = 16 * 1024;
    static TYPE: LazyLock<Finder<'_>> =
        LazyLock::new(|| Finder::new(RecordingFileStatusUpdated::TYPE));
    let text = text.as_bytes();
    TYPE.find(text.get(..NEAR).unwrap_or(text)).is_some()
}

fn read_time(field: &mut Option<Timestamp>, cursor: &mut Cursor<'_>) -> Option<()> {
    let time = cursor.string()?;
    set_once(field, lenient::received_time(&time))
}

/// Like [`set`]. A second value is not the usual form.
fn set_once<T>(field: &mut Option<T>, value: Option<T>) -> Option<()> {
    let is_first = field.is_none();
    *field = value;
    is_first.then_some(())
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut event = Envelope::default();
        while let Some(member) = map.next_key()? {
            match member {
                Member::Id => text(&mut event.id, "id", &mut map)?,
                Member::Subject => text(&mut event.subject, "subject", &mut map)?,
                Member::Data => {
                    let data: &RawValue = map.next_value()?;
                    set(&mut event.data, "data", Some(data.get()))?;
                }
                Member::DataBase64 => {
                    set(&mut event.data_base64, "data_base64", map.next_value()?)?;
                }
                Member::EventType => set(&mut event.event_type, "eventType", map.next_value()?)?,
                Member::Topic => text(&mut event.topic, "topic", &mut map)?,
                Member::EventTime => {
                    let Time(time) = map.next_value()?;
                    set(&mut event.event_time, "eventTime", time)?;
                }
                Member::DataVersion => text(&mut event.data_version, "dataVersion", &mut map)?,
                Member::MetadataVersion => {
                    text(&mut event.metadata_version, "metadataVersion", &mut map)?;
                }
                Member::Type => set(&mut event.cloud_type, "type", map.next_value()?)?,
                Member::Source => text(&mut event.source, "source", &mut map)?,
                Member::Time => {
                    let Time(time) = map.next_value()?;
                    set(&mut event.time, "time", time)?;
                }
                Member::SpecVersion => text(&mut event.spec_version, "specversion", &mut map)?,
                Member::DataContentType => {
                    text(&mut event.data_content_type, "datacontenttype", &mut map)?;
                }
                Member::DataSchema => text(&mut event.data_schema, "dataschema", &mut map)?,
                Member::Other(name) => event.attributes.push((name, map.next_value()?)),
            }
        }
        Ok(event)
    }
}

fn text<'de, A: MapAccess<'de>>(
    field: &mut Option<String>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    let Text(text) = map.next_value()?;
    set(field, name, text)
}

/// Rejects two values under one name, because another reader may take the other one.
fn set<T, E: de::Error>(
    field: &mut Option<T>,
    name: &'static str,
    value: Option<T>,
) -> Result<(), E> {
    if field.is_some() {
        return Err(E::duplicate_field(name));
    }
    *field = value;
    Ok(())
}

/// Reads an array of up to [`MAX_EVENTS`] elements, and converts each of them.
pub(super) struct Batch<F>(pub F);

impl<F> Batch<F> {
    pub fn read<'de, E, T>(self, body: &'de str) -> serde_json::Result<Vec<T>>
    where
        E: Deserialize<'de>,
        F: FnMut(usize, E) -> T,
    {
        let mut json = serde_json::Deserializer::from_str(body);
        let visitor = BatchVisitor {
            make: self.0,
            element: PhantomData,
        };
        let events = json.deserialize_seq(visitor)?;
        json.end()?;
        Ok(events)
    }
}

struct BatchVisitor<E, F> {
    make: F,
    element: PhantomData<E>,
}

impl<'de, E, T, F> Visitor<'de> for BatchVisitor<E, F>
where
    E: Deserialize<'de>,
    F: FnMut(usize, E) -> T,
{
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        // Most bodies hold one event, and events are large.
        let mut events = Vec::with_capacity(1);
        while let Some(event) = seq.next_element()? {
            if events.len() == MAX_EVENTS {
                return Err(de::Error::custom("it has more than 10,000 elements"));
            }
            events.push((self.make)(events.len(), event));
        }
        Ok(events)
    }
}
