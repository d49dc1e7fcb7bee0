//! Lowers our `OpenAPI` document to what the types and the operations are generated from.
//!
//! progenitor closes enums, drops discriminators, merges `allOf` in its own way, rejects unknown
//! members if a schema has `additionalProperties: false`, and stops at names that clash. What it
//! cannot express is removed here and emitted separately. Each step takes the whole document:
//!
//! 1. [`inline`] names the objects that have no name.
//! 2. Schemas get their Rust names, which are unique.
//! 3. [`unions`] takes the types with subtypes out, and every `allOf` becomes a list of properties.
//! 4. Enums are taken out.
//! 5. [`relax`] removes limits.
//! 6. Properties get their Rust names, which are unique in their schema.
//! 7. [`operations`] reads the operations.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::names::{self, Scope};
use super::operations::{self, Operation};
use super::parts::{
    OPEN_ENUM, entries, entries_mut, parts, reference, referenced, schema_pointer, text,
    visit_references,
};
use super::relax::relax;
use super::rust_type::{Type, type_of};
use super::unions::{Union, take_unions};
use super::{inline, unions};
use crate::spec::pointer;
use crate::spec::prose::ENUM_TEXTS;

/// The input of progenitor, and what we emit ourselves.
#[derive(Debug)]
pub struct Lowered {
    pub title: String,
    pub description: Option<String>,
    pub version: String,
    /// The schemas from which progenitor generates structs. All names are Rust names.
    pub schemas: Map<String, Value>,
    /// The fields of the structs, by the name of the struct.
    pub structs: BTreeMap<String, Vec<Field>>,
    pub enums: Vec<OpenEnum>,
    pub unions: Vec<Union>,
    pub aliases: Vec<Alias>,
    pub values: Vec<NamedValue>,
    /// Objects without properties.
    pub objects: Vec<NamedValue>,
    pub operations: Vec<Operation>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub wire: String,
    /// Whether it is an optional list or map. The service writes `null` for one without items.
    pub null_is_empty: bool,
    /// Whether its value contains another value of the struct, and must be boxed.
    pub is_recursive: bool,
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

/// A named type of a value that is neither an enum nor a struct.
#[derive(Debug)]
pub struct NamedValue {
    pub name: String,
    pub description: Option<String>,
    pub of: Type,
}

pub fn lower(document: &Value) -> Result<Lowered> {
    let openapi = document.get("openapi").and_then(Value::as_str);
    if !openapi.is_some_and(|version| version.starts_with("3.0.")) {
        bail!("the document is not OpenAPI 3.0");
    }
    if !document.get("paths").is_some_and(Value::is_object) {
        bail!("#/paths: missing");
    }
    let mut document = document.clone();
    check_references(&mut document)?;
    inline::hoist(&mut document);
    let mut schemas = name_schemas(&mut document)?;
    let aliases = take_aliases(&mut document, &mut schemas)?;
    let unions = take_unions(&mut document, &mut schemas)?;
    unions::flatten_all(&mut schemas)?;
    let enums = take_enums(&mut schemas)?;
    for schema in schemas.values_mut() {
        relax(schema);
    }
    let (values, objects) = named_values(&schemas, &enums, &unions);
    let structs = name_fields(&mut schemas, &unions);
    let operations = operations::read(&document, &schemas)?;
    let info = |member: &str| {
        let value = document.pointer("/info")?.get(member)?;
        value.as_str().map(str::to_owned)
    };
    Ok(Lowered {
        title: info("title").unwrap_or_default(),
        description: info("description"),
        version: info("version").ok_or_else(|| anyhow!("#/info/version: missing"))?,
        schemas,
        structs,
        enums,
        unions,
        aliases,
        values,
        objects,
        operations,
    })
}

/// Fails if a `$ref` refers to nothing.
fn check_references(document: &mut Value) -> Result<()> {
    let whole = document.clone();
    visit_references(document, &mut |reference| match reference
        .strip_prefix('#')
        .and_then(|it| whole.pointer(it))
    {
        Some(_) => Ok(()),
        None => bail!("`$ref` {reference:?} refers to nothing"),
    })
}

/// Takes the schemas out of the document, by their Rust names, and renames all references.
fn name_schemas(document: &mut Value) -> Result<Map<String, Value>> {
    let schemas = document
        .pointer_mut("/components/schemas")
        .map(Value::take)
        .unwrap_or_default();
    let mut scope = Scope::default();
    let mut renamed = BTreeMap::new();
    let mut out = Map::new();
    for (name, schema) in entries(Some(&schemas)) {
        let rust = scope.camel(&names::type_name(name));
        renamed.insert(name.clone(), rust.clone());
        out.insert(rust, schema.clone());
    }
    let mut rename = |target: &mut String| {
        let name = target.strip_prefix("#/components/schemas/");
        if let Some(rust) = name.and_then(|name| renamed.get(&unescaped(name))) {
            *target = reference(rust);
        }
        Ok(())
    };
    visit_references(document, &mut rename)?;
    for schema in out.values_mut() {
        visit_references(schema, &mut rename)?;
        for (_, target) in entries_mut(schema.pointer_mut("/discriminator/mapping")) {
            if let Value::String(target) = target {
                rename(target)?;
            }
        }
    }
    Ok(out)
}

/// A name in a JSON pointer.
fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// Removes schemas that are only a reference to another schema.
fn take_aliases(document: &mut Value, schemas: &mut Map<String, Value>) -> Result<Vec<Alias>> {
    let mut targets: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
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
    let mut rename = |target: &mut String| {
        if let Some(last) = renamed.get(target) {
            target.clone_from(last);
        }
        Ok(())
    };
    visit_references(document, &mut rename)?;
    for schema in schemas.values_mut() {
        visit_references(schema, &mut rename)?;
        for (_, target) in entries_mut(schema.pointer_mut("/discriminator/mapping")) {
            if let Value::String(target) = target {
                rename(target)?;
            }
        }
    }
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

/// Removes the string enums. Each keeps unknown values, also those that the published description
/// closes, because a new value must not make a response unreadable.
fn take_enums(schemas: &mut Map<String, Value>) -> Result<Vec<OpenEnum>> {
    let mut enums = Vec::new();
    for (name, schema) in schemas.iter() {
        let is_string = schema.get("type").and_then(Value::as_str) == Some("string");
        let Some(Value::Array(list)) = schema.get("enum").filter(|_| is_string) else {
            continue;
        };
        let mut scope = Scope::reserving(&["UnknownValue"]);
        let mut values: Vec<EnumValue> = Vec::new();
        for (index, wire) in list.iter().enumerate() {
            let wire = match wire {
                Value::String(wire) => wire.clone(),
                Value::Bool(_) | Value::Number(_) => wire.to_string(),
                Value::Null => continue,
                _ => {
                    let index = index.to_string();
                    let location = pointer(&["components", "schemas", name, "enum", &index]);
                    bail!("{location}: {wire} is not a string");
                }
            };
            if values.iter().any(|value| value.wire == wire) {
                continue;
            }
            let description = schema.get(ENUM_TEXTS).and_then(|texts| texts.get(&wire));
            values.push(EnumValue {
                name: scope.camel(&names::variant(&wire)),
                wire,
                description: description.and_then(Value::as_str).map(str::to_owned),
            });
        }
        enums.push(OpenEnum {
            name: name.clone(),
            description: text(schema),
            values,
        });
    }
    // Only the name stays reserved. Our own type replaces it.
    for open in &enums {
        schemas.insert(
            open.name.clone(),
            json!({"type": "string", OPEN_ENUM: true}),
        );
    }
    Ok(enums)
}

/// The named scalars, and the objects without properties. Those of progenitor would be structs of
/// one unnamed field, so that the first property of an object would change what it is.
fn named_values(
    schemas: &Map<String, Value>,
    enums: &[OpenEnum],
    unions: &[Union],
) -> (Vec<NamedValue>, Vec<NamedValue>) {
    let is_taken = |name: &String| {
        enums.iter().any(|open| open.name == *name)
            || unions.iter().any(|union| union.name == *name)
    };
    let all = schemas
        .iter()
        .filter(|(name, _)| !is_taken(name))
        .map(|(name, schema)| NamedValue {
            name: name.clone(),
            description: text(schema),
            of: type_of(schema),
        });
    let (objects, others): (Vec<_>, Vec<_>) = all.partition(|named| named.of == Type::Object);
    let has_properties = |name: &str| {
        let properties = schemas
            .get(name)
            .and_then(|schema| schema.get("properties"));
        entries(properties).next().is_some()
    };
    (
        others
            .into_iter()
            .filter(|named| !matches!(named.of, Type::List(_) | Type::Map(_) | Type::Named(_)))
            .collect(),
        objects
            .into_iter()
            .filter(|named| !has_properties(&named.name))
            .collect(),
    )
}

/// Renames properties to the fields of their structs.
fn name_fields(schemas: &mut Map<String, Value>, unions: &[Union]) -> BTreeMap<String, Vec<Field>> {
    let before = schemas.clone();
    let mut structs = BTreeMap::new();
    for (name, schema) in schemas {
        let required: Vec<Value> = match schema.get("required") {
            Some(Value::Array(required)) => required.clone(),
            _ => Vec::new(),
        };
        let has_extra = schema
            .get("additionalProperties")
            .is_some_and(Value::is_object);
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            continue;
        };
        // progenitor's name for the map of all other members.
        let mut scope = Scope::reserving(if has_extra { &["extra"] } else { &[] });
        let is_recursive = |property: &Value| {
            let mut targets = referenced(property)
                .into_iter()
                .chain(parts(property).filter_map(referenced));
            targets.any(|target| unions::contains(target, name, unions, &before))
        };
        let mut fields = Vec::new();
        let mut renamed = Map::new();
        let mut renamed_required = Vec::new();
        for (wire, property) in std::mem::take(properties) {
            let field = scope.field(&names::field(&wire));
            let is_required = required.iter().any(|name| name.as_str() == Some(&wire));
            if is_required {
                renamed_required.push(Value::from(field.clone()));
            }
            fields.push(Field {
                name: field.clone(),
                wire,
                null_is_empty: !is_required && is_collection(&property),
                is_recursive: is_recursive(&property),
            });
            renamed.insert(field, property);
        }
        *properties = renamed;
        if let Some(members) = schema.as_object_mut()
            && members.contains_key("required")
        {
            members.insert("required".into(), renamed_required.into());
        }
        structs.insert(name.clone(), fields);
    }
    structs
}

/// Whether a schema is a list or a map.
fn is_collection(schema: &Value) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => true,
        Some("object") => schema.get("allOf").is_none(),
        _ => false,
    }
}
