//! Templates of the names of objects.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The layout that an archive has unless it is told otherwise.
pub(super) const DEFAULT: &str = "{yyyy}/{mm}/{dd}/{call}/{recording}/{index}.{document}.{ext}";
/// What every layout ends with, so that a receipt can be told from its name.
const END: &str = ".{ext}";

/// What keeps the chunks of all recordings apart where there is no document id.
pub(super) const KEEPS_APART: &[Field] = &[Field::Recording, Field::Index];

/// How objects in an archive are named: a template.
///
/// | placeholder | value |
/// |---|---|
/// | `{yyyy}` `{mm}` `{dd}` | the date on which the recording began, in UTC; else the date of the event |
/// | `{call}` | the id of the call in logs |
/// | `{recording}` | 16 hexadecimal digits of the SHA-256 of the recording id, which is too long for a name |
/// | `{index}` | the number of the chunk, with at least three digits |
/// | `{document}` | the id of the chunk in the service's storage |
/// | `{ext}` | `wav`, `mp3` or `mp4` for media; `json` for metadata; `receipt.json` for the receipt |
///
/// What the event does not say becomes `unknown`. A name depends on the event alone, and never on
/// the clock, so that every attempt writes the same objects. Characters that could leave the folder
/// or that some store does not take are replaced.
///
/// A layout must keep chunks apart, with `{document}` or with `{recording}` and `{index}`, and must
/// end with `.{ext}`. The default is
/// `{yyyy}/{mm}/{dd}/{call}/{recording}/{index}.{document}.{ext}`.
///
/// ```
/// use acs_recording_archive::Layout;
///
/// let layout: Layout = "{yyyy}-{mm}/{document}.{ext}".parse()?;
/// assert_eq!(layout.to_string(), "{yyyy}-{mm}/{document}.{ext}");
/// assert!("{call}.{ext}".parse::<Layout>().is_err());
/// # Ok::<(), acs_recording_archive::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Layout(pub(super) Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    Month,
    Day,
    Call,
    Recording,
    Index,
    Document,
    Extension,
}

const FIELDS: [(&str, Field); 8] = [
    ("yyyy", Field::Year),
    ("mm", Field::Month),
    ("dd", Field::Day),
    ("call", Field::Call),
    ("recording", Field::Recording),
    ("index", Field::Index),
    ("document", Field::Document),
    ("ext", Field::Extension),
];

impl Layout {
    pub(super) fn has(&self, field: Field) -> bool {
        self.0.contains(&Part::Field(field))
    }

    pub(super) fn has_all(&self, fields: &[Field]) -> bool {
        fields.iter().all(|field| self.has(*field))
    }
}

impl Default for Layout {
    fn default() -> Self {
        parse(DEFAULT).unwrap_or_else(|_| Self(Vec::new()))
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(template: &str) -> Result<Self> {
        parse(template).map_err(|reason| {
            let text = format!("the layout {template:?} is invalid: {reason}");
            Error::new(ErrorKind::InvalidInput, text)
        })
    }
}

fn parse(template: &str) -> Result<Layout, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err("a `{` has no `}`".to_owned());
        };
        let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = FIELDS
                .iter()
                .map(|(name, _)| format!("{{{name}}}"))
                .collect();
            return Err(format!("`{{{name}}}` is unknown; use {}", known.join(", ")));
        };
        parts.push(Part::Field(*field));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    let layout = Layout(parts);
    for part in &layout.0 {
        let Part::Text(text) = part else { continue };
        let is_allowed =
            |letter: char| letter.is_ascii_alphanumeric() || "-_./=+@, ".contains(letter);
        if let Some(letter) = text.chars().find(|letter| !is_allowed(*letter)) {
            return Err(format!(
                "{letter:?} is not allowed; use letters, digits and any of `-_./=+@,` or a space"
            ));
        }
    }
    let has_odd_component = template
        .split('/')
        .any(|component| component.is_empty() || component == "." || component.contains(".."));
    if has_odd_component {
        return Err(
            "it must be a relative path without empty components and without `..`".to_owned(),
        );
    }
    if !template.ends_with(END) {
        return Err(format!(
            "it must end with `{END}`, so that media, metadata and receipt differ"
        ));
    }
    if template.matches("{ext}").count() > 1 {
        return Err("`{ext}` may only be at the end".to_owned());
    }
    if !layout.has(Field::Document) && !layout.has_all(KEEPS_APART) {
        return Err(
            "it must have `{document}`, or `{recording}` and `{index}`: otherwise two chunks would \
             have the same name"
                .to_owned(),
        );
    }
    Ok(layout)
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Field(field) => {
                let name = FIELDS.iter().find(|(_, known)| known == field);
                write!(f, "{{{}}}", name.map_or("", |(name, _)| name))
            }
        })
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_that_could_lose_something_is_rejected() {
        for (template, reason) in [
            ("{call}/{index}.{ext}", "two chunks"),
            ("{recording}.{ext}", "two chunks"),
            ("{document}", "end with"),
            ("{document}.{ext}.bak", "end with"),
            ("{document}-{ext}", "end with"),
            ("{ext}/{document}.{ext}", "only be at the end"),
            ("/{document}.{ext}", "relative"),
            ("a//{document}.{ext}", "relative"),
            ("../{document}.{ext}", "relative"),
            ("./{document}.{ext}", "relative"),
            ("{month}/{document}.{ext}", "{month}"),
            ("{document.{ext}", "unknown"),
            ("{document", "has no"),
            ("a}b/{document}.{ext}", "not allowed"),
            ("a#{document}.{ext}", "not allowed"),
            ("a\\b/{document}.{ext}", "not allowed"),
            ("", "relative"),
        ] {
            let error = template.parse::<Layout>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn the_default_is_a_layout() {
        assert_eq!(Layout::default().to_string(), DEFAULT);
    }
}
