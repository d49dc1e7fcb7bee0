//! Rejects documents whose generated code would be incorrect or would not compile.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

use super::names;
use super::parts::{entries, operations, parts, schema_pointer};
use crate::spec::pointer;

/// Checks the names, parameters and bodies of operations.
pub fn check_operations(document: &Value) -> Result<()> {
    let mut functions: BTreeMap<String, &str> = BTreeMap::new();
    for (path, item) in entries(document.get("paths")) {
        for (method, operation) in operations(item) {
            let location = |member: &str| pointer(&["paths", path, method, member]);
            let id = operation
                .get("operationId")
                .and_then(Value::as_str)
                .ok_or_else(|| anyhow!("{}: missing", location("operationId")))?;
            let function = names::function(id);
            if let Some(first) = functions.insert(function.clone(), id) {
                bail!(
                    "{}: `{first}` is also called `{function}` in Rust",
                    location("operationId")
                );
            }
            let media_types = operation.pointer("/requestBody/content");
            if entries(media_types).count() > 1 {
                bail!("{}: more than one media type", location("requestBody"));
            }
            let mut arguments = BTreeMap::from([("body".to_owned(), "the body")]);
            for owner in [item, operation] {
                let list = owner.get("parameters").and_then(Value::as_array);
                for parameter in list.into_iter().flatten() {
                    let parameter = resolved(document, parameter);
                    check_parameter(parameter, &mut arguments, &location("parameters"))?;
                }
            }
        }
    }
    Ok(())
}

fn check_parameter<'a>(
    parameter: &'a Value,
    arguments: &mut BTreeMap<String, &'a str>,
    location: &str,
) -> Result<()> {
    let name = parameter
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| anyhow!("{location}: a parameter without a name"))?;
    let argument = names::field(name);
    if let Some(first) = arguments.insert(argument.clone(), name)
        && first != name
    {
        bail!("{location}: {first} and `{name}` are both called `{argument}` in Rust");
    }
    let is_array = parameter.pointer("/schema/type").and_then(Value::as_str) == Some("array");
    let repeats = parameter.get("explode") == Some(&Value::Bool(true));
    if is_array && !repeats {
        bail!("{location}: the list `{name}` is sent as one joined value, which is not supported");
    }
    Ok(())
}

/// The parameter, or the shared parameter that it refers to.
fn resolved<'a>(document: &'a Value, parameter: &'a Value) -> &'a Value {
    parameter
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| document.pointer(reference.strip_prefix('#')?))
        .unwrap_or(parameter)
}

/// Rejects two names of the document that become one name in Rust, which would only fail later.
pub fn check_schemas(schemas: &Map<String, Value>) -> Result<()> {
    let mut types: BTreeMap<String, &str> = BTreeMap::new();
    for (name, schema) in schemas {
        let rust = names::type_name(name);
        if let Some(first) = types.insert(rust.clone(), name) {
            bail!(
                "{}: `{first}` is also called `{rust}` in Rust",
                schema_pointer(name)
            );
        }
        let mut fields: BTreeMap<String, &str> = BTreeMap::new();
        let own = entries(schema.get("properties"));
        let nested = parts(schema).flat_map(|part| entries(part.get("properties")));
        for (property, _) in own.chain(nested) {
            let rust = names::field(property);
            if let Some(first) = fields.insert(rust.clone(), property) {
                bail!(
                    "{}: `{first}` is also called `{rust}` in Rust",
                    pointer(&["components", "schemas", name, "properties", property])
                );
            }
        }
    }
    Ok(())
}
