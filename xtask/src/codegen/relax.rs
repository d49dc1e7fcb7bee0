//! Removes from a schema what would make a response fail to parse, or a request hard to build.

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

/// Formats that have a Rust type.
const TYPED_FORMATS: &[&str] = &["date-time", "uuid", "int32", "int64", "float", "double"];

/// Relaxes a schema and those in it.
pub fn relax(schema: &mut Value) {
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
    // An enum without a name becomes a string; `lower` has taken the others.
    members.shift_remove("enum");
    if string(members, "format").is_some_and(|format| !TYPED_FORMATS.contains(&format)) {
        members.shift_remove("format");
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in properties.values_mut() {
            relax(property);
        }
    }
    for member in ["additionalProperties", "items"] {
        if let Some(nested) = members.get_mut(member) {
            relax(nested);
        }
    }
    if let Some(Value::Array(parts)) = members.get_mut("allOf") {
        for part in parts {
            relax(part);
        }
    }
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
