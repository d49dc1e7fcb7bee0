//! Detects values that are passed in place of others, by their form alone.

mod detect;
mod kind;

pub(crate) use detect::detect_kind;
pub(crate) use kind::ValueKind;
