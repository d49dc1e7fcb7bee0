//! Compares schemas, including the limits of properties.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Verdict::{Breaking, Compatible, PossiblyBreaking};
use super::{
    Comparison, Element, Kind, Verdict, What, alias_target, both, extensions, is_true, map,
    only_if, pointer,
};
use crate::spec::reach::Reach;
use crate::spec::shape;

impl Comparison<'_> {
    pub(super) fn components(&mut self) {
        for (name, old, new) in both(&self.old.schemas, &self.new.schemas) {
            let pointer = pointer(&["components", "schemas", name]);
            let at = Element::new(Kind::Schema, name, pointer);
            let (before, after) = (self.old.reach(name), self.new.reach(name));
            match (old, new) {
                (Some(old), Some(new)) => {
                    let reach = before.join(after);
                    self.schema(&at, old, new, reach, true);
                }
                (Some(_), None) => self.push(
                    &at,
                    What::Removed,
                    format!("was used in {before}"),
                    only_if(before.is_written(), Breaking),
                    only_if(before.is_read(), Breaking),
                ),
                (None, Some(_)) => self.push(
                    &at,
                    What::Added,
                    format!("used in {after}"),
                    Compatible,
                    Compatible,
                ),
                (None, None) => {}
            }
        }
    }

    /// Compares a schema where it is used. `required` is whether the value is always present.
    pub(super) fn schema(
        &mut self,
        at: &Element,
        old: &Value,
        new: &Value,
        reach: Reach,
        required: bool,
    ) {
        let (writes, reads) = (reach.is_written(), reach.is_read());
        let of = [self.old.type_of(old), self.new.type_of(new)];
        if of[0] != of[1] {
            let (callers, parsers) = self.changed_type(&of);
            let detail = format!("{} is now {}", of[0], of[1]);
            self.changed(
                at,
                detail,
                only_if(writes, callers),
                only_if(reads, parsers),
            );
        }
        self.enumeration(at, old, new, reach);
        self.limits(at, old, new, reach);
        match (is_true(old, "readOnly"), is_true(new, "readOnly")) {
            // The service now ignores the value, which only affects callers that set it.
            (false, true) => {
                self.changed(
                    at,
                    "now read-only",
                    only_if(writes, PossiblyBreaking),
                    Compatible,
                );
            }
            (true, false) => self.changed(at, "no longer read-only", Compatible, Compatible),
            _ => {}
        }
        match (is_true(old, "nullable"), is_true(new, "nullable")) {
            (false, true) => {
                let parsers = only_if(reads && required, PossiblyBreaking);
                self.changed(at, "can now be null", Compatible, parsers);
            }
            (true, false) => {
                self.changed(
                    at,
                    "no longer null",
                    only_if(writes, PossiblyBreaking),
                    Compatible,
                );
            }
            _ => {}
        }
        if old.get("default") != new.get("default") {
            let text = |schema: &Value| {
                schema
                    .get("default")
                    .map_or("none".to_owned(), Value::to_string)
            };
            let detail = format!("default {} is now {}", text(old), text(new));
            self.changed(at, detail, only_if(writes, PossiblyBreaking), Compatible);
        }
        let closed =
            |schema: &Value| schema.get("additionalProperties") == Some(&Value::Bool(false));
        match (closed(old), closed(new)) {
            // The generated types write no other members, and ignore those that they read.
            (false, true) => self.changed(at, "closed to other members", Compatible, Compatible),
            (true, false) => self.changed(at, "open to other members", Compatible, Compatible),
            _ => {}
        }
        let mut kept = [extensions(old), extensions(new)];
        for side in &mut kept {
            // Its meaning is compared above and in the discriminator.
            side.shift_remove("x-ms-enum");
            side.shift_remove("x-ms-discriminator-value");
        }
        if kept[0] != kept[1] {
            self.changed(at, "extensions (x-…) changed", Compatible, Compatible);
        }
        self.discriminator(at, old, new, reach);
        self.properties(at, old, new, reach);
        for (member, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let (Some(old), Some(new)) = (old.get(member), new.get(member))
                && old.is_object()
                && new.is_object()
                && of[0] == of[1]
            {
                self.schema(
                    &at.inside(at.kind, suffix, &[member]),
                    old,
                    new,
                    reach,
                    true,
                );
            }
        }
    }

    /// The verdicts for callers and parsers of a changed type.
    fn changed_type(&self, of: &[String; 2]) -> (Verdict, Verdict) {
        let base = |text: &str| text.split(" (").next().unwrap_or(text).to_owned();
        match [of[0].as_str(), of[1].as_str()] {
            ["integer (int32)", "integer (int64)"] => (Compatible, PossiblyBreaking),
            ["integer (int64)", "integer (int32)"] => (PossiblyBreaking, Compatible),
            // The format of a string changed, but it is still a string.
            [old, new] if base(old) == base(new) => (PossiblyBreaking, PossiblyBreaking),
            // The name of a type changed, which affects code but not the wire format.
            [old, new]
                if self.old.schemas.contains_key(old)
                    && self.old.schemas.get(old) == self.new.schemas.get(new) =>
            {
                (PossiblyBreaking, PossiblyBreaking)
            }
            _ => (Breaking, Breaking),
        }
    }

    fn enumeration(&mut self, at: &Element, old: &Value, new: &Value, reach: Reach) {
        let (Some(before), Some(after)) = (values(old), values(new)) else {
            match (old.get("enum"), new.get("enum")) {
                (None, Some(_)) => {
                    let callers = only_if(reach.is_written(), PossiblyBreaking);
                    self.changed(at, "limited to a list of values", callers, Compatible);
                }
                (Some(_), None) => {
                    let parsers = only_if(reach.is_read(), PossiblyBreaking);
                    self.changed(
                        at,
                        "no longer limited to a list of values",
                        Compatible,
                        parsers,
                    );
                }
                _ => {}
            }
            return;
        };
        let kind = |open| if open { "open" } else { "closed" };
        let article = |open| {
            if open {
                "an open enum"
            } else {
                "a closed enum"
            }
        };
        let (was_open, is_open) = (is_open(old), is_open(new));
        if was_open != is_open {
            // A closed enum rejects values that an open one accepts, in both directions.
            let verdict = if is_open {
                Compatible
            } else {
                PossiblyBreaking
            };
            self.changed(
                at,
                format!("{} enum is now {}", kind(was_open), kind(is_open)),
                only_if(reach.is_written(), verdict),
                only_if(reach.is_read(), verdict),
            );
        }
        for value in before.iter().filter(|value| !after.contains(value)) {
            let at = at.inside(Kind::Value, &format!(" {value}"), &["enum"]);
            let callers = only_if(reach.is_written(), Breaking);
            let detail = format!("from {}", article(was_open));
            self.push(&at, What::Removed, detail, callers, Compatible);
        }
        for value in after.iter().filter(|value| !before.contains(value)) {
            let at = at.inside(Kind::Value, &format!(" {value}"), &["enum"]);
            let parsers = only_if(reach.is_read() && !is_open, PossiblyBreaking);
            let detail = format!("to {}", article(is_open));
            self.push(&at, What::Added, detail, Compatible, parsers);
        }
    }

    fn limits(&mut self, at: &Element, old: &Value, new: &Value, reach: Reach) {
        let before: BTreeMap<&str, String> = shape::limits(old).into_iter().collect();
        let after: BTreeMap<&str, String> = shape::limits(new).into_iter().collect();
        let keywords: BTreeSet<&&str> = before.keys().chain(after.keys()).collect();
        for keyword in keywords {
            let (old, new) = (old.get(*keyword), new.get(*keyword));
            if old == new {
                continue;
            }
            let text = |words: Option<&String>| words.map_or("no limit", String::as_str).to_owned();
            let detail = format!(
                "{} is now {}",
                text(before.get(*keyword)),
                text(after.get(*keyword))
            );
            let (tighter, wider) = movement(keyword, old, new);
            self.changed(
                at,
                detail,
                only_if(reach.is_written() && tighter, PossiblyBreaking),
                only_if(reach.is_read() && wider, PossiblyBreaking),
            );
        }
    }

    fn discriminator(&mut self, at: &Element, old: &Value, new: &Value, reach: Reach) {
        let (writes, reads) = (reach.is_written(), reach.is_read());
        let tag = |schema: &Value| {
            let name = schema.pointer("/discriminator/propertyName");
            name.and_then(Value::as_str).map(str::to_owned)
        };
        let at = at.inside(at.kind, "", &["discriminator"]);
        match (tag(old), tag(new)) {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                let detail = format!("subtypes are distinguished by `{new}` instead of `{old}`");
                self.changed(
                    &at,
                    detail,
                    only_if(writes, Breaking),
                    only_if(reads, Breaking),
                );
            }
            (None, Some(new)) => {
                let detail = format!("now has subtypes, distinguished by `{new}`");
                let verdict = |concerned| only_if(concerned, PossiblyBreaking);
                self.changed(&at, detail, verdict(writes), verdict(reads));
            }
            (Some(_), None) => {
                let verdict = |concerned| only_if(concerned, Breaking);
                self.changed(
                    &at,
                    "no longer has subtypes",
                    verdict(writes),
                    verdict(reads),
                );
            }
        }
        let mapping = |schema| map(Value::pointer(schema, "/discriminator/mapping"));
        for (value, old, new) in both(&mapping(old), &mapping(new)) {
            let at = at.inside(Kind::Value, &format!(" {value:?}"), &["mapping", value]);
            let name = |target: &Value| {
                let target = target.as_str().unwrap_or_default();
                target.rsplit('/').next().unwrap_or_default().to_owned()
            };
            match (old, new) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    let detail = format!("{} is now {}", name(old), name(new));
                    self.changed(
                        &at,
                        detail,
                        only_if(writes, Breaking),
                        only_if(reads, Breaking),
                    );
                }
                (Some(old), None) => {
                    let detail = format!("subtype {}", name(old));
                    self.push(
                        &at,
                        What::Removed,
                        detail,
                        only_if(writes, Breaking),
                        Compatible,
                    );
                }
                // The generated union keeps unknown subtypes.
                (None, Some(new)) => {
                    let detail = format!("subtype {}", name(new));
                    self.push(&at, What::Added, detail, Compatible, Compatible);
                }
                (None, None) => {}
            }
        }
    }

    fn properties(&mut self, at: &Element, old: &Value, new: &Value, reach: Reach) {
        if alias_target(old).is_some() || alias_target(new).is_some() {
            return;
        }
        let (writes, reads) = (reach.is_written(), reach.is_read());
        let of = |schema| {
            shape::properties(schema)
                .map(|(name, property)| (name.as_str(), property))
                .collect::<BTreeMap<_, _>>()
        };
        for (name, before, after) in both(&of(old), &of(new)) {
            let at = at.inside(Kind::Property, &format!(".{name}"), &["properties", name]);
            let needed = [shape::is_required(old, name), shape::is_required(new, name)];
            let word = |required| if required { "required" } else { "optional" };
            match (before, after) {
                (Some(before), Some(after)) => {
                    match needed {
                        // A response now always has it; a request must have it.
                        [false, true] => {
                            self.changed(
                                &at,
                                "now required",
                                only_if(writes, Breaking),
                                Compatible,
                            );
                        }
                        [true, false] => {
                            let parsers = only_if(reads, PossiblyBreaking);
                            self.changed(&at, "no longer required", Compatible, parsers);
                        }
                        _ => {}
                    }
                    self.schema(&at, before, after, reach, needed[1]);
                }
                (Some(before), None) => {
                    let parsers = if needed[0] {
                        Breaking
                    } else {
                        PossiblyBreaking
                    };
                    self.push(
                        &at,
                        What::Removed,
                        format!("{}, {}", self.old.type_of(before), word(needed[0])),
                        only_if(writes, PossiblyBreaking),
                        only_if(reads, parsers),
                    );
                }
                (None, Some(after)) => {
                    // The service sets a read-only property itself.
                    let asked = needed[1] && !is_true(after, "readOnly");
                    self.push(
                        &at,
                        What::Added,
                        format!("{}, {}", self.new.type_of(after), word(needed[1])),
                        only_if(writes && asked, Breaking),
                        Compatible,
                    );
                }
                (None, None) => {}
            }
        }
    }
}

/// The values of an enum, as JSON.
fn values(schema: &Value) -> Option<Vec<String>> {
    let values = schema.get("enum")?.as_array()?;
    Some(values.iter().map(Value::to_string).collect())
}

/// Whether the generated enum keeps unknown values.
fn is_open(schema: &Value) -> bool {
    match schema.get("x-ms-enum") {
        Some(info) => is_true(info, "modelAsString"),
        None => true,
    }
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
