//! Discriminated types, which progenitor drops and we emit as enums.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::names;
use super::parts::{entries, parts, reference, referenced, schema_pointer, text};

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
    pub schema: String,
}

/// Removes discriminated base types, and adds their members to their subtypes.
pub fn take_unions(schemas: &mut Map<String, Value>) -> Result<Vec<Union>> {
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
            .filter_map(|(wire, target)| {
                Some(Variant {
                    wire: wire.clone(),
                    name: names::variant(wire),
                    schema: target.as_str()?.rsplit('/').next()?.to_owned(),
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
    for union in &unions {
        check_variants(union, &unions, schemas)?;
    }
    let mut flat = Vec::new();
    for union in &unions {
        for variant in &union.variants {
            let schema = flatten(&variant.schema, schemas, union, &mut Vec::new())?;
            flat.push((variant.schema.clone(), schema));
        }
    }
    schemas.extend(flat);
    // The base schema only reserves the name. Our own type replaces it.
    for union in &unions {
        schemas.insert(union.name.clone(), json!({"type": "object"}));
    }
    Ok(unions)
}

/// Checks that subtypes are used only as variants of their union, because only the union has the
/// tag.
fn check_variants(union: &Union, unions: &[Union], schemas: &Map<String, Value>) -> Result<()> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for variant in &union.variants {
        let location = schema_pointer(&variant.schema);
        if let Some(first) = seen.insert(&variant.name, &variant.wire) {
            bail!(
                "{location}: the tags {first:?} and {:?} are the same variant in Rust",
                variant.wire
            );
        }
        if unions.iter().any(|other| other.name == variant.schema) {
            bail!(
                "{location}: a subtype of {} with subtypes of its own is not supported",
                union.name
            );
        }
        let target = reference(&variant.schema);
        let user = schemas.iter().find(|(_, schema)| {
            entries(schema.get("properties")).any(|(_, of)| mentions(of, &target))
        });
        if let Some((user, _)) = user {
            bail!(
                "{}: refers to {} and not to its base {}, which would lose the tag `{}`",
                schema_pointer(user),
                variant.schema,
                union.name,
                union.tag
            );
        }
    }
    Ok(())
}

fn mentions(value: &Value, target: &str) -> bool {
    match value {
        Value::Object(members) => {
            members.get("$ref").and_then(Value::as_str) == Some(target)
                || members.values().any(|member| mentions(member, target))
        }
        Value::Array(items) => items.iter().any(|item| mentions(item, target)),
        _ => false,
    }
}

/// Merges the members of `name` and of the types under `allOf` into one object schema, without the
/// tag.
fn flatten(
    name: &str,
    schemas: &Map<String, Value>,
    union: &Union,
    seen: &mut Vec<String>,
) -> Result<Value> {
    if seen.iter().any(|known| known == name) {
        bail!("{}/allOf: circular", schema_pointer(name));
    }
    seen.push(name.to_owned());
    let schema = schemas
        .get(name)
        .ok_or_else(|| anyhow!("{}: missing", schema_pointer(name)))?;
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut take = |part: &Value| {
        for (property, value) in entries(part.get("properties")) {
            if *property != union.tag {
                properties.insert(property.clone(), value.clone());
            }
        }
        let list = part.get("required").and_then(Value::as_array);
        for property in list.into_iter().flatten() {
            if property.as_str() != Some(&union.tag) && !required.contains(property) {
                required.push(property.clone());
            }
        }
    };
    take(schema);
    for part in parts(schema) {
        match referenced(part) {
            Some(base) => take(&flatten(base, schemas, union, seen)?),
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
