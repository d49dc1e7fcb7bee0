//! The client: progenitor's operations as methods of the hand-written [`Client`].
//!
//! progenitor's own client sends the API version as a header, but the service reads it from the
//! query. It parses the endpoint for each request, and its errors can only contain those of
//! reqwest. Therefore only the signature, the path, the headers, the body and the expected statuses
//! of each operation are kept.
//!
//! [`Client`]: ../../../crates/acs-call-automation/src/client.rs

use anyhow::{Context as _, Result, bail};
use quote::{ToTokens, format_ident};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, ExprLit, ImplItem, ImplItemFn, Item, ItemImpl, Lit, LitStr, Macro, ReturnType,
    Stmt, Token, Type, parse_quote,
};

/// Names in progenitor's output that must not remain.
const FORBIDDEN: [&str; 5] = [
    "baseurl",
    "self . client",
    "OperationInfo",
    "Error",
    "api_version",
];

/// Replaces what progenitor generated beside the types with one `impl Client`.
pub fn rewrite(file: &mut syn::File, version: &str) -> Result<()> {
    let mut docs: Vec<Attribute> = Vec::new();
    let mut operations = Vec::new();
    for item in std::mem::take(&mut file.items) {
        match item {
            Item::Mod(module) if module.ident == "types" => {
                file.items.push(Item::Mod(module));
            }
            Item::Struct(client) if client.ident == "Client" => docs = doc_lines(client.attrs),
            Item::Impl(client) if is_plain(&client) => operations.extend(
                client
                    .items
                    .into_iter()
                    .filter(|item| matches!(item, ImplItem::Fn(method) if is_operation(method))),
            ),
            // Imports, constructors, hooks and a prelude are dropped.
            _ => {}
        }
    }
    if operations.is_empty() {
        bail!("progenitor generated no operations");
    }
    for item in &mut operations {
        if let ImplItem::Fn(method) = item {
            let name = method.sig.ident.to_string();
            operation(method).with_context(|| format!("the method {name}"))?;
        }
    }
    let about = "The API version, which every request contains.";
    let imports: [Item; 2] = [
        parse_quote!(
            use crate::client::{empty, encode_path, value};
        ),
        parse_quote!(
            use crate::{Client, Failure, ResponseValue};
        ),
    ];
    file.items.splice(0..0, imports);
    file.items.push(parse_quote! {
        #(#docs)*
        #[allow(clippy::all)]
        impl Client {
            #[doc = #about]
            pub const API_VERSION: &'static str = #version;
            #(#operations)*
        }
    });
    Ok(())
}

fn doc_lines(mut attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes.retain(|attribute| attribute.path().is_ident("doc"));
    attributes
}

fn is_plain(item: &ItemImpl) -> bool {
    item.trait_.is_none() && text(&item.self_ty) == "Client"
}

fn is_operation(method: &ImplItemFn) -> bool {
    method.sig.asyncness.is_some()
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

fn operation(method: &mut ImplItemFn) -> Result<()> {
    without_version_header(&mut method.block.stmts);
    let name = method.sig.ident.to_string();
    let mut statements = Vec::new();
    for statement in std::mem::take(&mut method.block.stmts) {
        match declared(&statement).as_deref() {
            Some("url") => statements.push(path(&statement)?),
            Some("request") => statements.push(request(statement)),
            Some("result") => statements.push(parse_quote! {
                let response = self.send(request, #name).await?;
            }),
            // The hooks around sending, and their arguments.
            Some("info" | "response") => {}
            _ if text(&statement).starts_with("self .") => {}
            _ => statements.push(statement),
        }
    }
    method.block.stmts = statements;
    Rewrite.visit_block_mut(&mut method.block);
    if let ReturnType::Type(_, output) = &mut method.sig.output {
        failure(output);
    }
    let written = text(method);
    match FORBIDDEN.iter().find(|word| written.contains(**word)) {
        Some(word) => bail!("`{word}` is not supported; progenitor may have changed"),
        None => Ok(()),
    }
}

/// Removes the version header. The hand-written client adds the version as a query parameter.
fn without_version_header(statements: &mut Vec<Stmt>) {
    statements.retain(|statement| !appends(statement, "\"api-version\""));
    if !statements.iter().any(|statement| appends(statement, "")) {
        statements.retain(|statement| declared(statement).as_deref() != Some("header_map"));
        for statement in statements {
            WithoutHeaders.visit_stmt_mut(statement);
        }
    }
}

/// Whether a statement adds `what` to the header map.
fn appends(statement: &Stmt, what: &str) -> bool {
    let text = text(statement);
    text.contains("header_map . append") && text.contains(what)
}

/// The name that a statement declares.
fn declared(statement: &Stmt) -> Option<String> {
    let Stmt::Local(local) = statement else {
        return None;
    };
    match &local.pat {
        syn::Pat::Ident(pattern) => Some(pattern.ident.to_string()),
        _ => None,
    }
}

/// Extracts the path below the endpoint from the URL that progenitor formats.
fn path(statement: &Stmt) -> Result<Stmt> {
    let mut url = FormatMacro(None);
    url.visit_stmt_mut(&mut statement.clone());
    let arguments = url.0.context("its URL is not formatted")?;
    let mut arguments = arguments.into_iter();
    let (
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(format),
            ..
        })),
        Some(_),
    ) = (arguments.next(), arguments.next())
    else {
        bail!("its URL is not formatted from text and endpoint");
    };
    let format = format.value();
    let Some(format) = format.strip_prefix("{}/") else {
        bail!("its URL `{format}` is not below the endpoint");
    };
    let format = LitStr::new(format, proc_macro2::Span::call_site());
    Ok(match arguments.len() {
        0 => parse_quote!(let path = #format;),
        _ => parse_quote!(let path = format!(#format, #(#arguments),*);),
    })
}

/// Finds the arguments of `format!`.
struct FormatMacro(Option<Punctuated<Expr, Token![,]>>);

impl VisitMut for FormatMacro {
    fn visit_macro_mut(&mut self, format: &mut Macro) {
        let parse = Punctuated::parse_terminated;
        self.0 = parse.parse2(format.tokens.clone()).ok();
    }
}

/// Makes the variable of the request immutable.
fn request(statement: Stmt) -> Stmt {
    match statement {
        Stmt::Local(mut local) => {
            local.attrs.clear();
            local.pat = parse_quote!(request);
            Stmt::Local(local)
        }
        other => other,
    }
}

fn failure(output: &mut Type) {
    struct Output;
    impl VisitMut for Output {
        fn visit_type_mut(&mut self, of: &mut Type) {
            if text(of) == "Error < () >" {
                *of = parse_quote!(Failure);
            }
            visit_mut::visit_type_mut(self, of);
        }
    }
    Output.visit_type_mut(output);
}

/// Removes `.headers(header_map)` from the chain that builds the request.
struct WithoutHeaders;

impl VisitMut for WithoutHeaders {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let Expr::MethodCall(call) = expression
            && call.method == "headers"
        {
            *expression = (*call.receiver).clone();
        }
    }
}

/// Replaces progenitor's client with the hand-written one.
struct Rewrite;

impl VisitMut for Rewrite {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        match expression {
            Expr::MethodCall(call) if text(&call.receiver) == "self . client" => {
                let verb = format_ident!("{}", call.method.to_string().to_uppercase());
                *expression = parse_quote!(self.request(::reqwest::Method::#verb, &path)?);
            }
            // Header names in lower case need no parsing.
            Expr::MethodCall(call) if call.method == "append" => {
                if let Some(Expr::Lit(ExprLit {
                    lit: Lit::Str(name),
                    ..
                })) = call.args.first()
                {
                    let name = name.value().to_lowercase();
                    call.args[0] = parse_quote!(::reqwest::header::HeaderName::from_static(#name));
                }
            }
            Expr::Await(waiting) if called(&waiting.base, "ResponseValue :: from_response") => {
                *expression = parse_quote!(value(response));
            }
            Expr::Call(_) if called(expression, "ResponseValue :: empty") => {
                *expression = parse_quote!(empty(response));
            }
            Expr::Call(_) if called(expression, "Error :: UnexpectedResponse") => {
                *expression = parse_quote!(Failure::status(response));
            }
            _ => {}
        }
    }
}

/// Whether an expression calls this function.
fn called(expression: &Expr, function: &str) -> bool {
    matches!(expression, Expr::Call(call) if text(&call.func) == function)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::*;

    fn rewritten(operation: &TokenStream) -> Result<String> {
        let mut file = parse_quote! {
            use progenitor_client::Error;
            pub mod types {}
            /// A client.
            #[derive(Clone)]
            pub struct Client { baseurl: String }
            impl Client { pub fn new_with_client() {} }
            impl ClientInfo for Client { fn api_version() {} }
            impl Client { #operation }
            pub mod prelude {}
        };
        rewrite(&mut file, "2026-01-01")?;
        Ok(prettyplease::unparse(&file))
    }

    #[test]
    fn an_operation_uses_the_hand_written_client() {
        let source = rewritten(&quote! {
            pub async fn open<'a>(&'a self, id: &'a str) -> Result<ResponseValue<u8>, Error<()>> {
                let url = format!("{}/a/{}:open", self.baseurl, encode_path(&id.to_string()),);
                let mut header_map = HeaderMap::with_capacity(2usize);
                header_map.append("If-Match", id.to_string().try_into()?);
                header_map.append(HeaderName::from_static("api-version"), x("api-version"));
                #[allow(unused_mut)]
                let mut request = self.client.post(url).headers(header_map).build()?;
                let info = OperationInfo { operation_id: "open" };
                self.pre(&mut request, &info).await?;
                let result = self.exec(request, &info).await;
                self.post(&result, &info).await?;
                let response = result?;
                match response.status().as_u16() {
                    200u16 => ResponseValue::from_response(response).await,
                    204u16 => Ok(ResponseValue::empty(response)),
                    _ => Err(Error::UnexpectedResponse(response)),
                }
            }
            pub async fn close(&self) -> Result<ResponseValue<()>, Error<()>> {
                let url = format!("{}/a", self.baseurl);
                let mut header_map = HeaderMap::with_capacity(1usize);
                header_map.append(HeaderName::from_static("api-version"), x("api-version"));
                let mut request = self.client.delete(url).headers(header_map).build()?;
                let result = self.exec(request, &info).await;
                let response = result?;
                match response.status().as_u16() {
                    204u16 => Ok(ResponseValue::empty(response)),
                    _ => Err(Error::UnexpectedResponse(response)),
                }
            }
        });
        insta::assert_snapshot!(source.unwrap(), @r#"
        use crate::client::{empty, encode_path, value};
        use crate::{Client, Failure, ResponseValue};
        pub mod types {}
        /// A client.
        #[allow(clippy::all)]
        impl Client {
            ///The API version, which every request contains.
            pub const API_VERSION: &'static str = "2026-01-01";
            pub async fn open<'a>(&'a self, id: &'a str) -> Result<ResponseValue<u8>, Failure> {
                let path = format!("a/{}:open", encode_path(& id.to_string()));
                let mut header_map = HeaderMap::with_capacity(2usize);
                header_map
                    .append(
                        ::reqwest::header::HeaderName::from_static("if-match"),
                        id.to_string().try_into()?,
                    );
                let request = self
                    .request(::reqwest::Method::POST, &path)?
                    .headers(header_map)
                    .build()?;
                let response = self.send(request, "open").await?;
                match response.status().as_u16() {
                    200u16 => value(response),
                    204u16 => Ok(empty(response)),
                    _ => Err(Failure::status(response)),
                }
            }
            pub async fn close(&self) -> Result<ResponseValue<()>, Failure> {
                let path = "a";
                let request = self.request(::reqwest::Method::DELETE, &path)?.build()?;
                let response = self.send(request, "close").await?;
                match response.status().as_u16() {
                    204u16 => Ok(empty(response)),
                    _ => Err(Failure::status(response)),
                }
            }
        }
        "#);
    }

    #[test]
    fn unsupported_code_is_rejected() {
        let error = rewritten(&quote! {
            pub async fn open(&self) -> Result<(), Error<()>> {
                let url = format!("{}/a", self.baseurl);
                let stream = Stream::to(self.baseurl);
                Ok(())
            }
        });
        let error = format!("{:#}", error.unwrap_err());
        insta::assert_snapshot!(
            error,
            @"the method open: `baseurl` is not supported; progenitor may have changed"
        );
        let error = rewritten(&quote!()).unwrap_err();
        insta::assert_snapshot!(error, @"progenitor generated no operations");
    }
}
