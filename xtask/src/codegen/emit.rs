//! The types that progenitor cannot express, among those that it can.

use anyhow::{Context, Result, anyhow};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use syn::{Attribute, Item, parse_quote};

use super::lower::{Alias, Lowered, OpenEnum};
use super::unions::Union;
use super::{client, constructors, names, tidy};

/// Puts our own types among progenitor's and tidies what it wrote.
pub fn assemble(tokens: TokenStream, lowered: &Lowered) -> Result<syn::File> {
    let mut file: syn::File = syn::parse2(tokens).context("progenitor wrote no valid Rust")?;
    let types = file
        .items
        .iter_mut()
        .find_map(|item| match item {
            Item::Mod(module) if module.ident == "types" => module.content.as_mut(),
            _ => None,
        })
        .ok_or_else(|| anyhow!("progenitor wrote no module `types`"))?;
    types.1.extend(lowered.enums.iter().flat_map(open_enum));
    types.1.extend(lowered.unions.iter().map(union));
    types.1.extend(lowered.aliases.iter().map(alias));
    let methods = constructors::add(&mut types.1);
    types.1.extend(methods);
    types.1.sort_by_key(type_name);
    let version = lowered.document.pointer("/info/version");
    let version = version.and_then(Value::as_str);
    client::rewrite(&mut file, version.context("/info/version: missing")?)?;
    tidy::file(&mut file);
    Ok(file)
}

fn open_enum(open: &OpenEnum) -> [Item; 2] {
    let name = format_ident!("{}", names::type_name(&open.name));
    let docs = doc(open.description.as_deref());
    let variants: Vec<_> = open
        .values
        .iter()
        .map(|value| format_ident!("{}", value.name))
        .collect();
    let variant_docs = open
        .values
        .iter()
        .map(|value| doc(value.description.as_deref()));
    let values = open.values.iter().map(|value| &value.wire);
    let unknown = "A value that this version does not know, kept as it was received.";
    [
        parse_quote! {
            #(#docs)*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[non_exhaustive]
            pub enum #name {
                #(#(#variant_docs)* #variants,)*
                #[doc = #unknown]
                UnknownValue(String),
            }
        },
        parse_quote! {
            crate::open_enum!(#name, #(#variants = #values),*);
        },
    ]
}

fn union(union: &Union) -> Item {
    let name = format_ident!("{}", names::type_name(&union.name));
    let docs = doc(union.description.as_deref());
    let tag = &union.tag;
    let variants = union.variants.iter().map(|of| {
        let (value, variant) = (&of.wire, format_ident!("{}", of.name));
        let subtype = format_ident!("{}", names::type_name(&of.schema));
        let text = format!("`{tag}` is `{value}`.");
        quote! {
            #[doc = #text]
            #[serde(rename = #value)]
            #variant(#subtype)
        }
    });
    let unknown =
        format!("Any other `{tag}`, or one whose members do not fit, kept as it was received.");
    parse_quote! {
        #(#docs)*
        #[derive(::serde::Deserialize, ::serde::Serialize, Clone, Debug, PartialEq)]
        #[serde(tag = #tag)]
        #[non_exhaustive]
        pub enum #name {
            #(#variants,)*
            #[doc = #unknown]
            #[serde(untagged)]
            UnknownValue(::serde_json::Map<::std::string::String, ::serde_json::Value>),
        }
    }
}

fn alias(alias: &Alias) -> Item {
    let name = format_ident!("{}", names::type_name(&alias.name));
    let target = format_ident!("{}", names::type_name(&alias.target));
    let docs = doc(alias.description.as_deref());
    parse_quote! {
        #(#docs)*
        pub type #name = #target;
    }
}

fn doc(text: Option<&str>) -> Vec<Attribute> {
    text.map(|text| parse_quote!(#[doc = #text]))
        .into_iter()
        .collect()
}

/// The type that an item defines or is about, and the definition before what is about it.
fn type_name(item: &Item) -> (String, u8) {
    match item {
        Item::Mod(module) => (String::new(), u8::from(module.ident != "error")),
        Item::Struct(item) => (item.ident.to_string(), 0),
        Item::Enum(item) => (item.ident.to_string(), 0),
        Item::Type(item) => (item.ident.to_string(), 0),
        Item::Macro(item) => {
            let name = item.mac.tokens.clone().into_iter().next();
            (name.map_or(String::new(), |name| name.to_string()), 1)
        }
        Item::Impl(item) => {
            let of = &item.self_ty;
            (quote!(#of).to_string(), 2)
        }
        _ => (String::new(), 3),
    }
}
