//! Compares two versions of a description, and classifies the changes.
//!
//! There are separate verdicts for three audiences: callers, who build requests; parsers, who read
//! responses and the data of events; and Rust code that uses the generated client. The first two
//! are about the wire format.

mod choices;
mod operations;
#[cfg(test)]
mod proof;
mod release;
mod render;
mod schemas;
mod side;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::node::pointer;
use super::reach::Reach;
use side::Side;

pub use release::Release;
pub use render::{Audience, json, markdown, suggestion, summary, table, text};

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
    #[serde(flatten)]
    pub effects: Effects,
}

impl Change {
    /// The worst of the three verdicts.
    pub fn verdict(&self) -> Verdict {
        self.effects.worst()
    }
}

/// The verdicts on one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Effects {
    pub callers: Verdict,
    pub parsers: Verdict,
    /// Rust code that uses the element. Either it still compiles, or it does not.
    pub source: Verdict,
}

impl Effects {
    const NONE: Self = Self {
        callers: Verdict::Compatible,
        parsers: Verdict::Compatible,
        source: Verdict::Compatible,
    };

    fn callers(callers: Verdict) -> Self {
        Self {
            callers,
            ..Self::NONE
        }
    }

    fn parsers(parsers: Verdict) -> Self {
        Self {
            parsers,
            ..Self::NONE
        }
    }

    /// The verdicts on the wire format, where the element is written and read.
    fn wire(reach: Reach, callers: Verdict, parsers: Verdict) -> Self {
        Self {
            callers: only_if(reach.is_written(), callers),
            parsers: only_if(reach.is_read(), parsers),
            ..Self::NONE
        }
    }

    fn breaks_source_if(self, breaks: bool) -> Self {
        Self {
            source: only_if(breaks, Verdict::Breaking),
            ..self
        }
    }

    fn worst(self) -> Verdict {
        self.callers.max(self.parsers).max(self.source)
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

    /// Whether the version of the API differs.
    pub fn is_other_version(&self) -> bool {
        self.old != self.new
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
    comparison.find_renamed_schemas();
    comparison.document();
    comparison.operations();
    comparison.components();
    let versions = [&comparison.old, &comparison.new].map(|side| side.document.version());
    let [old, new] = versions.map(str::to_owned);
    let mut changes = comparison.changes;
    changes.sort_by(|a, b| {
        let key = |change: &Change| (std::cmp::Reverse(change.verdict()), change.kind);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.what.cmp(&b.what))
            .then_with(|| a.detail.cmp(&b.detail))
    });
    Report { old, new, changes }
}

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn document(&mut self) {
        for (pointer, words) in [
            ("#/servers", "service URL"),
            ("#/security", "authentication"),
            ("#/components/securitySchemes", "authentication schemes"),
        ] {
            let [old, new] = [&self.old, &self.new].map(|side| side.document.at(pointer));
            if old != new {
                let at = Element::new(Kind::Document, words, [pointer; 2].map(str::to_owned));
                let effects = Effects::callers(Verdict::PossiblyBreaking);
                self.changed(&at, "changed", effects);
            }
        }
    }

    fn push(&mut self, at: &Element, what: What, detail: impl Into<String>, effects: Effects) {
        self.changes.push(Change {
            kind: at.kind,
            name: at.name.clone(),
            pointer: at.pointers[usize::from(what != What::Removed)].clone(),
            what,
            detail: detail.into(),
            effects,
        });
    }

    fn added(&mut self, at: &Element, detail: impl Into<String>, effects: Effects) {
        self.push(at, What::Added, detail, effects);
    }

    fn removed(&mut self, at: &Element, detail: impl Into<String>, effects: Effects) {
        self.push(at, What::Removed, detail, effects);
    }

    fn changed(&mut self, at: &Element, detail: impl Into<String>, effects: Effects) {
        self.push(at, What::Changed, detail, effects);
    }
}

/// The element that a change is about.
#[derive(Clone, Debug)]
struct Element {
    kind: Kind,
    name: String,
    /// In the old document, and in the new one.
    pointers: [String; 2],
}

impl Element {
    fn new(kind: Kind, name: impl Into<String>, pointers: [String; 2]) -> Self {
        Self {
            kind,
            name: name.into(),
            pointers,
        }
    }

    /// An element inside this one.
    fn inside(&self, kind: Kind, name: &str, path: &[&str]) -> Self {
        let tail = pointer(path);
        self.below(kind, name, [&tail[1..], &tail[1..]])
    }

    /// An element inside this one, below these pointers.
    fn below(&self, kind: Kind, name: &str, tails: [&str; 2]) -> Self {
        let [old, new] = &self.pointers;
        let pointers = [old.clone() + tails[0], new.clone() + tails[1]];
        Self::new(kind, format!("{}{name}", self.name), pointers)
    }

    /// The same element at other locations.
    fn moved_to(self, pointers: [String; 2]) -> Self {
        Self { pointers, ..self }
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

/// Every name in two maps, with its values on both sides.
fn both<K: Ord + Clone, T: Clone>(
    old: &BTreeMap<K, T>,
    new: &BTreeMap<K, T>,
) -> Vec<(K, Option<T>, Option<T>)> {
    let names: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .map(|name| (name.clone(), old.get(name).cloned(), new.get(name).cloned()))
        .collect()
}
