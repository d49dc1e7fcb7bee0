//! Makes progenitor's output shorter and more readable, without changing its behavior.

use quote::{ToTokens, format_ident, quote};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, ExprLit, Field, Item, ItemStruct, Lit, LitStr, Meta, MetaNameValue, Path,
    Token, parse_quote,
};

pub fn file(file: &mut syn::File) {
    for item in &mut file.items {
        if let Item::Mod(module) = item
            && module.ident == "types"
            && let Some((_, items)) = &mut module.content
        {
            items.retain(|item| !is_clone_conversion(item));
            drop_unused_error(items);
            for item in items {
                LocalPaths.visit_item_mut(item);
            }
        }
    }
    Tidy.visit_file_mut(file);
    for item in &mut file.items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &mut module.content
            && items
                .iter()
                .any(|item| text(item).contains(NULL_AS_DEFAULT))
        {
            items.insert(0, null_as_default());
        }
    }
}

const NULL_AS_DEFAULT: &str = "null_as_default";

/// The service writes `null` for missing values. An optional list or map is then empty.
fn null_as_default() -> Item {
    let name = format_ident!("{NULL_AS_DEFAULT}");
    parse_quote! {
        #[doc = " Reads `null` as an empty list or map."]
        fn #name<'de, T, D>(deserializer: D) -> Result<T, D::Error>
        where
            T: Default + ::serde::Deserialize<'de>,
            D: ::serde::Deserializer<'de>,
        {
            let value = <Option<T> as ::serde::Deserialize>::deserialize(deserializer)?;
            Ok(value.unwrap_or_default())
        }
    }
}

fn is_module(item: &Item, name: &str) -> bool {
    matches!(item, Item::Mod(module) if module.ident == name)
}

/// Whether an item is `impl From<&T> for T` by cloning. There are a hundred, and `.clone()` is
/// clearer.
fn is_clone_conversion(item: &Item) -> bool {
    let Item::Impl(item) = item else { return false };
    let Some((path, _)) = &item.trait_ else {
        return false;
    };
    let of = &item.self_ty;
    text(path)
        .replace(' ', "")
        .ends_with(&text(&quote!(From<&#of>)).replace(' ', ""))
}

/// Removes the error type of conversions, which only closed enums and restricted strings need.
fn drop_unused_error(items: &mut Vec<Item>) {
    let used = items
        .iter()
        .filter(|item| !is_module(item, "error"))
        .any(|item| text(item).contains("ConversionError"));
    if !used {
        items.retain(|item| !is_module(item, "error"));
    }
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// Shortens the paths of types in `types`.
struct LocalPaths;

impl VisitMut for LocalPaths {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        let starts_with_types = path.leading_colon.is_none()
            && path.segments.len() == 3
            && path.segments[0].ident == "crate"
            && path.segments[1].ident == "types";
        if starts_with_types {
            keep_last(path);
        }
    }
}

fn keep_last(path: &mut Path) {
    path.leading_colon = None;
    let last = path.segments.pop();
    path.segments = last.into_iter().collect();
}

struct Tidy;

impl VisitMut for Tidy {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let old = std::mem::take(attributes);
        for attribute in old {
            match doc_text(&attribute) {
                None => attributes.push(attribute),
                Some(text) => {
                    for line in wrap(without_schema(&text)) {
                        let line = format!(" {line}");
                        let line = line.trim_end();
                        attributes.push(parse_quote!(#[doc = #line]));
                    }
                }
            }
        }
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        if matches!(
            names[..],
            ["std", "option", "Option"] | ["std", "string", "String"] | ["std", "vec", "Vec"]
        ) {
            keep_last(path);
        }
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        visit_mut::visit_item_struct_mut(self, item);
        for attribute in item.fields.iter_mut().flat_map(|field| &mut field.attrs) {
            if let Some(mut parts) = serde_parts(attribute) {
                parts.iter_mut().for_each(shorten_path);
                let default = parts
                    .iter()
                    .position(|part| part.path().is_ident("default"));
                if let Some(index) = default {
                    parts.insert(index + 1, parse_quote!(deserialize_with = #NULL_AS_DEFAULT));
                }
                *attribute = parse_quote!(#[serde(#(#parts),*)]);
            }
        }
        // One attribute for the struct replaces those of its fields, if there are any.
        if !item.fields.iter().any(follows_camel_case) {
            return;
        }
        for field in &mut item.fields {
            let Some(name) = field.ident.as_ref().map(ToString::to_string) else {
                continue;
            };
            if follows_camel_case(field) {
                for attribute in &mut field.attrs {
                    if let Some(mut parts) = serde_parts(attribute) {
                        parts.retain(|part| rename(part).is_none());
                        *attribute = parse_quote!(#[serde(#(#parts),*)]);
                    }
                }
            } else if wire_name(field).is_none() && camel_case(&name) != name {
                field.attrs.push(parse_quote!(#[serde(rename = #name)]));
            }
            field
                .attrs
                .retain(|attribute| serde_parts(attribute).is_none_or(|parts| !parts.is_empty()));
        }
        item.attrs
            .push(parse_quote!(#[serde(rename_all = "camelCase")]));
    }
}

/// The explicit name of a field.
fn wire_name(field: &Field) -> Option<String> {
    let mut parts = field.attrs.iter().filter_map(serde_parts).flatten();
    parts.find_map(|part| rename(&part))
}

/// Whether the name of a field follows serde's `camelCase` rule.
fn follows_camel_case(field: &Field) -> bool {
    let name = field.ident.as_ref().map(ToString::to_string);
    name.is_some_and(|name| wire_name(field) == Some(camel_case(&name)))
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

fn serde_parts(attribute: &Attribute) -> Option<Vec<Meta>> {
    if !attribute.path().is_ident("serde") {
        return None;
    }
    let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    Some(parts.ok()?.into_iter().collect())
}

fn rename(meta: &Meta) -> Option<String> {
    match meta {
        Meta::NameValue(meta) if meta.path.is_ident("rename") => string(meta).map(LitStr::value),
        _ => None,
    }
}

fn shorten_path(meta: &mut Meta) {
    let Meta::NameValue(meta) = meta else { return };
    if !meta.path.is_ident("skip_serializing_if") {
        return;
    }
    let Some(path) = string(meta).map(LitStr::value) else {
        return;
    };
    let path = path.replace(' ', "");
    let short = ["::std::option::", "::std::vec::"]
        .iter()
        .find_map(|long| path.strip_prefix(long))
        .unwrap_or(&path);
    meta.value = parse_quote!(#short);
}

fn string(meta: &MetaNameValue) -> Option<&LitStr> {
    match &meta.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => string(meta).map(LitStr::value),
        _ => None,
    }
}

/// Removes the JSON schema that typify appends to the text of every type. It is in `spec/`.
fn without_schema(text: &str) -> &str {
    let schema = text.find("<details><summary>JSON schema</summary>");
    text[..schema.unwrap_or(text.len())].trim()
}

/// Breaks lines, so that diffs of long documentation stay readable.
fn wrap(text: &str) -> Vec<String> {
    const WIDTH: usize = 90;
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(source: &str) -> String {
        let mut file = syn::parse_file(source).unwrap();
        super::file(&mut file);
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
        let tidy = tidied(
            r#"struct A {
                #[serde(rename = "callId", skip)] call_id: u8,
                #[serde(rename = "Odd Name")] odd_name: u8,
                same: u8,
                snake_on_the_wire: u8,
            }
            struct B { #[serde(rename = "Odd")] odd: u8, snake_case: u8 }"#,
        );
        insta::assert_snapshot!(tidy, @r#"
        #[serde(rename_all = "camelCase")]
        struct A {
            #[serde(skip)]
            call_id: u8,
            #[serde(rename = "Odd Name")]
            odd_name: u8,
            same: u8,
            #[serde(rename = "snake_on_the_wire")]
            snake_on_the_wire: u8,
        }
        struct B {
            #[serde(rename = "Odd")]
            odd: u8,
            snake_case: u8,
        }
        "#);
    }

    #[test]
    fn lists_and_maps_are_empty_if_null() {
        let tidy = tidied(
            r#"mod types { struct A {
                #[serde(default, skip_serializing_if = "::std::vec::Vec::is_empty")]
                list: Vec<u8>,
                #[serde(rename = "aMap", default, skip_serializing_if = ":: std :: collections :: BTreeMap::is_empty")]
                a_map: BTreeMap<String, u8>,
                #[serde(skip_serializing_if = "::std::option::Option::is_none")]
                one: Option<u8>,
            } }"#,
        );
        insta::assert_snapshot!(tidy, @r#"
        mod types {
            /// Reads `null` as an empty list or map.
            fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
            where
                T: Default + ::serde::Deserialize<'de>,
                D: ::serde::Deserializer<'de>,
            {
                let value = <Option<T> as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(value.unwrap_or_default())
            }
            #[serde(rename_all = "camelCase")]
            struct A {
                #[serde(
                    default,
                    deserialize_with = "null_as_default",
                    skip_serializing_if = "Vec::is_empty"
                )]
                list: Vec<u8>,
                #[serde(
                    default,
                    deserialize_with = "null_as_default",
                    skip_serializing_if = "::std::collections::BTreeMap::is_empty"
                )]
                a_map: BTreeMap<String, u8>,
                #[serde(skip_serializing_if = "Option::is_none")]
                one: Option<u8>,
            }
        }
        "#);
    }

    #[test]
    fn documentation_is_wrapped_and_has_no_schema() {
        let text = format!(
            "{}end<details><summary>JSON schema</summary>…</details>",
            "some words ".repeat(10)
        );
        let tidy = tidied(&format!("#[doc = {text:?}] struct A;"));
        insta::assert_snapshot!(tidy, @"
        /// some words some words some words some words some words some words some words some words
        /// some words some words end
        struct A;
        ");
    }

    #[test]
    fn conversions_by_cloning_are_removed() {
        let tidy = tidied(
            "mod types {
                impl From<&Self_> for Self_ { fn from(v: &Self_) -> Self { v.clone() } }
                impl From<u8> for Self_ { fn from(v: u8) -> Self { Self_ } }
                struct Self_ { a: crate::types::Other, b: ::std::option::Option<u8> }
            }",
        );
        insta::assert_snapshot!(tidy, @"
        mod types {
            impl From<u8> for Self_ {
                fn from(v: u8) -> Self {
                    Self_
                }
            }
            struct Self_ {
                a: Other,
                b: Option<u8>,
            }
        }
        ");
    }
}
