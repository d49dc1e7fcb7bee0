//! One-line descriptions of schemas, in the terms of the document.

use serde_json::{Map, Value};

pub use super::view::reference;

/// The type of a schema: `string (uuid)`, `[CallParticipant]`, `{string: object}`.
#[cfg(test)]
pub fn type_of(schema: &Value) -> String {
    describe(schema, &str::to_owned)
}

/// The type of a schema. `name` replaces the names of the schemas to which it refers.
pub fn describe(schema: &Value, name: &dyn Fn(&str) -> String) -> String {
    let anything = || "anything".to_owned();
    let Some(members) = schema.as_object() else {
        return anything();
    };
    if let Some(target) = reference(schema) {
        return name(target);
    }
    if let Some(Value::Array(parts)) = members.get("allOf") {
        let parts: Vec<_> = parts.iter().map(|part| describe(part, name)).collect();
        return parts.join(" + ");
    }
    let nested = |member: &str| members.get(member).map(|schema| describe(schema, name));
    match string(members, "type") {
        None => anything(),
        Some("array") => format!("[{}]", nested("items").unwrap_or_else(anything)),
        Some("object") => match members.get("additionalProperties") {
            Some(Value::Object(_)) => {
                let values = nested("additionalProperties").unwrap_or_else(anything);
                format!("{{string: {values}}}")
            }
            _ => "object".to_owned(),
        },
        Some(of) => match string(members, "format") {
            Some(format) => format!("{of} ({format})"),
            None => of.to_owned(),
        },
    }
}

/// Members that restrict a value beyond its type, with their display text.
const LIMITS: &[(&str, &str)] = &[
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("exclusiveMinimum", "minimum excluded: {}"),
    ("exclusiveMaximum", "maximum excluded: {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("pattern", "pattern {}"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("uniqueItems", "unique items: {}"),
    ("minProperties", "at least {} members"),
    ("maxProperties", "at most {} members"),
];

/// The restrictions on a value as text, by keyword.
pub fn limits(schema: &Value) -> Vec<(&'static str, String)> {
    LIMITS
        .iter()
        .filter_map(|(keyword, words)| {
            let value = schema.get(*keyword)?;
            Some((*keyword, words.replace("{}", &value.to_string())))
        })
        .collect()
}

/// The properties of a schema, including those of inline parts of `allOf`.
#[cfg(test)]
pub fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    inline(schema)
        .filter_map(|part| part.get("properties")?.as_object())
        .flatten()
}

#[cfg(test)]
fn inline(schema: &Value) -> impl Iterator<Item = &Value> {
    let parts = schema.get("allOf").and_then(Value::as_array);
    std::iter::once(schema).chain(parts.into_iter().flatten())
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
