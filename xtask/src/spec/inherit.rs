//! Texts of inherited properties.
//!
//! An overlay describes the properties of a schema as `properties`, whether the schema has them
//! itself or inherits them through `allOf`. A description that moves members to a base type keeps
//! its texts.

use serde_json::{Map, Value, json};

use super::node::step;
use super::prose::ENUM_TEXTS;
use super::view::Document;

/// A property that is shown as a direct property of a schema.
struct Shown {
    /// The pointer of the schema.
    schema: String,
    name: String,
    /// The pointer of the declaration.
    declaration: String,
}

/// Changes the texts of a document in which every property is a direct property of its schema.
pub fn with_inherited<T>(document: &mut Value, change: impl FnOnce(&mut Value) -> T) -> T {
    let shown = show(document);
    let out = change(document);
    hide(document, &shown);
    out
}

fn show(document: &mut Value) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut copies = Vec::new();
    let view = Document::new(document);
    for (schema_name, schema) in view.schemas() {
        if schema.alias().is_some() {
            continue;
        }
        let pointer = format!("/components/schemas{}", step(schema_name));
        for (name, property) in view.properties(schema) {
            let declared = &property.declared;
            if declared.by.is_none() && declared.pointer.starts_with("/properties/") {
                continue;
            }
            let declaration = match declared.by {
                Some(_) => declared.pointer.trim_start_matches('#').to_owned(),
                None => pointer.clone() + &declared.pointer,
            };
            copies.push(property.schema.value().clone());
            shown.push(Shown {
                schema: pointer.clone(),
                name: name.to_owned(),
                declaration,
            });
        }
    }
    for (of, copy) in shown.iter().zip(copies) {
        if let Some(schema) = document.pointer_mut(&of.schema)
            && let Some(schema) = schema.as_object_mut()
        {
            let properties = schema.entry("properties").or_insert_with(|| json!({}));
            properties[&of.name] = copy;
        }
    }
    shown
}

/// Removes the copies, and keeps their texts where the declaration has none.
fn hide(document: &mut Value, shown: &[Shown]) {
    for of in shown {
        let Some(schema) = document
            .pointer_mut(&of.schema)
            .and_then(Value::as_object_mut)
        else {
            continue;
        };
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        let copy = properties.shift_remove(&of.name);
        if properties.is_empty() {
            schema.shift_remove("properties");
        }
        let declaration = document
            .pointer_mut(&of.declaration)
            .and_then(Value::as_object_mut);
        if let (Some(Value::Object(copy)), Some(declaration)) = (copy, declaration) {
            keep_texts(copy, declaration);
        }
    }
}

fn keep_texts(mut copy: Map<String, Value>, declaration: &mut Map<String, Value>) {
    for member in ["description", ENUM_TEXTS] {
        if !declaration.contains_key(member)
            && let Some(text) = copy.shift_remove(member)
        {
            declaration.insert(member.to_owned(), text);
        }
    }
}
