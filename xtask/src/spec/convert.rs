//! Swagger 2.0 to `OpenAPI` 3.0.3: structure carries over, prose does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::document::{Documents, Target};
use super::node::{Node, Place};
use super::prose;

/// Members that hold prose or examples of upstream.
const PROSE: &[&str] = &["description", "summary", "title", "example", "externalDocs"];

/// Extensions that mean the same in both versions; code generation reads some of them.
const SCHEMA_EXTENSIONS: &[&str] = &[
    "x-ms-client-name",
    "x-ms-mutability",
    "x-ms-secret",
    "x-ms-client-flatten",
];

const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch"];

/// Converts the root of `documents` and everything that it refers to.
pub fn convert(documents: &mut Documents) -> Result<Value> {
    let file = documents.root_path().to_owned();
    let place = Place::root(file.display().to_string());
    let root = documents.root().clone();
    let root = Node::new(&root, place)?;
    match root.str("swagger")? {
        Some("2.0") => {}
        Some(other) => bail!(
            "{}: version {other:?} is not Swagger 2.0",
            root.at("swagger")
        ),
        None => bail!(
            "{}: not a Swagger 2.0 document: `swagger` is missing",
            root.place()
        ),
    }
    let mut importer = Importer {
        documents,
        schemas: BTreeMap::new(),
        pending: Vec::new(),
        operation_ids: BTreeMap::new(),
        hoisted: BTreeMap::new(),
        consumes: owned(root.strings("consumes")?),
        produces: owned(root.strings("produces")?),
    };

    let info = Node::new(root.need("info")?, root.at("info"))?;
    let version = info.need_str("version")?;
    info.skip(PROSE);
    info.skip(&[
        "contact",
        "license",
        "termsOfService",
        "x-ms-code-generation-settings",
    ]);
    info.finish()?;

    let servers = importer.servers(&file, &root)?;
    let paths = importer.paths(&file, &root)?;
    let parameters = importer.global_parameters(&file, &root)?;
    for (name, _, _) in root.entries("definitions")? {
        let target = importer.documents.local(&file, "definitions", name);
        importer.component(target)?;
    }
    let schemas = importer.components()?;
    let security_schemes = security_schemes(&root)?;

    let mut document = Map::new();
    document.insert("openapi".into(), "3.0.3".into());
    document.insert(
        "info".into(),
        json!({"title": prose::TITLE, "version": version}),
    );
    document.insert("servers".into(), servers);
    root.copy(&["security"], &mut document);
    document.insert("paths".into(), Value::Object(paths));
    document.insert(
        "components".into(),
        json!({"parameters": parameters, "schemas": schemas, "securitySchemes": security_schemes}),
    );
    // Responses are read where an operation refers to them; tags of the root are only prose.
    root.skip(&["responses", "tags", "externalDocs"]);
    root.finish()?;
    Ok(Value::Object(document))
}

struct Importer<'a> {
    documents: &'a mut Documents,
    /// What each component name stands for, and its converted schema once there is one.
    schemas: BTreeMap<String, (Target, Value)>,
    pending: Vec<Target>,
    operation_ids: BTreeMap<String, Place>,
    /// Enums that were written inline, by the name that `x-ms-enum` gives them.
    hoisted: BTreeMap<String, (Place, Value)>,
    consumes: Vec<String>,
    produces: Vec<String>,
}

impl Importer<'_> {
    fn servers(&mut self, file: &Path, root: &Node<'_>) -> Result<Value> {
        let schemes = root.strings("schemes")?;
        let scheme = match schemes.first() {
            Some(scheme) if !schemes.contains(&"https") => scheme,
            _ => "https",
        };
        let host = root
            .str("host")?
            .unwrap_or("contoso.communication.azure.com");
        let base = root.str("basePath")?.unwrap_or("").trim_end_matches('/');
        let Some(value) = root.get("x-ms-parameterized-host") else {
            return Ok(json!([{"url": format!("{scheme}://{host}{base}")}]));
        };
        let parameterized = Node::new(value, root.at("x-ms-parameterized-host"))?;
        let template = parameterized.need_str("hostTemplate")?;
        let prefix = match parameterized.bool("useSchemePrefix")?.unwrap_or(true) {
            true => format!("{scheme}://"),
            false => String::new(),
        };
        let mut variables = Map::new();
        for (index, value) in parameterized.array("parameters")?.iter().enumerate() {
            let place = parameterized.at("parameters").index(index);
            let (value, place, _) = self.dereference(file, value, place)?;
            let parameter = Node::new(&value, place)?;
            let default = match parameter.str("default")? {
                Some(default) => default.to_owned(),
                None if prefix.is_empty() => format!("{scheme}://{host}"),
                None => host.to_owned(),
            };
            variables.insert(
                parameter.need_str("name")?.to_owned(),
                json!({"default": default}),
            );
        }
        parameterized.skip(&["positionInOperation"]);
        parameterized.finish()?;
        Ok(json!([{"url": format!("{prefix}{template}{base}"), "variables": variables}]))
    }

    fn paths(&mut self, file: &Path, root: &Node<'_>) -> Result<Map<String, Value>> {
        let mut paths = Map::new();
        for (path, value, place) in root.entries("paths")? {
            let item = Node::new(value, place)?;
            let mut out = Map::new();
            if item.get("parameters").is_some() {
                let shared = self.parameters(file, &item)?;
                if shared.body.is_some() {
                    bail!(
                        "{}: a body for all methods of a path",
                        item.at("parameters")
                    );
                }
                out.insert("parameters".into(), Value::Array(shared.parameters));
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

    fn operation(&mut self, file: &Path, value: &Value, place: Place) -> Result<Value> {
        let operation = Node::new(value, place)?;
        operation.skip(PROSE);
        operation.skip(&["x-ms-examples", "schemes"]);
        let id = operation.need_str("operationId")?;
        if let Some(first) = self
            .operation_ids
            .insert(id.to_owned(), operation.place().clone())
        {
            bail!(
                "{}: operation id {id:?} stands at {first} already",
                operation.at("operationId")
            );
        }
        let mut out = Map::new();
        operation.copy(&["tags", "operationId", "deprecated", "security"], &mut out);
        let consumes = media_types(&operation, "consumes", &self.consumes)?;
        let produces = media_types(&operation, "produces", &self.produces)?;

        let mut parameters = self.parameters(file, &operation)?;
        if !parameters.parameters.is_empty() {
            out.insert("parameters".into(), Value::Array(parameters.parameters));
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
        }

        let mut responses = Map::new();
        operation.need("responses")?;
        for (status, value, place) in operation.entries("responses")? {
            let response = self.response(file, status, value, place, &produces)?;
            responses.insert(status.to_owned(), response);
        }
        // By status, so that the order upstream happens to use makes no diff; `default` last.
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
            let place = owner.at("parameters").index(index);
            let reference = value.get("$ref").and_then(Value::as_str);
            let (value, place, file) = self.dereference(file, value, place)?;
            let parameter = Node::new(&value, place)?;
            match (parameter.need_str("in")?, reference) {
                ("body", _) => {
                    if out.body.is_some() {
                        bail!("{}: a second body", parameter.place());
                    }
                    out.body = Some(self.body(&file, &parameter)?);
                }
                ("formData", _) => bail!(
                    "{}: form parameters are not supported; the service has none so far",
                    parameter.place()
                ),
                (_, Some(reference)) if file == self.documents.root_path() => {
                    let name = reference.rsplit('/').next().unwrap_or(reference);
                    let target = format!("#/components/parameters/{name}");
                    out.parameters.push(json!({"$ref": target}));
                    // Its members are read once, where the document defines it.
                    continue;
                }
                _ => out.parameters.push(self.parameter(&file, &parameter)?),
            }
            parameter.finish()?;
        }
        Ok(out)
    }

    fn body(&mut self, file: &Path, parameter: &Node<'_>) -> Result<Body> {
        parameter.skip(PROSE);
        parameter.skip(&["name", "x-ms-parameter-location"]);
        let mut extensions = Map::new();
        parameter.copy(SCHEMA_EXTENSIONS, &mut extensions);
        Ok(Body {
            required: parameter.bool("required")?.unwrap_or(false),
            schema: self.schema(file, parameter.need("schema")?, parameter.at("schema"))?,
            extensions,
        })
    }

    /// A parameter of the path, the query or a header.
    fn parameter(&mut self, file: &Path, parameter: &Node<'_>) -> Result<Value> {
        parameter.skip(PROSE);
        parameter.skip(&["x-ms-parameter-location", "x-ms-parameter-grouping"]);
        let mut out = Map::new();
        let location = parameter.need_str("in")?;
        if !matches!(location, "path" | "query" | "header") {
            bail!(
                "{}: unknown parameter location {location:?}",
                parameter.at("in")
            );
        }
        parameter.need_str("name")?;
        parameter.copy(&["name", "in"], &mut out);
        let required = parameter.bool("required")?.unwrap_or(false);
        out.insert("required".into(), required.into());
        match (parameter.str("collectionFormat")?, location) {
            (None, _) => {}
            (Some("csv"), "query") => {
                out.insert("style".into(), "form".into());
                out.insert("explode".into(), false.into());
            }
            (Some("csv"), _) => {
                out.insert("style".into(), "simple".into());
            }
            (Some("multi"), "query") => {
                out.insert("style".into(), "form".into());
                out.insert("explode".into(), true.into());
            }
            (Some(other), _) => bail!(
                "{}: collection format {other:?} of a {location} parameter",
                parameter.at("collectionFormat")
            ),
        }
        let mut schema = self.schema_members(file, parameter)?;
        schema.retain(|member, _| member != "required" && !member.starts_with("x-"));
        out.insert("schema".into(), Value::Object(schema));
        parameter.copy(
            &[
                "x-ms-client-name",
                "x-ms-skip-url-encoding",
                "x-ms-client-request-id",
            ],
            &mut out,
        );
        Ok(Value::Object(out))
    }

    fn global_parameters(&mut self, file: &Path, root: &Node<'_>) -> Result<Value> {
        let server_only: BTreeSet<&str> = root
            .get("x-ms-parameterized-host")
            .and_then(|host| host.get("parameters"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|parameter| parameter.get("$ref")?.as_str()?.rsplit('/').next())
            .collect();
        let mut out = Map::new();
        for (name, value, place) in root.entries("parameters")? {
            let parameter = Node::new(value, place)?;
            // Bodies are written into the operation that uses them.
            if server_only.contains(name) || parameter.need_str("in")? == "body" {
                continue;
            }
            out.insert(name.to_owned(), self.parameter(file, &parameter)?);
            parameter.finish()?;
        }
        out.sort_keys();
        Ok(Value::Object(out))
    }

    fn response(
        &mut self,
        file: &Path,
        status: &str,
        value: &Value,
        place: Place,
        produces: &[String],
    ) -> Result<Value> {
        let (value, place, file) = self.dereference(file, value, place)?;
        let response = Node::new(&value, place)?;
        response.skip(PROSE);
        response.skip(&["examples", "x-ms-error-response"]);
        let mut out = Map::new();
        let description = prose::status(status)
            .ok_or_else(|| anyhow!("{}: {status:?} is no status code", response.place()))?;
        out.insert("description".into(), description.into());
        let mut headers = Map::new();
        for (name, value, place) in response.entries("headers")? {
            let header = Node::new(value, place)?;
            header.skip(PROSE);
            let schema = self.schema_members(&file, &header)?;
            header.finish()?;
            headers.insert(name.to_owned(), json!({"schema": schema}));
        }
        if !headers.is_empty() {
            out.insert("headers".into(), Value::Object(headers));
        }
        if let Some(schema) = response.get("schema") {
            let content = if schema.get("type").and_then(Value::as_str) == Some("file") {
                json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}})
            } else {
                let schema = self.schema(&file, schema, response.at("schema"))?;
                produces
                    .iter()
                    .map(|media_type| (media_type.clone(), json!({"schema": schema})))
                    .collect::<Map<_, _>>()
                    .into()
            };
            out.insert("content".into(), content);
        }
        response.finish()?;
        Ok(Value::Object(out))
    }

    /// A schema where one is used: a reference stays a reference.
    fn schema(&mut self, file: &Path, value: &Value, place: Place) -> Result<Value> {
        let schema = Node::new(value, place)?;
        let out = if let Some(reference) = schema.str("$ref")? {
            schema.skip(PROSE);
            let reference = self.schema_reference(file, reference, &schema)?;
            let mut siblings = Map::new();
            schema.copy(&["readOnly"], &mut siblings);
            schema.copy(SCHEMA_EXTENSIONS, &mut siblings);
            nullable(&schema, &mut siblings)?;
            if siblings.is_empty() {
                reference
            } else {
                siblings.insert("allOf".into(), json!([reference]));
                Value::Object(siblings)
            }
        } else {
            let out = self.schema_members(file, &schema)?;
            self.hoist_enum(out, &schema)?
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
        Ok(json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    /// Everything of a schema, parameter or header that says what values it holds.
    fn schema_members(&mut self, file: &Path, schema: &Node<'_>) -> Result<Map<String, Value>> {
        schema.skip(PROSE);
        let mut out = Map::new();
        if let Some(name) = schema.str("type")? {
            if !matches!(
                name,
                "string" | "integer" | "number" | "boolean" | "array" | "object"
            ) {
                bail!("{}: unknown type {name:?}", schema.at("type"));
            }
            out.insert("type".into(), name.into());
        }
        self.check_format(schema)?;
        schema.copy(
            &[
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
                "x-ms-enum",
                "x-ms-discriminator-value",
            ],
            &mut out,
        );
        if let Some(value) = out.get_mut("x-ms-enum").and_then(Value::as_object_mut) {
            value.remove("values");
        }
        schema.copy(SCHEMA_EXTENSIONS, &mut out);
        nullable(schema, &mut out)?;
        if let Some(items) = schema.get("items") {
            out.insert(
                "items".into(),
                self.schema(file, items, schema.at("items"))?,
            );
        }
        match schema.get("additionalProperties") {
            None => {}
            Some(Value::Bool(allowed)) => {
                out.insert("additionalProperties".into(), (*allowed).into());
            }
            Some(value) => {
                let value = self.schema(file, value, schema.at("additionalProperties"))?;
                out.insert("additionalProperties".into(), value);
            }
        }
        let mut all = Vec::new();
        for (index, part) in schema.array("allOf")?.iter().enumerate() {
            all.push(self.schema(file, part, schema.at("allOf").index(index))?);
        }
        let mut properties = Map::new();
        for (name, value, place) in schema.entries("properties")? {
            let property = self.schema(file, value, place)?;
            properties.insert(name.to_owned(), with_room_for_text(property));
        }
        if !all.is_empty() {
            // A subtype: what it adds stands as the last part, as OpenAPI 3.0 writes it.
            let mut own = Map::new();
            for member in ["type", "required", "additionalProperties"] {
                if let Some(value) = out.shift_remove(member) {
                    own.insert(member.into(), value);
                }
            }
            if !properties.is_empty() {
                own.insert("properties".into(), Value::Object(properties));
            }
            all.push(Value::Object(own));
            out.insert("allOf".into(), Value::Array(all));
        } else if !properties.is_empty() {
            out.insert("properties".into(), Value::Object(properties));
        }
        if let Some(property) = schema.str("discriminator")? {
            out.insert("discriminator".into(), json!({"propertyName": property}));
        }
        Ok(out)
    }

    fn check_format(&self, schema: &Node<'_>) -> Result<()> {
        match (schema.str("type")?, schema.str("format")?) {
            // A format of a string restricts its text; unknown ones are kept and read as text.
            (_, None)
            | (Some("string"), _)
            | (Some("integer"), Some("int32" | "int64"))
            | (Some("number"), Some("float" | "double" | "decimal")) => Ok(()),
            (of, Some(format)) => bail!(
                "{}: unknown format {format:?} of type {}",
                schema.at("format"),
                of.unwrap_or("(none)")
            ),
        }
    }

    /// Gives an enum that is written inline the component name that upstream gives it.
    fn hoist_enum(&mut self, schema: Map<String, Value>, owner: &Node<'_>) -> Result<Value> {
        let name = schema
            .get("x-ms-enum")
            .and_then(|info| info.get("name"))
            .and_then(Value::as_str);
        let (Some(name), true) = (name, schema.contains_key("enum")) else {
            return Ok(Value::Object(schema));
        };
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        let (name, schema) = (name.to_owned(), Value::Object(schema));
        match self.hoisted.get(&name) {
            Some((_, known)) if *known == schema => {}
            Some((place, _)) => bail!(
                "{}: enum {name} differs from the one at {place}",
                owner.place()
            ),
            None => {
                self.hoisted.insert(name, (owner.place().clone(), schema));
            }
        }
        Ok(reference)
    }

    /// Takes a definition in as a component of its name.
    fn component(&mut self, target: Target) -> Result<()> {
        let target = self.documents.canonical(target)?;
        match self.schemas.get(target.name()) {
            Some((known, _)) if *known == target => Ok(()),
            Some((known, _)) => bail!(
                "{}: a definition of this name stands at {} already",
                target.place(),
                known.place()
            ),
            None => {
                self.schemas
                    .insert(target.name().to_owned(), (target.clone(), Value::Null));
                self.pending.push(target);
                Ok(())
            }
        }
    }

    /// Converts what was taken in, and what that leads to, until nothing new turns up.
    fn components(&mut self) -> Result<Map<String, Value>> {
        while let Some(target) = self.pending.pop() {
            let definition = self.documents.get(&target).cloned().unwrap_or_default();
            let schema = Node::new(&definition, target.place())?;
            let converted = if let Some(reference) = schema.str("$ref")? {
                schema.skip(PROSE);
                self.schema_reference(target.file(), reference, &schema)?
            } else {
                Value::Object(self.schema_members(target.file(), &schema)?)
            };
            schema.finish()?;
            if let Some((_, slot)) = self.schemas.get_mut(target.name()) {
                *slot = converted;
            }
        }
        let mut out: BTreeMap<String, Value> = BTreeMap::new();
        for (name, (_, schema)) in &self.schemas {
            out.insert(name.clone(), schema.clone());
        }
        for (name, (place, schema)) in &self.hoisted {
            match out.get(name) {
                Some(known) if known != schema => {
                    bail!("{place}: enum {name} differs from the definition of that name")
                }
                _ => out.insert(name.clone(), schema.clone()),
            };
        }
        discriminators(&mut out)?;
        Ok(out.into_iter().collect())
    }

    /// The value itself, or what its `$ref` leads to, with the place and file where that stands.
    fn dereference(
        &mut self,
        file: &Path,
        value: &Value,
        place: Place,
    ) -> Result<(Value, Place, PathBuf)> {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok((value.clone(), place, file.to_owned()));
        };
        let target = self.documents.resolve(file, reference, &place)?;
        let value = self.documents.get(&target).cloned().unwrap_or_default();
        if value.get("$ref").is_some() {
            bail!("{}: a `$ref` to a `$ref`", target.place());
        }
        Ok((value, target.place(), target.file().to_owned()))
    }
}

#[derive(Default)]
struct Parameters {
    parameters: Vec<Value>,
    body: Option<Body>,
}

struct Body {
    required: bool,
    schema: Value,
    extensions: Map<String, Value>,
}

/// Writes a bare reference as `allOf` of one, because a `$ref` of 3.0 ignores its siblings and a
/// property wants a description of its own.
fn with_room_for_text(property: Value) -> Value {
    if property.get("$ref").is_some() {
        json!({"allOf": [property]})
    } else {
        property
    }
}

fn nullable(schema: &Node<'_>, out: &mut Map<String, Value>) -> Result<()> {
    if schema.bool("x-nullable")?.unwrap_or(false) {
        out.insert("nullable".into(), true.into());
    }
    Ok(())
}

/// Writes which subtype each discriminator value stands for into the base types.
fn discriminators(schemas: &mut BTreeMap<String, Value>) -> Result<()> {
    let mut mappings: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, schema) in schemas.iter() {
        let value = schema
            .get("x-ms-discriminator-value")
            .and_then(Value::as_str)
            .unwrap_or(name);
        for base in bases(name, schemas, &mut vec![name.clone()])? {
            let mapping = mappings.entry(base.clone()).or_default();
            if let Some(first) = mapping.insert(value.to_owned(), name.clone()) {
                bail!(
                    "#/components/schemas/{name}: {first} has the discriminator value {value:?} \
                     of {base} too"
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

/// Every discriminated type that `name` derives from through `allOf`.
fn bases(
    name: &str,
    schemas: &BTreeMap<String, Value>,
    seen: &mut Vec<String>,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let parts = schemas.get(name).and_then(|schema| schema.get("allOf"));
    for part in parts.and_then(Value::as_array).into_iter().flatten() {
        let Some(base) = part
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.rsplit('/').next())
        else {
            continue;
        };
        if seen.iter().any(|name| name == base) {
            bail!("#/components/schemas/{name}: `allOf` is circular through {base}");
        }
        seen.push(base.to_owned());
        if schemas
            .get(base)
            .is_some_and(|base| base.get("discriminator").is_some())
        {
            out.push(base.to_owned());
        }
        out.extend(bases(base, schemas, seen)?);
        seen.pop();
    }
    Ok(out)
}

fn security_schemes(root: &Node<'_>) -> Result<Value> {
    let mut out = Map::new();
    for (name, value, place) in root.entries("securityDefinitions")? {
        let scheme = Node::new(value, place)?;
        scheme.skip(PROSE);
        let converted = match scheme.need_str("type")? {
            "apiKey" => {
                let mut converted = Map::new();
                scheme.copy(&["type", "name", "in"], &mut converted);
                Value::Object(converted)
            }
            "basic" => json!({"type": "http", "scheme": "basic"}),
            "oauth2" => {
                let flow = match scheme.need_str("flow")? {
                    "implicit" => "implicit",
                    "password" => "password",
                    "application" => "clientCredentials",
                    "accessCode" => "authorizationCode",
                    other => bail!("{}: unknown flow {other:?}", scheme.at("flow")),
                };
                let mut converted = Map::new();
                scheme.copy(&["authorizationUrl", "tokenUrl"], &mut converted);
                let mut scopes = Map::new();
                for (name, _, _) in scheme.entries("scopes")? {
                    scopes.insert(name.to_owned(), "".into());
                }
                converted.insert("scopes".into(), Value::Object(scopes));
                json!({"type": "oauth2", "flows": {flow: converted}})
            }
            other => bail!("{}: unknown kind {other:?}", scheme.at("type")),
        };
        scheme.finish()?;
        out.insert(name.to_owned(), converted);
    }
    Ok(Value::Object(out))
}

fn media_types(operation: &Node<'_>, member: &str, inherited: &[String]) -> Result<Vec<String>> {
    let own = operation.strings(member)?;
    Ok(match (own.is_empty(), inherited.is_empty()) {
        (false, _) => owned(own),
        (true, false) => inherited.to_vec(),
        (true, true) => vec!["application/json".to_owned()],
    })
}

fn owned(items: Vec<&str>) -> Vec<String> {
    items.into_iter().map(str::to_owned).collect()
}
