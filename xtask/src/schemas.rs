//! JSON Schemas of events and metadata documents, written under `spec/events`.
//!
//! The crate's own types bring theirs; the data of callbacks is described by the interface
//! description, whose schemas are made as open as events are.

use std::collections::{BTreeMap, BTreeSet};

use acs_recording::EventPayload;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// All schemas as text, by the names of their files.
pub fn all(description: &Value) -> Result<BTreeMap<String, String>> {
    let mut schemas: BTreeMap<&str, Value> = BTreeMap::new();
    for own in acs_recording::schema::all() {
        schemas.insert(own.name, own.schema.into());
    }
    for event_type in EventPayload::KNOWN_TYPES {
        let name = event_type.rsplit('.').next().unwrap_or(event_type);
        if !schemas.contains_key(name) {
            // Its data is that of a start, and the description does not list it.
            let model = if name == "TranscriptionResumed" {
                "TranscriptionStarted"
            } else {
                name
            };
            schemas.insert(name, of_description(description, model)?);
        }
    }
    schemas
        .into_iter()
        .map(|(name, schema)| {
            let text = serde_json::to_string_pretty(&schema)?;
            Ok((format!("{name}.schema.json"), text + "\n"))
        })
        .collect()
}

/// A schema of the description, with all that it refers to.
fn of_description(description: &Value, name: &str) -> Result<Value> {
    let mut definitions = Map::new();
    let mut open: Vec<String> = vec![name.to_owned()];
    let mut seen: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(next) = open.pop() {
        let schema = description
            .pointer(&format!("/components/schemas/{next}"))
            .with_context(|| format!("the description has no schema {next}"))?;
        let schema = convert(schema, &mut |reference| {
            if seen.insert(reference.to_owned()) {
                open.push(reference.to_owned());
            }
        });
        definitions.insert(next, schema);
    }
    let Some(Value::Object(root)) = definitions.remove(name) else {
        anyhow::bail!("{name} is no object");
    };
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("title".to_owned(), json!(name));
    schema.extend(root);
    if !definitions.is_empty() {
        definitions.sort_keys();
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Ok(Value::Object(schema))
}

/// From the dialect of the description, and from closed to open: members and values are added to
/// events without notice.
fn convert(schema: &Value, refer: &mut impl FnMut(&str)) -> Value {
    match schema {
        Value::Object(members) => {
            let mut open = Map::new();
            for (name, value) in members {
                match name.as_str() {
                    "$ref" => {
                        let target = value.as_str().and_then(|path| path.rsplit('/').next());
                        let target = target.unwrap_or_default();
                        refer(target);
                        open.insert(name.clone(), json!(format!("#/$defs/{target}")));
                    }
                    "enum" => drop(open.insert("examples".to_owned(), value.clone())),
                    "additionalProperties" | "nullable" | "discriminator" | "readOnly" => {}
                    _ if name.starts_with("x-") => {}
                    "properties" => {
                        let properties = value.as_object().into_iter().flatten();
                        let properties = properties
                            .map(|(name, value)| (name.clone(), or_null(convert(value, refer))));
                        open.insert(name.clone(), Value::Object(properties.collect()));
                    }
                    _ => drop(open.insert(name.clone(), convert(value, refer))),
                }
            }
            Value::Object(open)
        }
        Value::Array(values) => values.iter().map(|value| convert(value, refer)).collect(),
        other => other.clone(),
    }
}

/// The service writes `null` for what is missing.
fn or_null(mut schema: Value) -> Value {
    if let Some(Value::String(kind)) = schema.get("type") {
        schema["type"] = json!([kind, "null"]);
        schema
    } else {
        json!({"anyOf": [schema, {"type": "null"}]})
    }
}
