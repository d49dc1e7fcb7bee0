//! Schemas, and the components that they become.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{Importer, TOOLING};
use crate::codegen::names;
use crate::spec::document::Target;
use crate::spec::node::{Location, Node, step};
use crate::spec::prose::PROSE;

/// Extensions with the same meaning in both versions.
pub const SCHEMA_EXTENSIONS: &[&str] = &[
    "x-ms-client-name",
    "x-ms-mutability",
    "x-ms-secret",
    "x-ms-client-flatten",
];

/// Members with the same meaning in both versions.
const SCHEMA_MEMBERS: &[&str] = &[
    "format",
    "default",
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
    "readOnly",
    "required",
    "enum",
    "x-ms-discriminator-value",
];

/// Members that describe a property and not its type.
const PROPERTY_MEMBERS: &[&str] = &[
    "readOnly",
    "default",
    "nullable",
    "x-ms-client-name",
    "x-ms-mutability",
    "x-ms-secret",
    "x-ms-client-flatten",
];

impl Importer<'_> {
    /// Converts a schema where it is used. A reference stays a reference.
    pub(super) fn schema(
        &mut self,
        file: &Path,
        value: &Value,
        location: Location,
    ) -> Result<Value> {
        let schema = Node::new(value, location)?;
        let out = if let Some(reference) = schema.str("$ref")? {
            schema.skip(PROSE);
            schema.skip(TOOLING);
            // Sometimes repeated beside a reference. The target of the reference is authoritative.
            schema.skip(&["type"]);
            let reference = self.schema_reference(file, reference, &schema)?;
            let mut siblings = Map::new();
            schema.copy(&["readOnly", "default"], &mut siblings);
            schema.copy(SCHEMA_EXTENSIONS, &mut siblings);
            nullable(&schema, &mut siblings)?;
            beside_reference(siblings, reference)
        } else {
            let out = self.schema_members(file, &schema)?;
            self.hoist_enum(out, &schema)
        };
        schema.finish()?;
        Ok(out)
    }

    fn schema_reference(
        &mut self,
        file: &Path,
        reference: &str,
        owner: &Node<'_>,
    ) -> Result<Value> {
        let target = self.documents.resolve(file, reference, &owner.at("$ref"))?;
        let name = target.name().to_owned();
        self.component(target)?;
        Ok(reference_to(&name))
    }

    /// Converts the members of a schema, parameter or header that describe its values.
    pub(super) fn schema_members(
        &mut self,
        file: &Path,
        schema: &Node<'_>,
    ) -> Result<Map<String, Value>> {
        schema.skip(PROSE);
        schema.skip(TOOLING);
        let mut out = value_members(schema)?;
        self.elements(file, schema, &mut out)?;
        self.object_members(file, schema, &mut out)?;
        if let Some(property) = schema.str("discriminator")? {
            out.insert("discriminator".into(), json!({"propertyName": property}));
        }
        Ok(out)
    }

    /// The items of a list and the values of a map.
    fn elements(
        &mut self,
        file: &Path,
        schema: &Node<'_>,
        out: &mut Map<String, Value>,
    ) -> Result<()> {
        if let Some(items) = schema.get("items") {
            let items = self.schema(file, items, schema.at("items"))?;
            out.insert("items".into(), items);
        }
        let values = match schema.get("additionalProperties") {
            None => return Ok(()),
            Some(Value::Bool(allowed)) => (*allowed).into(),
            Some(value) => self.schema(file, value, schema.at("additionalProperties"))?,
        };
        out.insert("additionalProperties".into(), values);
        Ok(())
    }

    /// The properties of an object, and the types from which it inherits.
    fn object_members(
        &mut self,
        file: &Path,
        schema: &Node<'_>,
        out: &mut Map<String, Value>,
    ) -> Result<()> {
        let mut all = Vec::new();
        for (index, part) in schema.array("allOf")?.iter().enumerate() {
            all.push(self.schema(file, part, schema.at("allOf").index(index))?);
        }
        let properties = self.properties(file, schema)?;
        let mut own = Map::new();
        if !all.is_empty() {
            // A subtype. The members that it adds become the last part of `allOf`, as in OpenAPI
            // 3.0.
            for member in ["type", "required", "additionalProperties"] {
                if let Some(value) = out.shift_remove(member) {
                    own.insert(member.into(), value);
                }
            }
        }
        if !properties.is_empty() {
            own.insert("properties".into(), properties.into());
        }
        if all.is_empty() {
            out.extend(own);
        } else {
            all.push(own.into());
            out.insert("allOf".into(), all.into());
        }
        Ok(())
    }

    fn properties(&mut self, file: &Path, schema: &Node<'_>) -> Result<Map<String, Value>> {
        let mut out = Map::new();
        for (name, value, location) in schema.entries("properties")? {
            let property = self.schema(file, value, location)?;
            // A `$ref` of 3.0 ignores its siblings, but a property needs its own description.
            let property = match property.get("$ref") {
                Some(_) => json!({"allOf": [property]}),
                None => property,
            };
            out.insert(name.to_owned(), property);
        }
        Ok(out)
    }

    /// Makes an inline enum a component, named by its `x-ms-enum`.
    pub(super) fn hoist_enum(&mut self, mut schema: Map<String, Value>, owner: &Node<'_>) -> Value {
        let name = schema
            .get("x-ms-enum")
            .and_then(|info| info.get("name"))
            .and_then(Value::as_str);
        let (Some(name), true) = (name, schema.contains_key("enum")) else {
            return Value::Object(schema);
        };
        let name = upper_first(name);
        let mut of_the_use = Map::new();
        for member in PROPERTY_MEMBERS {
            if let Some(value) = schema.shift_remove(*member) {
                of_the_use.insert((*member).to_owned(), value);
            }
        }
        let schema = Value::Object(schema);
        let name = self.enum_name(&name, &schema, owner);
        beside_reference(of_the_use, reference_to(&name))
    }

    /// The name of the component for an inline enum. If another enum has the name, that of the
    /// definition or operation comes in front of it, and then a number at its end.
    fn enum_name(&mut self, name: &str, schema: &Value, owner: &Node<'_>) -> String {
        let prefixed = names::type_name(&self.owner) + name;
        let mut candidate = name.to_owned();
        let mut number = 1;
        loop {
            let known = self.hoisted.get(&candidate).map(|(_, known)| known);
            let is_other = known.is_some_and(|known| known != schema);
            if !is_other && !self.defines_other(&candidate, schema) {
                let entry = (owner.location().clone(), schema.clone());
                self.hoisted.entry(candidate.clone()).or_insert(entry);
                return candidate;
            }
            candidate = match number {
                1 => prefixed.clone(),
                _ => format!("{prefixed}{number}"),
            };
            number += 1;
        }
    }

    /// Whether a definition of the document has this name, and is not this enum.
    fn defines_other(&self, name: &str, schema: &Value) -> bool {
        let definition = self.documents.root().get("definitions");
        let definition = definition.and_then(|definitions| definitions.get(name));
        definition.is_some_and(|definition| definition.get("enum") != schema.get("enum"))
    }

    /// Registers a definition as a component with its name.
    pub(super) fn component(&mut self, target: Target) -> Result<()> {
        let target = self.documents.canonical(target)?;
        match self.schemas.get(target.name()) {
            Some((known, _)) if *known == target => {}
            Some(_) => {
                if !self.twins.contains(&target) {
                    self.twins.push(target);
                }
            }
            None => {
                self.schemas
                    .insert(target.name().to_owned(), (target.clone(), Value::Null));
                self.pending.push(target);
            }
        }
        Ok(())
    }

    /// Converts all registered components, and those that they refer to.
    pub(super) fn components(&mut self) -> Result<Map<String, Value>> {
        let mut compared = 0;
        while !self.pending.is_empty() || compared < self.twins.len() {
            if let Some(target) = self.pending.pop() {
                let converted = self.definition(&target)?;
                if let Some((_, slot)) = self.schemas.get_mut(target.name()) {
                    *slot = converted;
                }
                continue;
            }
            // A description can contain several versions of the common types. Equal ones are one
            // type.
            let twin = self.twins[compared].clone();
            compared += 1;
            let converted = self.definition(&twin)?;
            if let Some((known, schema)) = self.schemas.get(twin.name())
                && *schema != converted
            {
                bail!(
                    "{}: differs from the definition with the same name at {}",
                    self.documents.location(&twin),
                    self.documents.location(known)
                );
            }
        }
        let pointer = |name: &str| format!("/components/schemas{}", step(name));
        let mut out: BTreeMap<String, Value> = BTreeMap::new();
        for (name, (target, schema)) in &self.schemas {
            let origin = self.documents.location(target);
            self.origins.record(pointer(name), origin);
            out.insert(name.clone(), schema.clone());
        }
        for (name, (location, schema)) in &self.hoisted {
            self.origins.record(pointer(name), location.clone());
            match out.get(name) {
                Some(known) if known.get("enum") != schema.get("enum") => {
                    bail!("{location}: enum {name} differs from the definition with the same name")
                }
                Some(_) => None,
                None => out.insert(name.clone(), schema.clone()),
            };
        }
        let location = |name: &str| match (self.schemas.get(name), self.hoisted.get(name)) {
            (Some((target, _)), _) => self.documents.location(target).to_string(),
            (None, Some((location, _))) => location.to_string(),
            (None, None) => name.to_owned(),
        };
        discriminators(&mut out, &location)?;
        Ok(out.into_iter().collect())
    }

    fn definition(&mut self, target: &Target) -> Result<Value> {
        target.name().clone_into(&mut self.owner);
        let definition = self.documents.get(target).cloned().unwrap_or_default();
        let schema = Node::new(&definition, self.documents.location(target))?;
        let converted = if let Some(reference) = schema.str("$ref")? {
            schema.skip(PROSE);
            let reference = self.schema_reference(target.file(), reference, &schema)?;
            json!({"allOf": [reference]})
        } else {
            Value::Object(self.schema_members(target.file(), &schema)?)
        };
        schema.finish()?;
        Ok(converted)
    }
}

fn reference_to(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A reference with the members that a `$ref` of 3.0 cannot have as siblings.
fn beside_reference(mut siblings: Map<String, Value>, reference: Value) -> Value {
    if siblings.is_empty() {
        return reference;
    }
    siblings.insert("allOf".into(), json!([reference]));
    Value::Object(siblings)
}

/// The type of a value. If it is not stated, it is inferred from the other members.
fn value_type<'a>(schema: &Node<'a>) -> Result<Option<&'a str>> {
    match schema.str("type")? {
        Some(known @ ("string" | "integer" | "number" | "boolean" | "array" | "object")) => {
            Ok(Some(known))
        }
        Some(other) => bail!("{}: unknown type {other:?}", schema.at("type")),
        None if schema.get("properties").is_some()
            || schema.get("additionalProperties").is_some() =>
        {
            Ok(Some("object"))
        }
        None if schema.get("items").is_some() => Ok(Some("array")),
        None if schema.get("enum").is_some() => Ok(Some("string")),
        None => Ok(None),
    }
}

/// The members that have the same meaning in both versions.
fn value_members(schema: &Node<'_>) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    if let Some(name) = value_type(schema)? {
        out.insert("type".into(), name.into());
    }
    check_format(schema)?;
    schema.copy(SCHEMA_MEMBERS, &mut out);
    let required = out.get("required").and_then(Value::as_array);
    if required.is_some_and(Vec::is_empty) {
        // Swagger 2.0 and OpenAPI 3.0 forbid it, but published descriptions contain it.
        out.shift_remove("required");
    }
    if let Some(value) = schema.get("x-ms-enum") {
        let info = enum_info(value, schema.at("x-ms-enum"))?;
        out.insert("x-ms-enum".into(), info);
    }
    schema.copy(SCHEMA_EXTENSIONS, &mut out);
    nullable(schema, &mut out)?;
    Ok(out)
}

fn check_format(schema: &Node<'_>) -> Result<()> {
    const INTEGERS: &[&str] = &[
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "unixtime",
    ];
    const NUMBERS: &[&str] = &["float", "double", "decimal", "int32", "int64"];
    match (schema.str("type")?, schema.str("format")?) {
        // Unknown formats of strings are kept and treated as text.
        (_, None) | (Some("string"), _) => Ok(()),
        (Some("integer"), Some(format)) if INTEGERS.contains(&format) => Ok(()),
        (Some("number"), Some(format)) if NUMBERS.contains(&format) => Ok(()),
        (of, Some(format)) => bail!(
            "{}: unknown format {format:?} of type {}",
            schema.at("format"),
            of.unwrap_or("(none)")
        ),
    }
}

/// The name of an enum, and whether it is open. Names and texts of its values come from the
/// overlay.
fn enum_info(value: &Value, location: Location) -> Result<Value> {
    let info = Node::new(value, location)?;
    info.need_str("name")?;
    info.bool("modelAsString")?;
    info.skip(&["values", "modelAsExtensible"]);
    let mut out = Map::new();
    info.copy(&["name", "modelAsString"], &mut out);
    info.finish()?;
    Ok(Value::Object(out))
}

fn nullable(schema: &Node<'_>, out: &mut Map<String, Value>) -> Result<()> {
    if schema.bool("x-nullable")?.unwrap_or(false) {
        out.insert("nullable".into(), true.into());
    }
    Ok(())
}

fn upper_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Adds the mapping from discriminator values to subtypes to the base types.
fn discriminators(
    schemas: &mut BTreeMap<String, Value>,
    location: &dyn Fn(&str) -> String,
) -> Result<()> {
    let mut mappings: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, schema) in schemas.iter() {
        let value = schema
            .get("x-ms-discriminator-value")
            .and_then(Value::as_str)
            .unwrap_or(name);
        let bases = bases(name, schemas, &mut vec![name.clone()], location)?;
        // An alias is not a subtype.
        if parts(schema).len() == 1 {
            continue;
        }
        for base in bases {
            let mapping = mappings.entry(base.clone()).or_default();
            if let Some(first) = mapping.insert(value.to_owned(), name.clone()) {
                bail!(
                    "{}: {first} also has the discriminator value {value:?} of {base}",
                    location(name)
                );
            }
        }
    }
    for (base, mapping) in mappings {
        let discriminator = schemas
            .get_mut(&base)
            .and_then(|schema| schema.get_mut("discriminator"))
            .and_then(Value::as_object_mut);
        if let Some(discriminator) = discriminator {
            let mapping: Map<String, Value> = mapping
                .into_iter()
                .map(|(value, name)| (value, format!("#/components/schemas/{name}").into()))
                .collect();
            discriminator.insert("mapping".into(), Value::Object(mapping));
        }
    }
    Ok(())
}

/// All discriminated types from which `name` derives through `allOf`.
fn bases(
    name: &str,
    schemas: &BTreeMap<String, Value>,
    seen: &mut Vec<String>,
    location: &dyn Fn(&str) -> String,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for part in schemas.get(name).map_or(&[][..], parts) {
        let Some(base) = part
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.rsplit('/').next())
        else {
            continue;
        };
        if seen.iter().any(|name| name == base) {
            bail!("{}/allOf: circular through {base}", location(name));
        }
        seen.push(base.to_owned());
        if schemas
            .get(base)
            .is_some_and(|base| base.get("discriminator").is_some())
        {
            out.push(base.to_owned());
        }
        out.extend(bases(base, schemas, seen, location)?);
        seen.pop();
    }
    // A type can derive from another in several ways.
    out.sort();
    out.dedup();
    Ok(out)
}

fn parts(schema: &Value) -> &[Value] {
    schema
        .get("allOf")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
