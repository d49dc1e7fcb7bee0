//! Lowers our `OpenAPI` document to one that progenitor can generate from.
//!
//! progenitor closes enums, drops discriminators, rejects unknown members if a schema has
//! `additionalProperties: false`, and panics on an error response beside a typed success. What it
//! cannot express is removed here and emitted separately.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

use super::check::{check_operations, check_schemas};
use super::names;
use super::parts::{entries, reference, referenced, schema_pointer, text};
use super::relax::relax;
use super::unions::{Union, take_unions};
use crate::spec::pointer;
use crate::spec::prose::ENUM_TEXTS;

/// The input of progenitor, and the types that we emit ourselves.
#[derive(Debug)]
pub struct Lowered {
    pub document: Value,
    pub enums: Vec<OpenEnum>,
    pub unions: Vec<Union>,
    pub aliases: Vec<Alias>,
}

/// A string enum that keeps unknown values.
#[derive(Debug)]
pub struct OpenEnum {
    pub name: String,
    pub description: Option<String>,
    pub values: Vec<EnumValue>,
}

#[derive(Debug)]
pub struct EnumValue {
    pub wire: String,
    /// The name of the variant.
    pub name: String,
    pub description: Option<String>,
}

/// An alias of a type.
#[derive(Debug)]
pub struct Alias {
    pub name: String,
    pub description: Option<String>,
    pub target: String,
}

pub fn lower(document: &Value) -> Result<Lowered> {
    let mut document = document.clone();
    lift_api_version(&mut document)?;
    check_operations(&document)?;
    keep_success_responses(&mut document)?;
    let aliases = take_aliases(&mut document)?;
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| anyhow!("#/components/schemas: missing"))?;
    check_schemas(schemas)?;
    let unions = take_unions(schemas)?;
    let enums = find_enums(schemas)?;
    relax(&mut document);
    Ok(Lowered {
        document,
        enums,
        unions,
        aliases,
    })
}

/// Removes the version from the parameters. The client adds it to the query of every request.
fn lift_api_version(document: &mut Value) -> Result<()> {
    let is_version = |parameter: &Value| {
        parameter.get("in").and_then(Value::as_str) == Some("query")
            && parameter.get("name").and_then(Value::as_str) == Some("api-version")
    };
    let shared: BTreeSet<String> = entries(document.pointer("/components/parameters"))
        .filter(|(_, parameter)| is_version(parameter))
        .map(|(name, _)| format!("#/components/parameters/{name}"))
        .collect();
    let take_from = |owner: &mut Value| {
        let parameters = owner.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.is_some_and(|parameters| {
            let before = parameters.len();
            parameters.retain(|parameter| {
                let reference = parameter.get("$ref").and_then(Value::as_str);
                !(is_version(parameter) || reference.is_some_and(|name| shared.contains(name)))
            });
            parameters.len() < before
        })
    };
    let paths = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| anyhow!("#/paths: missing"))?;
    for (path, item) in paths.iter_mut() {
        let of_the_path = take_from(item);
        for (method, operation) in operations_mut(item) {
            if !(take_from(operation) || of_the_path) {
                bail!(
                    "{}: no `api-version` query parameter",
                    pointer(&["paths", path, method])
                );
            }
        }
    }
    Ok(())
}

/// Keeps the successful responses. The caller decodes every failure from the raw response.
fn keep_success_responses(document: &mut Value) -> Result<()> {
    for (path, item) in entries_mut(document.get_mut("paths")) {
        for (method, operation) in operations_mut(item) {
            let location = pointer(&["paths", path, method, "responses"]);
            let responses = operation
                .get_mut("responses")
                .and_then(Value::as_object_mut)
                .ok_or_else(|| anyhow!("{location}: missing"))?;
            responses.retain(|status, _| status.starts_with('2'));
            let bodies: BTreeSet<String> = responses
                .values()
                .map(|response| {
                    let content = response.get("content");
                    content.map_or(String::new(), Value::to_string)
                })
                .collect();
            match bodies.len() {
                0 => bail!("{location}: no successful response"),
                1 => {}
                _ => bail!(
                    "{location}: successful responses with different bodies are not supported"
                ),
            }
        }
    }
    Ok(())
}

/// Removes schemas that are only a reference to another schema.
fn take_aliases(document: &mut Value) -> Result<Vec<Alias>> {
    let mut targets: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
    let schemas = document.pointer_mut("/components/schemas");
    let Some(schemas) = schemas.and_then(Value::as_object_mut) else {
        return Ok(Vec::new());
    };
    for (name, schema) in schemas.iter() {
        if let Some(target) = alias_of(schema) {
            targets.insert(name.clone(), (target.to_owned(), text(schema)));
        }
    }
    schemas.retain(|name, _| !targets.contains_key(name));
    let mut aliases = Vec::new();
    for (name, (target, description)) in &targets {
        let mut last = target;
        let mut steps = 0;
        while let Some((next, _)) = targets.get(last) {
            last = next;
            steps += 1;
            if steps > targets.len() {
                bail!("{}: the `$ref` is circular", schema_pointer(name));
            }
        }
        aliases.push(Alias {
            name: name.clone(),
            description: description.clone(),
            target: last.clone(),
        });
    }
    let renamed: BTreeMap<String, String> = aliases
        .iter()
        .map(|alias| (reference(&alias.name), reference(&alias.target)))
        .collect();
    rename_references(document, &renamed);
    Ok(aliases)
}

fn alias_of(schema: &Value) -> Option<&str> {
    let members = schema.as_object()?;
    let only = |known: &[&str]| members.keys().all(|name| known.contains(&name.as_str()));
    if only(&["$ref", "description"]) {
        return referenced(schema);
    }
    match members.get("allOf")?.as_array()?.as_slice() {
        [part] if only(&["allOf", "description"]) => referenced(part),
        _ => None,
    }
}

fn rename_references(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(target) = renamed.get(reference)
            {
                reference.clone_from(target);
            }
            members
                .values_mut()
                .for_each(|member| rename_references(member, renamed));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename_references(item, renamed)),
        _ => {}
    }
}

/// The open enums: all that the published description does not close.
fn find_enums(schemas: &Map<String, Value>) -> Result<Vec<OpenEnum>> {
    let mut enums = Vec::new();
    for (name, schema) in schemas {
        let is_string = schema.get("type").and_then(Value::as_str) == Some("string");
        let Some(Value::Array(list)) = schema.get("enum").filter(|_| is_string) else {
            continue;
        };
        if schema.get("x-ms-enum").is_some()
            && schema.pointer("/x-ms-enum/modelAsString") != Some(&Value::Bool(true))
        {
            continue;
        }
        let mut values: Vec<EnumValue> = Vec::new();
        for (index, wire) in list.iter().enumerate() {
            let location = || {
                let index = index.to_string();
                pointer(&["components", "schemas", name, "enum", &index])
            };
            let wire = wire
                .as_str()
                .ok_or_else(|| anyhow!("{}: {wire} is not a string", location()))?;
            let name = names::variant(wire);
            if let Some(first) = values.iter().find(|value| value.name == name) {
                bail!(
                    "{}: {wire:?} and {:?} are both called `{name}` in Rust",
                    location(),
                    first.wire
                );
            }
            let description = schema.get(ENUM_TEXTS).and_then(|texts| texts.get(wire));
            values.push(EnumValue {
                wire: wire.to_owned(),
                name,
                description: description.and_then(Value::as_str).map(str::to_owned),
            });
        }
        enums.push(OpenEnum {
            name: name.clone(),
            description: text(schema),
            values,
        });
    }
    Ok(enums)
}

fn operations_mut(item: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    entries_mut(Some(item)).filter(|(name, _)| *name != "parameters")
}

fn entries_mut(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}
