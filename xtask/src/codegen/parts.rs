//! Parts of an `OpenAPI` document that several steps of the lowering read.

use serde_json::Value;

use crate::spec::pointer;

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

/// The name of the schema that a `$ref` refers to.
pub fn referenced(value: &Value) -> Option<&str> {
    value
        .get("$ref")?
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

pub fn schema_pointer(name: &str) -> String {
    pointer(&["components", "schemas", name])
}

pub fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

pub fn operations(item: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(Some(item)).filter(|(name, _)| *name != "parameters")
}
