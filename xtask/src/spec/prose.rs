//! The text in our `OpenAPI` document, and the check that it is complete.

use std::fmt;

use serde_json::{Map, Value};

use super::node::step;

/// The title of a document without an overlay.
pub const TITLE: &str = "Azure Communication Services Call Automation";

/// Members of a published description that contain text or examples.
pub const PROSE: &[&str] = &["description", "summary", "title", "example", "externalDocs"];

/// The member of the overlay with one sentence per enum value (an extension of Redocly).
pub const ENUM_TEXTS: &str = "x-enumDescriptions";

/// Our description of a response, which `OpenAPI` requires.
pub fn status(status: &str) -> Option<&'static str> {
    Some(match status {
        "default" => "The service rejected the request or failed.",
        "200" => "Success.",
        "201" => "Created.",
        "202" => "Accepted. An event reports the result.",
        "204" => "Success without a body.",
        _ => match status.parse::<u16>().ok()? {
            200..=299 => "Success.",
            300..=399 => "Redirection.",
            400..=599 => "Error.",
            _ => return None,
        },
    })
}

/// The kind of an element with text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Info,
    Operation,
    Parameter,
    Schema,
    Property,
}

/// A callback for the kind of an element, its JSON pointer and its members.
type Visit<'a> = dyn FnMut(Element, &str, &mut Map<String, Value>) + 'a;

/// Calls `visit` for every element of an `OpenAPI` document that can have text.
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

/// Removes all text from one of our documents, so that an overlay can be applied again.
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

/// The beginning of a text that has to be written. The check rejects it.
pub const DRAFT: &str = "DRAFT";

/// A text that is missing or does not belong to the document.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The pointer of the element, without `#`.
    pub element: String,
    /// The pointer of the text, or of what does not belong to the document.
    pub at: String,
    pub state: State,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Missing,
    Draft,
    /// It describes something that does not exist.
    Stale,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}: {}", self.element, self.text)
    }
}

/// Finds texts that are missing, that are only drafts, or that describe something that does not
/// exist.
pub fn problems(document: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(&mut document.clone(), &mut |element, pointer, members| {
        let mut problem = |state: State, member: &str, text: String| {
            problems.push(Problem {
                element: pointer.to_owned(),
                at: pointer.to_owned() + member,
                state,
                text,
            });
        };
        if matches!(element, Element::Property | Element::Schema) && !has_structure(members) {
            let kind = if element == Element::Property {
                "property"
            } else {
                "schema"
            };
            let text = format!("text for a {kind} that does not exist");
            problem(State::Stale, "", text);
            return;
        }
        let mut check = |text: Option<&Value>, member: &str, name: String| match text_state(text) {
            None => {}
            Some(State::Draft) => problem(State::Draft, member, format!("only a draft of {name}")),
            Some(state) => problem(state, member, format!("no {name}")),
        };
        check(
            members.get("description"),
            "/description",
            "description".to_owned(),
        );
        if element == Element::Operation {
            check(members.get("summary"), "/summary", "summary".to_owned());
        }
        let values = enum_values(members);
        let texts = members.get(ENUM_TEXTS).and_then(Value::as_object);
        for value in &values {
            let text = texts.and_then(|texts| texts.get(*value));
            let member = format!("/{ENUM_TEXTS}{}", step(value));
            check(text, &member, format!("text for the value {value:?}"));
        }
        for value in texts.into_iter().flat_map(Map::keys) {
            if !values.contains(&value.as_str()) {
                let member = format!("/{ENUM_TEXTS}{}", step(value));
                let text = format!("text for {value:?}, which is not a value of the enum");
                problem(State::Stale, &member, text);
            }
        }
    });
    problems
}

/// What is wrong with a text.
fn text_state(text: Option<&Value>) -> Option<State> {
    let text = text.and_then(Value::as_str).unwrap_or_default().trim();
    if text.is_empty() {
        Some(State::Missing)
    } else if text.starts_with(DRAFT) {
        Some(State::Draft)
    } else {
        None
    }
}

fn enum_values(members: &Map<String, Value>) -> Vec<&str> {
    let values = members.get("enum").and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
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
