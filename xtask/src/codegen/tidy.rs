//! Makes the output shorter and more readable, without changing its behavior: wraps documentation,
//! and shortens the paths of the prelude's types where no other type has the name.

use std::collections::BTreeSet;

use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprLit, Item, Lit, LitStr, Meta, MetaNameValue, Path, parse_quote};

use super::syntax::serde_parts;

/// Types and traits that need no path, with their modules.
const PRELUDE: [(&str, &str); 13] = [
    ("boxed", "Box"),
    ("clone", "Clone"),
    ("convert", "AsRef"),
    ("convert", "From"),
    ("convert", "Into"),
    ("default", "Default"),
    ("future", "Future"),
    ("iter", "IntoIterator"),
    ("iter", "Iterator"),
    ("option", "Option"),
    ("result", "Result"),
    ("string", "String"),
    ("vec", "Vec"),
];

pub fn file(file: &mut syn::File) {
    tidy(&mut file.items);
}

/// Tidies the items of a module, in which its own types hide those of the prelude.
fn tidy(items: &mut [Item]) {
    let defined: BTreeSet<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some(item.ident.to_string()),
            Item::Enum(item) => Some(item.ident.to_string()),
            Item::Type(item) => Some(item.ident.to_string()),
            _ => None,
        })
        .collect();
    for item in items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &mut module.content
        {
            tidy(items);
            wrap_docs(&mut module.attrs);
        } else {
            Tidy { defined: &defined }.visit_item_mut(item);
        }
    }
}

struct Tidy<'a> {
    defined: &'a BTreeSet<String>,
}

impl Tidy<'_> {
    /// Whether a path leads to a type of the prelude that is not hidden.
    fn is_known(&self, path: &Path) -> bool {
        let mut segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let [Some(root), Some(module), Some(name)] =
            [segments.next(), segments.next(), segments.next()]
        else {
            return false;
        };
        root == "std"
            && PRELUDE.contains(&(module.as_str(), name.as_str()))
            && !self.defined.contains(&name)
    }

    fn shorten(&self, path: &mut Path) {
        if self.is_known(path) {
            path.leading_colon = None;
            path.segments = std::mem::take(&mut path.segments)
                .into_iter()
                .skip(2)
                .collect();
        }
    }
}

impl VisitMut for Tidy<'_> {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        wrap_docs(attributes);
        for attribute in attributes.iter_mut() {
            if !attribute.path().is_ident("serde") {
                continue;
            }
            let mut parts = serde_parts(std::slice::from_ref(attribute));
            for part in &mut parts {
                if let Meta::NameValue(part) = part
                    && part.path.is_ident("skip_serializing_if")
                    && let Some(Ok(mut path)) = string(part).map(LitStr::parse::<Path>)
                {
                    self.shorten(&mut path);
                    let path = quote!(#path).to_string().replace(' ', "");
                    part.value = parse_quote!(#path);
                }
            }
            *attribute = parse_quote!(#[serde(#(#parts),*)]);
        }
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        self.shorten(path);
    }
}

fn wrap_docs(attributes: &mut Vec<Attribute>) {
    for attribute in std::mem::take(attributes) {
        match doc_text(&attribute) {
            None => attributes.push(attribute),
            Some(text) => {
                for line in wrap(text.trim()) {
                    let line = format!(" {line}");
                    let line = line.trim_end();
                    attributes.push(parse_quote!(#[doc = #line]));
                }
            }
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
    fn tidied(source: &str) -> String {
        let mut file = syn::parse_file(source).unwrap();
        super::file(&mut file);
        prettyplease::unparse(&file)
    }

    #[test]
    fn documentation_is_wrapped() {
        let text = format!("{}end\n\n- item", "some words ".repeat(10));
        let tidy = tidied(&format!("#[doc = {text:?}] struct A;"));
        insta::assert_snapshot!(tidy, @"
        /// some words some words some words some words some words some words some words some words
        /// some words some words end
        ///
        /// - item
        struct A;
        ");
    }

    #[test]
    fn paths_are_short_unless_a_type_has_the_name() {
        let tidy = tidied(
            r#"struct A(::std::string::String, ::std::collections::BTreeMap<u8, ::std::vec::Vec<u8>>);
            mod types {
                struct Option {
                    #[serde(skip_serializing_if = "::std::option::Option::is_none")]
                    a: ::std::option::Option<::std::string::String>,
                    #[serde(skip_serializing_if = ":: std :: vec :: Vec::is_empty")]
                    b: ::std::vec::Vec<Option>,
                }
            }"#,
        );
        insta::assert_snapshot!(tidy, @r#"
        struct A(String, ::std::collections::BTreeMap<u8, Vec<u8>>);
        mod types {
            struct Option {
                #[serde(skip_serializing_if = "::std::option::Option::is_none")]
                a: ::std::option::Option<String>,
                #[serde(skip_serializing_if = "Vec::is_empty")]
                b: Vec<Option>,
            }
        }
        "#);
    }
}
