//! Which media type of a body is used.
//!
//! JSON is preferred, then forms, then text, then whatever comes first. All JSON media types are
//! one, and `application/json` is the preferred one.

use anyhow::{Result, bail};
use serde_json::{Map, Value};

/// The media type to use, by the rule of this module.
pub fn preferred(content: &Map<String, Value>) -> Option<(&String, &Value)> {
    content.iter().min_by_key(|(name, _)| match essence(name) {
        "application/json" => 0,
        _ if is_json(name) => 1,
        _ if is_form(name) => 2,
        _ if is_text(name) => 3,
        _ => 4,
    })
}

/// A media type without its parameters.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// The name of the format: `merge-patch` for `application/merge-patch+json`.
pub fn subtype(media_type: &str) -> &str {
    let subtype = essence(media_type).split('/').nth(1).unwrap_or_default();
    subtype.strip_suffix("+json").unwrap_or(subtype)
}

pub fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type).to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

pub fn is_text(media_type: &str) -> bool {
    essence(media_type).starts_with("text/")
}

pub fn is_form(media_type: &str) -> bool {
    matches!(
        essence(media_type),
        "application/x-www-form-urlencoded" | "multipart/form-data"
    )
}

/// A media type that a header can contain.
pub fn checked(media_type: &str) -> Result<String> {
    let is_valid =
        media_type.contains('/') && media_type.chars().all(|letter| matches!(letter, ' '..='~'));
    if !is_valid {
        bail!("{media_type:?} is not a media type");
    }
    Ok(media_type.to_owned())
}
