//! Rust names for the names of the document, by the rules of progenitor and typify.

use heck::{ToSnakeCase, ToUpperCamelCase};

pub fn type_name(name: &str) -> String {
    identifier(name, ToUpperCamelCase::to_upper_camel_case)
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

fn identifier(name: &str, case: impl Fn(&str) -> String) -> String {
    let words = name
        .replace('\'', "")
        .replace(|character: char| !character.is_alphanumeric(), "-");
    let cased = case(&words);
    let out = match cased.chars().next() {
        Some(first) if first.is_alphabetic() => cased,
        _ => case("x") + &cased,
    };
    match syn::parse_str::<syn::Ident>(&out) {
        Ok(_) => out,
        Err(_) => out + "_",
    }
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
        assert_eq!(field("$top"), "top");
        assert_eq!(
            function("CallRecording_StartRecording"),
            "call_recording_start_recording"
        );
    }
}
