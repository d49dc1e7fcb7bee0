//! From our `OpenAPI` document to what progenitor can generate from.
//!
//! progenitor closes enums, drops discriminators, refuses unknown members where a schema says
//! `additionalProperties: false`, and panics on an error response beside a typed success. What it
//! cannot express is taken out here and emitted by us.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use heck::ToSnakeCase;
use serde_json::{Map, Value, json};

use crate::spec::prose::ENUM_TEXTS;

/// The input of progenitor, and what we emit ourselves.
#[derive(Debug)]
pub struct Lowered {
    pub document: Value,
    pub enums: Vec<OpenEnum>,
    pub unions: Vec<Union>,
}

/// A string enum that must survive values it does not know.
#[derive(Debug)]
pub struct OpenEnum {
    pub name: String,
    pub description: Option<String>,
    /// Wire value and its description.
    pub values: Vec<(String, Option<String>)>,
}

/// A base type that is one of several subtypes, told apart by the value of one member.
#[derive(Debug)]
pub struct Union {
    pub name: String,
    pub description: Option<String>,
    pub tag: String,
    /// Tag value and the subtype's name.
    pub variants: Vec<(String, String)>,
}

pub fn lower(document: &Value) -> Result<Lowered> {
    let mut document = document.clone();
    lift_api_version(&mut document)?;
    keep_success_responses(&mut document)?;
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| anyhow!("#/components/schemas: missing"))?;
    check_names(schemas)?;
    let unions = take_unions(schemas)?;
    let enums = find_enums(schemas);
    for (_, schema) in schemas.iter_mut() {
        relax(schema);
    }
    Ok(Lowered {
        document,
        enums,
        unions,
    })
}

/// The transport seam sends the version, in the query; no operation takes it as an argument.
fn lift_api_version(document: &mut Value) -> Result<()> {
    let is_version = |parameter: &Value| {
        parameter.get("in").and_then(Value::as_str) == Some("query")
            && parameter.get("name").and_then(Value::as_str) == Some("api-version")
    };
    let shared: BTreeSet<String> = entries(document.pointer("/components/parameters"))
        .filter(|(_, parameter)| is_version(parameter))
        .map(|(name, _)| format!("#/components/parameters/{name}"))
        .collect();
    let paths = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| anyhow!("#/paths: missing"))?;
    for (path, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if method == "parameters" {
                continue;
            }
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            let removed = parameters.map_or(0, |parameters| {
                let before = parameters.len();
                parameters.retain(|parameter| {
                    let reference = parameter.get("$ref").and_then(Value::as_str);
                    !(is_version(parameter) || reference.is_some_and(|name| shared.contains(name)))
                });
                before - parameters.len()
            });
            if removed != 1 {
                bail!("#/paths/{path}/{method}: no `api-version` query parameter");
            }
        }
    }
    Ok(())
}

/// Leaves the successes; the caller decodes every failure from the raw response.
fn keep_success_responses(document: &mut Value) -> Result<()> {
    for (path, item) in entries_mut(document.get_mut("paths")) {
        for (method, operation) in entries_mut(Some(item)) {
            let Some(responses) = operation
                .get_mut("responses")
                .and_then(Value::as_object_mut)
            else {
                continue;
            };
            responses.retain(|status, _| status.starts_with('2'));
            let bodies: BTreeSet<String> = responses
                .values()
                .map(|response| {
                    response
                        .get("content")
                        .map_or(String::new(), Value::to_string)
                })
                .collect();
            match bodies.len() {
                0 => bail!("#/paths/{path}/{method}/responses: no success"),
                1 => {}
                _ => bail!(
                    "#/paths/{path}/{method}/responses: successes with different bodies cannot be \
                     generated"
                ),
            }
            let media_types = operation
                .pointer("/requestBody/content")
                .and_then(Value::as_object)
                .map_or(0, Map::len);
            if media_types > 1 {
                bail!("#/paths/{path}/{method}/requestBody: more than one media type");
            }
        }
    }
    Ok(())
}

/// Two names of the document that become one name in Rust would fail far from their cause.
fn check_names(schemas: &Map<String, Value>) -> Result<()> {
    for (name, schema) in schemas {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let own = entries(schema.get("properties"));
        let parts = schema.get("allOf").and_then(Value::as_array);
        let nested = parts
            .into_iter()
            .flatten()
            .flat_map(|part| entries(part.get("properties")));
        for (property, _) in own.chain(nested) {
            let rust = property.to_snake_case();
            if let Some(first) = seen.insert(rust.clone(), property) {
                bail!(
                    "#/components/schemas/{name}/properties/{property}: `{first}` is called \
                     `{rust}` in Rust too"
                );
            }
        }
    }
    Ok(())
}

/// Takes discriminated base types out, and folds what they hold into their subtypes.
fn take_unions(schemas: &mut Map<String, Value>) -> Result<Vec<Union>> {
    let mut unions = Vec::new();
    for (name, schema) in schemas.iter() {
        let mapping: Vec<_> = entries(schema.pointer("/discriminator/mapping")).collect();
        let tag = schema
            .pointer("/discriminator/propertyName")
            .and_then(Value::as_str);
        let (Some(tag), false) = (tag, mapping.is_empty()) else {
            continue;
        };
        let variants = mapping
            .into_iter()
            .filter_map(|(value, reference)| {
                Some((
                    value.clone(),
                    reference.as_str()?.rsplit('/').next()?.to_owned(),
                ))
            })
            .collect();
        unions.push(Union {
            name: name.clone(),
            description: text(schema),
            tag: tag.to_owned(),
            variants,
        });
    }
    for union in &unions {
        for (_, variant) in &union.variants {
            let flat = flatten(variant, schemas, union, &mut Vec::new())?;
            schemas.insert(variant.clone(), flat);
        }
    }
    // What stays under the base's name only reserves it: our own type stands in its place.
    for union in &unions {
        schemas.insert(union.name.clone(), json!({"type": "object"}));
    }
    Ok(unions)
}

/// One object schema of everything that `name` and the types under `allOf` hold, without the tag.
fn flatten(
    name: &str,
    schemas: &Map<String, Value>,
    union: &Union,
    seen: &mut Vec<String>,
) -> Result<Value> {
    if seen.iter().any(|known| known == name) {
        bail!("#/components/schemas/{name}: `allOf` is circular");
    }
    seen.push(name.to_owned());
    let schema = schemas
        .get(name)
        .ok_or_else(|| anyhow!("#/components/schemas/{name}: missing"))?;
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut take = |part: &Value| {
        for (property, value) in entries(part.get("properties")) {
            if *property != union.tag {
                properties.insert(property.clone(), value.clone());
            }
        }
        for property in part
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if property.as_str() != Some(&union.tag) && !required.contains(property) {
                required.push(property.clone());
            }
        }
    };
    take(schema);
    let parts = schema.get("allOf").and_then(Value::as_array);
    for part in parts.into_iter().flatten() {
        match part.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let base = reference.rsplit('/').next().unwrap_or(reference);
                take(&flatten(base, schemas, union, seen)?);
            }
            None => take(part),
        }
    }
    seen.pop();
    let mut flat = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        flat["required"] = Value::Array(required);
    }
    if let Some(description) = text(schema) {
        flat["description"] = description.into();
    }
    Ok(flat)
}

fn find_enums(schemas: &Map<String, Value>) -> Vec<OpenEnum> {
    schemas
        .iter()
        .filter(|(_, schema)| {
            schema.pointer("/x-ms-enum/modelAsString") == Some(&Value::Bool(true))
        })
        .map(|(name, schema)| OpenEnum {
            name: name.clone(),
            description: text(schema),
            values: schema
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|value| {
                    let text = schema.get(ENUM_TEXTS).and_then(|texts| texts.get(value));
                    (
                        value.to_owned(),
                        text.and_then(Value::as_str).map(str::to_owned),
                    )
                })
                .collect(),
        })
        .collect()
}

/// Removes the limits that would make reading what the service sends fail.
fn relax(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if members.get("additionalProperties") == Some(&Value::Bool(false)) {
        members.shift_remove("additionalProperties");
    }
    for limit in [
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
    ] {
        // A property may have the name of a keyword; then its value is a schema.
        if !members.get(limit).is_some_and(Value::is_object) {
            members.shift_remove(limit);
        }
    }
    for member in ["properties", "additionalProperties", "items"] {
        match members.get_mut(member) {
            Some(Value::Object(nested)) if member == "properties" => {
                nested.values_mut().for_each(relax);
            }
            Some(nested) => relax(nested),
            None => {}
        }
    }
    if let Some(Value::Array(parts)) = members.get_mut("allOf") {
        parts.iter_mut().for_each(relax);
    }
}

fn text(schema: &Value) -> Option<String> {
    schema
        .get("description")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn entries_mut(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "parameters")
}
