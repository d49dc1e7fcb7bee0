//! Snapshots for reviewers: one per operation and one per schema.
//!
//! A snapshot shows parts of the committed document and of the committed generated file, so a
//! change to either is a small diff in a file named after the changed element.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use serde_json::Value;
use syn::punctuated::Punctuated;
use syn::{Expr, ImplItem, Item, Token};

use super::names::{self, Scope};
use crate::spec::reach::{Reach, reach};
use crate::spec::shape;

#[test]
fn operations() {
    let (document, source) = (document(), source());
    let mut signatures = signatures(&source);
    let mut scope = names::methods();
    let mut shown = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item).filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            let signature = signatures
                .remove(&scope.snake(&names::function(id)))
                .unwrap_or_else(|| panic!("no method for {id}; run `cargo xtask codegen`"));
            let text = operation_text(&document, path, method, item, operation, &signature);
            shown.insert(id.to_owned(), text);
        }
    }
    // An operation with several request bodies has several methods.
    shown.extend(signatures);
    review("operations", &shown);
}

#[test]
fn schemas() {
    let (document, source) = (document(), source());
    let mut definitions = definitions(&source);
    let reach = reach(&document);
    let mut scope = Scope::default();
    let mut shown = BTreeMap::new();
    for (name, schema) in members(&document["components"]["schemas"]) {
        let definition = definitions
            .remove(&scope.camel(&names::type_name(name)))
            .unwrap_or_else(|| panic!("no type for {name}; run `cargo xtask codegen`"));
        shown.insert(
            name.clone(),
            definition
                + &schema_text(
                    schema,
                    reach.get(name.as_str()).copied().unwrap_or_default(),
                ),
        );
    }
    // The types of objects that have no name in the document.
    shown.extend(definitions);
    review("schemas", &shown);
}

/// The version of the API is shown only here, so that a new one changes no other snapshot.
#[test]
fn client() {
    let document = document();
    let text = format!(
        "API version {}\n{} operations\n{} schemas\n",
        document["info"]["version"].as_str().unwrap(),
        members(&document["paths"])
            .flat_map(|(_, item)| members(item).filter(|(name, _)| *name != "parameters"))
            .count(),
        members(&document["components"]["schemas"]).count(),
    );
    review("client", &BTreeMap::from([("Client".to_owned(), text)]));
}

/// Compares all snapshots of a folder, and fails with a list of all that differ.
fn review(folder: &str, shown: &BTreeMap<String, String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshots")
        .join(folder);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut problems: Vec<String> = Vec::new();
    for (name, text) in shown {
        let compare = || settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
        if catch_unwind(AssertUnwindSafe(compare)).is_err() {
            problems.push(format!("{name} is new or changed"));
        }
    }
    for stale in stale(&folder, shown) {
        problems.push(format!(
            "{} has no operation or schema any more; remove it",
            stale.display()
        ));
    }
    assert!(
        problems.is_empty(),
        "{} snapshots need a review (`cargo insta review`):\n  {}",
        problems.len(),
        problems.join("\n  ")
    );
}

/// Snapshots of operations or schemas that no longer exist.
fn stale(folder: &Path, shown: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let known: BTreeSet<String> = shown.keys().map(|name| format!("{name}.snap")).collect();
    let mut stale: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "snap")
        })
        .filter(|path| !known.contains(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    stale.sort();
    stale
}

fn operation_text(
    document: &Value,
    path: &str,
    method: &str,
    item: &Value,
    operation: &Value,
    signature: &str,
) -> String {
    let mut out = format!("{} {path}\n", method.to_uppercase());
    out += operation["summary"].as_str().unwrap_or("(no summary)");
    write!(out, "\n\n{signature}\n\nparameters\n").unwrap();
    let lists = [item, operation].map(|owner| owner["parameters"].as_array());
    for parameter in lists.into_iter().flatten().flatten() {
        let parameter = match parameter["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap(),
            None => parameter,
        };
        writeln!(
            out,
            "  {:6}  {}: {}{}",
            parameter["in"].as_str().unwrap(),
            parameter["name"].as_str().unwrap(),
            shape::type_of(&parameter["schema"]),
            needed(&parameter["required"]),
        )
        .unwrap();
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        out += "request\n";
        for (media_type, content) in members(&body["content"]) {
            let of = shape::type_of(&content["schema"]);
            writeln!(out, "  {media_type}: {of}{}", needed(&body["required"])).unwrap();
        }
    }
    out += "responses\n";
    for (status, response) in members(&operation["responses"]) {
        let bodies: Vec<String> = members(&response["content"])
            .map(|(media_type, content)| {
                format!("{} as {media_type}", shape::type_of(&content["schema"]))
            })
            .collect();
        let bodies = if bodies.is_empty() {
            "no body".to_owned()
        } else {
            bodies.join(", ")
        };
        writeln!(out, "  {status:7}  {bodies}").unwrap();
        for (name, header) in members(&response["headers"]) {
            writeln!(
                out,
                "           {name}: {}",
                shape::type_of(&header["schema"])
            )
            .unwrap();
        }
    }
    for (name, value) in members(operation).filter(|(name, _)| name.starts_with("x-")) {
        writeln!(out, "{name} {value}").unwrap();
    }
    out
}

fn needed(required: &Value) -> &'static str {
    if required == &Value::Bool(true) {
        ""
    } else {
        ", optional"
    }
}

/// Facts that the Rust definition does not show.
fn schema_text(schema: &Value, reach: Reach) -> String {
    let mut out = format!("\nused in {reach}\n");
    let own = hidden(schema);
    if !own.is_empty() {
        writeln!(out, "{}", own.join(", ")).unwrap();
    }
    for (name, property) in shape::properties(schema) {
        let hidden = hidden(property);
        if !hidden.is_empty() {
            writeln!(out, "{name}: {}", hidden.join(", ")).unwrap();
        }
    }
    out
}

/// Formats that have a Rust type.
const SHOWN_BY_THE_TYPE: &[&str] = &["int32", "int64", "float", "double", "date-time", "uuid"];

fn hidden(schema: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(format) = schema["format"].as_str()
        && !SHOWN_BY_THE_TYPE.contains(&format)
    {
        out.push(format!("format {format}"));
    }
    out.extend(shape::limits(schema).into_iter().map(|(_, words)| words));
    for (keyword, word) in [("readOnly", "read-only"), ("nullable", "nullable")] {
        if schema[keyword] == Value::Bool(true) {
            out.push(word.to_owned());
        }
    }
    for (keyword, value) in members(schema) {
        if keyword == "default" || (keyword.starts_with("x-ms-") && keyword != "x-ms-enum") {
            out.push(format!("{keyword} {value}"));
        }
    }
    out
}

fn document() -> Value {
    crate::spec::read_json(&crate::root().join(crate::SPEC)).unwrap()
}

fn source() -> syn::File {
    let text = fs::read_to_string(crate::root().join(crate::GENERATED)).unwrap();
    syn::parse_file(&text).unwrap()
}

/// The signature of each method that is an operation, and its optional parameters, by its name.
fn signatures(file: &syn::File) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let options = options(file);
    for item in &file.items {
        let Item::Impl(block) = item else { continue };
        for member in &block.items {
            let ImplItem::Fn(function) = member else {
                continue;
            };
            let name = function.sig.ident.to_string();
            if names::METHODS.contains(&name.as_str()) {
                continue;
            }
            let mut text = signature(function);
            for (options, fields) in &options {
                if text.contains(&format!("options::{options}>")) {
                    text = format!("{text}\n\n{options}\n{fields}");
                }
            }
            out.insert(name, text.trim_end().to_owned());
        }
    }
    out
}

/// The members of each struct of optional parameters, without their documentation.
fn options(file: &syn::File) -> BTreeMap<String, String> {
    let module = file.items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "options" => module.content.as_ref(),
        _ => None,
    });
    let structs = module.unwrap().1.iter().filter_map(|item| match item {
        Item::Struct(item) => Some(item),
        _ => None,
    });
    structs
        .map(|item| {
            let fields = item.fields.iter().map(|field| {
                let (name, of) = (&field.ident, &field.ty);
                let of = of.to_token_stream().to_string().replace(' ', "");
                format!("  {}: {of}\n", name.to_token_stream())
            });
            (item.ident.to_string(), fields.collect())
        })
        .collect()
}

fn signature(function: &syn::ImplItemFn) -> String {
    let (visibility, signature) = (&function.vis, &function.sig);
    let text = print(vec![syn::parse_quote!(#visibility #signature {})]);
    text.trim_end().trim_end_matches("{}").trim_end().to_owned()
}

/// Each type with its attributes, the signature of its constructor, and, for an
/// open enum, its wire values.
fn definitions(file: &syn::File) -> BTreeMap<String, String> {
    let types = file.items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_ref(),
        _ => None,
    });
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for item in &types.unwrap().1 {
        let (name, text) = match item {
            Item::Struct(of) => (of.ident.to_string(), print(vec![item.clone()])),
            Item::Enum(of) => (of.ident.to_string(), print(vec![item.clone()])),
            Item::Type(of) => (of.ident.to_string(), print(vec![item.clone()])),
            Item::Macro(of) => wire_values(of),
            Item::Impl(of) => match constructor(of) {
                Some(shown) => shown,
                None => continue,
            },
            _ => continue,
        };
        *out.entry(name).or_default() += &text;
    }
    out
}

/// The name of a type, and the signature of its `new`.
fn constructor(item: &syn::ItemImpl) -> Option<(String, String)> {
    let function = item.items.iter().find_map(|member| match member {
        ImplItem::Fn(function) if function.sig.ident == "new" => Some(function),
        _ => None,
    })?;
    let name = item.self_ty.to_token_stream().to_string();
    Some((name, signature(function) + "\n"))
}

/// The name of an open enum, and its variants with their wire values, one per line.
fn wire_values(item: &syn::ItemMacro) -> (String, String) {
    let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
    let mut parts = item.mac.parse_body_with(parser).unwrap().into_iter();
    let name = parts.next().unwrap().to_token_stream().to_string();
    let lines = parts.map(|part| format!("    {},\n", part.to_token_stream()));
    (
        name,
        format!(
            "crate::runtime::open_enum! {{\n{}}}\n",
            lines.collect::<String>()
        ),
    )
}

/// The items without their documentation, which many of them share: a changed word would be a
/// change of many snapshots. It is reviewed in the overlay.
fn print(items: Vec<Item>) -> String {
    let text = prettyplease::unparse(&syn::File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items,
    });
    text.lines()
        .filter(|line| !line.trim_start().starts_with("///"))
        .fold(String::new(), |out, line| out + line + "\n")
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
