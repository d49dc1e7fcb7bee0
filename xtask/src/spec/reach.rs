//! Which schemas requests, responses and events contain.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::view::{Body, Document};

/// The messages that contain a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub requests: bool,
    pub responses: bool,
    pub events: bool,
}

impl Reach {
    /// Whether callers write it.
    pub fn is_written(self) -> bool {
        self.requests
    }

    /// Whether parsers read it.
    pub fn is_read(self) -> bool {
        self.responses || self.events
    }

    pub fn join(self, other: Self) -> Self {
        Self {
            requests: self.requests || other.requests,
            responses: self.responses || other.responses,
            events: self.events || other.events,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.requests, "requests"),
            (self.responses, "responses"),
            (self.events, "events"),
        ];
        let words: Vec<_> = words
            .into_iter()
            .filter_map(|(is, word)| is.then_some(word))
            .collect();
        f.write_str(&words.join(", "))
    }
}

/// The reach of every schema of an `OpenAPI` document.
///
/// A schema that no operation refers to is the data of an event, because events are listed only as
/// schemas.
pub fn reach(document: &Value) -> BTreeMap<&str, Reach> {
    let view = Document::new(document);
    let mut marks = Marks {
        document: view,
        reach: BTreeMap::new(),
    };
    for operation in view.operations() {
        for response in operation.responses().into_values() {
            for schema in response.content().into_values() {
                marks.mark(schema.value(), RESPONSE);
            }
            for schema in response.headers().into_values() {
                marks.mark(schema.value(), RESPONSE);
            }
        }
        let content = operation.request().map(Body::content);
        for schema in content.into_iter().flat_map(BTreeMap::into_values) {
            marks.mark(schema.value(), REQUEST);
        }
        for parameter in operation.parameters() {
            marks.mark(parameter.schema().value(), REQUEST);
        }
    }
    if let Some(shared) = view.at("#/components/parameters") {
        marks.mark(shared, REQUEST);
    }
    let events: Vec<_> = view
        .schemas()
        .filter(|(name, _)| !marks.reach.contains_key(name))
        .collect();
    for (name, schema) in events {
        let known = marks.reach.entry(name).or_default();
        *known = known.join(EVENT);
        marks.mark(schema.value(), EVENT);
    }
    marks.reach
}

pub const REQUEST: Reach = Reach {
    requests: true,
    responses: false,
    events: false,
};
pub const RESPONSE: Reach = Reach {
    requests: false,
    responses: true,
    events: false,
};
const EVENT: Reach = Reach {
    requests: false,
    responses: false,
    events: true,
};

struct Marks<'a> {
    document: Document<'a>,
    reach: BTreeMap<&'a str, Reach>,
}

impl<'a> Marks<'a> {
    /// Marks every schema that `value` refers to, including `discriminator` mappings.
    fn mark(&mut self, value: &'a Value, reach: Reach) {
        match value {
            Value::String(text) => {
                let Some(name) = text.strip_prefix("#/components/schemas/") else {
                    return;
                };
                let known = self.reach.entry(name).or_default();
                let joined = known.join(reach);
                if *known != joined {
                    *known = joined;
                    if let Some(schema) = self.document.schema(name) {
                        self.mark(schema.value(), reach);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.mark(item, reach)),
            Value::Object(members) => members.values().for_each(|member| self.mark(member, reach)),
            _ => {}
        }
    }
}
