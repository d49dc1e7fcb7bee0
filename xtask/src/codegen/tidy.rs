//! Makes what progenitor wrote shorter and readable, without changing what it does.

use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, ExprLit, ImplItem, Item, ItemStruct, Lit, LitStr, Meta, MetaNameValue, Path,
    Token, parse_quote,
};

pub fn file(file: &mut syn::File) {
    file.items.retain(|item| !is_module(item, "prelude"));
    for item in &mut file.items {
        match item {
            Item::Mod(module) if module.ident == "types" => {
                if let Some((_, items)) = &mut module.content {
                    items.retain(|item| !is_clone_conversion(item));
                    drop_unused_error(items);
                    items
                        .iter_mut()
                        .for_each(|item| LocalPaths.visit_item_mut(item));
                }
            }
            // It panics when there is no TLS, and has a total time limit that ends downloads.
            Item::Impl(item) if item.trait_.is_none() => item.items.retain(
                |item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"),
            ),
            _ => {}
        }
    }
    Tidy.visit_file_mut(file);
}

fn is_module(item: &Item, name: &str) -> bool {
    matches!(item, Item::Mod(module) if module.ident == name)
}

/// `impl From<&T> for T` by cloning: a hundred of them, and `.clone()` says it better.
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

/// The error of conversions that only closed enums and restricted strings have.
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

/// Inside of `types`, a type needs no path.
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
        let mut renamed = false;
        for field in &mut item.fields {
            let Some(name) = field
                .ident
                .as_ref()
                .map(|ident| camel_case(&ident.to_string()))
            else {
                continue;
            };
            for attribute in &mut field.attrs {
                let Some(mut parts) = serde_parts(attribute) else {
                    continue;
                };
                let before = parts.len();
                parts.retain(|part| rename(part).as_deref() != Some(&name));
                renamed |= parts.len() < before;
                parts.iter_mut().for_each(shorten_paths);
                *attribute = parse_quote!(#[serde(#(#parts),*)]);
            }
            field
                .attrs
                .retain(|attribute| serde_parts(attribute).is_none_or(|parts| !parts.is_empty()));
        }
        if renamed {
            item.attrs
                .push(parse_quote!(#[serde(rename_all = "camelCase")]));
        }
    }
}

/// serde's own rule for `rename_all = "camelCase"`.
fn camel_case(field: &str) -> String {
    let mut out = String::new();
    for (index, part) in field.trim_start_matches("r#").split('_').enumerate() {
        let mut characters = part.chars();
        match characters.next() {
            Some(first) if index > 0 => {
                out.extend(first.to_uppercase());
                out += characters.as_str();
            }
            _ => out += part,
        }
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

fn shorten_paths(meta: &mut Meta) {
    let Meta::NameValue(meta) = meta else { return };
    let Some(path) = string(meta).map(LitStr::value) else {
        return;
    };
    for long in ["::std::option::", "::std::vec::"] {
        if let Some(short) = path.strip_prefix(long) {
            meta.value = parse_quote!(#short);
        }
    }
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

/// Drops the JSON schema that typify appends to the text of every type: `spec/` has it.
fn without_schema(text: &str) -> &str {
    let schema = text.find("<details><summary>JSON schema</summary>");
    text[..schema.unwrap_or(text.len())].trim()
}

/// Breaks lines, so that the longest documentation stays readable in a diff.
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
