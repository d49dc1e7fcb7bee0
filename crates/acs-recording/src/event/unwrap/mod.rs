//! From what carries events to the events: queue messages, output of tools, base64, JSON in text.
//!
//! It knows the shape of an event and nothing of its contents. Every step goes from a value to
//! parts of it that do not overlap, and there are at most [`MAX_DEPTH`] steps, so the work is
//! proportional to the input.

mod encoded;
mod naming;
mod queue_xml;
mod wrapper;

use serde_json::value::RawValue;

pub(super) use encoded::json_in_text;
pub(super) use naming::binary;
pub(super) use wrapper::Attributes;

use super::wire::{Batch, MAX_EVENTS};
use wrapper::Object;

/// How many wrappers may be around an event. Arrays, text and base64 count as well.
pub(super) const MAX_DEPTH: usize = 16;

/// Something that was found in a body.
pub(super) enum Found<'a> {
    /// A JSON value that should be an event.
    Json {
        json: &'a str,
        attributes: &'a Attributes,
    },
    /// Something else, with a name for what it is.
    Other {
        reason: &'a str,
        raw: &'a str,
        /// It was posted like this, and not in something else.
        is_body: bool,
    },
}

/// An invocation of an Azure Functions custom handler, by what triggered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// An HTTP request, which the handler is to answer through an output.
    Http,
    /// Anything else.
    Event,
}

/// Gives everything in a text to `found`, which returns whether it could be read.
pub(super) fn unwrap(text: &str, found: &mut dyn FnMut(Found<'_>) -> bool) -> Option<Invocation> {
    let mut walker = Walker {
        found,
        failures: 0,
        invocation: None,
    };
    walker.text(text, 0, &Attributes::default());
    if walker.is_over() {
        let reason = "more than 10,000 elements cannot be read; the rest of it was not tried";
        (walker.found)(Found::Other {
            reason,
            raw: text,
            is_body: true,
        });
    }
    walker.invocation
}

struct Walker<'f> {
    found: &'f mut dyn FnMut(Found<'_>) -> bool,
    failures: usize,
    invocation: Option<Invocation>,
}

impl Walker<'_> {
    /// Errors are larger than what they are about, so there is a limit to them.
    fn is_over(&self) -> bool {
        self.failures > MAX_EVENTS
    }

    fn json(&mut self, json: &str, attributes: &Attributes) {
        if !self.is_over() && !(self.found)(Found::Json { json, attributes }) {
            self.failures += 1;
        }
    }

    fn other(&mut self, reason: &str, raw: &str, is_body: bool) {
        if !self.is_over() {
            (self.found)(Found::Other {
                reason,
                raw,
                is_body,
            });
            self.failures += 1;
        }
    }

    /// Text is JSON values one after another, or XML, or an encoding of these.
    ///
    /// Where the JSON is broken, the next value begins at a line of its own.
    fn text(&mut self, text: &str, depth: usize, attributes: &Attributes) {
        let text = encoded::trim(text);
        let is_body = depth == 0;
        if depth > MAX_DEPTH {
            return self.other(&too_deep(), text, is_body);
        }
        if text.is_empty() {
            return self.other("it is empty", text, is_body);
        }
        if text.starts_with('<') {
            return self.xml(text, depth, attributes);
        }
        let mut rest = self.values(text, depth, attributes);
        if rest.starts_with('[') {
            rest = self.broken_array(rest, depth, attributes);
        }
        if rest.is_empty() || self.encoded(rest, depth, attributes) {
            return;
        }
        let pieces: Vec<_> = encoded::pieces(rest).collect();
        for piece in &pieces {
            if self.is_over() {
                return;
            }
            let rest = self.values(piece, depth, attributes);
            // What is left of an array around other pieces.
            let is_punctuation = pieces.len() > 1 && rest.trim_matches(['[', ']', ',']).is_empty();
            if !is_punctuation && !rest.is_empty() && !self.encoded(rest, depth, attributes) {
                let is_body = is_body && rest.len() == text.len();
                self.other(&naming::text(rest), rest, is_body);
            }
        }
    }

    /// Reads the whole values that a text begins with, and returns what follows.
    fn values<'t>(&mut self, text: &'t str, depth: usize, attributes: &Attributes) -> &'t str {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut end = 0;
        while let Some(Ok(value)) = values.next() {
            end = values.byte_offset();
            self.value(value.get(), depth, attributes);
        }
        encoded::trim(text.get(end..).unwrap_or_default())
    }

    /// Decodes base64, text in quotes, or JSON with escaped quotation marks; false if it is none of
    /// these.
    fn encoded(&mut self, text: &str, depth: usize, attributes: &Attributes) -> bool {
        let decoded = encoded::base64(text)
            .or_else(|| encoded::unescape(text))
            .or_else(|| encoded::unquote(text));
        if let Some(decoded) = &decoded {
            self.text(decoded, depth + 1, attributes);
        }
        decoded.is_some()
    }

    fn value(&mut self, json: &str, depth: usize, attributes: &Attributes) {
        if depth > MAX_DEPTH {
            return self.other(&too_deep(), json, false);
        }
        match json.as_bytes().first() {
            Some(b'[') => {
                if let Err((error, rest)) = self.elements(json, depth, attributes) {
                    self.other(&error.to_string(), rest, depth == 0);
                }
            }
            Some(b'"') => match serde_json::from_str::<String>(json) {
                Ok(text) => self.text(&text, depth + 1, attributes),
                Err(error) => self.other(&error.to_string(), json, false),
            },
            Some(b'{') => self.object(json, depth, attributes),
            _ => self.json(json, attributes),
        }
    }

    /// Reads the elements of an array up to where it is broken, if it is.
    fn elements<'t>(
        &mut self,
        json: &'t str,
        depth: usize,
        attributes: &Attributes,
    ) -> Result<(), (serde_json::Error, &'t str)> {
        let mut end = 0;
        let read = Batch(|_, element: &RawValue| {
            let element = element.get();
            end = element.as_ptr().addr() - json.as_ptr().addr() + element.len();
            self.value(element, depth + 1, attributes);
        });
        match read.read(json) {
            Ok(_) => Ok(()),
            Err(error) => Err((error, json.get(end..).unwrap_or_default())),
        }
    }

    /// Reads the whole elements of an array that has no good end, and returns what follows them.
    fn broken_array<'t>(
        &mut self,
        json: &'t str,
        depth: usize,
        attributes: &Attributes,
    ) -> &'t str {
        let Err((_, rest)) = self.elements(json, depth, attributes) else {
            return "";
        };
        // No element is whole.
        if rest.len() == json.len() {
            return json;
        }
        let rest = encoded::trim(rest);
        let rest = encoded::trim(rest.strip_prefix(',').unwrap_or(rest));
        if rest.is_empty() {
            self.other(&naming::cut_off(json), json, depth == 0);
        }
        rest
    }

    fn object(&mut self, json: &str, depth: usize, attributes: &Attributes) {
        let Ok(object) = serde_json::from_str::<Object<'_>>(json) else {
            return self.json(json, attributes);
        };
        if object.is_event() {
            return self.json(json, attributes);
        }
        if let Some(bytes) = object.buffer() {
            return self.text(&crate::text::decode_lossy(&bytes), depth + 1, attributes);
        }
        if let Some(reason) = naming::object(&object) {
            return self.other(&reason, json, false);
        }
        let merged = attributes.merged(&object);
        if let Some(inputs) = object.function_inputs() {
            return self.invocation(json, &inputs, depth, &merged);
        }
        match object.payload() {
            Some(Ok(payload)) => self.value(payload, depth + 1, &merged),
            Some(Err(reason)) => self.other(&reason, json, false),
            // What is missing is for the parser of events to say.
            None => self.json(json, attributes),
        }
    }

    fn invocation(
        &mut self,
        json: &str,
        inputs: &Object<'_>,
        depth: usize,
        attributes: &Attributes,
    ) {
        let kind = if inputs.has_http_request() {
            Invocation::Http
        } else {
            Invocation::Event
        };
        if depth == 0 {
            self.invocation = Some(kind);
        }
        let mut is_empty = true;
        for input in inputs.values().filter(|input| wrapper::may_hold(input)) {
            is_empty = false;
            self.value(input, depth + 2, attributes);
        }
        if is_empty {
            let reason = "it is an invocation of an Azure function without an event in its `Data`";
            self.other(reason, json, false);
        }
    }

    fn xml(&mut self, text: &str, depth: usize, attributes: &Attributes) {
        let Some(messages) = queue_xml::messages(text) else {
            return self.other(&naming::text(text), text, depth == 0);
        };
        for message in messages {
            let merged = attributes.with(message.attributes());
            match message.text() {
                Some(text) => self.text(&text, depth + 1, &merged),
                None => self.other("the queue message has no text", message.xml(), false),
            }
        }
    }
}

fn too_deep() -> String {
    format!("it is in more than {MAX_DEPTH} wrappers")
}
