//! The words in our `OpenAPI` document: where they may stand, and whether they are all there.

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::node::step;

/// The title of a document that no overlay has given one.
pub const TITLE: &str = "Azure Communication Services Call Automation";

/// Members of an upstream description that hold prose or examples.
pub const PROSE: &[&str] = &["description", "summary", "title", "example", "externalDocs"];

/// The overlay's member that holds one sentence per enum value (Redocly's extension).
pub const ENUM_TEXTS: &str = "x-enumDescriptions";

/// Our description of a response, which `OpenAPI` demands.
pub fn status(status: &str) -> Option<&'static str> {
    Some(match status {
        "default" => "The service refused the request or failed.",
        "200" => "Done.",
        "201" => "Created.",
        "202" => "Accepted; the outcome follows as an event.",
        "204" => "Done; there is no body.",
        _ => match status.parse::<u16>().ok()? {
            200..=299 => "Success.",
            300..=399 => "Redirection.",
            400..=599 => "Error.",
            _ => return None,
        },
    })
}

/// What kind of element carries text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Info,
    Operation,
    Parameter,
    Schema,
    Property,
}

/// Takes the kind of an element, its JSON pointer and its members.
type Visit<'a> = dyn FnMut(Element, &str, &mut Map<String, Value>) + 'a;

/// Calls `visit` for every element of an `OpenAPI` document that may carry text.
fn walk(document: &mut Value, visit: &mut Visit<'_>) {
    if let Some(info) = object(document, "info") {
        visit(Element::Info, "/info", info);
    }
    if let Some(paths) = object(document, "paths") {
        for (path, item) in paths.iter_mut() {
            let pointer = "/paths".to_owned() + &step(path);
            walk_parameters(item, &pointer, visit);
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if method == "parameters" {
                    continue;
                }
                let pointer = format!("{pointer}/{method}");
                walk_parameters(operation, &pointer, visit);
                if let Some(operation) = operation.as_object_mut() {
                    visit(Element::Operation, &pointer, operation);
                }
            }
        }
    }
    let Some(components) = object(document, "components") else {
        return;
    };
    for (name, parameter) in entries(components.get_mut("parameters")) {
        visit(
            Element::Parameter,
            &("/components/parameters".to_owned() + &step(name)),
            parameter,
        );
    }
    for (name, schema) in entries(components.get_mut("schemas")) {
        let pointer = "/components/schemas".to_owned() + &step(name);
        walk_properties(schema, &pointer, visit);
        visit(Element::Schema, &pointer, schema);
    }
}

fn walk_parameters(owner: &mut Value, pointer: &str, visit: &mut Visit<'_>) {
    let parameters = owner.get_mut("parameters").and_then(Value::as_array_mut);
    for (index, parameter) in parameters.into_iter().flatten().enumerate() {
        if let Some(parameter) = parameter.as_object_mut()
            && !parameter.contains_key("$ref")
        {
            visit(
                Element::Parameter,
                &format!("{pointer}/parameters/{index}"),
                parameter,
            );
        }
    }
}

fn walk_properties(schema: &mut Map<String, Value>, pointer: &str, visit: &mut Visit<'_>) {
    for (name, property) in entries(schema.get_mut("properties")) {
        let pointer = format!("{pointer}/properties{}", step(name));
        walk_properties(property, &pointer, visit);
        visit(Element::Property, &pointer, property);
    }
    let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
    for (index, part) in parts.into_iter().flatten().enumerate() {
        if let Some(part) = part.as_object_mut() {
            walk_properties(part, &format!("{pointer}/allOf/{index}"), visit);
        }
    }
    for member in ["items", "additionalProperties"] {
        if let Some(nested) = schema.get_mut(member).and_then(Value::as_object_mut) {
            walk_properties(nested, &format!("{pointer}/{member}"), visit);
        }
    }
}

/// Takes all text out of one of our documents, so that an overlay can be applied afresh.
pub fn strip(document: &mut Value) {
    walk(document, &mut |element, _, members| {
        for member in ["summary", "description", ENUM_TEXTS] {
            members.shift_remove(member);
        }
        if element == Element::Info {
            members.insert("title".into(), TITLE.into());
        }
    });
}

/// Fails when text is missing, or stands where the document has nothing to describe.
pub fn check(document: &Value) -> Result<()> {
    let mut problems = Vec::new();
    walk(&mut document.clone(), &mut |element, pointer, members| {
        let mut missing = |what: &str| problems.push(format!("#{pointer}: {what}"));
        if !has_text(members.get("description")) {
            missing("no description");
        }
        if element == Element::Operation && !has_text(members.get("summary")) {
            missing("no summary");
        }
        if element == Element::Property && !has_structure(members) {
            missing("text for a property that does not exist");
        }
        if element == Element::Schema && !has_structure(members) {
            missing("text for a schema that does not exist");
        }
        let values: Vec<&str> = members
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let texts = members.get(ENUM_TEXTS).and_then(Value::as_object);
        for value in &values {
            if !has_text(texts.and_then(|texts| texts.get(*value))) {
                missing(&format!("no sentence for the value {value:?}"));
            }
        }
        for value in texts.into_iter().flat_map(Map::keys) {
            if !values.contains(&value.as_str()) {
                missing(&format!(
                    "a sentence for {value:?}, which is no value of the enum"
                ));
            }
        }
    });
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "the overlay and the document do not fit together:\n  {}",
        problems.join("\n  ")
    );
}

fn has_text(text: Option<&Value>) -> bool {
    text.and_then(Value::as_str)
        .is_some_and(|text| !text.trim().is_empty())
}

fn has_structure(members: &Map<String, Value>) -> bool {
    ["type", "$ref", "allOf", "enum", "properties"]
        .iter()
        .any(|member| members.contains_key(*member))
}

fn object<'a>(value: &'a mut Value, member: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(member)?.as_object_mut()
}

fn entries(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
    value
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name, value.as_object_mut()?)))
}
