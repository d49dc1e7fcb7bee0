//! Parts of the Rust code of progenitor that several passes read.

use syn::punctuated::Punctuated;
use syn::{Attribute, GenericArgument, Meta, PathArguments, PathSegment, Token, Type};

/// The parts of all serde attributes.
pub fn serde_parts(attributes: &[Attribute]) -> Vec<Meta> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
        .filter_map(|attribute| {
            let parts = Punctuated::<Meta, Token![,]>::parse_terminated;
            attribute.parse_args_with(parts).ok()
        })
        .flatten()
        .collect()
}

/// The type arguments of `name<…>`, with any path.
pub fn generic<'a>(of: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let Type::Path(of) = of else { return None };
    // A path of one segment is a type of the document, which can have the name.
    of.path.leading_colon?;
    let PathSegment { ident, arguments } = of.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    (ident == name).then(|| {
        let types = arguments.args.iter().filter_map(|argument| match argument {
            GenericArgument::Type(of) => Some(of),
            _ => None,
        });
        types.collect()
    })
}
