//! The operations of a lowered document, as typed values.
//!
//! If the JSON media types of a body have different schemas, each is an operation of its own.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::media_type::{checked, essence, is_form, is_json, is_text, preferred, subtype};
use super::names::{self, Scope};
use super::parts::{OPEN_ENUM, entries, operations, text};
use super::path::placeholders;
use super::rust_type::{Type, type_of};
use crate::spec::pointer;

#[derive(Debug)]
pub struct Operation {
    /// The name of the method.
    pub function: String,
    /// The name of the struct with the optional parameters.
    pub options: String,
    /// The name of the type of its responses, if they have different types.
    pub result: String,
    pub summary: Option<String>,
    pub description: Option<String>,
    /// In lower case.
    pub method: String,
    /// The path as it is in the document.
    pub path: String,
    /// Path parameters first, in the order of the path.
    pub parameters: Vec<Parameter>,
    /// Whether requests contain the version of the API.
    pub is_versioned: bool,
    pub body: Option<Body>,
    /// The successful responses, by status.
    pub responses: Responses,
    /// The type of the body of an error response.
    pub error: Option<Type>,
}

#[derive(Debug)]
pub struct Parameter {
    pub wire: String,
    /// The name of the argument or of the optional member.
    pub name: String,
    pub place: Place,
    pub is_required: bool,
    pub of: Type,
    /// The separator of a list in one value. Otherwise, each item is a parameter.
    pub separator: Option<&'static str>,
    /// Whether the value may consist of several path segments.
    pub is_raw: bool,
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Path,
    Query,
    Header,
    Form,
}

#[derive(Debug)]
pub struct Body {
    pub is_required: bool,
    pub media_type: String,
    pub content: BodyContent,
}

#[derive(Debug, PartialEq)]
pub enum BodyContent {
    Json(Type),
    /// The fields are parameters.
    Form,
    Multipart,
    Text,
    Binary,
}

/// The contents of responses, by status.
pub type Responses = Vec<(Status, Content)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Code(u16),
    AnySuccess,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Empty,
    Json(Type, String),
    Text(String),
    Binary(String),
}

/// Reads the operations of a document, with the schemas that it refers to.
pub fn read(document: &Value, schemas: &Map<String, Value>) -> Result<Vec<Operation>> {
    let mut reader = Reader {
        document,
        schemas,
        functions: names::methods(),
        options: Scope::default(),
    };
    let mut out = Vec::new();
    for (path, item) in entries(document.get("paths")) {
        for (method, operation) in operations(item) {
            let location = pointer(&["paths", path, method]);
            let media_types = json_bodies(operation);
            // Without a JSON body, once.
            for media_type in media_types
                .iter()
                .map(Some)
                .chain(media_types.is_empty().then_some(None))
            {
                let is_other = media_types.len() > 1 && media_type != media_types.first();
                let read = reader
                    .operation(
                        (path, method),
                        item,
                        operation,
                        media_type.filter(|_| is_other),
                    )
                    .with_context(|| location.clone())?;
                out.push(read);
            }
        }
    }
    Ok(out)
}

/// The JSON media types of a request that have different schemas, `application/json` first.
fn json_bodies(operation: &Value) -> Vec<String> {
    let content = operation.pointer("/requestBody/content");
    let mut json: Vec<(&String, &Value)> =
        entries(content).filter(|(name, _)| is_json(name)).collect();
    json.sort_by_key(|(name, _)| essence(name) != "application/json");
    let mut known: Vec<Option<&Value>> = Vec::new();
    json.retain(|(_, content)| {
        let schema = content.get("schema");
        let is_new = !known.contains(&schema);
        known.push(schema);
        is_new
    });
    json.into_iter().map(|(name, _)| name.clone()).collect()
}

struct Reader<'a> {
    document: &'a Value,
    schemas: &'a Map<String, Value>,
    functions: Scope,
    options: Scope,
}

impl<'a> Reader<'a> {
    /// Reads an operation. `other` is the media type of a body that is not the preferred one.
    fn operation(
        &mut self,
        (path, method): (&str, &str),
        item: &'a Value,
        operation: &'a Value,
        other: Option<&String>,
    ) -> Result<Operation> {
        let id = operation.get("operationId").and_then(Value::as_str);
        let id = id.ok_or_else(|| anyhow!("`operationId` is missing"))?;
        let mut id = id.to_owned();
        if let Some(media_type) = other {
            id = format!("{id}_{}", names::type_name(subtype(media_type)));
        }
        let (body, form) = self.body(operation, other)?;
        let mut is_versioned = false;
        let mut found = Vec::new();
        for parameter in self.parameters(item, operation) {
            let read = self.parameter(parameter)?;
            if read.place == Place::Query && read.wire == "api-version" {
                is_versioned = true;
            } else {
                found.push(read);
            }
        }
        found.extend(form);
        let mut parameters = in_path_order(path, found)?;
        let mut arguments = Scope::reserving(&["body", "options"]);
        let mut optional = Scope::reserving(&["body"]);
        for parameter in &mut parameters {
            let scope = if parameter.is_required {
                &mut arguments
            } else {
                &mut optional
            };
            parameter.name = scope.snake(&names::field(&parameter.wire));
        }
        let (responses, error) = self.responses(operation)?;
        Ok(Operation {
            function: self.functions.snake(&names::function(&id)),
            options: self
                .options
                .camel(&format!("{}Options", names::type_name(&id))),
            result: self.result(&id),
            summary: text_of(operation, "summary"),
            description: text(operation),
            method: method.to_owned(),
            path: path.to_owned(),
            parameters,
            is_versioned,
            body,
            responses,
            error,
        })
    }

    /// A name for a type of responses that no schema has.
    fn result(&self, id: &str) -> String {
        let mut name = format!("{}Result", names::type_name(id));
        while self.schemas.contains_key(&name) {
            name += "Result";
        }
        name
    }

    /// The parameters of an operation and of its path. The former replace the latter.
    fn parameters(&self, item: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
        let mut out: Vec<&Value> = Vec::new();
        let key = |parameter: &Value| {
            let member = |name: &str| parameter.get(name).cloned();
            (member("name"), member("in"))
        };
        for owner in [item, operation] {
            let list = owner.get("parameters").and_then(Value::as_array);
            for parameter in list.into_iter().flatten() {
                let parameter = self.resolved(parameter);
                match out.iter_mut().find(|known| key(known) == key(parameter)) {
                    Some(known) => *known = parameter,
                    None => out.push(parameter),
                }
            }
        }
        out
    }

    /// The value, or what its `$ref` refers to.
    fn resolved(&self, value: &'a Value) -> &'a Value {
        value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.document.pointer(reference.strip_prefix('#')?))
            .unwrap_or(value)
    }

    fn parameter(&self, parameter: &Value) -> Result<Parameter> {
        let wire = text_of(parameter, "name").context("a parameter without a name")?;
        let place = match parameter.get("in").and_then(Value::as_str) {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            _ => bail!("the parameter `{wire}` is neither in the path, the query nor a header"),
        };
        if place == Place::Header && http_name(&wire).is_none() {
            bail!("`{wire}` is not the name of a header");
        }
        let schema = parameter
            .get("schema")
            .with_context(|| format!("the parameter `{wire}` has no schema"))?;
        let of = self
            .scalar(schema)
            .with_context(|| format!("the parameter `{wire}`"))?;
        let style = parameter.get("style").and_then(Value::as_str);
        let explodes = parameter.get("explode").and_then(Value::as_bool);
        Ok(Parameter {
            name: String::new(),
            is_required: place == Place::Path || flag(parameter, "required"),
            separator: match (place, style) {
                (Place::Query, None | Some("form")) if explodes.unwrap_or(true) => None,
                (Place::Query, Some("spaceDelimited")) => Some(" "),
                (Place::Query, Some("pipeDelimited")) => Some("|"),
                _ => Some(","),
            },
            is_raw: flag(parameter, "x-ms-skip-url-encoding"),
            description: text(parameter),
            wire,
            place,
            of,
        })
    }

    /// The type of a parameter or of a form field: a scalar or a list of scalars.
    fn scalar(&self, schema: &Value) -> Result<Type> {
        let of = type_of(schema);
        Ok(match of {
            Type::Named(name) => {
                let target = self.schemas.get(&name).unwrap_or(&Value::Null);
                match type_of(target) {
                    // An enum is a string by now.
                    Type::Text if self.is_enum(&name) => Type::Named(name),
                    _ => self.scalar(target)?,
                }
            }
            Type::List(item) => match self.scalar(schema.get("items").unwrap_or(schema))? {
                Type::List(_) => bail!("a list of lists is not supported here"),
                _ if *item == Type::Anything => Type::List(Box::new(Type::Text)),
                scalar => Type::List(Box::new(scalar)),
            },
            Type::Anything => Type::Text,
            Type::Object | Type::Map(_) => bail!("an object is not supported here"),
            scalar => scalar,
        })
    }

    fn is_enum(&self, name: &str) -> bool {
        let schema = self.schemas.get(name).and_then(Value::as_object);
        schema.is_some_and(|schema| schema.contains_key(OPEN_ENUM))
    }

    /// The body of a request. The fields of a form are parameters.
    fn body(
        &self,
        operation: &'a Value,
        other: Option<&String>,
    ) -> Result<(Option<Body>, Vec<Parameter>)> {
        let Some(body) = operation.get("requestBody") else {
            return Ok((None, Vec::new()));
        };
        let body = self.resolved(body);
        let content = body.get("content").and_then(Value::as_object);
        let (media_type, content) = match other {
            Some(media_type) => content.and_then(|content| content.get_key_value(media_type)),
            None => content.and_then(preferred),
        }
        .context("the request body has no media type")?;
        let schema = content.get("schema").unwrap_or(&Value::Null);
        let mut form = Vec::new();
        let content = if is_form(media_type) {
            form = self.form(content)?;
            match essence(media_type) {
                "multipart/form-data" => BodyContent::Multipart,
                _ => BodyContent::Form,
            }
        } else {
            match (is_json(media_type), type_of(schema)) {
                (_, Type::Binary) => BodyContent::Binary,
                (true, of) => BodyContent::Json(of),
                (false, _) if is_text(media_type) => BodyContent::Text,
                (false, _) => BodyContent::Binary,
            }
        };
        let is_form = !form.is_empty();
        let body = Body {
            is_required: is_form || flag(body, "required"),
            media_type: checked(media_type)?,
            content,
        };
        Ok((Some(body), form))
    }

    /// The fields of a form.
    fn form(&self, content: &'a Value) -> Result<Vec<Parameter>> {
        let schema = content.get("schema").unwrap_or(&Value::Null);
        let schema = match type_of(schema) {
            Type::Named(name) => self.schemas.get(&name).unwrap_or(schema),
            _ => schema,
        };
        let is_required = |name: &String| {
            let list = schema.get("required").and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|required| required == name))
        };
        entries(schema.get("properties"))
            .map(|(name, property)| {
                let explodes = content.get("encoding").and_then(|all| all.get(name));
                let explodes = explodes.and_then(|encoding| encoding.get("explode"));
                Ok(Parameter {
                    wire: name.clone(),
                    name: String::new(),
                    place: Place::Form,
                    is_required: is_required(name),
                    of: self
                        .scalar(property)
                        .with_context(|| format!("the form field `{name}`"))?,
                    separator: (explodes == Some(&Value::Bool(false))).then_some(","),
                    is_raw: false,
                    description: text(property),
                })
            })
            .collect()
    }

    /// The successful responses, and the type of the body of the others.
    fn responses(&self, operation: &'a Value) -> Result<(Responses, Option<Type>)> {
        let mut success = Vec::new();
        let mut error = None;
        for (status, response) in entries(operation.get("responses")) {
            let content = content_of(self.resolved(response))?;
            let is_success = status.starts_with('2');
            if is_success {
                let status = match status.parse() {
                    Ok(code) => Status::Code(code),
                    Err(_) => Status::AnySuccess,
                };
                success.push((status, content));
            } else if let Content::Json(of @ Type::Named(_), _) = content {
                error = Some(of);
            }
        }
        // A range is read after the statuses in it.
        success.sort_by_key(|(status, _)| *status == Status::AnySuccess);
        if success.is_empty() {
            success.push((Status::AnySuccess, Content::Empty));
        }
        Ok((success, error))
    }
}

/// The content of a response.
fn content_of(response: &Value) -> Result<Content> {
    let content = response.get("content").and_then(Value::as_object);
    let Some((media_type, content)) = content.and_then(preferred) else {
        return Ok(Content::Empty);
    };
    let of = type_of(content.get("schema").unwrap_or(&Value::Null));
    let is_json = is_json(media_type);
    let is_text = is_text(media_type);
    let media_type = checked(media_type)?;
    Ok(match of {
        Type::Binary => Content::Binary(media_type),
        of if is_json => Content::Json(of, media_type),
        _ if is_text => Content::Text(media_type),
        _ => Content::Binary(media_type),
    })
}

/// Sorts path parameters by their position in the path, and lists them first.
fn in_path_order(path: &str, parameters: Vec<Parameter>) -> Result<Vec<Parameter>> {
    let positions: BTreeMap<&str, usize> = placeholders(path)
        .enumerate()
        .map(|(position, name)| (name, position))
        .collect();
    let given: BTreeSet<&str> = parameters
        .iter()
        .filter(|parameter| parameter.place == Place::Path)
        .map(|parameter| parameter.wire.as_str())
        .collect();
    if let Some(missing) = positions.keys().find(|name| !given.contains(**name)) {
        bail!("`{{{missing}}}` in the path has no parameter");
    }
    if let Some(stray) = given.iter().find(|name| !positions.contains_key(**name)) {
        bail!("the path parameter `{stray}` is not in the path");
    }
    let position = |parameter: &Parameter| match parameter.place {
        Place::Path => positions.get(parameter.wire.as_str()).copied(),
        _ => None,
    };
    let mut parameters = parameters;
    parameters.sort_by_key(|parameter| position(parameter).unwrap_or(usize::MAX));
    Ok(parameters)
}

/// The name of a header in lower case, if it is valid.
pub fn http_name(name: &str) -> Option<String> {
    let is_token =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    (!name.is_empty() && name.chars().all(is_token)).then(|| name.to_ascii_lowercase())
}

fn flag(value: &Value, member: &str) -> bool {
    value.get(member) == Some(&Value::Bool(true))
}

fn text_of(value: &Value, member: &str) -> Option<String> {
    value.get(member).and_then(Value::as_str).map(str::to_owned)
}
