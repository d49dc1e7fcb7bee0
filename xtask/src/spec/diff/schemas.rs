//! Compares schemas, including the limits of properties.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Verdict::{Breaking, Compatible, PossiblyBreaking};
use super::side::Side;
use super::{Comparison, Effects, Element, Kind, Verdict, both, pointer};
use crate::codegen::names;
use crate::spec::reach::Reach;
use crate::spec::shape;
use crate::spec::view::{Property, Schema};

/// Where a schema is used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Component(&'a str),
    /// A value in a request or a response. It is always present if it is `required`.
    Value {
        required: bool,
    },
    /// A header of a response. No code is generated for it.
    Header,
    /// The tag of a union, which is not a member of the generated structs.
    Tag,
}

impl Place<'_> {
    pub(super) fn component(&self) -> Option<&str> {
        match self {
            Self::Component(name) => Some(name),
            _ => None,
        }
    }

    fn is_required(self) -> bool {
        matches!(self, Self::Component(_) | Self::Value { required: true })
    }

    /// Whether the generated code shows the type.
    fn has_rust_type(self) -> bool {
        matches!(self, Self::Component(_) | Self::Value { .. })
    }
}

impl<'a> Comparison<'a> {
    /// Finds schemas that have another name in the new document: no other schema has these members.
    pub(super) fn find_renamed_schemas(&mut self) {
        let gone = |side: &Side<'a>, other: &Side<'a>| -> Vec<(&'a str, String)> {
            let schemas = side.schemas.iter();
            schemas
                .filter(|(name, _)| !other.schemas.contains_key(*name))
                .map(|(name, schema)| (*name, anonymous(name, *schema)))
                .collect()
        };
        let (removed, added) = (gone(&self.old, &self.new), gone(&self.new, &self.old));
        for (name, schema) in &removed {
            let same = |list: &[(&'a str, String)]| -> Vec<&'a str> {
                let equal = list.iter().filter(|(_, other)| other == schema);
                equal.map(|(name, _)| *name).collect()
            };
            if let ([_], [now]) = (same(&removed).as_slice(), same(&added).as_slice()) {
                self.old.renamed.insert(name, now);
            }
        }
    }

    pub(super) fn components(&mut self) {
        let renamed = self.old.renamed.clone();
        for (name, old, new) in both(&self.old.schemas.clone(), &self.new.schemas.clone()) {
            let at = |old: &str, new: &str| {
                let pointers = [old, new].map(|name| pointer(&["components", "schemas", name]));
                Element::new(Kind::Schema, new, pointers)
            };
            let (before, after) = (self.old.reach(name), self.new.reach(name));
            match (old, new) {
                (Some(old), Some(new)) => {
                    let reach = before.join(after);
                    self.schema(&at(name, name), [old, new], reach, Place::Component(name));
                }
                (Some(_), None) => {
                    // The name of the data of an event is its type. Where the schema was used in
                    // requests and responses, something else changed.
                    let effects =
                        Effects::parsers(if before.events { Breaking } else { Compatible });
                    if let Some(now) = renamed.get(name) {
                        let is_other = names::type_name(name) != names::type_name(now);
                        let effects = effects.breaks_source_if(is_other);
                        self.changed(&at(name, now), format!("renamed from {name}"), effects);
                    } else {
                        let effects = effects.breaks_source_if(true);
                        self.removed(&at(name, name), format!("was used in {before}"), effects);
                    }
                }
                (None, Some(_)) if !renamed.values().any(|now| *now == name) => {
                    self.added(&at(name, name), format!("used in {after}"), Effects::NONE);
                }
                (None, _) => {}
            }
        }
    }

    /// Compares a schema where it is used.
    pub(super) fn schema(
        &mut self,
        at: &Element,
        [old, new]: [Schema<'a>; 2],
        reach: Reach,
        place: Place<'_>,
    ) {
        let mut pair = [old, new];
        let mut at = at.clone();
        if place.component().is_some() {
            let targets = [self.old.type_of(old), self.new.type_of(new)];
            if old.alias().is_some() && new.alias().is_some() && targets[0] == targets[1] {
                return;
            }
            pair = [self.old.resolved(old), self.new.resolved(new)];
            let pointer = |schema: Schema<'_>, name: String, pointer: &str| match schema.alias() {
                Some(_) => super::pointer(&["components", "schemas", &name]),
                None => pointer.to_owned(),
            };
            let [was, is] = targets;
            let pointers = [
                pointer(old, was, &at.pointers[0]),
                pointer(new, is, &at.pointers[1]),
            ];
            at = at.moved_to(pointers);
        }
        let at = &at;
        let same_type = self.type_of_values(at, pair, reach, place);
        if same_type || pair[0].kind() == pair[1].kind() {
            self.enumeration(at, pair, reach, place);
            self.limits(at, pair, reach);
        }
        self.annotations(at, pair, reach, place);
        self.discriminator(at, pair, reach);
        if pair.iter().all(|schema| schema.alias().is_none()) {
            self.properties(at, pair, reach, place);
        }
        if same_type {
            let [old, new] = pair;
            for (suffix, member, old, new) in [
                ("[]", "items", old.items(), new.items()),
                (
                    "{}",
                    "additionalProperties",
                    old.map_values(),
                    new.map_values(),
                ),
            ] {
                if let (Some(old), Some(new)) = (old, new) {
                    let at = at.inside(at.kind, suffix, &[member]);
                    self.schema(&at, [old, new], reach, Place::Value { required: true });
                }
            }
        }
    }

    /// Compares the types of values, and returns whether they are the same.
    fn type_of_values(
        &mut self,
        at: &Element,
        [old, new]: [Schema<'a>; 2],
        reach: Reach,
        place: Place<'_>,
    ) -> bool {
        let is_component = place.component().is_some();
        let [was, is] = if is_component {
            [
                self.old.type_of_component(old),
                self.new.type_of_component(new),
            ]
        } else {
            [self.old.type_of(old), self.new.type_of(new)]
        };
        let [rust_was, rust_is] = if is_component {
            [self.old.definition(old), self.new.definition(new)]
        } else {
            [self.old.rust_type(old), self.new.rust_type(new)]
        };
        let breaks = place.has_rust_type() && rust_was != rust_is;
        // Their elements are compared instead.
        if is_list_or_map(old) && is_list_or_map(new) && old.kind() == new.kind() {
            return true;
        }
        if was != is {
            let (callers, parsers) = self.changed_type(&was, &is);
            let effects = Effects::wire(reach, callers, parsers).breaks_source_if(breaks);
            self.changed(at, format!("{was} is now {is}"), effects);
        } else if breaks && ![&rust_was, &rust_is].iter().any(|of| is_choice(of)) {
            let detail = format!("generated as `{rust_is}` instead of `{rust_was}`");
            self.changed(at, detail, Effects::NONE.breaks_source_if(true));
        }
        was == is
    }

    /// The verdicts for callers and parsers of a changed type.
    fn changed_type(&self, old: &str, new: &str) -> (Verdict, Verdict) {
        let base = |text: &str| text.split(" (").next().unwrap_or(text).to_owned();
        // A named enum is a string on the wire.
        let kind = |side: &Side<'a>, name: &str| {
            let schema = side
                .schemas
                .get(name)
                .filter(|schema| schema.values().is_some());
            schema
                .and_then(|schema| schema.kind())
                .map_or_else(|| base(name), str::to_owned)
        };
        match (old, new) {
            ("integer (int32)", "integer (int64)") => (Compatible, PossiblyBreaking),
            ("integer (int64)", "integer (int32)") => (PossiblyBreaking, Compatible),
            // Another type with the same members.
            _ if self.old.equals(old, &self.new, new) => (Compatible, Compatible),
            // The format or the values of a string changed, but it is still a string.
            _ if kind(&self.old, old) == kind(&self.new, new) => {
                (PossiblyBreaking, PossiblyBreaking)
            }
            _ => (Breaking, Breaking),
        }
    }

    fn limits(&mut self, at: &Element, [old, new]: [Schema<'a>; 2], reach: Reach) {
        let before: BTreeMap<_, _> = shape::limits(old.value()).into_iter().collect();
        let after: BTreeMap<_, _> = shape::limits(new.value()).into_iter().collect();
        for (keyword, was, is) in both(&before, &after) {
            let [old, new] = [old, new].map(|schema| schema.value().get(keyword));
            if old == new {
                continue;
            }
            let text = |words: Option<String>| words.unwrap_or_else(|| "no limit".to_owned());
            let (tighter, wider) = movement(keyword, old, new);
            let possibly = |moved| if moved { PossiblyBreaking } else { Compatible };
            let effects = Effects::wire(reach, possibly(tighter), possibly(wider));
            self.changed(at, format!("{} is now {}", text(was), text(is)), effects);
        }
    }

    /// Members that describe how a value is used.
    fn annotations(
        &mut self,
        at: &Element,
        [old, new]: [Schema<'a>; 2],
        reach: Reach,
        place: Place<'_>,
    ) {
        match (old.is_read_only(), new.is_read_only()) {
            // The service now ignores the value, which only affects callers that set it.
            (false, true) => {
                let effects = Effects::wire(reach, PossiblyBreaking, Compatible);
                self.changed(at, "now read-only", effects);
            }
            (true, false) => self.changed(at, "no longer read-only", Effects::NONE),
            _ => {}
        }
        // In Rust, an optional value is an `Option` anyway.
        let is_option = place.is_required() && place.has_rust_type();
        match (old.is_nullable(), new.is_nullable()) {
            (false, true) => {
                let parsers = if place.is_required() {
                    PossiblyBreaking
                } else {
                    Compatible
                };
                let effects = Effects::wire(reach, Compatible, parsers);
                self.changed(at, "can now be null", effects.breaks_source_if(is_option));
            }
            (true, false) => {
                let effects = Effects::wire(reach, PossiblyBreaking, Compatible);
                self.changed(at, "no longer null", effects.breaks_source_if(is_option));
            }
            _ => {}
        }
        if old.default() != new.default() {
            let text = |of: Option<&Value>| of.map_or("none".to_owned(), Value::to_string);
            let detail = format!(
                "default {} is now {}",
                text(old.default()),
                text(new.default())
            );
            let effects = Effects::wire(reach, PossiblyBreaking, Compatible);
            self.changed(at, detail, effects);
        }
        match (old.is_closed(), new.is_closed()) {
            // The generated types write no other members, and ignore those that they read.
            (false, true) => self.changed(at, "closed to other members", Effects::NONE),
            (true, false) => self.changed(at, "open to other members", Effects::NONE),
            _ => {}
        }
        let [before, after] = [old, new].map(|schema| {
            let mut extensions = schema.extensions();
            // Compared as values and subtypes.
            extensions.shift_remove("x-ms-enum");
            extensions.shift_remove("x-ms-discriminator-value");
            extensions
        });
        if before != after {
            self.changed(at, "extensions (x-…) changed", Effects::NONE);
        }
    }

    fn properties(&mut self, at: &Element, pair: [Schema<'a>; 2], reach: Reach, place: Place<'_>) {
        let [old, new] = [self.old.properties(pair[0]), self.new.properties(pair[1])];
        for (name, before, after) in both(&old, &new) {
            let declared = [&before, &after].map(|of| of.as_ref().map(|of| &of.declared));
            // The base is compared itself.
            if let [Some(old), Some(new)] = declared
                && let (Some(old), Some(new)) = (old.by, new.by)
                && self.old.name_of(old) == self.new.name_of(new)
                && pair[0].requires(name) == pair[1].requires(name)
            {
                continue;
            }
            let pointer = |side: usize| {
                let declared = declared[side].or(declared[1 - side]);
                match declared.map(|of| (of.by, of.pointer.as_str())) {
                    Some((Some(_), absolute)) => absolute.to_owned(),
                    Some((None, relative)) => at.pointers[side].clone() + relative,
                    None => at.pointers[side].clone(),
                }
            };
            let at = at
                .inside(Kind::Property, &format!(".{name}"), &[])
                .moved_to([pointer(0), pointer(1)]);
            let is_tag = [&self.old, &self.new].map(|side| side.is_tag(place.component(), name));
            self.property(&at, [before, after], reach, is_tag);
        }
    }

    fn property(
        &mut self,
        at: &Element,
        pair: [Option<Property<'a>>; 2],
        reach: Reach,
        is_tag: [bool; 2],
    ) {
        let word = |required| if required { "required" } else { "optional" };
        match pair {
            [Some(before), Some(after)] => {
                match (before.is_required, after.is_required) {
                    // A response now always has it; a request must have it. Required members are
                    // arguments of `new`.
                    (false, true) => {
                        let effects = Effects::wire(reach, Breaking, Compatible);
                        self.changed(at, "now required", effects.breaks_source_if(!is_tag[1]));
                    }
                    (true, false) => {
                        let effects = Effects::wire(reach, Compatible, PossiblyBreaking);
                        let effects = effects.breaks_source_if(!is_tag[0]);
                        self.changed(at, "no longer required", effects);
                    }
                    _ => {}
                }
                let place = if is_tag[0] && is_tag[1] {
                    Place::Tag
                } else {
                    let required = after.is_required;
                    Place::Value { required }
                };
                self.schema(at, [before.schema, after.schema], reach, place);
            }
            [Some(before), None] => {
                let of = self.old.type_of(before.schema);
                let parsers = if before.is_required {
                    Breaking
                } else {
                    PossiblyBreaking
                };
                let effects = Effects::wire(reach, PossiblyBreaking, parsers);
                let effects = effects.breaks_source_if(!is_tag[0]);
                self.removed(at, format!("{of}, {}", word(before.is_required)), effects);
            }
            [None, Some(after)] => {
                let of = self.new.type_of(after.schema);
                // The service sets a read-only property itself.
                let callers = if after.is_required && !after.schema.is_read_only() {
                    Breaking
                } else {
                    Compatible
                };
                let effects = Effects::wire(reach, callers, Compatible);
                let effects = effects.breaks_source_if(after.is_required && !is_tag[1]);
                self.added(at, format!("{of}, {}", word(after.is_required)), effects);
            }
            [None, None] => {}
        }
    }
}

fn is_list_or_map(schema: Schema<'_>) -> bool {
    schema.items().is_some() || schema.map_values().is_some()
}

/// Whether a Rust type is an enum or a union. Changes of their values and subtypes are reported.
fn is_choice(definition: &str) -> bool {
    matches!(definition, "union" | "enum")
}

/// The schema without its name.
fn anonymous(name: &str, schema: Schema<'_>) -> String {
    let mut value = schema.value().clone();
    if let Some(info) = value.get_mut("x-ms-enum").and_then(Value::as_object_mut) {
        info.shift_remove("name");
    }
    let itself = format!("\"{}\"", pointer(&["components", "schemas", name]));
    value.to_string().replace(&itself, "\"#\"")
}

/// Whether a limit became stricter, and whether it became wider. A pattern can do both.
fn movement(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> (bool, bool) {
    let (Some(old), Some(new)) = (old, new) else {
        return (new.is_some(), old.is_some());
    };
    let order = match (old.as_f64(), new.as_f64()) {
        (Some(old), Some(new)) => new > old,
        _ => return (true, true),
    };
    if keyword.starts_with("max") {
        (!order, order)
    } else if keyword.starts_with("min") {
        (order, !order)
    } else {
        (true, true)
    }
}
