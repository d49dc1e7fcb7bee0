//! Gives names to the object schemas that a document contains where they are used.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::media_type::is_form;
use super::names;
use super::parts::{entries_mut, operations_mut, reference};

/// Makes every inline object a schema of its own. Its name is that of its owner with that of the
/// property, or that of the operation with `Body` or `Response`.
pub fn hoist(document: &mut Value) {
    let mut found = Found::default();
    let schemas = document.pointer_mut("/components/schemas");
    let schemas = schemas.and_then(Value::as_object_mut);
    if let Some(schemas) = schemas {
        found.taken = schemas.keys().map(|name| names::type_name(name)).collect();
        for (name, schema) in schemas {
            found.members(schema, &names::type_name(name));
        }
    }
    for (_, item) in entries_mut(document.get_mut("paths")) {
        for (_, operation) in operations_mut(item) {
            let id = operation.get("operationId").and_then(Value::as_str);
            let id = names::type_name(id.unwrap_or_default());
            if let Some(body) = operation.get_mut("requestBody") {
                found.content(body, &format!("{id}Body"));
            }
            let responses = operation.get_mut("responses");
            for (status, response) in entries_mut(responses) {
                let success = status.starts_with('2');
                let name = if success { "Response" } else { "Error" };
                found.content(response, &format!("{id}{name}"));
            }
        }
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas")
        && let Some(schemas) = schemas.as_object_mut()
    {
        schemas.extend(found.schemas);
    }
}

#[derive(Default)]
struct Found {
    /// The names of schemas that the document names.
    taken: BTreeSet<String>,
    schemas: Map<String, Value>,
}

impl Found {
    /// Replaces the schemas of all media types. Those of forms stay, because their properties are
    /// arguments.
    fn content(&mut self, owner: &mut Value, name: &str) {
        for (media_type, content) in entries_mut(owner.get_mut("content")) {
            if let Some(schema) = content.get_mut("schema") {
                if is_form(media_type) {
                    self.members(schema, name);
                } else {
                    self.schema(schema, name);
                }
            }
        }
    }

    fn members(&mut self, schema: &mut Value, name: &str) {
        for (property, value) in entries_mut(schema.get_mut("properties")) {
            self.schema(value, &format!("{name}{}", names::type_name(property)));
        }
        if let Some(items) = schema.get_mut("items") {
            self.schema(items, &format!("{name}Item"));
        }
        if let Some(values) = schema.get_mut("additionalProperties") {
            self.schema(values, &format!("{name}Value"));
        }
        let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
        for part in parts.into_iter().flatten() {
            self.members(part, name);
        }
    }

    fn schema(&mut self, schema: &mut Value, name: &str) {
        self.members(schema, name);
        if !is_object(schema) {
            return;
        }
        let mut unique = name.to_owned();
        let mut number = 1;
        while self.taken.contains(&unique)
            || self
                .schemas
                .get(&unique)
                .is_some_and(|known| known != schema)
        {
            number += 1;
            unique = format!("{name}{number}");
        }
        let mut used = json!({"allOf": [{"$ref": reference(&unique)}]});
        if let Some(description) = schema.get("description") {
            used["description"] = description.clone();
        }
        let mut definition = std::mem::replace(schema, used);
        for member in ["nullable", "readOnly", "default"] {
            let members = definition.as_object_mut();
            if let Some(value) = members.and_then(|members| members.shift_remove(member)) {
                schema[member] = value;
            }
        }
        self.schemas.insert(unique, definition);
    }
}

/// Whether a schema needs a struct: it has properties, or is more than one reference.
fn is_object(schema: &Value) -> bool {
    let parts = schema.get("allOf").and_then(Value::as_array);
    let has_properties = |schema: &Value| {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.is_some_and(|properties| !properties.is_empty())
    };
    has_properties(schema)
        || parts.is_some_and(|parts| parts.len() > 1 || parts.iter().any(has_properties))
}
