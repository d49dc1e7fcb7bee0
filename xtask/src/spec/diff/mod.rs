//! Compares two versions of a description, and classifies the changes.
//!
//! There are separate verdicts for callers, who build requests, and for parsers, who read responses
//! and the data of events. The verdicts apply to the wire format and to code that uses the
//! generated types as intended (open enums, ignored unknown members).

mod operations;
mod render;
mod schemas;
#[cfg(test)]
mod tests;

use std::cmp::max;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::node::pointer;
use super::reach::{Reach, reach};
use super::shape;

pub use render::{json, markdown, text};

/// The effect of a change on one group of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It breaks nothing.
    Compatible,
    /// It breaks some users of the element, depending on the values that they send or read.
    PossiblyBreaking,
    /// It breaks all users of the element.
    Breaking,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Compatible => "compatible",
            Self::PossiblyBreaking => "possibly breaking",
            Self::Breaking => "breaking",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Document,
    Operation,
    Parameter,
    Request,
    Response,
    Schema,
    Property,
    Value,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Document => "document",
            Self::Operation => "operation",
            Self::Parameter => "parameter",
            Self::Request => "request",
            Self::Response => "response",
            Self::Schema => "schema",
            Self::Property => "property",
            Self::Value => "value",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    Added,
    Removed,
    Changed,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: Kind,
    /// Human-readable: `Lockers_Open`, `Locker.size`, `LockerState "free"`.
    pub name: String,
    /// The JSON pointer as `OpenAPI`: in the old document if the element was removed, otherwise in
    /// the new one.
    pub pointer: String,
    #[serde(rename = "change")]
    pub what: What,
    pub detail: String,
    pub callers: Verdict,
    pub parsers: Verdict,
}

impl Change {
    pub fn verdict(&self) -> Verdict {
        max(self.callers, self.parsers)
    }
}

/// All differences between two documents.
#[derive(Debug)]
pub struct Report {
    pub old: String,
    pub new: String,
    /// Sorted by verdict, the worst first.
    pub changes: Vec<Change>,
}

impl Report {
    pub fn count(&self, verdict: Verdict) -> usize {
        let of = self.changes.iter();
        of.filter(|change| change.verdict() == verdict).count()
    }

    pub fn is_breaking(&self) -> bool {
        self.count(Verdict::Breaking) > 0
    }
}

/// Compares two `OpenAPI` documents.
pub fn diff(old: &Value, new: &Value) -> Report {
    let mut comparison = Comparison {
        old: Side::new(old),
        new: Side::new(new),
        changes: Vec::new(),
    };
    comparison.document();
    comparison.operations();
    comparison.components();
    let mut changes = comparison.changes;
    changes.sort_by(|a, b| {
        let key = |change: &Change| (std::cmp::Reverse(change.verdict()), change.kind);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.what.cmp(&b.what))
            .then_with(|| a.detail.cmp(&b.detail))
    });
    Report {
        old: version(old),
        new: version(new),
        changes,
    }
}

fn version(document: &Value) -> String {
    let version = document.pointer("/info/version").and_then(Value::as_str);
    version.unwrap_or("(no version)").to_owned()
}

/// One of the two documents.
struct Side<'a> {
    document: &'a Value,
    schemas: BTreeMap<&'a str, &'a Value>,
    reach: BTreeMap<&'a str, Reach>,
}

impl<'a> Side<'a> {
    fn new(document: &'a Value) -> Self {
        let schemas = document.pointer("/components/schemas");
        Self {
            document,
            schemas: members(schemas)
                .map(|(name, schema)| (name.as_str(), schema))
                .collect(),
            reach: reach(document),
        }
    }

    fn reach(&self, schema: &str) -> Reach {
        self.reach.get(schema).copied().unwrap_or_default()
    }

    /// The type of a schema where it is used. Aliases are resolved.
    fn type_of(&self, schema: &Value) -> String {
        let mut name = shape::type_of(schema);
        // Limited by the number of names, so that circular aliases end, and equally on both sides.
        for _ in 0..self.schemas.len() {
            match self
                .schemas
                .get(name.as_str())
                .and_then(|schema| alias_target(schema))
            {
                Some(target) => target.clone_into(&mut name),
                None => break,
            }
        }
        name
    }
}

/// The target of an alias.
fn alias_target(schema: &Value) -> Option<&str> {
    match schema
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([part]) => shape::reference(part),
        _ => shape::reference(schema),
    }
}

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn document(&mut self) {
        for (path, words) in [
            (&["servers"][..], "service URL"),
            (&["security"][..], "authentication"),
            (
                &["components", "securitySchemes"][..],
                "authentication schemes",
            ),
        ] {
            let pointer = pointer(path);
            let [old, new] =
                [&self.old, &self.new].map(|side| side.document.pointer(&pointer[1..]));
            if old != new {
                let at = Element::new(Kind::Document, words, pointer);
                self.changed(
                    &at,
                    "changed",
                    Verdict::PossiblyBreaking,
                    Verdict::Compatible,
                );
            }
        }
    }

    fn push(
        &mut self,
        at: &Element,
        what: What,
        detail: String,
        callers: Verdict,
        parsers: Verdict,
    ) {
        self.changes.push(Change {
            kind: at.kind,
            name: at.name.clone(),
            pointer: at.pointer.clone(),
            what,
            detail,
            callers,
            parsers,
        });
    }

    fn changed(
        &mut self,
        at: &Element,
        detail: impl Into<String>,
        callers: Verdict,
        parsers: Verdict,
    ) {
        self.push(at, What::Changed, detail.into(), callers, parsers);
    }
}

/// The element that a change is about.
#[derive(Clone, Debug)]
struct Element {
    kind: Kind,
    name: String,
    pointer: String,
}

impl Element {
    fn new(kind: Kind, name: impl Into<String>, pointer: String) -> Self {
        Self {
            kind,
            name: name.into(),
            pointer,
        }
    }

    /// An element inside this one.
    fn inside(&self, kind: Kind, name: &str, path: &[&str]) -> Self {
        let tail = pointer(path);
        Self {
            kind,
            name: format!("{}{name}", self.name),
            pointer: format!("{}{}", self.pointer, &tail[1..]),
        }
    }
}

/// The verdict for a group of users if the change concerns them, otherwise `Compatible`.
fn only_if(concerned: bool, verdict: Verdict) -> Verdict {
    if concerned {
        verdict
    } else {
        Verdict::Compatible
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn map(value: Option<&Value>) -> BTreeMap<&str, &Value> {
    members(value)
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn is_true(schema: &Value, member: &str) -> bool {
    schema.get(member) == Some(&Value::Bool(true))
}

/// The extensions of an element, which have no effect on a verdict.
fn extensions(value: &Value) -> Map<String, Value> {
    members(Some(value))
        .filter(|(name, _)| name.starts_with("x-"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Every name in two maps, with its values on both sides.
fn both<'a, T: Copy>(
    old: &BTreeMap<&'a str, T>,
    new: &BTreeMap<&'a str, T>,
) -> Vec<(&'a str, Option<T>, Option<T>)> {
    let mut names: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, old.get(name).copied(), new.get(name).copied()))
        .collect()
}
