//! Compares the values of enums and the subtypes of unions.

use std::collections::BTreeSet;

use super::Verdict::{Breaking, Compatible, PossiblyBreaking};
use super::schemas::Place;
use super::{Comparison, Effects, Element, Kind, both};
use crate::codegen::names;
use crate::spec::reach::Reach;
use crate::spec::view::Schema;

impl<'a> Comparison<'a> {
    pub(super) fn enumeration(
        &mut self,
        at: &Element,
        [old, new]: [Schema<'a>; 2],
        reach: Reach,
        place: Place<'_>,
    ) {
        // Only a component becomes a Rust enum.
        let is_enum = place.component().is_some();
        let (before, after) = match (old.values(), new.values()) {
            (Some(before), Some(after)) => (before, after),
            (None, None) => return,
            (None, Some(_)) => {
                let effects = Effects::wire(reach, PossiblyBreaking, Compatible);
                let effects = effects.breaks_source_if(is_enum);
                return self.changed(at, "limited to a list of values", effects);
            }
            (Some(_), None) => {
                let effects = Effects::wire(reach, Compatible, PossiblyBreaking);
                let effects = effects.breaks_source_if(is_enum);
                return self.changed(at, "no longer limited to a list of values", effects);
            }
        };
        let (was_open, is_open) = (old.is_open_enum(), new.is_open_enum());
        let kind = |open| if open { "open" } else { "closed" };
        if was_open != is_open {
            // A closed enum rejects values that an open one accepts, in both directions.
            let verdict = if is_open {
                Compatible
            } else {
                PossiblyBreaking
            };
            // The generated enums keep unknown values in any case.
            let effects = Effects::wire(reach, verdict, verdict);
            let detail = format!("{} enum is now {}", kind(was_open), kind(is_open));
            self.changed(at, detail, effects);
        }
        let article = |open| {
            if open {
                "an open enum"
            } else {
                "a closed enum"
            }
        };
        let variants = [&before, &after].map(|values| -> BTreeSet<String> {
            values.iter().map(|value| variant(value)).collect()
        });
        let value_at =
            |value: &String, tails: [&str; 2]| at.below(Kind::Value, &format!(" {value}"), tails);
        for (index, value) in before.iter().enumerate() {
            if !after.contains(value) {
                let at = value_at(value, [&format!("/enum/{index}"), ""]);
                let effects = Effects::wire(reach, Breaking, Compatible)
                    .breaks_source_if(is_enum && !variants[1].contains(&variant(value)));
                self.removed(&at, format!("from {}", article(was_open)), effects);
            }
        }
        for (index, value) in after.iter().enumerate() {
            if !before.contains(value) {
                let at = value_at(value, ["", &format!("/enum/{index}")]);
                // Parsers expect other values only in an open enum.
                let parsers = if is_open {
                    Compatible
                } else {
                    PossiblyBreaking
                };
                let effects = Effects::wire(reach, Compatible, parsers);
                self.added(&at, format!("to {}", article(is_open)), effects);
            }
        }
    }

    pub(super) fn discriminator(
        &mut self,
        at: &Element,
        [old, new]: [Schema<'a>; 2],
        reach: Reach,
    ) {
        let at = at.inside(at.kind, "", &["discriminator"]);
        let is_union = [old, new].map(|schema| !schema.subtypes().is_empty());
        let becomes_other = is_union[0] != is_union[1];
        let both_are_breaking = Effects::wire(reach, Breaking, Breaking);
        match (old.tag(), new.tag()) {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                let detail = format!("subtypes are distinguished by `{new}` instead of `{old}`");
                // The old tag can become a member, and the new one is no longer a member.
                self.changed(&at, detail, both_are_breaking.breaks_source_if(is_union[0]));
            }
            (None, Some(new)) => {
                let detail = format!("now has subtypes, distinguished by `{new}`");
                let effects = Effects::wire(reach, PossiblyBreaking, PossiblyBreaking);
                self.changed(&at, detail, effects.breaks_source_if(becomes_other));
            }
            (Some(_), None) => {
                let [old, _] = at.pointers.clone();
                let new = at.pointers[1].trim_end_matches("/discriminator").to_owned();
                let at = at.clone().moved_to([old, new]);
                let effects = both_are_breaking.breaks_source_if(becomes_other);
                self.changed(&at, "no longer has subtypes", effects);
            }
        }
        self.subtypes(&at, [old, new], reach);
    }

    fn subtypes(&mut self, at: &Element, [old, new]: [Schema<'a>; 2], reach: Reach) {
        let was_struct = old.tag().is_some() && old.subtypes().is_empty();
        let now_called: BTreeSet<String> = new
            .subtypes()
            .keys()
            .map(|value| names::variant(value))
            .collect();
        for (value, old, new) in both(&old.subtypes(), &new.subtypes()) {
            let at = at.inside(Kind::Value, &format!(" {value:?}"), &["mapping", value]);
            match (old, new) {
                (Some(old), Some(new)) => {
                    if self.old.name_of(old) != self.new.name_of(new) {
                        let effects = Effects::wire(reach, Breaking, Breaking);
                        let detail = format!("{old} is now {new}");
                        self.changed(&at, detail, effects.breaks_source_if(true));
                    }
                }
                (Some(old), None) => {
                    let effects = Effects::wire(reach, Breaking, Compatible);
                    let effects =
                        effects.breaks_source_if(!now_called.contains(&names::variant(value)));
                    self.removed(&at, format!("subtype {old}"), effects);
                }
                // The generated union keeps unknown subtypes. Without subtypes it is a struct.
                (None, Some(new)) => {
                    let effects = Effects::NONE.breaks_source_if(was_struct);
                    self.added(&at, format!("subtype {new}"), effects);
                }
                (None, None) => {}
            }
        }
    }
}

/// The Rust variant of an enum value in JSON.
fn variant(value: &str) -> String {
    names::variant(value.trim_matches('"'))
}
