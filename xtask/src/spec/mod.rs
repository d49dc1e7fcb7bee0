//! Our `OpenAPI` document, which is made from a published description and our overlay.

mod convert;
pub mod diff;
mod document;
mod draft;
mod inherit;
mod json;
mod node;
mod origins;
mod overlay;
pub mod prose;
pub mod reach;
pub mod shape;
pub mod view;
mod yaml;

use std::fs;
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail};
use serde_json::Value;

pub use convert::ignored_extensions;
pub use document::read_json;
pub use draft::Drafted;
pub use node::pointer;

use document::Documents;
use node::Location;
use origins::Origins;
use overlay::{Applied, Overlay};
use prose::{Problem, State};

/// A description: the document, without text, and the files that it comes from.
#[derive(Debug)]
pub struct Description {
    pub document: Value,
    documents: Documents,
    /// `None` for one of our own documents.
    origins: Option<Origins>,
}

impl Description {
    /// Reads a Swagger 2.0 description or one of our own documents.
    pub fn read(path: &Path) -> Result<Self> {
        let mut documents = Documents::open(path)?;
        let (document, origins) = match documents.root().get("openapi").and_then(Value::as_str) {
            Some(version) if version.starts_with("3.0.") => {
                let mut document = documents.root().clone();
                prose::strip(&mut document);
                (document, None)
            }
            Some(version) => bail!("{}: OpenAPI {version} is not supported", path.display()),
            None => {
                let converted = convert::convert(&mut documents)?;
                (converted.document, Some(converted.origins))
            }
        };
        Ok(Self {
            document,
            documents,
            origins,
        })
    }

    /// The location of an element of the document in the file that it comes from.
    fn location(&self, pointer: &str) -> Location {
        match &self.origins {
            Some(origins) => origins.find(pointer, &self.documents),
            None => self.documents.root_location().below(pointer),
        }
    }
}

/// Adds the file and the line to an error that begins with the pointer of an element.
fn located(error: &Error, file: &Path, location: impl FnOnce(&str) -> Location) -> Error {
    let text = format!("{error:#}");
    match text
        .strip_prefix('#')
        .and_then(|text| text.split_once(": "))
    {
        Some((pointer, message)) => anyhow!("{}: {message}", location(pointer)),
        None => anyhow!("{}: {text}", file.display()),
    }
}

/// Adds the line of the element in a document to an error that begins with its pointer.
pub fn explain(path: &Path, error: &Error) -> Error {
    match Documents::open(path) {
        Ok(documents) => located(error, path, |at| documents.root_location().below(at)),
        Err(error) => error,
    }
}

/// Makes our document from a Swagger 2.0 description or from one of our own documents, and
/// generates code from it, so that nothing is written if that fails.
///
/// An own document is for a changed overlay: its text is replaced, but not its structure.
pub fn import(path: &Path, overlay: Option<&Path>) -> Result<Value> {
    let description = Description::read(path)?;
    let document = match overlay {
        Some(path) => describe(&description, path)?,
        None => description.document.clone(),
    };
    generate(&description, &document)?;
    Ok(document)
}

/// Adds the texts of an overlay.
fn describe(description: &Description, path: &Path) -> Result<Value> {
    let overlay = Overlay::read(path)?;
    let (document, applied, problems) = apply(&overlay, &description.document);
    let lines = faults(description, path, &applied, &problems);
    if lines.is_empty() {
        return Ok(document);
    }
    let advice = if problems.iter().any(|problem| problem.state == State::Draft) {
        "write the drafts"
    } else {
        "edit the overlay, or run the command with `--draft`"
    };
    bail!(
        "{} does not match the document:\n  {}\n{advice}",
        path.display(),
        lines.join("\n  ")
    )
}

/// Imports a description whose overlay is out of date: drops the texts that no longer apply, and
/// adds drafts of those that are missing. Returns the document and the new overlay.
pub fn draft(path: &Path, overlay: &Path) -> Result<(Value, String, Drafted)> {
    let description = Description::read(path)?;
    let text = fs::read_to_string(overlay)
        .with_context(|| format!("cannot read {}", overlay.display()))?;
    let parse = |text: &str| Overlay::parse(text).with_context(|| overlay.display().to_string());
    let current = parse(&text)?;
    let (_, mut applied, problems) = apply(&current, &description.document);
    if let Some(fault) = applied.faults.iter().find(|fault| !fault.is_stale) {
        bail!("{}: {fault}", overlay.display());
    }
    let (text, drafted) = draft::adapt(&text, &current, &applied, &problems)
        .with_context(|| overlay.display().to_string())?;
    let (document, left, mut problems) = apply(&parse(&text)?, &description.document);
    applied = left;
    problems.retain(|problem| problem.state != State::Draft);
    let lines = faults(&description, overlay, &applied, &problems);
    if !lines.is_empty() {
        bail!(
            "{} does not match the document:\n  {}",
            overlay.display(),
            lines.join("\n  ")
        );
    }
    generate(&description, &document)?;
    Ok((document, text, drafted))
}

fn apply(overlay: &Overlay, structure: &Value) -> (Value, Applied, Vec<Problem>) {
    let mut document = structure.clone();
    let applied = inherit::with_inherited(&mut document, |document| overlay.apply(document));
    let problems = prose::problems(&document);
    (document, applied, problems)
}

/// What does not match, one fault per line.
fn faults(
    description: &Description,
    overlay: &Path,
    applied: &Applied,
    problems: &[Problem],
) -> Vec<String> {
    let faults = applied.faults.iter();
    let problems = problems.iter().map(|problem| {
        if problem.state == State::Stale {
            return problem.to_string();
        }
        let location = description.location(&problem.element);
        format!("{problem}; see {}", location.in_folder())
    });
    faults
        .map(|fault| format!("{}, {fault}", overlay.display()))
        .chain(problems)
        .collect()
}

/// Generates code from a document. Errors contain the location in the description.
fn generate(description: &Description, document: &Value) -> Result<String> {
    let file = description.documents.root_path();
    let located = |error| located(&error, file, |at| description.location(at));
    crate::codegen::generate(document).map_err(located)
}

/// The document for a description of either kind, without text.
pub fn structure(path: &Path) -> Result<Value> {
    Ok(Description::read(path)?.document)
}

/// The canonical text of a document.
pub fn to_text(document: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
