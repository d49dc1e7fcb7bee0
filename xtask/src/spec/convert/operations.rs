//! Paths, operations, parameters and responses.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::schemas::SCHEMA_EXTENSIONS;
use super::{Importer, TOOLING, owned};
use crate::spec::node::{Location, Node, step};
use crate::spec::prose::{self, PROSE};

const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch"];

#[derive(Default)]
struct Parameters {
    list: Vec<Value>,
    body: Option<Body>,
    form: Form,
}

/// The fields of a form, which Swagger 2.0 lists as parameters.
#[derive(Default)]
struct Form {
    properties: Map<String, Value>,
    required: Vec<Value>,
    encoding: Map<String, Value>,
    has_file: bool,
}

struct Body {
    required: bool,
    schema: Value,
    extensions: Map<String, Value>,
}

impl Importer<'_> {
    pub(super) fn paths(&mut self, file: &Path, root: &Node<'_>) -> Result<Map<String, Value>> {
        let mut paths = Map::new();
        for (path, value, location) in root.entries("paths")? {
            let item = Node::new(value, location)?;
            let mut out = Map::new();
            if item.get("parameters").is_some() {
                let shared = self.parameters(file, &item)?;
                if shared.body.is_some() {
                    bail!(
                        "{}: a body that is shared by the methods of a path is not supported",
                        item.at("parameters")
                    );
                }
                out.insert("parameters".into(), Value::Array(shared.list));
            }
            for method in METHODS {
                if let Some(value) = item.get(method) {
                    let operation = self.operation(file, value, item.at(method))?;
                    out.insert((*method).to_owned(), operation);
                }
            }
            item.finish()?;
            paths.insert(path.to_owned(), Value::Object(out));
        }
        Ok(paths)
    }

    fn operation(&mut self, file: &Path, value: &Value, location: Location) -> Result<Value> {
        let operation = Node::new(value, location)?;
        operation.skip(PROSE);
        operation.skip(TOOLING);
        operation.skip(&["schemes"]);
        let id = operation.need_str("operationId")?;
        id.clone_into(&mut self.owner);
        let known = self
            .operation_ids
            .insert(id.to_owned(), operation.location().clone());
        if let Some(first) = known {
            bail!(
                "{}: operation id {id:?} is already used at {first}",
                operation.at("operationId")
            );
        }
        let mut out = Map::new();
        operation.copy(&["tags", "operationId", "deprecated", "security"], &mut out);
        let consumes = media_types(&operation, "consumes", &self.consumes)?;
        let produces = media_types(&operation, "produces", &self.produces)?;

        let mut parameters = self.parameters(file, &operation)?;
        if !parameters.list.is_empty() {
            out.insert("parameters".into(), Value::Array(parameters.list));
        }
        if let Some(body) = parameters.body.take() {
            let content: Map<String, Value> = consumes
                .into_iter()
                .map(|media_type| (media_type, json!({"schema": body.schema})))
                .collect();
            let mut request = Map::new();
            request.insert("required".into(), body.required.into());
            request.insert("content".into(), Value::Object(content));
            request.extend(body.extensions);
            out.insert("requestBody".into(), Value::Object(request));
        } else if !parameters.form.properties.is_empty() {
            out.insert("requestBody".into(), form_body(parameters.form, &consumes));
        }

        let mut responses = Map::new();
        operation.need("responses")?;
        for (status, value, location) in operation.entries("responses")? {
            let (value, location, file) = self.dereference(file, value, location)?;
            let pointer = format!(
                "{}/responses{}",
                operation.location().pointer(),
                step(status)
            );
            self.origins.record(pointer, location.clone());
            let response = self.response(&file, status, &value, location, &produces)?;
            responses.insert(status.to_owned(), response);
        }
        // Sorted by status, with `default` last, so that the order in the input makes no
        // difference.
        responses.sort_keys();
        out.insert("responses".into(), Value::Object(responses));
        operation.copy(
            &[
                "x-ms-pageable",
                "x-ms-long-running-operation",
                "x-ms-long-running-operation-options",
            ],
            &mut out,
        );
        operation.finish()?;
        Ok(Value::Object(out))
    }

    fn parameters(&mut self, file: &Path, owner: &Node<'_>) -> Result<Parameters> {
        let mut out = Parameters::default();
        for (index, value) in owner.array("parameters")?.iter().enumerate() {
            let location = owner.at("parameters").index(index);
            let global = value
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix("#/parameters/"))
                .filter(|_| file == self.documents.root_path());
            let (value, location, file) = self.dereference(file, value, location)?;
            let parameter = Node::new(&value, location)?;
            let place = match parameter.need_str("in")? {
                "body" => "requestBody".to_owned(),
                _ => format!("parameters/{}", out.list.len()),
            };
            let pointer = format!("{}/{place}", owner.location().pointer());
            self.origins.record(pointer, parameter.location().clone());
            match (parameter.need_str("in")?, global) {
                ("body", _) => {
                    if out.body.is_some() {
                        bail!("{}: more than one body", parameter.location());
                    }
                    out.body = Some(self.body(&file, &parameter)?);
                }
                ("formData", _) => self.form_field(&file, &parameter, &mut out.form)?,
                (_, Some(name)) => {
                    let target = format!("#/components/parameters/{name}");
                    out.list.push(json!({"$ref": target}));
                    // The definition of a shared parameter is read separately.
                    continue;
                }
                _ => out.list.push(self.parameter(&file, &parameter)?),
            }
            parameter.finish()?;
        }
        Ok(out)
    }

    fn form_field(&mut self, file: &Path, parameter: &Node<'_>, form: &mut Form) -> Result<()> {
        let name = parameter.need_str("name")?.to_owned();
        parameter.skip(&["in", "x-ms-parameter-location", "allowEmptyValue"]);
        if parameter.bool("required")?.unwrap_or(false) {
            form.required.push(name.clone().into());
        }
        // By default, Swagger 2.0 joins lists by comma, and OpenAPI 3.0 repeats the field.
        match parameter.str("collectionFormat")? {
            Some("multi") => {}
            None | Some("csv") => {
                let is_list = parameter.str("type")? == Some("array");
                if is_list {
                    let joined = json!({"style": "form", "explode": false});
                    form.encoding.insert(name.clone(), joined);
                }
            }
            Some(other) => bail!(
                "{}: collection format {other:?} of a form field",
                parameter.at("collectionFormat")
            ),
        }
        let property = if parameter.str("type")? == Some("file") {
            parameter.skip(PROSE);
            form.has_file = true;
            json!({"type": "string", "format": "binary"})
        } else {
            let mut schema = self.schema_members(file, parameter)?;
            schema.shift_remove("required");
            self.hoist_enum(schema, parameter)
        };
        form.properties.insert(name, property);
        Ok(())
    }

    fn body(&mut self, file: &Path, parameter: &Node<'_>) -> Result<Body> {
        parameter.skip(PROSE);
        parameter.skip(TOOLING);
        parameter.skip(&["name", "x-ms-parameter-location"]);
        let mut extensions = Map::new();
        parameter.copy(SCHEMA_EXTENSIONS, &mut extensions);
        Ok(Body {
            required: parameter.bool("required")?.unwrap_or(false),
            schema: self.body_schema(file, parameter)?,
            extensions,
        })
    }

    /// The schema of a body. A file is binary.
    fn body_schema(&mut self, file: &Path, parameter: &Node<'_>) -> Result<Value> {
        let schema = parameter.need("schema")?;
        if schema.get("type").and_then(Value::as_str) != Some("file") {
            return self.schema(file, schema, parameter.at("schema"));
        }
        let schema = Node::new(schema, parameter.at("schema"))?;
        schema.skip(PROSE);
        schema.skip(&["type", "format"]);
        schema.finish()?;
        Ok(json!({"type": "string", "format": "binary"}))
    }

    /// Converts a parameter of the path, the query or a header.
    pub(super) fn parameter(&mut self, file: &Path, parameter: &Node<'_>) -> Result<Value> {
        parameter.skip(&["x-ms-parameter-location"]);
        let mut out = Map::new();
        let parameter_in = parameter.need_str("in")?;
        if !matches!(parameter_in, "path" | "query" | "header") {
            bail!(
                "{}: unknown parameter location {parameter_in:?}",
                parameter.at("in")
            );
        }
        parameter.need_str("name")?;
        parameter.copy(&["name", "in"], &mut out);
        let required = parameter.bool("required")?.unwrap_or(false);
        out.insert("required".into(), required.into());
        let format = match (
            parameter.str("collectionFormat")?,
            parameter.str("type")? == Some("array"),
        ) {
            // By default, Swagger 2.0 joins lists by comma, and OpenAPI 3.0 repeats the parameter.
            (None, true) => Some("csv"),
            (format, _) => format,
        };
        let style = match (format, parameter_in) {
            (None, _) => None,
            (Some("csv"), "query") => Some(("form", false)),
            (Some("multi"), "query") => Some(("form", true)),
            (Some("ssv"), "query") => Some(("spaceDelimited", false)),
            (Some("pipes"), "query") => Some(("pipeDelimited", false)),
            (Some("csv"), _) => Some(("simple", false)),
            (Some(other), _) => bail!(
                "{}: collection format {other:?} of a {parameter_in} parameter",
                parameter.at("collectionFormat")
            ),
        };
        if let Some((style, explode)) = style {
            out.insert("style".into(), style.into());
            out.insert("explode".into(), explode.into());
        }
        let mut schema = self.schema_members(file, parameter)?;
        // For a parameter, `required` is a boolean, which is read above.
        schema.shift_remove("required");
        for member in SCHEMA_EXTENSIONS {
            if let Some(value) = schema.shift_remove(*member) {
                out.insert((*member).to_owned(), value);
            }
        }
        out.insert("schema".into(), self.hoist_enum(schema, parameter));
        parameter.copy(
            &[
                "allowEmptyValue",
                "x-ms-skip-url-encoding",
                "x-ms-client-request-id",
            ],
            &mut out,
        );
        Ok(Value::Object(out))
    }

    fn response(
        &mut self,
        file: &Path,
        status: &str,
        value: &Value,
        location: Location,
        produces: &[String],
    ) -> Result<Value> {
        let response = Node::new(value, location)?;
        response.skip(PROSE);
        response.skip(TOOLING);
        response.skip(&["examples"]);
        let mut out = Map::new();
        let description = prose::status(status)
            .ok_or_else(|| anyhow!("{}: {status:?} is not a status code", response.location()))?;
        out.insert("description".into(), description.into());
        let mut headers = Map::new();
        for (name, value, location) in response.entries("headers")? {
            let header = Node::new(value, location)?;
            let schema = self.schema_members(file, &header)?;
            let schema = self.hoist_enum(schema, &header);
            header.finish()?;
            headers.insert(name.to_owned(), json!({"schema": schema}));
        }
        if !headers.is_empty() {
            out.insert("headers".into(), Value::Object(headers));
        }
        if let Some(schema) = response.get("schema") {
            out.insert(
                "content".into(),
                self.content(file, schema, response.at("schema"), produces)?,
            );
        }
        response.finish()?;
        Ok(Value::Object(out))
    }

    fn content(
        &mut self,
        file: &Path,
        schema: &Value,
        location: Location,
        produces: &[String],
    ) -> Result<Value> {
        if schema.get("type").and_then(Value::as_str) == Some("file") {
            let schema = Node::new(schema, location)?;
            schema.skip(PROSE);
            schema.skip(&["type", "format"]);
            schema.finish()?;
            let binary = json!({"schema": {"type": "string", "format": "binary"}});
            let is_json = |media_type: &String| media_type.contains("json");
            let mut content: Map<String, Value> = produces
                .iter()
                .filter(|media_type| !is_json(media_type))
                .map(|media_type| (media_type.clone(), binary.clone()))
                .collect();
            if content.is_empty() {
                content.insert("application/octet-stream".into(), binary);
            }
            return Ok(content.into());
        }
        let schema = self.schema(file, schema, location)?;
        Ok(produces
            .iter()
            .map(|media_type| (media_type.clone(), json!({"schema": schema})))
            .collect::<Map<_, _>>()
            .into())
    }
}

/// A form is URL-encoded unless it contains files, or the description says otherwise.
fn form_body(form: Form, consumes: &[String]) -> Value {
    const MULTIPART: &str = "multipart/form-data";
    const URL_ENCODED: &str = "application/x-www-form-urlencoded";
    let is_multipart = form.has_file
        || consumes.iter().any(|media_type| media_type == MULTIPART)
            && !consumes.iter().any(|media_type| media_type == URL_ENCODED);
    let media_type = if is_multipart { MULTIPART } else { URL_ENCODED };
    let is_required = !form.required.is_empty();
    let mut schema = json!({"type": "object", "properties": form.properties});
    if is_required {
        schema["required"] = form.required.into();
    }
    let mut content = json!({"schema": schema});
    if !form.encoding.is_empty() {
        content["encoding"] = form.encoding.into();
    }
    json!({"required": is_required, "content": {media_type: content}})
}

fn media_types(operation: &Node<'_>, member: &str, inherited: &[String]) -> Result<Vec<String>> {
    let own = operation.strings(member)?;
    Ok(match (own.is_empty(), inherited.is_empty()) {
        (false, _) => owned(own),
        (true, false) => inherited.to_vec(),
        (true, true) => vec!["application/json".to_owned()],
    })
}
