//! One of the two documents, and the Rust types that are generated from it.

use std::collections::BTreeMap;

use super::Reach;
use crate::codegen::names;
use crate::spec::reach::reach;
use crate::spec::shape;
use crate::spec::view::{Body, Document, Operation, Property, Schema};

pub struct Side<'a> {
    pub document: Document<'a>,
    pub schemas: BTreeMap<&'a str, Schema<'a>>,
    reach: BTreeMap<&'a str, Reach>,
    /// The tag of each union and of each of its subtypes. It is not a member of the generated
    /// structs.
    tags: BTreeMap<&'a str, &'a str>,
    /// The new names of renamed schemas.
    pub renamed: BTreeMap<&'a str, &'a str>,
}

impl<'a> Side<'a> {
    pub fn new(document: &'a serde_json::Value) -> Self {
        let reach = reach(document);
        let document = Document::new(document);
        let schemas: BTreeMap<_, _> = document.schemas().collect();
        let mut tags = BTreeMap::new();
        for (name, schema) in &schemas {
            if let Some(tag) = schema.tag() {
                let subtypes = schema.subtypes();
                tags.extend(subtypes.into_values().map(|subtype| (subtype, tag)));
                tags.insert(name, tag);
            }
        }
        Self {
            document,
            schemas,
            reach,
            tags,
            renamed: BTreeMap::new(),
        }
    }

    pub fn reach(&self, schema: &str) -> Reach {
        self.reach.get(schema).copied().unwrap_or_default()
    }

    /// The name of the schema that an alias stands for, as it is called in the new document.
    pub fn name_of(&self, name: &str) -> String {
        let mut name = name;
        // Limited by the number of names, so that circular aliases end, and equally on both sides.
        for _ in 0..self.schemas.len() {
            match self.schemas.get(name).and_then(|schema| schema.alias()) {
                Some(target) => name = target,
                None => break,
            }
        }
        self.renamed.get(name).copied().unwrap_or(name).to_owned()
    }

    /// The schema that a component stands for.
    pub fn resolved(&self, schema: Schema<'a>) -> Schema<'a> {
        let mut schema = schema;
        for _ in 0..self.schemas.len() {
            match schema.alias().and_then(|name| self.schemas.get(name)) {
                Some(target) => schema = *target,
                None => break,
            }
        }
        schema
    }

    /// The type of a value. Aliases are resolved.
    pub fn type_of(&self, schema: Schema<'_>) -> String {
        shape::describe(schema.value(), &|name| self.name_of(name))
    }

    /// The type of a component, without its name. It makes no difference whether properties are
    /// inherited.
    pub fn type_of_component(&self, schema: Schema<'a>) -> String {
        if schema.parts().next().is_some() {
            "object".to_owned()
        } else {
            self.type_of(schema)
        }
    }

    pub fn properties(&self, schema: Schema<'a>) -> BTreeMap<&'a str, Property<'a>> {
        self.document.properties(schema)
    }

    /// Whether a property of a component is the tag of its union.
    pub fn is_tag(&self, component: Option<&str>, property: &str) -> bool {
        component.and_then(|name| self.tags.get(name)) == Some(&property)
    }

    /// Whether two schemas have the same values on the wire, apart from the schemas that they
    /// refer to.
    pub fn equals(&self, name: &str, other: &Side<'_>, other_name: &str) -> bool {
        match (self.schemas.get(name), other.schemas.get(other_name)) {
            (Some(old), Some(new)) => {
                let [old, new] = [self.facts(*old), other.facts(*new)];
                old == new
            }
            _ => false,
        }
    }

    fn facts(&self, schema: Schema<'a>) -> Facts {
        let properties = self.properties(schema).into_iter();
        (
            self.type_of_component(schema),
            schema.values(),
            schema.tag().map(str::to_owned),
            properties
                .map(|(name, property)| {
                    (
                        name.to_owned(),
                        self.type_of(property.schema),
                        property.is_required,
                    )
                })
                .collect(),
        )
    }

    /// The Rust type of a value.
    pub fn rust_type(&self, schema: Schema<'a>) -> String {
        if let Some(name) = schema.alias() {
            return names::type_name(&self.name_of(name));
        }
        if schema.parts().next().is_some() || schema.own_properties().next().is_some() {
            return "struct".to_owned();
        }
        let list = |of: Option<Schema<'a>>| of.map_or("Value".to_owned(), |of| self.rust_type(of));
        let name = match (schema.kind(), schema.format()) {
            (Some("array"), _) => return format!("Vec<{}>", list(schema.items())),
            (Some("object"), _) => match schema.map_values() {
                Some(of) => return format!("BTreeMap<String, {}>", self.rust_type(of)),
                None => "Map",
            },
            (Some("integer"), Some("int32")) => "i32",
            (Some("integer"), _) => "i64",
            (Some("number"), Some("float")) => "f32",
            (Some("number"), _) => "f64",
            (Some("boolean"), _) => "bool",
            (Some("string"), Some("uuid")) => "Uuid",
            (Some("string"), Some("date-time")) => "Timestamp",
            (Some("string"), Some("binary")) => "Bytes",
            (Some("string"), _) => "String",
            _ => "Value",
        };
        name.to_owned()
    }

    /// The Rust type that defines a component.
    pub fn definition(&self, schema: Schema<'a>) -> String {
        let schema = self.resolved(schema);
        if !schema.subtypes().is_empty() {
            return "union".to_owned();
        }
        if schema.values().is_some() && schema.kind() == Some("string") {
            return "enum".to_owned();
        }
        self.rust_type(schema)
    }

    /// The Rust type of a request or response body: JSON if there is a choice.
    pub fn payload(&self, body: Option<Body<'a>>) -> String {
        let content = body.map(Body::content).unwrap_or_default();
        let json = content
            .iter()
            .find(|(media_type, _)| media_type.contains("json"));
        match json.or_else(|| content.first_key_value()) {
            Some((media_type, schema)) if media_type.contains("json") => self.rust_type(*schema),
            Some((media_type, _)) => (*media_type).to_owned(),
            None => "()".to_owned(),
        }
    }

    /// The Rust type that an operation returns.
    pub fn returned(&self, operation: Operation<'a>) -> String {
        let responses = operation.responses();
        let mut successes = responses
            .iter()
            .filter(|(status, _)| status.starts_with('2'));
        self.payload(successes.next().map(|(_, response)| *response))
    }
}

/// Type, values, tag and properties.
type Facts = (
    String,
    Option<Vec<String>>,
    Option<String>,
    Vec<(String, String, bool)>,
);
