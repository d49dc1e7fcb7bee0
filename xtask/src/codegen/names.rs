//! Rust names for the names of the document.
//!
//! A name is a valid identifier, and unique where it is used: if two names of the document give the
//! same identifier, the later one gets a number. Names that would hide something that generated code
//! needs get a suffix.

use std::collections::BTreeSet;

use heck::{ToSnakeCase, ToUpperCamelCase};

/// Types with these names would hide what patterns and constructors need.
const RESERVED_TYPES: [&str; 5] = ["Err", "None", "Ok", "Self", "Some"];

/// The methods of a client that are not operations.
pub const METHODS: [&str; 3] = ["clone", "endpoint", "new"];

/// The names of the operations of a client.
pub fn methods() -> Scope {
    Scope::reserving(&METHODS)
}

pub fn type_name(name: &str) -> String {
    let name = identifier(name, ToUpperCamelCase::to_upper_camel_case);
    let name = name.trim_end_matches('_');
    if RESERVED_TYPES.contains(&name) {
        return format!("{name}Type");
    }
    name.to_owned()
}

pub fn variant(value: &str) -> String {
    identifier(value, ToUpperCamelCase::to_upper_camel_case)
}

pub fn field(property: &str) -> String {
    identifier(property, ToSnakeCase::to_snake_case)
}

pub fn function(operation_id: &str) -> String {
    field(operation_id)
}

/// The names of one scope.
#[derive(Debug, Default)]
pub struct Scope {
    reserved: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Scope {
    /// A scope in which these names have a meaning already.
    pub fn reserving(names: &[&str]) -> Self {
        Self {
            reserved: names.iter().map(|name| (*name).to_owned()).collect(),
            used: BTreeSet::new(),
        }
    }

    /// A new name for an argument or a method. A reserved one ends with `_`.
    pub fn snake(&mut self, name: &str) -> String {
        let name = if self.reserved.contains(name) {
            format!("{name}_")
        } else {
            name.to_owned()
        };
        self.numbered(&name, |number| {
            format!("{}_{number}", name.trim_end_matches('_'))
        })
    }

    /// A new name for a field. A reserved one gets a number, because progenitor removes `_`.
    pub fn field(&mut self, name: &str) -> String {
        self.numbered(name, |number| {
            format!("{}_{number}", name.trim_end_matches('_'))
        })
    }

    /// A new name for a type or a variant.
    pub fn camel(&mut self, name: &str) -> String {
        let ends_with_digit = name.ends_with(|last: char| last.is_ascii_digit());
        let separator = if ends_with_digit { "v" } else { "" };
        self.numbered(name, |number| {
            format!("{}{separator}{number}", name.trim_end_matches('_'))
        })
    }

    fn numbered(&mut self, name: &str, numbered: impl Fn(usize) -> String) -> String {
        let mut unique = name.to_owned();
        let mut number = 1;
        while self.reserved.contains(&unique) || !self.used.insert(unique.clone()) {
            number += 1;
            unique = numbered(number);
        }
        unique
    }
}

fn identifier(name: &str, case: impl Fn(&str) -> String) -> String {
    let words: String = name
        .replace('\'', "")
        .chars()
        .map(|letter| {
            if is_in_identifiers(letter) {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let cased = case(&words);
    let out = match cased.chars().next() {
        Some(first) if first.is_alphabetic() => cased,
        _ => case("x") + &cased,
    };
    // `gen` is a keyword of the edition that syn does not know.
    match syn::parse_str::<syn::Ident>(&out) {
        Ok(_) if out != "gen" => out,
        _ => out + "_",
    }
}

fn is_in_identifiers(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || !letter.is_ascii() && syn::parse_str::<syn::Ident>(&letter.to_string()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        assert_eq!(type_name("PSTNCall.state"), "PstnCallState");
        assert_eq!(variant("speechOrDtmf"), "SpeechOrDtmf");
        assert_eq!(variant("16000"), "X16000");
        assert_eq!(variant(""), "X");
        assert_eq!(field("type"), "type_");
        assert_eq!(field("gen"), "gen_");
        assert_eq!(field("$top"), "top");
        assert_eq!(field("größe"), "größe");
        assert_eq!(field("a²"), "a");
        assert_eq!(type_name("self"), "SelfType");
        assert_eq!(type_name("ok"), "OkType");
        assert_eq!(
            function("CallRecording_StartRecording"),
            "call_recording_start_recording"
        );
    }

    #[test]
    fn names_are_unique_in_their_scope() {
        let mut scope = Scope::reserving(&["new"]);
        let names = ["new", "e_tag", "e_tag", "e_tag", "new"].map(|name| scope.snake(name));
        assert_eq!(names, ["new_", "e_tag", "e_tag_2", "e_tag_3", "new_2"]);
        let mut scope = Scope::reserving(&["extra"]);
        let names = ["extra", "clone", "clone"].map(|name| scope.field(name));
        assert_eq!(names, ["extra_2", "clone", "clone_2"]);
        let names = ["Free", "Free", "X1", "X1"].map(|name| scope.camel(name));
        assert_eq!(names, ["Free", "Free2", "X1", "X1v2"]);
        for name in names {
            assert_eq!(type_name(&name), name, "progenitor would change it");
        }
    }
}
