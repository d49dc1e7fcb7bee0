//! A typed view of our `OpenAPI` documents: operations, parameters, bodies and schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::node::{pointer, step};

/// A document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a>(&'a Value);

impl<'a> Document<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    pub fn version(self) -> &'a str {
        let version = self.0.pointer("/info/version").and_then(Value::as_str);
        version.unwrap_or("(no version)")
    }

    /// The element at a JSON pointer that begins with `#`.
    pub fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer.strip_prefix('#')?)
    }

    pub fn operations(self) -> impl Iterator<Item = Operation<'a>> {
        members(self.0.get("paths")).flat_map(move |(path, item)| {
            members(Some(item))
                .filter(|(name, _)| *name != "parameters")
                .map(move |(method, value)| Operation {
                    document: self,
                    path,
                    method,
                    item,
                    value,
                })
        })
    }

    pub fn schemas(self) -> impl Iterator<Item = (&'a str, Schema<'a>)> {
        members(self.0.pointer("/components/schemas"))
            .map(|(name, schema)| (name, Schema::new(schema)))
    }

    pub fn schema(self, name: &str) -> Option<Schema<'a>> {
        self.0
            .pointer("/components/schemas")?
            .get(name)
            .map(Schema::new)
    }

    /// The properties of a schema by name: its own, and those that it inherits through `allOf`. An
    /// own property takes precedence.
    pub fn properties(self, schema: Schema<'a>) -> BTreeMap<&'a str, Property<'a>> {
        let mut out = BTreeMap::new();
        let mut required = BTreeSet::new();
        let at = Declared {
            by: None,
            pointer: String::new(),
        };
        self.collect(schema, &at, &mut BTreeSet::new(), &mut out, &mut required);
        for (name, property) in &mut out {
            property.is_required = required.contains(name);
        }
        out
    }

    fn collect(
        self,
        schema: Schema<'a>,
        at: &Declared<'a>,
        seen: &mut BTreeSet<&'a str>,
        out: &mut BTreeMap<&'a str, Property<'a>>,
        required: &mut BTreeSet<&'a str>,
    ) {
        required.extend(schema.required());
        for (name, schema) in schema.own_properties() {
            out.entry(name).or_insert_with(|| Property {
                schema,
                is_required: false,
                declared: Declared {
                    by: at.by,
                    pointer: format!("{}/properties{}", at.pointer, step(name)),
                },
            });
        }
        // The last part contains the own properties of a subtype.
        let parts: Vec<_> = schema.parts().enumerate().collect();
        for (index, part) in parts.into_iter().rev() {
            match part.reference() {
                Some(base) if seen.insert(base) => {
                    if let Some(schema) = self.schema(base) {
                        let at = Declared {
                            by: Some(base),
                            pointer: pointer(&["components", "schemas", base]),
                        };
                        self.collect(schema, &at, seen, out, required);
                    }
                }
                Some(_) => {}
                None => {
                    let at = Declared {
                        by: at.by,
                        pointer: format!("{}/allOf/{index}", at.pointer),
                    };
                    self.collect(part, &at, seen, out, required);
                }
            }
        }
    }
}

/// An operation and its location.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    document: Document<'a>,
    pub path: &'a str,
    pub method: &'a str,
    item: &'a Value,
    value: &'a Value,
}

impl<'a> Operation<'a> {
    pub fn id(self) -> Option<&'a str> {
        text(self.value, "operationId")
    }

    pub fn pointer(self) -> String {
        pointer(&["paths", self.path, self.method])
    }

    pub fn is_deprecated(self) -> bool {
        is_true(self.value, "deprecated")
    }

    pub fn security(self) -> Option<&'a Value> {
        self.value.get("security")
    }

    pub fn extensions(self) -> Map<String, Value> {
        extensions(self.value)
    }

    /// All parameters, including those of the path. Shared ones are resolved.
    pub fn parameters(self) -> Vec<Parameter<'a>> {
        let mut out: Vec<Parameter<'a>> = Vec::new();
        let of_the_path = pointer(&["paths", self.path]);
        for (owner, at) in [(self.item, of_the_path), (self.value, self.pointer())] {
            let list = owner.get("parameters").and_then(Value::as_array);
            for (index, value) in list.into_iter().flatten().enumerate() {
                let parameter = match text(value, "$ref") {
                    Some(shared) => self.document.at(shared).map(|value| Parameter {
                        value,
                        pointer: shared.to_owned(),
                    }),
                    None => Some(Parameter {
                        value,
                        pointer: format!("{at}/parameters/{index}"),
                    }),
                };
                if let Some(parameter) = parameter {
                    // A parameter of the operation replaces that of the path.
                    out.retain(|known| known.key() != parameter.key());
                    out.push(parameter);
                }
            }
        }
        out
    }

    pub fn request(self) -> Option<Body<'a>> {
        self.value.get("requestBody").map(Body)
    }

    /// The responses by status.
    pub fn responses(self) -> BTreeMap<&'a str, Body<'a>> {
        members(self.value.get("responses"))
            .map(|(status, value)| (status, Body(value)))
            .collect()
    }
}

/// A parameter of the path, the query or a header.
#[derive(Clone, Debug)]
pub struct Parameter<'a> {
    value: &'a Value,
    pub pointer: String,
}

impl<'a> Parameter<'a> {
    pub fn name(&self) -> &'a str {
        text(self.value, "name").unwrap_or("")
    }

    /// `path`, `query` or `header`.
    pub fn location(&self) -> &'a str {
        text(self.value, "in").unwrap_or("")
    }

    /// What identifies it within its operation.
    fn key(&self) -> (&'a str, &'a str) {
        (self.location(), self.name())
    }

    pub fn is_required(&self) -> bool {
        is_true(self.value, "required")
    }

    /// How a list is written.
    pub fn style(&self) -> [Option<&'a Value>; 2] {
        ["style", "explode"].map(|member| self.value.get(member))
    }

    pub fn schema(&self) -> Schema<'a> {
        Schema::member(self.value, "schema")
    }
}

/// The body of a request, or a response.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a>(&'a Value);

impl<'a> Body<'a> {
    pub fn is_required(self) -> bool {
        is_true(self.0, "required")
    }

    /// The schemas by media type.
    pub fn content(self) -> BTreeMap<&'a str, Schema<'a>> {
        members(self.0.get("content"))
            .map(|(media_type, value)| (media_type, Schema::member(value, "schema")))
            .collect()
    }

    /// The schemas of the headers of a response.
    pub fn headers(self) -> BTreeMap<&'a str, Schema<'a>> {
        members(self.0.get("headers"))
            .map(|(name, value)| (name, Schema::member(value, "schema")))
            .collect()
    }
}

/// A property of a schema.
#[derive(Clone, Debug)]
pub struct Property<'a> {
    pub schema: Schema<'a>,
    pub is_required: bool,
    pub declared: Declared<'a>,
}

/// Where a property is declared.
#[derive(Clone, Debug)]
pub struct Declared<'a> {
    /// The schema from which it is inherited.
    pub by: Option<&'a str>,
    /// From the inheriting schema, or from the root if it is inherited.
    pub pointer: String,
}

/// A schema, or what is used in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schema<'a>(&'a Value);

impl<'a> Schema<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    fn member(owner: &'a Value, name: &str) -> Self {
        Self(owner.get(name).unwrap_or(&Value::Null))
    }

    pub fn value(self) -> &'a Value {
        self.0
    }

    /// The name of the schema that a `$ref` refers to.
    pub fn reference(self) -> Option<&'a str> {
        reference(self.0)
    }

    /// The parts of `allOf`.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let parts = self.0.get("allOf").and_then(Value::as_array);
        parts.into_iter().flatten().map(Self)
    }

    /// The name of the schema that this one stands for: a `$ref`, possibly beside other members.
    pub fn alias(self) -> Option<&'a str> {
        let mut parts = self.parts();
        match (parts.next(), parts.next()) {
            (Some(only), None) => only.reference(),
            (None, _) => self.reference(),
            _ => None,
        }
    }

    /// The stated type.
    pub fn kind(self) -> Option<&'a str> {
        text(self.0, "type")
    }

    pub fn format(self) -> Option<&'a str> {
        text(self.0, "format")
    }

    pub fn items(self) -> Option<Self> {
        self.0.get("items").map(Self)
    }

    /// The values of a map.
    pub fn map_values(self) -> Option<Self> {
        let values = self.0.get("additionalProperties")?;
        values.is_object().then_some(Self(values))
    }

    /// Whether other members than the properties are forbidden.
    pub fn is_closed(self) -> bool {
        self.0.get("additionalProperties") == Some(&Value::Bool(false))
    }

    pub fn own_properties(self) -> impl Iterator<Item = (&'a str, Self)> {
        members(self.0.get("properties")).map(|(name, schema)| (name, Self(schema)))
    }

    fn required(self) -> impl Iterator<Item = &'a str> {
        let names = self.0.get("required").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether the schema itself requires a property, or an inline part does.
    pub fn requires(self, property: &str) -> bool {
        let inline = self.parts().filter(|part| part.reference().is_none());
        std::iter::once(self)
            .chain(inline)
            .any(|part| part.required().any(|name| name == property))
    }

    /// The values of an enum, as JSON.
    pub fn values(self) -> Option<Vec<String>> {
        let values = self.0.get("enum")?.as_array()?;
        Some(values.iter().map(Value::to_string).collect())
    }

    /// Whether the generated enum keeps unknown values.
    pub fn is_open_enum(self) -> bool {
        match self.0.get("x-ms-enum") {
            Some(info) => is_true(info, "modelAsString"),
            None => true,
        }
    }

    pub fn is_read_only(self) -> bool {
        is_true(self.0, "readOnly")
    }

    pub fn is_nullable(self) -> bool {
        is_true(self.0, "nullable")
    }

    pub fn default(self) -> Option<&'a Value> {
        self.0.get("default")
    }

    /// The member that distinguishes the subtypes.
    pub fn tag(self) -> Option<&'a str> {
        text(self.0.get("discriminator")?, "propertyName")
    }

    /// The names of the subtypes, by the value of the tag.
    pub fn subtypes(self) -> BTreeMap<&'a str, &'a str> {
        members(self.0.pointer("/discriminator/mapping"))
            .filter_map(|(value, target)| Some((value, target.as_str()?.rsplit('/').next()?)))
            .collect()
    }

    pub fn extensions(self) -> Map<String, Value> {
        extensions(self.0)
    }
}

/// The name of the schema that a `$ref` refers to.
pub fn reference(value: &Value) -> Option<&str> {
    text(value, "$ref")?.strip_prefix("#/components/schemas/")
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str()
}

fn is_true(value: &Value, member: &str) -> bool {
    value.get(member) == Some(&Value::Bool(true))
}

fn extensions(value: &Value) -> Map<String, Value> {
    members(Some(value))
        .filter(|(name, _)| name.starts_with("x-"))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}
