//! Our `OpenAPI` document, which is made from a published description and our overlay.

mod convert;
pub mod diff;
mod document;
mod json;
mod node;
mod overlay;
pub mod prose;
pub mod reach;
pub mod shape;
pub mod view;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub use document::read_json;
pub use node::pointer;

use document::Documents;
use overlay::Overlay;

/// Makes our document from a Swagger 2.0 description or from one of our own documents.
///
/// The latter is for a changed overlay: the text of the document is replaced, but not its
/// structure.
pub fn import(path: &Path, overlay: Option<&Path>) -> Result<Value> {
    let mut document = structure(path)?;
    if let Some(overlay) = overlay {
        Overlay::read(overlay)?
            .apply(&mut document)
            .with_context(|| overlay.display().to_string())?;
        prose::check(&document).with_context(|| overlay.display().to_string())?;
    }
    // Rejects documents from which no code can be generated before they are written.
    crate::codegen::parse(&document).with_context(|| path.display().to_string())?;
    Ok(document)
}

/// The document for a description of either kind, without text.
pub fn structure(path: &Path) -> Result<Value> {
    let mut documents = Documents::open(path)?;
    match documents.root().get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.0.") => {
            let mut document = documents.root().clone();
            prose::strip(&mut document);
            Ok(document)
        }
        Some(version) => bail!("{}: OpenAPI {version} is not supported", path.display()),
        None => convert::convert(&mut documents),
    }
}

/// The canonical text of a document.
pub fn to_text(document: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
