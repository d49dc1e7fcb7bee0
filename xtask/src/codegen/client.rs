//! Emits the client: one method for each operation, and one struct for its optional parameters.
//!
//! A method is a single chain of calls to the hand-written [`RequestBuilder`], so that it has no
//! variables which the name of a parameter could hide.
//!
//! [`RequestBuilder`]: ../../../crates/acs-call-automation/src/runtime/request.rs

use std::collections::BTreeMap;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{Item, ItemEnum, ItemStruct, parse_quote};

use super::constructors;
use super::lower::Lowered;
use super::operations::{
    Body, BodyContent, Content, Operation, Parameter, Place, Status, http_name,
};
use super::path::{Part, decoded, encoded, template};
use super::rust_type::{Type, borrowed, is_binary, owned};

/// The module with the structs of optional parameters, and the client.
pub fn items(lowered: &Lowered) -> Vec<Item> {
    let options = lowered.operations.iter().flat_map(|operation| {
        let options = options(operation);
        let setters = constructors::setters(&options);
        std::iter::once(Item::Struct(options)).chain(setters)
    });
    let methods = lowered.operations.iter().map(method);
    let version = &lowered.version;
    let mut about = format!("Client for {}", lowered.title);
    if let Some(description) = &lowered.description {
        about = format!("{about}\n\n{description}");
    }
    let about = format!(
        "{about}\n\nCheap to clone. All requests go through a [`Transport`].\n\nVersion: {version}"
    );
    vec![
        parse_quote! {
            #[doc = "Optional parameters of the operations."]
            #[allow(clippy::all)]
            pub mod options {
                #[allow(unused_imports)]
                use super::types;
                #(#options)*
            }
        },
        parse_quote! {
            #[doc = #about]
            #[derive(Clone, Debug)]
            pub struct Client {
                connection: Connection,
            }
        },
        parse_quote! {
            #[allow(unused_variables, clippy::all)]
            impl Client {
                #[doc = "The API version, which requests contain."]
                pub const API_VERSION: &'static str = #version;

                #[doc = "Creates a client for the service at `endpoint`, such as `https://contoso.communication.azure.com`.\n\nPaths are appended to the path of `endpoint`. `transport` sends the requests."]
                pub fn new(
                    endpoint: ::reqwest::Url,
                    transport: ::std::sync::Arc<dyn Transport>,
                ) -> Self {
                    Self { connection: Connection::new(endpoint, transport) }
                }

                #[doc = "The URL of the service."]
                pub fn endpoint(&self) -> &::reqwest::Url {
                    self.connection.endpoint()
                }

                #(#methods)*
            }
        },
    ]
}

/// The struct with the optional parameters of an operation.
fn options(operation: &Operation) -> ItemStruct {
    let name = format_ident!("{}", operation.options);
    let about = format!(
        "Optional parameters of [`{0}`](super::Client::{0}).",
        operation.function
    );
    let fields = optional(operation).map(|parameter| {
        let field = format_ident!("{}", parameter.name);
        let docs = docs(parameter.description.as_deref());
        let of = owned(&parameter.of, false);
        if matches!(parameter.of, Type::List(_)) {
            quote!(#(#[doc = #docs])* pub #field: #of)
        } else {
            quote!(#(#[doc = #docs])* pub #field: ::std::option::Option<#of>)
        }
    });
    let body = operation.body.as_ref().filter(|body| !body.is_required);
    let body = body.map(|body| {
        let of = match &body.content {
            BodyContent::Json(of) => owned(of, false),
            BodyContent::Text => owned(&Type::Text, false),
            _ => owned(&Type::Binary, false),
        };
        quote!(#[doc = "The body of the request."] pub body: ::std::option::Option<#of>)
    });
    let fields = fields.chain(body);
    parse_quote! {
        #[doc = #about]
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct #name { #(#fields),* }
    }
}

fn optional(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter();
    parameters.filter(|parameter| !parameter.is_required)
}

fn docs(text: Option<&str>) -> Vec<&str> {
    text.into_iter().collect()
}

/// The response of an operation whose successful responses have different types.
pub fn response_enum(operation: &Operation) -> Option<ItemEnum> {
    let Success::Several(name) = success(operation) else {
        return None;
    };
    let about = format!(
        "Response of [`{0}`](super::Client::{0}), by its status.",
        operation.function
    );
    let variants = operation.responses.iter().map(|(status, content)| {
        let variant = variant(*status);
        let of = value(content, true);
        quote!(#variant(#of))
    });
    Some(parse_quote! {
        #[doc = #about]
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum #name { #(#variants),* }
    })
}

fn variant(status: Status) -> Ident {
    match status {
        Status::Code(code) => format_ident!("Status{code}"),
        Status::AnySuccess => format_ident!("Other"),
    }
}

/// What the successful responses of an operation have in common.
enum Success<'a> {
    /// All have a value of the same type.
    One(&'a Content),
    /// Some have no value.
    Optional(&'a Content),
    /// They have different types.
    Several(Ident),
}

fn success(operation: &Operation) -> Success<'_> {
    let mut kinds: Vec<&Content> = Vec::new();
    for (_, content) in &operation.responses {
        if !kinds.contains(&content) {
            kinds.push(content);
        }
    }
    match kinds[..] {
        [one] => Success::One(one),
        [Content::Empty, value] | [value, Content::Empty] => Success::Optional(value),
        _ => Success::Several(format_ident!("{}", operation.result)),
    }
}

fn method(operation: &Operation) -> TokenStream {
    let function = format_ident!("{}", operation.function);
    let docs = documentation(operation);
    let options = format_ident!("{}", operation.options);
    let required = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.is_required);
    let mut arguments: Vec<TokenStream> = required
        .map(|parameter| {
            let name = format_ident!("{}", parameter.name);
            let of = borrowed(&parameter.of);
            quote!(#name: #of)
        })
        .collect();
    let mut generics = quote!(<'a>);
    let mut captured = quote!(use<'a>);
    match operation.body.as_ref().filter(|body| body.is_required) {
        None => {}
        Some(body) => match &body.content {
            BodyContent::Json(of) => {
                let of = borrowed(of);
                arguments.push(quote!(body: #of));
            }
            BodyContent::Text => arguments.push(quote!(body: &str)),
            BodyContent::Binary => {
                generics = quote!(<'a, B: ::std::convert::Into<::reqwest::Body>>);
                captured = quote!(use<'a, B>);
                arguments.push(quote!(body: B));
            }
            BodyContent::Form | BodyContent::Multipart => {}
        },
    }
    let (output, read) = response(operation);
    let has_options = optional(operation).next().is_some()
        || operation
            .body
            .as_ref()
            .is_some_and(|body| !body.is_required);
    let unwrapped = if has_options {
        quote!(let options = options.unwrap_or_default();)
    } else {
        TokenStream::new()
    };
    let chain = chain(operation);
    quote! {
        #[doc = #docs]
        pub fn #function #generics (
            &'a self,
            #(#arguments,)*
            options: ::std::option::Option<options::#options>,
        ) -> impl ::std::future::Future<
            Output = ::std::result::Result<ResponseValue<#output>, Failure>
        > + Send + #captured {
            #unwrapped
            #chain.send(#read)
        }
    }
}

fn documentation(operation: &Operation) -> String {
    let texts = [&operation.summary, &operation.description];
    let mut docs: Vec<String> = texts.into_iter().flatten().cloned().collect();
    docs.push(format!(
        "Sends a `{}` request to `{}`",
        operation.method.to_uppercase(),
        operation.path
    ));
    let arguments: Vec<String> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.is_required)
        .map(|parameter| match &parameter.description {
            Some(text) => format!("- `{}`: {}", parameter.name, text.trim()),
            None => format!("- `{}`", parameter.name),
        })
        .collect();
    if !arguments.is_empty() {
        docs.push(format!("Arguments:\n{}", arguments.join("\n")));
    }
    if let Some(Type::Named(error)) = &operation.error {
        docs.push(format!(
            "The body of an error response is a [`{error}`](types::{error})."
        ));
    }
    docs.join("\n\n")
}

/// The calls that build the request.
fn chain(operation: &Operation) -> TokenStream {
    let function = &operation.function;
    let method = format_ident!("{}", operation.method.to_uppercase());
    let mut calls = quote!(self.connection.request(::reqwest::Method::#method, #function));
    let by_name: BTreeMap<&str, &Parameter> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == Place::Path)
        .map(|parameter| (parameter.wire.as_str(), parameter))
        .collect();
    let (path, query) = operation
        .path
        .split_once('?')
        .unwrap_or((&operation.path, ""));
    for part in template(path.strip_prefix('/').unwrap_or(path)) {
        calls.extend(match part {
            Part::Text(text) => {
                let text = encoded(text);
                quote!(.path(#text))
            }
            Part::Name(name) => {
                let parameter = by_name[name];
                let value = one(parameter);
                if parameter.is_raw {
                    quote!(.segments(#name, #value))
                } else {
                    quote!(.segment(#name, #value))
                }
            }
        });
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name);
        let placeholder = value.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        let parameter = placeholder.and_then(|name| by_name.get(name));
        let value = parameter.map_or_else(
            || decoded(value).to_token_stream(),
            |parameter| one(parameter),
        );
        calls.extend(quote!(.query(#name, [#value])));
    }
    if operation.is_versioned {
        calls.extend(quote!(.query("api-version", [Self::API_VERSION])));
    }
    calls.extend(parameters(operation, Place::Query));
    let media_types = operation
        .responses
        .iter()
        .map(|(_, content)| match content {
            Content::Empty => None,
            Content::Json(_, media_type)
            | Content::Text(media_type)
            | Content::Binary(media_type) => Some(media_type),
        });
    let mut accepted: Vec<&str> = Vec::new();
    for media_type in media_types.flatten() {
        if !accepted.contains(&media_type.as_str()) {
            accepted.push(media_type);
        }
    }
    if !accepted.is_empty() {
        let accepted = accepted.join(", ");
        calls.extend(quote!(.accept(#accepted)));
    }
    if let Some(body) = &operation.body {
        calls.extend(body_call(operation, body));
    }
    calls.extend(parameters(operation, Place::Header));
    calls
}

fn body_call(operation: &Operation, body: &Body) -> TokenStream {
    let media_type = &body.media_type;
    match (&body.content, body.is_required) {
        (
            BodyContent::Json(
                Type::Text
                | Type::Named(_)
                | Type::List(_)
                | Type::Map(_)
                | Type::Object
                | Type::Anything,
            ),
            true,
        ) => quote!(.json(#media_type, Some(body))),
        (BodyContent::Json(_), true) => quote!(.json(#media_type, Some(&body))),
        (BodyContent::Json(_), false) => quote!(.json(#media_type, options.body.as_ref())),
        (BodyContent::Text, true) => quote!(.body(#media_type, Some(body.to_owned()))),
        (BodyContent::Binary, true) => quote!(.body(#media_type, Some(body))),
        (BodyContent::Text | BodyContent::Binary, false) => {
            quote!(.body(#media_type, options.body))
        }
        (BodyContent::Form, _) => {
            let fields = parameters(operation, Place::Form);
            quote!(.form() #fields)
        }
        (BodyContent::Multipart, _) => {
            let fields = parameters(operation, Place::Form);
            quote!(.multipart() #fields)
        }
    }
}

/// The calls that add the parameters of one place.
fn parameters(operation: &Operation, place: Place) -> TokenStream {
    let parameters = operation.parameters.iter();
    parameters
        .filter(|parameter| parameter.place == place)
        .map(|parameter| {
            let wire = &parameter.wire;
            let header = http_name(wire).unwrap_or_default();
            let values = values(parameter);
            match place {
                Place::Path => TokenStream::new(),
                Place::Query => quote!(.query(#wire, #values)),
                Place::Header => quote!(.header(#header, #values)),
                Place::Form if is_binary(&parameter.of) => quote!(.files(#wire, #values)),
                Place::Form => quote!(.field(#wire, #values)),
            }
        })
        .collect()
}

/// All values of a parameter, as something to iterate over. A header takes an `Option`.
fn values(parameter: &Parameter) -> TokenStream {
    let name = format_ident!("{}", parameter.name);
    let is_list = matches!(parameter.of, Type::List(_));
    match (parameter.is_required, is_list, parameter.separator) {
        (true, true, Some(separator)) => quote!(joined(#name, #separator)),
        (false, true, Some(separator)) => quote!(joined(&options.#name, #separator)),
        (true, true, None) => quote!(#name),
        (false, true, None) if is_binary(&parameter.of) => quote!(options.#name),
        (false, true, None) => quote!(&options.#name),
        (true, false, _) => quote!(Some(#name)),
        (false, false, _) => quote!(options.#name),
    }
}

/// The value of a required parameter.
fn one(parameter: &Parameter) -> TokenStream {
    let name = format_ident!("{}", parameter.name);
    if matches!(parameter.of, Type::List(_)) {
        quote!(joined(#name, ",").unwrap_or_default())
    } else {
        quote!(#name)
    }
}

/// The type of the result of an operation, and the function that reads the response.
fn response(operation: &Operation) -> (TokenStream, TokenStream) {
    let success = success(operation);
    let output = match &success {
        Success::One(content) => value(content, false),
        Success::Optional(content) => {
            let value = value(content, false);
            quote!(::std::option::Option<#value>)
        }
        Success::Several(name) => quote!(types::#name),
    };
    let mut arms: Vec<(TokenStream, Vec<TokenStream>)> = Vec::new();
    for (status, content) in &operation.responses {
        let reader = match content {
            Content::Empty => quote!(empty(response)),
            Content::Json(..) if matches!(success, Success::One(_)) => quote!(json(response)),
            Content::Json(of, _) => {
                let of = owned(of, false);
                quote!(json::<#of>(response))
            }
            Content::Text(_) => quote!(text(response)),
            Content::Binary(_) => quote!(binary(response)),
        };
        let reader = match (&success, content) {
            (Success::One(_), _) => reader,
            (Success::Optional(_), Content::Empty) => {
                quote!(#reader.map(|it| it.map(|()| None)))
            }
            (Success::Optional(_), _) => quote!(#reader.map(|it| it.map(Some))),
            (Success::Several(name), _) => {
                let variant = variant(*status);
                quote!(#reader.map(|it| it.map(types::#name::#variant)))
            }
        };
        let pattern = match status {
            Status::Code(code) => {
                let code = Literal::u16_unsuffixed(*code);
                quote!(#code)
            }
            Status::AnySuccess => quote!(200..=299),
        };
        let key = reader.to_string();
        match arms.iter_mut().find(|(known, _)| known.to_string() == key) {
            Some((_, patterns)) => patterns.push(pattern),
            None => arms.push((reader, vec![pattern])),
        }
    }
    let arms = arms
        .into_iter()
        .map(|(reader, patterns)| quote!(#(#patterns)|* => #reader,));
    let read = quote! {
        |response| match response.status().as_u16() {
            #(#arms)*
            _ => Err(Failure::status(response)),
        }
    };
    (output, read)
}

/// The type of the body of a response. Within `types`, names are local.
fn value(content: &Content, is_local: bool) -> TokenStream {
    match content {
        Content::Empty => quote!(()),
        Content::Json(of, _) => owned(of, is_local),
        Content::Text(_) => owned(&Type::Text, is_local),
        Content::Binary(_) => owned(&Type::Binary, is_local),
    }
}
