//! One-line descriptions of schemas, in the terms of the document.

use serde_json::{Map, Value};

/// The type of a schema: `string (uuid)`, `[CallParticipant]`, `{string: object}`.
pub fn type_of(schema: &Value) -> String {
    let Some(members) = schema.as_object() else {
        return "anything".to_owned();
    };
    if let Some(name) = reference(schema) {
        return name.to_owned();
    }
    if let Some(Value::Array(parts)) = members.get("allOf") {
        return parts.iter().map(type_of).collect::<Vec<_>>().join(" + ");
    }
    match string(members, "type") {
        None => "anything".to_owned(),
        Some("array") => format!(
            "[{}]",
            members.get("items").map_or("anything".to_owned(), type_of)
        ),
        Some("object") => match members.get("additionalProperties") {
            Some(value @ Value::Object(_)) => format!("{{string: {}}}", type_of(value)),
            _ => "object".to_owned(),
        },
        Some(name) => match string(members, "format") {
            Some(format) => format!("{name} ({format})"),
            None => name.to_owned(),
        },
    }
}

/// The name of the schema that a reference refers to.
pub fn reference(schema: &Value) -> Option<&str> {
    schema
        .get("$ref")?
        .as_str()?
        .strip_prefix("#/components/schemas/")
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
pub fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    inline(schema)
        .filter_map(|part| part.get("properties")?.as_object())
        .flatten()
}

/// Whether a property is required.
pub fn is_required(schema: &Value, property: &str) -> bool {
    inline(schema)
        .filter_map(|part| part.get("required")?.as_array())
        .flatten()
        .any(|name| name.as_str() == Some(property))
}

fn inline(schema: &Value) -> impl Iterator<Item = &Value> {
    let parts = schema.get("allOf").and_then(Value::as_array);
    std::iter::once(schema).chain(parts.into_iter().flatten())
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
