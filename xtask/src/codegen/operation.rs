//! What progenitor writes for an operation, as this service and our futures need it.

use quote::{ToTokens as _, quote};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprLit, ExprPath, ImplItemFn, Lit, LitStr, Macro, Stmt, Token, parse_quote};

const NAME: &str = "api-version";

pub fn rewrite(operation: &mut ImplItemFn) {
    version_into_query(operation);
    SmallAnswers.visit_block_mut(&mut operation.block);
}

/// progenitor sends the version as a header; the service reads it in the query.
fn version_into_query(operation: &mut ImplItemFn) {
    let statements = &mut operation.block.stmts;
    let before = statements.len();
    statements.retain(|statement| !appends(statement, &format!("{NAME:?}")));
    if statements.len() == before {
        return;
    }
    let other_headers = statements.iter().any(|statement| appends(statement, ""));
    if !other_headers {
        statements.retain(|statement| !declares(statement, "header_map"));
    }
    for statement in statements.iter_mut().filter(|it| declares(it, "url")) {
        UrlMacro.visit_stmt_mut(statement);
    }
    if !other_headers {
        WithoutHeaders.visit_block_mut(&mut operation.block);
    }
}

/// Whether a statement puts something into the header map, `what` among it.
fn appends(statement: &Stmt, what: &str) -> bool {
    let text = statement.to_token_stream().to_string();
    text.contains("header_map . append") && text.contains(what)
}

fn declares(statement: &Stmt, name: &str) -> bool {
    let Stmt::Local(local) = statement else {
        return false;
    };
    matches!(&local.pat, syn::Pat::Ident(pattern) if pattern.ident == name)
}

/// Appends the query to the text that the URL is formatted by.
struct UrlMacro;

impl VisitMut for UrlMacro {
    fn visit_macro_mut(&mut self, format: &mut Macro) {
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(mut arguments) = parse.parse2(format.tokens.clone()) else {
            return;
        };
        if let Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        })) = arguments.first_mut()
        {
            *text = LitStr::new(&format!("{}?{NAME}={{}}", text.value()), text.span());
            if !arguments.trailing_punct() {
                arguments.push_punct(<Token![,]>::default());
            }
            arguments.push_value(parse_quote!(Self::api_version()));
            format.tokens = quote!(#arguments);
        }
    }
}

/// Takes `.headers(header_map)` out of the chain that builds the request.
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

/// Answers are read by `crate::value`, whose future is small.
struct SmallAnswers;

impl VisitMut for SmallAnswers {
    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        let text = path.to_token_stream().to_string();
        if text == "ResponseValue :: from_response" {
            *path = parse_quote!(crate::value);
        }
    }
}
