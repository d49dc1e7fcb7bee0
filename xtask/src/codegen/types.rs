//! Emits the module `types`: the structs of progenitor, and the enums that it cannot express.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use proc_macro2::TokenStream;
use progenitor::{GenerationSettings, Generator, TypeImpl};
use quote::{format_ident, quote};
use schemars08::schema::{InstanceType, SchemaObject};
use serde_json::json;
use syn::{Attribute, Item, parse_quote};

use super::lower::{Alias, Lowered, NamedValue, OpenEnum};
use super::quiet::quietly;
use super::rust_type::owned;
use super::unions::{Union, Variant};
use super::{client, constructors, fields};

/// The items of the module, sorted by name.
pub fn items(lowered: &Lowered) -> Result<Vec<Item>> {
    let mut items = structs(lowered)?;
    fields::complete(&mut items, &lowered.structs);
    items.extend(lowered.enums.iter().flat_map(open_enum));
    items.extend(lowered.unions.iter().flat_map(union));
    items.extend(lowered.aliases.iter().map(alias));
    items.extend(lowered.values.iter().map(value));
    items.extend(lowered.objects.iter().map(object));
    let responses = lowered.operations.iter().filter_map(client::response_enum);
    items.extend(responses.map(Item::Enum));
    let methods = constructors::add(&mut items);
    items.extend(methods);
    items.sort_by_key(type_name);
    Ok(items)
}

/// The structs that progenitor generates from the schemas.
fn structs(lowered: &Lowered) -> Result<Vec<Item>> {
    let document = json!({
        "openapi": "3.0.3",
        "info": {"title": "", "version": ""},
        "paths": {},
        "components": {"schemas": lowered.schemas},
    });
    let api: openapiv3::OpenAPI =
        serde_json::from_value(document).context("the schemas are not OpenAPI 3.0")?;
    let mut settings = GenerationSettings::default();
    settings
        .with_derive("PartialEq")
        .with_map_type("::std::collections::BTreeMap")
        .with_conversion(
            SchemaObject {
                instance_type: Some(InstanceType::String.into()),
                format: Some("date-time".to_owned()),
                ..SchemaObject::default()
            },
            "::jiff::Timestamp",
            [TypeImpl::Display].into_iter(),
        );
    for open in &lowered.enums {
        let impls = [TypeImpl::Display, TypeImpl::FromStr].into_iter();
        settings.with_replacement(&open.name, &open.name, impls);
    }
    for union in &lowered.unions {
        settings.with_replacement(&union.name, &union.name, [].into_iter());
    }
    for value in &lowered.values {
        let of = owned(&value.of, true);
        settings.with_replacement(&value.name, of.to_string(), [TypeImpl::Display].into_iter());
    }
    for object in &lowered.objects {
        settings.with_replacement(&object.name, &object.name, [].into_iter());
    }
    let tokens = quietly(|| Generator::new(&settings).generate_tokens(&api))?;
    let file: syn::File = syn::parse2(tokens).context("progenitor generated invalid Rust")?;
    let types = file.items.into_iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content,
        _ => None,
    });
    let (_, mut items) = types.ok_or_else(|| anyhow!("progenitor generated no module `types`"))?;
    // The error of conversions, which nothing returns: enums are open, and strings are not limited.
    items.retain(|item| !matches!(item, Item::Mod(module) if module.ident == "error"));
    Ok(items)
}

fn open_enum(open: &OpenEnum) -> [Item; 2] {
    let name = format_ident!("{}", open.name);
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
    let unknown = "A value that this version does not know, kept as received.";
    [
        parse_quote! {
            #(#docs)*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[non_exhaustive]
            pub enum #name {
                #(#(#variant_docs)* #variants,)*
                #[doc = #unknown]
                UnknownValue(::std::string::String),
            }
        },
        parse_quote! {
            crate::runtime::open_enum!(#name #(, #variants = #values)*);
        },
    ]
}

fn union(union: &Union) -> Vec<Item> {
    let name = format_ident!("{}", union.name);
    let docs = doc(union.description.as_deref());
    let tag = &union.tag;
    let variants = union.variants.iter().map(|of| {
        let (value, variant) = (&of.wire, format_ident!("{}", of.name));
        let subtype = subtype(of);
        let text = format!("`{tag}` is `{value}`.");
        quote! {
            #[doc = #text]
            #[serde(rename = #value)]
            #variant(#subtype)
        }
    });
    let unknown =
        format!("Any other `{tag}`, or a value whose members do not match, kept as received.");
    let definition = parse_quote! {
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
    };
    // A subtype can have several tags; the first is its own.
    let mut first: BTreeMap<&str, &Variant> = BTreeMap::new();
    for variant in &union.variants {
        first.entry(&variant.schema).or_insert(variant);
    }
    let conversions = first.into_values().map(|of| {
        let variant = format_ident!("{}", of.name);
        let subtype = format_ident!("{}", of.schema);
        let value = if of.is_recursive {
            quote!(::std::boxed::Box::new(value))
        } else {
            quote!(value)
        };
        parse_quote! {
            impl ::std::convert::From<#subtype> for #name {
                fn from(value: #subtype) -> Self {
                    Self::#variant(#value)
                }
            }
        }
    });
    std::iter::once(definition).chain(conversions).collect()
}

fn subtype(variant: &Variant) -> TokenStream {
    let schema = format_ident!("{}", variant.schema);
    if variant.is_recursive {
        quote!(::std::boxed::Box<#schema>)
    } else {
        quote!(#schema)
    }
}

fn alias(alias: &Alias) -> Item {
    let name = format_ident!("{}", alias.name);
    let target = format_ident!("{}", alias.target);
    let docs = doc(alias.description.as_deref());
    parse_quote! {
        #(#docs)*
        pub type #name = #target;
    }
}

fn value(value: &NamedValue) -> Item {
    let name = format_ident!("{}", value.name);
    let of = owned(&value.of, true);
    let docs = doc(value.description.as_deref());
    parse_quote! {
        #(#docs)*
        pub type #name = #of;
    }
}

fn object(object: &NamedValue) -> Item {
    let name = format_ident!("{}", object.name);
    let docs = doc(object.description.as_deref());
    parse_quote! {
        #(#docs)*
        #[derive(::serde::Deserialize, ::serde::Serialize, Clone, Debug, Default, PartialEq)]
        pub struct #name {
            #[doc = "All members."]
            #[serde(flatten)]
            pub extra: ::serde_json::Map<::std::string::String, ::serde_json::Value>,
        }
    }
}

fn doc(text: Option<&str>) -> Vec<Attribute> {
    text.map(|text| parse_quote!(#[doc = #text]))
        .into_iter()
        .collect()
}

/// The type that an item defines or implements; definitions come before implementations.
fn type_name(item: &Item) -> (String, u8) {
    match item {
        Item::Fn(_) => (String::new(), 0),
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
