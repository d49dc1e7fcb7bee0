//! Objects that wrap events: the member with the events, and the properties beside it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use super::encoded;

/// The members that contain events, the most specific first. Case and punctuation are ignored.
const PAYLOADS: [&str; 12] = [
    // `az storage message`, and Logic Apps (`$content`).
    "content",
    "messagetext",
    "contentdata",
    // Event Grid namespaces, which have a list of them in `value` or `details`.
    "event",
    "events",
    "value",
    "details",
    // Service Bus, Event Hubs, HTTP requests.
    "body",
    "messages",
    "message",
    "payload",
    "data",
];

/// Members with further properties of a message.
const PROPERTIES: [&str; 5] = [
    "brokerproperties",
    "systemproperties",
    "messageproperties",
    "properties",
    "metadata",
];

/// The properties of messages, and the attributes that events get.
const ATTRIBUTES: [(&str, &str); 19] = [
    ("id", "messageId"),
    ("messageid", "messageId"),
    ("dequeuecount", "dequeueCount"),
    ("insertiontime", "insertionTime"),
    ("insertedon", "insertionTime"),
    ("expirationtime", "expirationTime"),
    ("expireson", "expirationTime"),
    ("timenextvisible", "timeNextVisible"),
    ("nextvisibleon", "timeNextVisible"),
    ("nextvisibletime", "timeNextVisible"),
    ("popreceipt", "popReceipt"),
    ("locktoken", "lockToken"),
    ("deliverycount", "deliveryCount"),
    ("sequencenumber", "sequenceNumber"),
    ("enqueuedtime", "enqueuedTime"),
    ("enqueuedtimeutc", "enqueuedTime"),
    ("deadletterreason", "deadLetterReason"),
    ("deadlettererrordescription", "deadLetterErrorDescription"),
    ("deadlettersource", "deadLetterSource"),
];

/// Every event in a wrapper gets a copy of its attributes, so their size is limited.
const MAX_VALUE: usize = 512;
const MAX_ATTRIBUTES: usize = 2048;

/// The attributes from the wrappers of an event, those of inner ones first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Vec<(&'static str, Box<RawValue>)>);

impl Attributes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &RawValue)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Adds those of a wrapper further inside.
    pub(super) fn merged(&self, wrapper: &Object<'_>) -> Self {
        let nested = PROPERTIES.iter().filter_map(|name| {
            let properties = wrapper.get(name)?;
            serde_json::from_str::<Object<'_>>(properties).ok()
        });
        let nested: Vec<_> = nested.collect();
        let mut merged = Self::default();
        for object in std::iter::once(wrapper).chain(&nested) {
            for (name, value) in &object.members {
                if let Some(name) = attribute(name) {
                    merged.add(name, value);
                }
            }
        }
        merged.and(self)
    }

    /// Adds texts from a wrapper further inside.
    pub(super) fn with(&self, texts: Vec<(String, String)>) -> Self {
        let mut merged = Self::default();
        for (name, text) in texts {
            let value = match text.parse::<u64>() {
                Ok(number) if name.to_ascii_lowercase().ends_with("count") => to_raw_value(&number),
                _ => to_raw_value(&text),
            };
            if let (Some(name), Ok(value)) = (attribute(&name), value) {
                merged.add(name, &value);
            }
        }
        merged.and(self)
    }

    fn and(mut self, outer: &Self) -> Self {
        for (name, value) in outer.iter() {
            self.add(name, value);
        }
        self
    }

    fn add(&mut self, name: &'static str, value: &RawValue) {
        let text = value.get();
        // Texts and numbers.
        let is_plain = !text.starts_with(['{', '[', 'n']) && text.len() <= MAX_VALUE;
        let known: usize = self.iter().map(|(_, value)| value.get().len()).sum();
        let is_new = self.iter().all(|(known, _)| known != name);
        if is_plain && is_new && text != "\"\"" && known + text.len() <= MAX_ATTRIBUTES {
            self.0.push((name, value.to_owned()));
        }
    }
}

fn attribute(name: &str) -> Option<&'static str> {
    let found = ATTRIBUTES.iter().find(|(known, _)| is_named(name, known));
    found.map(|(_, attribute)| *attribute)
}

/// Compares names without case and punctuation: `message_text`, `MessageText` and `messageText` are
/// `messagetext`.
fn is_named(name: &str, plain: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    letters
        .map(|letter| letter.to_ascii_lowercase())
        .eq(plain.bytes())
}

/// Whether a JSON value may contain an event.
pub(super) fn may_hold(json: &str) -> bool {
    match json.as_bytes().first() {
        Some(b'{' | b'[') => true,
        Some(b'"') => {
            serde_json::from_str::<String>(json).is_ok_and(|text| encoded::may_hold(&text))
        }
        _ => false,
    }
}

/// The members of a JSON object, unchanged and in order.
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// A member by its exact name.
    pub(super) fn exact(&self, name: &str) -> Option<&'a str> {
        let mut members = self.members.iter();
        let (_, value) = members.find(|(known, _)| known == name)?;
        Some(value.get())
    }

    /// A member by its name without case and punctuation.
    pub(super) fn get(&self, plain_name: &str) -> Option<&'a str> {
        let mut members = self.members.iter();
        let (_, value) = members.find(|(known, _)| is_named(known, plain_name))?;
        Some(value.get())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().map(|(_, value)| value.get())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_ref())
    }

    /// Whether it has the shape of an event in either schema. Then it is not a wrapper, whatever else
    /// it contains.
    pub(super) fn is_event(&self) -> bool {
        let has = |names: &[&str]| names.iter().any(|name| self.exact(name).is_some());
        if has(&["cloudEventsVersion"]) || self.is_buffer() {
            return false;
        }
        has(&["specversion", "specVersion"])
            || has(&["eventType", "type"])
                && has(&[
                    "id",
                    "source",
                    "topic",
                    "subject",
                    "data",
                    "data_base64",
                    "time",
                    "eventTime",
                ])
    }

    /// A `Buffer` of Node.js has the members of an event.
    fn is_buffer(&self) -> bool {
        self.exact("type") == Some("\"Buffer\"") && self.exact("id").is_none()
    }

    /// The bytes of a `Buffer` of Node.js.
    pub(super) fn buffer(&self) -> Option<Vec<u8>> {
        if !self.is_buffer() {
            return None;
        }
        serde_json::from_str(self.exact("data")?).ok()
    }

    /// The inputs of an Azure Functions custom handler.
    pub(super) fn function_inputs(&self) -> Option<Object<'a>> {
        self.exact("Metadata")
            .filter(|json| json.starts_with('{'))?;
        serde_json::from_str(self.exact("Data")?).ok()
    }

    /// Whether one of the inputs of a function is an HTTP request.
    pub(super) fn has_http_request(&self) -> bool {
        self.values().any(|input| {
            let request = serde_json::from_str::<Object<'_>>(input);
            request.is_ok_and(|it| it.exact("Method").is_some() && it.exact("Headers").is_some())
        })
    }

    /// The member that contains events. An error if there are such members, and all of them are empty.
    pub(super) fn payload(&self) -> Option<Result<&'a str, String>> {
        let has_id = self.exact("id").is_some();
        // An object with an id and data is an event without a type.
        let payloads = PAYLOADS.iter().filter(|name| !(has_id && **name == "data"));
        let mut empty = None;
        for name in payloads {
            let mut found = self
                .members
                .iter()
                .filter(|(known, _)| is_named(known, name));
            let Some((known, value)) = found.next() else {
                continue;
            };
            if found.next().is_some() {
                return Some(Err(format!("it has `{known}` twice")));
            }
            if may_hold(value.get()) {
                return Some(Ok(value.get()));
            }
            empty.get_or_insert_with(|| format!("its `{known}` contains no event"));
        }
        empty.map(Err)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Object { members })
    }
}
