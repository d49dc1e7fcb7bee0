//! Which schemas requests, responses and events contain.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

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
    let schemas = document.pointer("/components/schemas");
    let schemas = schemas.and_then(Value::as_object);
    let mut out = BTreeMap::new();
    let request = Reach {
        requests: true,
        ..Reach::default()
    };
    let response = Reach {
        responses: true,
        ..Reach::default()
    };
    let event = Reach {
        events: true,
        ..Reach::default()
    };
    if let Some(paths) = document.get("paths") {
        for (part, reach) in [
            ("responses", response),
            ("requestBody", request),
            ("parameters", request),
        ] {
            under(paths, part, &mut |value| {
                mark(value, reach, document, &mut out);
            });
        }
    }
    let parameters = document.pointer("/components/parameters");
    mark(
        parameters.unwrap_or(&Value::Null),
        request,
        document,
        &mut out,
    );
    let events: Vec<&String> = schemas
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| !out.contains_key(name.as_str()))
        .collect();
    for name in events {
        if let Some(schema) = schemas.and_then(|schemas| schemas.get(name)) {
            let known = out.entry(name.as_str()).or_default();
            *known = known.join(event);
            mark(schema, event, document, &mut out);
        }
    }
    out
}

/// Calls `visit` with every member named `name` below `value`.
fn under<'a>(value: &'a Value, name: &str, visit: &mut dyn FnMut(&'a Value)) {
    for (member, value) in value.as_object().into_iter().flatten() {
        if member == name {
            visit(value);
        } else {
            under(value, name, visit);
        }
    }
}

/// Marks every schema that `value` refers to, including `discriminator` mappings.
fn mark<'a>(
    value: &'a Value,
    reach: Reach,
    document: &'a Value,
    out: &mut BTreeMap<&'a str, Reach>,
) {
    match value {
        Value::String(text) => {
            let Some(name) = text.strip_prefix("#/components/schemas/") else {
                return;
            };
            let known = out.entry(name).or_default();
            let joined = known.join(reach);
            if *known != joined {
                *known = joined;
                let schema = document.pointer(text.trim_start_matches('#'));
                mark(schema.unwrap_or(&Value::Null), reach, document, out);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| mark(item, reach, document, out)),
        Value::Object(members) => members
            .values()
            .for_each(|member| mark(member, reach, document, out)),
        _ => {}
    }
}
