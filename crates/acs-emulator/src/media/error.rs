//! Errors of the encoders.

use std::fmt::Display;

use super::format::Format;

/// An encoding error.
#[derive(Debug, thiserror::Error)]
#[error("{format} cannot be encoded: {reason}")]
pub(crate) struct EncodeError {
    format: &'static str,
    reason: String,
}

impl EncodeError {
    pub(super) fn new(format: Format, reason: &impl Display) -> Self {
        Self {
            format: format.name(),
            reason: reason.to_string(),
        }
    }
}
