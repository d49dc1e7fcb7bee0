//! `acs_recording::models` has the types of the service that its interface uses, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use public_api::PublicItem;
use quote::ToTokens as _;
use serde_json::Value;
use syn::{Fields, Item};

use super::foreign;

const LOW_LEVEL: &str = "acs_call_automation";

/// What is missing in `models`, and what is in it for nothing.
pub fn check(described: &Value, items: &[PublicItem]) -> Result<Vec<String>> {
    let source = fs::read_to_string(crate::root().join(crate::GENERATED))?;
    let source = syn::parse_file(&source).context(crate::GENERATED)?;
    let (mut exported, mut used) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        let is_export = described
            .pointer(&format!("/index/{}/inner/use", item.id().0))
            .is_some();
        let names = foreign::paths(described, item.id().0)
            .into_iter()
            .filter(|path| path.first().is_some_and(|name| name == LOW_LEVEL))
            .filter_map(|mut path| path.pop());
        if is_export {
            exported.extend(names);
        } else {
            used.extend(names);
        }
    }
    let needed = reachable(&members(&source), used);
    Ok(compare(&exported, &needed))
}

fn compare(exported: &BTreeSet<String>, needed: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for (names, what) in [
        (needed.difference(exported), "lacks"),
        (exported.difference(needed), "has, without any use,"),
    ] {
        let names: Vec<_> = names.map(String::as_str).collect();
        if !names.is_empty() {
            let list = names.join(", ");
            problems.push(format!(
                "acs_recording::models {what} {list}; edit models.rs"
            ));
        }
    }
    problems
}

/// The generated types, each with the names in its public members.
fn members(source: &syn::File) -> BTreeMap<String, BTreeSet<String>> {
    let types = source.items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_ref(),
        _ => None,
    });
    let mut members = BTreeMap::new();
    for item in types.into_iter().flat_map(|(_, items)| items) {
        let (name, of) = match item {
            Item::Struct(item) => (&item.ident, names(&item.fields)),
            Item::Enum(item) => {
                let of = item
                    .variants
                    .iter()
                    .flat_map(|variant| names(&variant.fields));
                (&item.ident, of.collect())
            }
            Item::Type(item) => (&item.ident, words(&item.ty)),
            _ => continue,
        };
        members.insert(name.to_string(), of);
    }
    members
}

fn names(fields: &Fields) -> BTreeSet<String> {
    fields.iter().flat_map(|field| words(&field.ty)).collect()
}

/// The identifiers in a type.
fn words(of: &syn::Type) -> BTreeSet<String> {
    let text = of.to_token_stream().to_string();
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    words.map(str::to_owned).collect()
}

/// `from` and all types in their members, and in the members of those.
fn reachable(
    members: &BTreeMap<String, BTreeSet<String>>,
    from: BTreeSet<String>,
) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(of) = members.get(&name)
            && reached.insert(name)
        {
            open.extend(of.iter().cloned());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_needed_with_the_types_in_their_members() {
        let source = syn::parse_str(
            "pub mod types {
                pub struct Call { pub state: Option<State>, pub people: Vec<Person>, pub id: String }
                pub enum State { Open, UnknownValue(String) }
                pub struct Person { pub lock: Lock }
                pub enum Lock { Code(CodeLock) }
                pub struct CodeLock { pub next: Option<Box<CodeLock>> }
                pub struct Request {}
            }",
        );
        let needed = reachable(
            &members(&source.unwrap()),
            BTreeSet::from(["Call".to_owned()]),
        );
        let names: Vec<_> = needed.iter().map(String::as_str).collect();
        assert_eq!(names, ["Call", "CodeLock", "Lock", "Person", "State"]);
        let exported = BTreeSet::from(["Call", "Request"].map(str::to_owned));
        assert_eq!(
            compare(&exported, &needed),
            [
                "acs_recording::models lacks CodeLock, Lock, Person, State; edit models.rs",
                "acs_recording::models has, without any use, Request; edit models.rs",
            ]
        );
    }
}
