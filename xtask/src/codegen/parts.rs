//! Parts of an `OpenAPI` document that several steps of the lowering read.

use serde_json::Value;

use crate::spec::pointer;

pub use crate::spec::shape::reference as referenced;

/// Marks the schema of an enum that was taken out.
pub const OPEN_ENUM: &str = "x-open-enum";

pub fn text(schema: &Value) -> Option<String> {
    schema
        .get("description")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

pub fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    let parts = schema.get("allOf").and_then(Value::as_array);
    parts.into_iter().flatten()
}

pub fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

pub fn schema_pointer(name: &str) -> String {
    pointer(&["components", "schemas", name])
}

pub fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

pub fn entries_mut(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

pub fn operations(item: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(Some(item)).filter(|(name, _)| *name != "parameters")
}

pub fn operations_mut(item: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    entries_mut(Some(item)).filter(|(name, _)| *name != "parameters")
}

/// Calls `change` with every `$ref` of a schema.
pub fn visit_references(
    value: &mut Value,
    change: &mut dyn FnMut(&mut String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref") {
                change(reference)?;
            }
            for member in members.values_mut() {
                visit_references(member, change)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                visit_references(item, change)?;
            }
        }
        _ => {}
    }
    Ok(())
}
