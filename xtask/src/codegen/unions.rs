//! Discriminated types, which progenitor drops and we emit as enums.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::names::{self, Scope};
use super::parts::{
    entries, entries_mut, parts, reference, referenced, schema_pointer, text, visit_references,
};

/// A base type with several subtypes, which are distinguished by the value of one member.
#[derive(Debug)]
pub struct Union {
    pub name: String,
    pub description: Option<String>,
    pub tag: String,
    pub variants: Vec<Variant>,
}

#[derive(Debug)]
pub struct Variant {
    /// The value of the tag.
    pub wire: String,
    pub name: String,
    /// The struct with the members of the subtype, without the tag.
    pub schema: String,
    /// Whether the subtype contains the union, and must be boxed.
    pub is_recursive: bool,
}

/// Removes discriminated base types, and adds their members to their subtypes.
///
/// A reference to a subtype becomes one to its union, because only the union has the tag.
pub fn take_unions(document: &mut Value, schemas: &mut Map<String, Value>) -> Result<Vec<Union>> {
    let mut unions = find(schemas);
    let is_union: BTreeSet<String> = unions.iter().map(|union| union.name.clone()).collect();
    let mut flat = BTreeMap::new();
    for union in &mut unions {
        for variant in &mut union.variants {
            let mut schema = flatten(&variant.schema, schemas, &mut Vec::new())?;
            without(&mut schema, &union.tag);
            // A subtype with subtypes of its own is a union and, for its own value, a struct. One of
            // several unions needs a struct for each of them, because the tags differ.
            while schemas.contains_key(&variant.schema) && is_union.contains(&variant.schema)
                || flat
                    .get(&variant.schema)
                    .is_some_and(|known| *known != schema)
            {
                variant.schema = format!("{}Of{}", variant.schema, union.name);
            }
            flat.insert(variant.schema.clone(), schema);
        }
    }
    let mut to_union = BTreeMap::new();
    for union in &unions {
        for variant in &union.variants {
            if let Some(base) = nearest(&variant.schema, schemas, &is_union) {
                to_union.insert(reference(&variant.schema), reference(&base));
            }
        }
    }
    for (name, schema) in flat {
        schemas.insert(name, schema);
    }
    // The base schema only reserves the name. Our own type replaces it.
    for union in &unions {
        schemas.insert(union.name.clone(), json!({"type": "object"}));
    }
    let mut redirect = |target: &mut String| {
        if let Some(base) = to_union.get(target) {
            target.clone_from(base);
        }
        Ok(())
    };
    visit_references(document, &mut redirect)?;
    for schema in schemas.values_mut() {
        // Bases stay; they are merged, so that their members are needed and not their tag.
        for (_, property) in entries_mut(schema.get_mut("properties")) {
            visit_references(property, &mut redirect)?;
        }
        for member in ["items", "additionalProperties"] {
            if let Some(value) = schema.get_mut(member) {
                visit_references(value, &mut redirect)?;
            }
        }
    }
    box_recursive(&mut unions, schemas);
    Ok(unions)
}

fn find(schemas: &Map<String, Value>) -> Vec<Union> {
    let mut unions = Vec::new();
    for (name, schema) in schemas {
        let mapping: Vec<_> = entries(schema.pointer("/discriminator/mapping")).collect();
        let tag = schema
            .pointer("/discriminator/propertyName")
            .and_then(Value::as_str);
        let (Some(tag), false) = (tag, mapping.is_empty()) else {
            continue;
        };
        let mut scope = Scope::reserving(&["UnknownValue"]);
        let variants = mapping
            .into_iter()
            .filter_map(|(wire, target)| {
                Some(Variant {
                    wire: wire.clone(),
                    name: scope.camel(&names::variant(wire)),
                    schema: target.as_str()?.rsplit('/').next()?.to_owned(),
                    is_recursive: false,
                })
            })
            .collect();
        unions.push(Union {
            name: name.clone(),
            description: text(schema),
            tag: tag.to_owned(),
            variants,
        });
    }
    unions
}

/// The union from which a subtype derives most directly.
fn nearest(name: &str, schemas: &Map<String, Value>, unions: &BTreeSet<String>) -> Option<String> {
    let mut level = vec![name.to_owned()];
    let mut seen = BTreeSet::new();
    while !level.is_empty() {
        let bases: Vec<String> = level
            .iter()
            .filter_map(|name| schemas.get(name))
            .flat_map(|schema| parts(schema).filter_map(referenced))
            .filter(|base| seen.insert((*base).to_owned()))
            .map(str::to_owned)
            .collect();
        if let Some(base) = bases.iter().find(|base| unions.contains(*base)) {
            return Some(base.clone());
        }
        level = bases;
    }
    None
}

/// Replaces every `allOf` of a schema with the members of its parts.
pub fn flatten_all(schemas: &mut Map<String, Value>) -> Result<()> {
    let names: Vec<String> = schemas
        .iter()
        .filter(|(_, schema)| schema.get("allOf").is_some())
        .map(|(name, _)| name.clone())
        .collect();
    let flat = names
        .into_iter()
        .map(|name| Ok((name.clone(), flatten(&name, schemas, &mut Vec::new())?)))
        .collect::<Result<Vec<_>>>()?;
    schemas.extend(flat);
    Ok(())
}

/// One object schema with the members of `name` and of the types under `allOf`.
fn flatten(name: &str, schemas: &Map<String, Value>, seen: &mut Vec<String>) -> Result<Value> {
    if seen.iter().any(|known| known == name) {
        bail!("{}/allOf: circular", schema_pointer(name));
    }
    seen.push(name.to_owned());
    let schema = schemas
        .get(name)
        .ok_or_else(|| anyhow!("{}: missing", schema_pointer(name)))?;
    let mut flat = Map::new();
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    let mut take = |part: &Value| {
        for (member, value) in entries(Some(part)) {
            match (member.as_str(), value) {
                ("properties", Value::Object(own)) => {
                    properties.extend(own.clone());
                }
                ("required", Value::Array(own)) => {
                    for property in own {
                        if !required.contains(property) {
                            required.push(property.clone());
                        }
                    }
                }
                ("allOf" | "discriminator" | "description" | "x-ms-discriminator-value", _) => {}
                _ => {
                    flat.insert(member.clone(), value.clone());
                }
            }
        }
    };
    for part in parts(schema) {
        match referenced(part) {
            Some(base) => take(&flatten(base, schemas, seen)?),
            None => take(part),
        }
    }
    take(schema);
    seen.pop();
    if !properties.is_empty() || flat.get("type").is_none_or(|of| of == "object") {
        flat.insert("type".into(), "object".into());
        flat.insert("properties".into(), properties.into());
    }
    if !required.is_empty() {
        flat.insert("required".into(), required.into());
    }
    if let Some(description) = text(schema) {
        flat.insert("description".into(), description.into());
    }
    Ok(flat.into())
}

/// Removes a property.
fn without(schema: &mut Value, property: &str) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.shift_remove(property);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str() != Some(property));
    }
}

/// Marks the variants that contain their union without a list or a map between.
fn box_recursive(unions: &mut [Union], schemas: &Map<String, Value>) {
    for index in 0..unions.len() {
        for variant in 0..unions[index].variants.len() {
            let start = unions[index].variants[variant].schema.clone();
            let is_recursive = contains(&start, &unions[index].name, unions, schemas);
            unions[index].variants[variant].is_recursive = is_recursive;
        }
    }
}

/// Whether a value of a type contains one of another type that is not boxed.
pub fn contains(from: &str, target: &str, unions: &[Union], schemas: &Map<String, Value>) -> bool {
    let mut pending = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if name == target {
            return true;
        }
        if !seen.insert(name) {
            continue;
        }
        if let Some(union) = unions.iter().find(|union| union.name == name) {
            let variants = union
                .variants
                .iter()
                .filter(|variant| !variant.is_recursive);
            pending.extend(variants.map(|variant| variant.schema.as_str()));
        } else if let Some(schema) = schemas.get(name) {
            let own = entries(schema.get("properties"));
            let nested = parts(schema).flat_map(|part| entries(part.get("properties")));
            for (_, property) in own.chain(nested) {
                pending.extend(referenced(property));
                pending.extend(parts(property).filter_map(referenced));
            }
            pending.extend(parts(schema).filter_map(referenced));
        }
    }
    false
}
