//! Rust code that uses everything in a generated client.

use std::fmt::Write as _;

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Fields, FnArg, GenericArgument, ImplItem, Item, ItemImpl, Pat, PathArguments,
    ReturnType, Signature, Token, Type, TypeImplTrait, TypeParamBound, Visibility,
};

/// Modules of generated code whose types a user names.
const MODULES: [&str; 2] = ["types", "options"];

/// Code that uses the elements whose names begin with `prefix`, as an application can: it calls
/// methods and constructors with values of the declared types, and reads members.
///
/// `root` is the path of the crate.
pub fn consumer(generated: &syn::File, prefix: &str, root: &str) -> String {
    let modules = generated.items.iter().filter_map(|item| match item {
        Item::Mod(module) if MODULES.iter().any(|name| module.ident == name) => {
            Some((module.ident.to_string(), &module.content.as_ref()?.1))
        }
        _ => None,
    });
    let mut out = format!("use {root}::generated::*;\nuse {root}::*;\n");
    let mut uses = Uses {
        prefix: prefix.to_owned(),
        out: String::new(),
        count: 0,
    };
    for (name, items) in modules {
        let _ = writeln!(out, "use {root}::generated::{name}::*;");
        for item in items {
            uses.of_type(item);
        }
    }
    for item in &generated.items {
        if let Item::Impl(block) = item {
            uses.of_client(block);
        }
    }
    out + &uses.out
}

struct Uses {
    prefix: String,
    out: String,
    count: usize,
}

impl Uses {
    fn function(&mut self, parameters: &str, body: &str) {
        self.count += 1;
        let _ = writeln!(
            self.out,
            "pub fn use_{}<'a>({parameters}) {{ {body} }}",
            self.count
        );
    }

    fn concerns(&self, name: &impl ToString) -> bool {
        let name = name.to_string().to_lowercase();
        name.starts_with(&self.prefix.to_lowercase())
    }

    fn of_type(&mut self, item: &Item) {
        match item {
            Item::Struct(item) if self.concerns(&item.ident) => {
                let name = item.ident.to_string();
                for field in &item.fields {
                    if let (Some(field_name), Visibility::Public(_)) = (&field.ident, &field.vis) {
                        let of = field.ty.to_token_stream();
                        let body = format!("let _: &{of} = &value.{field_name};");
                        self.function(&format!("value: &{name}"), &body);
                    }
                }
                self.derives(&name, &item.attrs);
            }
            Item::Enum(item) if self.concerns(&item.ident) => {
                let name = item.ident.to_string();
                let arms = item.variants.iter().map(|variant| {
                    let ident = &variant.ident;
                    match &variant.fields {
                        Fields::Unnamed(fields) => {
                            let of = fields.unnamed[0].ty.to_token_stream();
                            format!("{name}::{ident}(value) => {{ let _: &{of} = value; }}")
                        }
                        _ => format!("{name}::{ident} => {{}}"),
                    }
                });
                let mut arms: Vec<String> = arms.collect();
                if has_attribute(&item.attrs, "non_exhaustive") {
                    arms.push("_ => {}".to_owned());
                }
                let body = format!("match value {{ {} }}", arms.join(" "));
                self.function(&format!("value: &{name}"), &body);
                self.derives(&name, &item.attrs);
            }
            Item::Type(item) if self.concerns(&item.ident) => {
                self.function(&format!("_: {}", item.ident), "");
            }
            // An open enum: its conversions are written by a macro.
            Item::Macro(item) => {
                let name = item.mac.tokens.clone().into_iter().next();
                let name = name.map(|name| name.to_string()).unwrap_or_default();
                if self.concerns(&name) {
                    let body = format!(
                        "let _: {name} = {name}::from(text); let _: &str = value.as_str();"
                    );
                    self.function(&format!("text: &str, value: &{name}"), &body);
                }
            }
            Item::Impl(block) => self.of_impl(block),
            _ => {}
        }
    }

    /// Traits that are derived.
    fn derives(&mut self, name: &str, attributes: &[Attribute]) {
        for attribute in attributes.iter().filter(|of| of.path().is_ident("derive")) {
            let list = Punctuated::<syn::Path, Token![,]>::parse_terminated;
            for path in attribute.parse_args_with(list).unwrap() {
                let path = path.to_token_stream().to_string();
                let bound = match path.replace(' ', "").as_str() {
                    "::serde::Deserialize" => "for<'de> ::serde::Deserialize<'de>".to_owned(),
                    "Debug" => "::std::fmt::Debug".to_owned(),
                    "Hash" => "::std::hash::Hash".to_owned(),
                    _ => path,
                };
                self.bound(name, &bound);
            }
        }
    }

    fn bound(&mut self, name: &str, bound: &str) {
        self.count += 1;
        let _ = writeln!(
            self.out,
            "pub fn use_{}() where {name}: {bound} {{}}",
            self.count
        );
    }

    fn of_impl(&mut self, block: &ItemImpl) {
        let name = block.self_ty.to_token_stream().to_string();
        if !self.concerns(&name) {
            return;
        }
        if let Some((of, _)) = &block.trait_ {
            if block.generics.params.is_empty() {
                let of = of.to_token_stream().to_string();
                self.bound(&name, &of.replace("& ", "&'static "));
            }
            return;
        }
        for member in &block.items {
            let ImplItem::Fn(function) = member else {
                continue;
            };
            if !matches!(function.vis, Visibility::Public(_)) {
                continue;
            }
            let (parameters, arguments) = parameters(&function.sig);
            let ident = &function.sig.ident;
            if function.sig.receiver().is_some() {
                let parameters = format!("value: {name}, {parameters}");
                self.function(&parameters, &format!("let _ = value.{ident}({arguments});"));
            } else {
                let body = format!("let _: {name} = {name}::{ident}({arguments});");
                self.function(&parameters, &body);
            }
        }
    }

    /// The operations.
    fn of_client(&mut self, block: &ItemImpl) {
        if block.trait_.is_some() || block.self_ty.to_token_stream().to_string() != "Client" {
            return;
        }
        for member in &block.items {
            let ImplItem::Fn(function) = member else {
                continue;
            };
            if !self.concerns(&function.sig.ident) {
                continue;
            }
            let (parameters, arguments) = parameters(&function.sig);
            let ident = &function.sig.ident;
            let output = output(&function.sig);
            let body = format!(
                "let _ = async move {{ let _: {output} = client.{ident}({arguments}).await; }};"
            );
            self.function(&format!("client: &'a Client, {parameters}"), &body);
        }
    }
}

fn has_attribute(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident(name))
}

/// The parameters of a function without its receiver, and the arguments that pass them on.
fn parameters(signature: &Signature) -> (String, String) {
    let mut parameters = Vec::new();
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        if let FnArg::Typed(input) = input
            && let Pat::Ident(name) = &*input.pat
        {
            let name = format!("arg_{}", name.ident);
            parameters.push(format!("{name}: {}", concrete(&input.ty)));
            arguments.push(name);
        }
    }
    (parameters.join(", "), arguments.join(", "))
}

/// The type that a user passes: `T` for `impl Into<T>`, and a list for an iterator.
fn concrete(of: &Type) -> String {
    match of {
        Type::ImplTrait(of) => match argument(of) {
            GenericArgument::Type(of) => of.to_token_stream().to_string(),
            GenericArgument::AssocType(item) => format!("Vec<{}>", concrete(&item.ty)),
            other => panic!("unknown argument {}", other.to_token_stream()),
        },
        Type::Tuple(of) => {
            let parts: Vec<_> = of.elems.iter().map(concrete).collect();
            format!("({})", parts.join(", "))
        }
        other => other.to_token_stream().to_string(),
    }
}

/// The argument of the first bound: `T` for `impl Into<T>`, `Item = T` for `impl Iterator<Item = T>`.
fn argument(of: &TypeImplTrait) -> &GenericArgument {
    let bound = of.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    });
    match bound.map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => arguments.args.first().unwrap(),
        _ => panic!("a bound without arguments: {}", of.to_token_stream()),
    }
}

/// The output of an asynchronous function, or of the future that a function returns.
fn output(signature: &Signature) -> String {
    let ReturnType::Type(_, of) = &signature.output else {
        return "()".to_owned();
    };
    match &**of {
        Type::ImplTrait(of) => match argument(of) {
            GenericArgument::AssocType(item) => item.ty.to_token_stream().to_string(),
            other => panic!("unknown output {}", other.to_token_stream()),
        },
        other => other.to_token_stream().to_string(),
    }
}
