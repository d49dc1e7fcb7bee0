//! The types that progenitor cannot express, among those that it can.

use anyhow::{Context, Result, anyhow};
use heck::ToUpperCamelCase;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Item, parse_quote};

use super::lower::{Lowered, OpenEnum, Union};
use super::tidy;

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
    for open in &lowered.enums {
        types.1.extend(open_enum(open)?);
    }
    for item in lowered.unions.iter().map(union) {
        types.1.push(item?);
    }
    types.1.sort_by_key(type_name);
    tidy::file(&mut file);
    Ok(file)
}

fn open_enum(open: &OpenEnum) -> Result<Vec<Item>> {
    let name = format_ident!("{}", open.name);
    let docs = doc(open.description.as_deref());
    let variants: Vec<_> = open
        .values
        .iter()
        .map(|(value, _)| variant_name(value))
        .collect::<Result<_>>()?;
    let variant_docs = open.values.iter().map(|(_, text)| doc(text.as_deref()));
    let values = open.values.iter().map(|(value, _)| value);
    let unknown = "A value that this version does not know, kept as it was received.";
    Ok(vec![
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
    ])
}

fn union(union: &Union) -> Result<Item> {
    let name = format_ident!("{}", union.name);
    let docs = doc(union.description.as_deref());
    let tag = &union.tag;
    let variants = union
        .variants
        .iter()
        .map(|(value, subtype)| {
            let variant = variant_name(value)?;
            let subtype = format_ident!("{subtype}");
            let text = format!("`{tag}` is `{value}`.");
            Ok(quote! {
                #[doc = #text]
                #[serde(rename = #value)]
                #variant(#subtype)
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let unknown = format!("Any other `{tag}`, kept as it was received.");
    Ok(parse_quote! {
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
    })
}

fn variant_name(value: &str) -> Result<syn::Ident> {
    let name = value.to_upper_camel_case();
    syn::parse_str(&name).with_context(|| format!("{value:?} makes no name of a variant"))
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
