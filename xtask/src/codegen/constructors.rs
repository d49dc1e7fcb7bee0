//! Constructors and setters, so that adding a member is not a breaking change.
//!
//! Every struct becomes `#[non_exhaustive]`. One with required members gets `new`, which takes
//! them; one without keeps its `Default` and needs no other constructor. An optional member gets a
//! setter of its name. Members stay public to be read.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, Fields, Ident, Item, ItemStruct, Type, parse_quote};

use super::names::Scope;
use super::syntax::{generic, serde_parts};

/// Types of arguments that need no conversion.
const PLAIN: [&str; 7] = ["bool", "i32", "i64", "u32", "u64", "f32", "f64"];

/// Existing methods, which a setter of the same name would hide.
const RESERVED: [&str; 3] = ["clone", "default", "new"];

/// Marks the structs among `items` as non-exhaustive, and returns their methods.
pub fn add(items: &mut [Item]) -> Vec<Item> {
    let mut blocks = Vec::new();
    for item in items {
        if let Item::Struct(item) = item
            && matches!(item.fields, Fields::Named(_))
        {
            item.attrs.push(parse_quote!(#[non_exhaustive]));
            blocks.extend(methods(item, is_required));
        }
    }
    blocks
}

/// The setters of a struct without required members.
pub fn setters(item: &ItemStruct) -> Option<Item> {
    methods(item, |_| false)
}

fn methods(item: &ItemStruct, is_required: impl Fn(&Field) -> bool) -> Option<Item> {
    let (required, optional): (Vec<_>, Vec<_>) = item
        .fields
        .iter()
        .filter_map(|field| Some((field.ident.as_ref()?, field)))
        .partition(|(_, field)| is_required(field));
    let constructor = (!required.is_empty()).then(|| constructor(&required, &optional));
    let mut scope = Scope::reserving(&RESERVED);
    let setters = optional
        .iter()
        .map(|(name, field)| setter(name, &scope.snake(&name.to_string()), &field.ty));
    let methods: Vec<TokenStream> = constructor.into_iter().chain(setters).collect();
    let name = &item.ident;
    (!methods.is_empty()).then(|| parse_quote!(impl #name { #(#methods)* }))
}

/// Whether the member is required: it is neither an `Option` nor has a serde default.
fn is_required(field: &Field) -> bool {
    let parts = serde_parts(&field.attrs);
    let has_default = parts
        .iter()
        .any(|part| part.path().is_ident("default") || part.path().is_ident("flatten"));
    !has_default && generic(&field.ty, "Option").is_none()
}

fn constructor(required: &[(&Ident, &Field)], optional: &[(&Ident, &Field)]) -> TokenStream {
    let arguments = required.iter().map(|(name, field)| {
        let passed = passed(&field.ty);
        quote!(#name: #passed)
    });
    let values = required.iter().map(|(name, field)| {
        let value = converted(&field.ty, name);
        quote!(#name: #value)
    });
    let unset = optional.iter().map(|(name, field)| {
        if generic(&field.ty, "Option").is_some() {
            quote!(#name: None)
        } else {
            quote!(#name: ::std::default::Default::default())
        }
    });
    quote! {
        #[doc = "Creates a value with its required members; the optional members are unset."]
        pub fn new(#(#arguments),*) -> Self {
            Self { #(#values,)* #(#unset,)* }
        }
    }
}

fn setter(name: &Ident, method: &str, of: &Type) -> TokenStream {
    let doc = format!("Sets [`{name}`](field@Self::{name}).");
    let method = format_ident!("{method}");
    let argument = format_ident!("value");
    let inner = generic(of, "Option").and_then(|arguments| arguments.into_iter().next());
    let passed = passed(inner.unwrap_or(of));
    let value = converted(inner.unwrap_or(of), &argument);
    let value = match inner {
        Some(_) => quote!(Some(#value)),
        None => value,
    };
    quote! {
        #[doc = #doc]
        pub fn #method(mut self, #argument: #passed) -> Self {
            self.#name = #value;
            self
        }
    }
}

/// The type of the argument for a member of this type.
fn passed(of: &Type) -> TokenStream {
    if let Some(item) = list(of) {
        let item = passed(item);
        return quote!(impl ::std::iter::IntoIterator<Item = #item>);
    }
    if let Some((key, value)) = map(of) {
        let (key, value) = (passed(key), passed(value));
        return quote!(impl ::std::iter::IntoIterator<Item = (#key, #value)>);
    }
    if is_plain(of) {
        return quote!(#of);
    }
    quote!(impl ::std::convert::Into<#of>)
}

/// The value of the member, converted from `argument`.
fn converted(of: &Type, argument: &Ident) -> TokenStream {
    if let Some(item) = list(of) {
        let name = format_ident!("item");
        return collected(argument, &quote!(#name), &converted(item, &name));
    }
    if let Some((key, value)) = map(of) {
        let names = (format_ident!("key"), format_ident!("item"));
        let (to_key, to_value) = (converted(key, &names.0), converted(value, &names.1));
        let (key, value) = names;
        return collected(
            argument,
            &quote!((#key, #value)),
            &quote!((#to_key, #to_value)),
        );
    }
    if is_plain(of) {
        return quote!(#argument);
    }
    quote!(#argument.into())
}

/// Collects the items of `argument`, each converted if necessary.
fn collected(argument: &Ident, item: &TokenStream, each: &TokenStream) -> TokenStream {
    if item.to_string() == each.to_string() {
        return quote!(#argument.into_iter().collect());
    }
    quote!(#argument.into_iter().map(|#item| #each).collect())
}

fn is_plain(of: &Type) -> bool {
    matches!(of, Type::Path(of) if PLAIN.iter().any(|plain| of.path.is_ident(plain)))
}

fn list(of: &Type) -> Option<&Type> {
    generic(of, "Vec")?.into_iter().next()
}

fn map(of: &Type) -> Option<(&Type, &Type)> {
    let arguments = generic(of, "BTreeMap").or_else(|| generic(of, "Map"))?;
    match arguments[..] {
        [key, value] => Some((key, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_methods(source: &str) -> String {
        let mut file = syn::parse_file(source).unwrap();
        let blocks = add(&mut file.items);
        file.items.extend(blocks);
        prettyplease::unparse(&file)
    }

    #[test]
    fn required_members_are_arguments_and_optional_ones_have_setters() {
        let source = with_methods(
            r#"pub struct Locker {
                pub id: ::std::string::String,
                pub floors: ::std::vec::Vec<i32>,
                #[serde(rename = "isOpen", skip_serializing_if = "Option::is_none")]
                pub is_open: ::std::option::Option<bool>,
                pub lock: ::std::option::Option<::std::boxed::Box<Lock>>,
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                pub keys: ::std::vec::Vec<Key>,
            }"#,
        );
        insta::assert_snapshot!(source);
    }

    #[test]
    fn a_struct_without_required_members_has_only_setters() {
        let source = with_methods(
            r"pub struct Notes {
                #[serde(default)]
                pub by_name: ::std::collections::BTreeMap<String, Note>,
                #[serde(flatten)]
                pub extra: ::serde_json::Map<String, ::serde_json::Value>,
                pub new: ::std::option::Option<f64>,
            }",
        );
        insta::assert_snapshot!(source);
    }

    #[test]
    fn other_items_are_unchanged() {
        let source = "pub struct Name(pub String);\npub enum State {\n    Open,\n}\n";
        assert_eq!(with_methods(source), source);
        let empty = with_methods("pub struct Empty {}");
        assert_eq!(empty, "#[non_exhaustive]\npub struct Empty {}\n");
    }
}
