//! Rust types of parameters, bodies and responses.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;

use super::parts::{parts, referenced};

/// The type of a value, in the terms of Rust.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Text,
    Bool,
    I32,
    I64,
    F32,
    F64,
    Uuid,
    Timestamp,
    Binary,
    Object,
    Anything,
    /// A type of the module `types`.
    Named(String),
    List(Box<Type>),
    Map(Box<Type>),
}

/// The type of a schema whose objects are all named.
pub fn type_of(schema: &Value) -> Type {
    if let Some(name) = referenced(schema) {
        return Type::Named(name.to_owned());
    }
    if let Some(part) = parts(schema).next() {
        return type_of(part);
    }
    let format = schema.get("format").and_then(Value::as_str);
    match (schema.get("type").and_then(Value::as_str), format) {
        (Some("string"), Some("uuid")) => Type::Uuid,
        (Some("string"), Some("date-time")) => Type::Timestamp,
        (Some("string"), Some("binary")) => Type::Binary,
        (Some("string"), _) => Type::Text,
        (Some("boolean"), _) => Type::Bool,
        (Some("integer"), Some("int32")) => Type::I32,
        (Some("integer"), _) => Type::I64,
        (Some("number"), Some("float")) => Type::F32,
        (Some("number"), _) => Type::F64,
        (Some("array"), _) => {
            let items = schema.get("items").map_or(Type::Anything, type_of);
            Type::List(Box::new(items))
        }
        (Some("object"), _) => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => Type::Map(Box::new(type_of(values))),
            _ => Type::Object,
        },
        _ => Type::Anything,
    }
}

pub fn is_binary(of: &Type) -> bool {
    match of {
        Type::Binary => true,
        Type::List(item) => is_binary(item),
        _ => false,
    }
}

/// The type of a value that is owned. Within `types`, names are local.
pub fn owned(of: &Type, is_local: bool) -> TokenStream {
    match of {
        Type::Text => quote!(::std::string::String),
        Type::Bool => quote!(bool),
        Type::I32 => quote!(i32),
        Type::I64 => quote!(i64),
        Type::F32 => quote!(f32),
        Type::F64 => quote!(f64),
        Type::Uuid => quote!(::uuid::Uuid),
        Type::Timestamp => quote!(::jiff::Timestamp),
        Type::Binary => quote!(::bytes::Bytes),
        Type::Object => quote!(::serde_json::Map<::std::string::String, ::serde_json::Value>),
        Type::Anything => quote!(::serde_json::Value),
        Type::Named(name) => {
            let name = format_ident!("{name}");
            if is_local {
                quote!(#name)
            } else {
                quote!(types::#name)
            }
        }
        Type::List(item) => {
            let item = owned(item, is_local);
            quote!(::std::vec::Vec<#item>)
        }
        Type::Map(item) => {
            let item = owned(item, is_local);
            quote!(::std::collections::BTreeMap<::std::string::String, #item>)
        }
    }
}

/// The type of an argument.
pub fn borrowed(of: &Type) -> TokenStream {
    match of {
        Type::Text => quote!(&str),
        Type::List(item) if **item == Type::Text => quote!(&[&str]),
        Type::List(item) if is_binary(item) => quote!(::std::vec::Vec<::bytes::Bytes>),
        Type::List(item) => {
            let item = owned(item, false);
            quote!(&[#item])
        }
        Type::Named(_) | Type::Map(_) | Type::Object | Type::Anything => {
            let of = owned(of, false);
            quote!(&#of)
        }
        copied => owned(copied, false),
    }
}
