//! Finds events in what carries them: queue messages, the output of tools, base64, JSON in text.
//!
//! It knows the shape of an event and nothing of its contents. Every step goes from a value to parts
//! of it that do not overlap, and there are at most [`MAX_DEPTH`] steps. The work is therefore
//! proportional to the input.

mod diagnosis;
mod encoded;
mod queue_xml;
mod wrapper;

use serde_json::value::RawValue;

pub(super) use diagnosis::binary_format;
pub(super) use encoded::json_in_text;
pub(super) use wrapper::Attributes;

use super::wire::{Batch, MAX_EVENTS};
use encoded::MAX_DEPTH;
use wrapper::Object;

/// A value that was found in a body.
pub(super) enum Found<'a> {
    /// A JSON value that may be an event.
    Json {
        json: &'a str,
        attributes: &'a Attributes,
    },
    /// Anything else, with a description of it.
    Other {
        reason: &'a str,
        raw: &'a str,
        /// Whether it is the body, and not a part of it.
        is_body: bool,
    },
}

/// What triggered the invocation of an Azure Functions custom handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionTrigger {
    /// An HTTP request. An output of the invocation is the response to it.
    Http,
    /// Anything else.
    Other,
}

/// Passes every value in a text to `found`, which returns whether it could be read. Returns the
/// trigger if the text is the invocation of a function.
pub(super) fn unwrap(
    text: &str,
    found: &mut dyn FnMut(Found<'_>) -> bool,
) -> Option<FunctionTrigger> {
    let mut walker = Walker {
        found,
        failures: 0,
        function_trigger: None,
    };
    walker.text(text, 0, &Attributes::default());
    if walker.has_given_up() {
        let reason = "more than 10,000 elements cannot be read; the rest was skipped";
        (walker.found)(Found::Other {
            reason,
            raw: text,
            is_body: true,
        });
    }
    walker.function_trigger
}

struct Walker<'f> {
    found: &'f mut dyn FnMut(Found<'_>) -> bool,
    failures: usize,
    function_trigger: Option<FunctionTrigger>,
}

impl Walker<'_> {
    /// Errors are larger than the values they are about, so their number is limited.
    fn has_given_up(&self) -> bool {
        self.failures > MAX_EVENTS
    }

    fn json(&mut self, json: &str, attributes: &Attributes) {
        if !self.has_given_up() && !(self.found)(Found::Json { json, attributes }) {
            self.failures += 1;
        }
    }

    fn other(&mut self, reason: &str, raw: &str, is_body: bool) {
        if !self.has_given_up() {
            (self.found)(Found::Other {
                reason,
                raw,
                is_body,
            });
            self.failures += 1;
        }
    }

    /// Walks text: concatenated JSON values, XML, or an encoding of these.
    ///
    /// Where the JSON is malformed, the next value begins at a new line.
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
            rest = self.malformed_array(rest, depth, attributes);
        }
        if rest.is_empty() || self.encoded(rest, depth, attributes) {
            return;
        }
        let pieces: Vec<_> = encoded::pieces(rest).collect();
        for piece in &pieces {
            if self.has_given_up() {
                return;
            }
            let rest = self.values(piece, depth, attributes);
            // The remains of an array around other pieces.
            let is_punctuation = pieces.len() > 1 && rest.trim_matches(['[', ']', ',']).is_empty();
            if !is_punctuation && !rest.is_empty() && !self.encoded(rest, depth, attributes) {
                let is_body = is_body && rest.len() == text.len();
                self.other(&diagnosis::text(rest), rest, is_body);
            }
        }
    }

    /// Walks the complete values at the start of a text, and returns the rest.
    fn values<'t>(&mut self, text: &'t str, depth: usize, attributes: &Attributes) -> &'t str {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut end = 0;
        while let Some(Ok(value)) = values.next() {
            end = values.byte_offset();
            self.value(value.get(), depth, attributes);
        }
        encoded::trim(text.get(end..).unwrap_or_default())
    }

    /// Decodes base64, text in quotes, or JSON with escaped quotation marks. Returns false if it is
    /// none of these.
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

    /// Walks the elements of an array, up to where it is malformed.
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

    /// Walks the complete elements of a malformed array, and returns the rest.
    fn malformed_array<'t>(
        &mut self,
        json: &'t str,
        depth: usize,
        attributes: &Attributes,
    ) -> &'t str {
        let Err((_, rest)) = self.elements(json, depth, attributes) else {
            return "";
        };
        // No element is complete.
        if rest.len() == json.len() {
            return json;
        }
        let rest = encoded::trim(rest);
        let rest = encoded::trim(rest.strip_prefix(',').unwrap_or(rest));
        if rest.is_empty() {
            self.other(&diagnosis::truncated(json), json, depth == 0);
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
        if let Some(reason) = diagnosis::object(&object) {
            return self.other(&reason, json, false);
        }
        let merged = attributes.merged(&object);
        if let Some(inputs) = object.function_inputs() {
            return self.function_invocation(json, &inputs, depth, &merged);
        }
        match object.payload() {
            Some(Ok(payload)) => self.value(payload, depth + 1, &merged),
            Some(Err(reason)) => self.other(&reason, json, false),
            // The reader of events says what is missing.
            None => self.json(json, attributes),
        }
    }

    fn function_invocation(
        &mut self,
        json: &str,
        inputs: &Object<'_>,
        depth: usize,
        attributes: &Attributes,
    ) {
        let trigger = if inputs.has_http_request() {
            FunctionTrigger::Http
        } else {
            FunctionTrigger::Other
        };
        if depth == 0 {
            self.function_trigger = Some(trigger);
        }
        let mut is_empty = true;
        for input in inputs.values().filter(|input| wrapper::may_hold(input)) {
            is_empty = false;
            self.value(input, depth + 2, attributes);
        }
        if is_empty {
            let reason = "it is an Azure Functions invocation without an event in its `Data`";
            self.other(reason, json, false);
        }
    }

    fn xml(&mut self, text: &str, depth: usize, attributes: &Attributes) {
        let Some(messages) = queue_xml::messages(text) else {
            return self.other(&diagnosis::text(text), text, depth == 0);
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
    format!("it is inside of more than {MAX_DEPTH} wrappers")
}
