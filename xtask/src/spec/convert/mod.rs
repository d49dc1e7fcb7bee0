//! Converts Swagger 2.0 to `OpenAPI` 3.0.3: the structure, but not the text.

mod operations;
mod schemas;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::document::{Documents, Target};
use super::node::{Location, Node, step};
use super::origins::Origins;
use super::prose::{PROSE, TITLE};

/// Extensions that do not affect the wire format.
const TOOLING: &[&str] = &[
    // Names and groups for the clients of other languages.
    "x-cadl-name",
    "x-ms-client-default",
    "x-ms-code-generation-settings",
    "x-ms-identifiers",
    "x-ms-media-kind",
    "x-ms-parameter-grouping",
    "x-namespace",
    "x-typespec-name",
    // Documentation, and what it leaves out.
    "x-accessibility",
    "x-example",
    "x-examples",
    "x-internal",
    "x-ms-error-code",
    "x-ms-examples",
    "x-ms-external",
    "x-ms-summary",
    "x-ms-visibility",
    // Azure Resource Manager.
    "x-ms-arm-id-details",
    "x-ms-azure-resource",
    // What marks the errors. We read every status that is not a success as an error.
    "x-ms-error-response",
    // How the description was written.
    "x-cadl-generated",
    "x-typespec-generated",
];

/// A converted document, and where its elements come from.
#[derive(Debug)]
pub struct Converted {
    pub document: Value,
    pub origins: Origins,
}

/// The extensions in a description that the import ignores, with their numbers.
pub fn ignored_extensions(value: &Value) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let Some(known) = TOOLING.iter().find(|known| *known == name) {
                        *found.entry(*known).or_insert(0) += 1;
                    }
                    pending.push(value);
                }
            }
            Value::Array(items) => pending.extend(items),
            _ => {}
        }
    }
    found
}

/// Converts the root of `documents` and everything that it refers to.
pub fn convert(documents: &mut Documents) -> Result<Converted> {
    let file = documents.root_path().to_owned();
    let location = documents.root_location();
    let root = documents.root().clone();
    let root = Node::new(&root, location)?;
    match root.str("swagger")? {
        Some("2.0") => {}
        Some(other) => bail!(
            "{}: version {other:?} is not Swagger 2.0",
            root.at("swagger")
        ),
        None => bail!(
            "{}: not a Swagger 2.0 document: `swagger` is missing",
            root.location()
        ),
    }
    let mut importer = Importer {
        documents,
        schemas: BTreeMap::new(),
        pending: Vec::new(),
        twins: Vec::new(),
        hoisted: BTreeMap::new(),
        operation_ids: BTreeMap::new(),
        origins: Origins::default(),
        owner: String::new(),
        consumes: owned(root.strings("consumes")?),
        produces: owned(root.strings("produces")?),
    };

    let info = Node::new(root.need("info")?, root.at("info"))?;
    let version = info.need_str("version")?;
    info.skip(PROSE);
    info.skip(TOOLING);
    info.skip(&["contact", "license", "termsOfService"]);
    info.finish()?;

    let servers = importer.servers(&file, &root)?;
    let paths = importer.paths(&file, &root)?;
    let parameters = importer.global_parameters(&file, &root)?;
    for (name, _, _) in root.entries("definitions")? {
        importer.component(Target::definition(&file, name))?;
    }
    let schemas = importer.components()?;
    let security_schemes = security_schemes(&root)?;

    let mut document = Map::new();
    document.insert("openapi".into(), "3.0.3".into());
    document.insert("info".into(), json!({"title": TITLE, "version": version}));
    document.insert("servers".into(), servers);
    root.copy(&["security"], &mut document);
    document.insert("paths".into(), Value::Object(paths));
    document.insert(
        "components".into(),
        json!({"parameters": parameters, "schemas": schemas, "securitySchemes": security_schemes}),
    );
    // Responses are read when an operation refers to them. Tags of the root contain only text.
    root.skip(&["responses", "tags", "externalDocs"]);
    root.skip(TOOLING);
    root.finish()?;
    Ok(Converted {
        document: Value::Object(document),
        origins: importer.origins,
    })
}

struct Importer<'a> {
    documents: &'a mut Documents,
    /// The target of each component name, and its schema once it is converted.
    schemas: BTreeMap<String, (Target, Value)>,
    pending: Vec<Target>,
    /// Definitions of other files with the name of a component. They must be equal to it.
    twins: Vec<Target>,
    /// Inline enums, by their names in `x-ms-enum`.
    hoisted: BTreeMap<String, (Location, Value)>,
    operation_ids: BTreeMap<String, Location>,
    origins: Origins,
    /// The definition or operation that is being read, which gives its name to an enum.
    owner: String,
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
        let prefix = if parameterized.bool("useSchemePrefix")?.unwrap_or(true) {
            format!("{scheme}://")
        } else {
            String::new()
        };
        let mut variables = Map::new();
        for (index, value) in parameterized.array("parameters")?.iter().enumerate() {
            let location = parameterized.at("parameters").index(index);
            let (value, location, _) = self.dereference(file, value, location)?;
            let parameter = Node::new(&value, location)?;
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

    fn global_parameters(&mut self, file: &Path, root: &Node<'_>) -> Result<Value> {
        let server_only: BTreeSet<&str> = root
            .get("x-ms-parameterized-host")
            .and_then(|host| host.get("parameters"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|parameter| {
                parameter
                    .get("$ref")?
                    .as_str()?
                    .strip_prefix("#/parameters/")
            })
            .collect();
        let mut out = Map::new();
        for (name, value, location) in root.entries("parameters")? {
            let (value, location, file) = self.dereference(file, value, location)?;
            let pointer = format!("/components/parameters{}", step(name));
            self.origins.record(pointer, location.clone());
            let parameter = Node::new(&value, location)?;
            // Bodies become part of the operation that uses them.
            if server_only.contains(name) || parameter.need_str("in")? == "body" {
                continue;
            }
            name.clone_into(&mut self.owner);
            out.insert(name.to_owned(), self.parameter(&file, &parameter)?);
            parameter.finish()?;
        }
        out.sort_keys();
        Ok(Value::Object(out))
    }

    /// The value, or the target of its `$ref`, with its location and file.
    fn dereference(
        &mut self,
        file: &Path,
        value: &Value,
        location: Location,
    ) -> Result<(Value, Location, PathBuf)> {
        if value.get("$ref").is_none() {
            return Ok((value.clone(), location, file.to_owned()));
        }
        let node = Node::new(value, location)?;
        let reference = node.need_str("$ref")?;
        let target = self.documents.resolve(file, reference, &node.at("$ref"))?;
        node.skip(PROSE);
        node.finish()?;
        let target = self.documents.follow(target, |_, _| true)?;
        let value = self.documents.get(&target).cloned().unwrap_or_default();
        let location = self.documents.location(&target);
        Ok((value, location, target.file().to_owned()))
    }
}

fn security_schemes(root: &Node<'_>) -> Result<Value> {
    let mut out = Map::new();
    for (name, value, location) in root.entries("securityDefinitions")? {
        let scheme = Node::new(value, location)?;
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

fn owned(items: Vec<&str>) -> Vec<String> {
    items.into_iter().map(str::to_owned).collect()
}
