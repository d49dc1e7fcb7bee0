//! Removes from a document what would make a response fail to parse, or a request hard to build.

use serde_json::{Map, Value};

/// The service checks values itself. A limit that changes must not make parsing fail.
const LIMITS: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// String formats that have a Rust type. Strings of other formats stay strings.
const TYPED_FORMATS: &[&str] = &["binary", "date-time", "uuid"];

/// Relaxes every schema of a document.
pub fn relax(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas");
    for schema in schemas.and_then(Value::as_object_mut).into_iter().flatten() {
        relax_schema(schema.1, true);
    }
    if let Some(paths) = document.get_mut("paths") {
        relax_used(paths);
    }
    if let Some(parameters) = document.pointer_mut("/components/parameters") {
        relax_used(parameters);
    }
}

/// Relaxes the schemas of parameters and bodies, which are members named `schema`.
fn relax_used(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "schema" {
                    relax_schema(member, false);
                } else {
                    relax_used(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(relax_used),
        _ => {}
    }
}

fn relax_schema(schema: &mut Value, is_component: bool) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if members.get("additionalProperties") == Some(&Value::Bool(false)) {
        members.shift_remove("additionalProperties");
    }
    for limit in LIMITS {
        members.shift_remove(*limit);
    }
    // The client does not send the defaults of the service.
    members.shift_remove("default");
    let is_string = string(members, "type") == Some("string");
    // An enum without a name becomes a string; `lower` handles named enums.
    if !(is_component && is_string) {
        members.shift_remove("enum");
    }
    if is_string && string(members, "format").is_some_and(|format| !TYPED_FORMATS.contains(&format))
    {
        members.shift_remove("format");
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in properties.values_mut() {
            relax_schema(property, false);
        }
    }
    for member in ["additionalProperties", "items"] {
        if let Some(nested) = members.get_mut(member) {
            relax_schema(nested, false);
        }
    }
    if let Some(Value::Array(parts)) = members.get_mut("allOf") {
        for part in parts {
            relax_schema(part, false);
        }
    }
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
