//! Completes the structs of progenitor: the names of fields on the wire, how `null` is read, and
//! which fields are boxed.
//!
//! The pass finds structs and fields by the names that [`lower`](super::lower) gave them, and
//! writes their types and serde attributes. progenitor boxes one field of a circle of structs, but
//! which one depends on other schemas.

use std::collections::BTreeMap;

use quote::format_ident;
use syn::visit_mut::{self, VisitMut};
use syn::{Item, Meta, Type, parse_quote};

use super::lower::Field;
use super::syntax::{generic, serde_parts};

const NULL_AS_DEFAULT: &str = "null_as_default";

/// Writes the attributes of all fields, and adds the function that they name.
pub fn complete(items: &mut Vec<Item>, structs: &BTreeMap<String, Vec<Field>>) {
    let mut reads_null = false;
    for item in items.iter_mut() {
        let Item::Struct(item) = item else { continue };
        let Some(fields) = structs.get(&item.ident.to_string()) else {
            continue;
        };
        // One attribute for the struct replaces those of its fields, if there are any. serde fails on
        // names that do not begin with an ASCII letter.
        let follows =
            |field: &Field| field.wire != field.name && field.wire == camel_case(&field.name);
        let renames_all =
            fields.iter().any(follows) && fields.iter().all(|field| field.name.is_ascii());
        if renames_all {
            item.attrs
                .push(parse_quote!(#[serde(rename_all = "camelCase")]));
        }
        for field in &mut item.fields {
            let name = field.ident.as_ref().map(ToString::to_string);
            let known = fields
                .iter()
                .find(|known| Some(&known.name) == name.as_ref());
            let Some(known) = known else { continue };
            let mut parts = serde_parts(&field.attrs);
            parts.retain(|part| !part.path().is_ident("rename"));
            let by_rule = if renames_all {
                camel_case(&known.name)
            } else {
                known.name.clone()
            };
            if known.wire != by_rule {
                let wire = &known.wire;
                parts.insert(0, parse_quote!(rename = #wire));
            }
            let default = parts
                .iter()
                .position(|part| part.path().is_ident("default"));
            if let Some(index) = default.filter(|_| known.null_is_empty) {
                parts.insert(index + 1, parse_quote!(deserialize_with = #NULL_AS_DEFAULT));
                reads_null = true;
            }
            if without_box(&mut field.ty) {
                let is_optional = generic(&field.ty, "Option").is_some();
                let is_skipped = |part: &Meta| part.path().is_ident("skip_serializing_if");
                if is_optional && !parts.iter().any(is_skipped) {
                    parts.retain(|part| !part.path().is_ident("default"));
                    let is_none = "::std::option::Option::is_none";
                    parts.push(parse_quote!(skip_serializing_if = #is_none));
                }
            }
            if known.is_recursive {
                with_box(&mut field.ty);
            }
            field
                .attrs
                .retain(|attribute| !attribute.path().is_ident("serde"));
            if !parts.is_empty() {
                field.attrs.push(parse_quote!(#[serde(#(#parts),*)]));
            }
        }
    }
    if reads_null {
        items.push(null_as_default());
    }
}

/// Removes a box, and tells whether there was one.
fn without_box(of: &mut Type) -> bool {
    struct WithoutBox(bool);
    impl VisitMut for WithoutBox {
        fn visit_type_mut(&mut self, of: &mut Type) {
            if let Some([inner]) = generic(of, "Box").as_deref() {
                *of = (*inner).clone();
                self.0 = true;
            }
            visit_mut::visit_type_mut(self, of);
        }
    }
    let mut visit = WithoutBox(false);
    visit.visit_type_mut(of);
    visit.0
}

/// Adds a box, within an `Option` if there is one.
fn with_box(of: &mut Type) {
    *of = match generic(of, "Option").as_deref() {
        Some([inner]) => parse_quote!(::std::option::Option<::std::boxed::Box<#inner>>),
        _ => parse_quote!(::std::boxed::Box<#of>),
    };
}

/// The service writes `null` for missing values. An optional list or map is then empty.
fn null_as_default() -> Item {
    let name = format_ident!("{NULL_AS_DEFAULT}");
    parse_quote! {
        #[doc = " Reads `null` as an empty list or map."]
        fn #name<'de, T, D>(deserializer: D) -> ::std::result::Result<T, D::Error>
        where
            T: ::std::default::Default + ::serde::Deserialize<'de>,
            D: ::serde::Deserializer<'de>,
        {
            let value =
                <::std::option::Option<T> as ::serde::Deserialize>::deserialize(deserializer)?;
            Ok(value.unwrap_or_default())
        }
    }
}

/// serde's own rule for `rename_all = "camelCase"`.
fn camel_case(field: &str) -> String {
    let mut out = String::new();
    let mut word_begins = false;
    for character in field.trim_start_matches("r#").chars() {
        match character {
            '_' => word_begins = !out.is_empty(),
            _ if word_begins => {
                out.push(character.to_ascii_uppercase());
                word_begins = false;
            }
            _ => out.push(character),
        }
    }
    if let Some(first) = out.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, wire: &str) -> Field {
        Field {
            name: name.to_owned(),
            wire: wire.to_owned(),
            null_is_empty: name.starts_with("list"),
            is_recursive: name.starts_with("boxed"),
        }
    }

    fn completed(source: &str, structs: Vec<(&str, Vec<Field>)>) -> String {
        let mut file = syn::parse_file(source).unwrap();
        let structs = structs
            .into_iter()
            .map(|(name, fields)| (name.to_owned(), fields))
            .collect();
        complete(&mut file.items, &structs);
        prettyplease::unparse(&file)
    }

    #[test]
    fn camel_case_follows_the_rule_of_serde() {
        for (field, wire) in [
            ("call_connection_id", "callConnectionId"),
            ("id", "id"),
            ("type_", "type"),
            ("_hidden", "hidden"),
            ("x1_y", "x1Y"),
        ] {
            assert_eq!(camel_case(field), wire);
        }
    }

    #[test]
    fn one_attribute_renames_all_fields_that_follow_the_rule() {
        let source = completed(
            r"struct A { #[serde(skip)] call_id: u8, odd_name: u8, same: u8, snake_on_the_wire: u8 }
            struct B { odd: u8, snake_case: u8 }
            struct Other { untouched: u8 }",
            vec![
                (
                    "A",
                    vec![
                        field("call_id", "callId"),
                        field("odd_name", "Odd Name"),
                        field("same", "same"),
                        field("snake_on_the_wire", "snake_on_the_wire"),
                    ],
                ),
                (
                    "B",
                    vec![field("odd", "Odd"), field("snake_case", "snake_case")],
                ),
            ],
        );
        insta::assert_snapshot!(source);
    }

    #[test]
    fn recursive_fields_are_boxed_and_no_others() {
        let source = completed(
            r#"struct A {
                #[serde(default)] boxed: ::std::boxed::Box<::std::option::Option<A>>,
                #[serde(skip_serializing_if = "::std::option::Option::is_none")]
                boxed_too: ::std::option::Option<A>,
                plain: ::std::boxed::Box<B>,
            }"#,
            vec![(
                "A",
                vec![
                    field("boxed", "boxed"),
                    field("boxed_too", "boxedToo"),
                    field("plain", "plain"),
                ],
            )],
        );
        insta::assert_snapshot!(source);
    }

    #[test]
    fn optional_lists_and_maps_are_empty_if_null() {
        let source = completed(
            r#"struct A {
                #[serde(default, skip_serializing_if = "::std::vec::Vec::is_empty")]
                list: Vec<u8>,
                list_required: Vec<u8>,
                #[serde(default, skip_serializing_if = "::std::option::Option::is_none")]
                one: Option<u8>,
            }"#,
            vec![(
                "A",
                vec![
                    field("list", "list"),
                    field("list_required", "listRequired"),
                    field("one", "one"),
                ],
            )],
        );
        insta::assert_snapshot!(source);
    }
}
