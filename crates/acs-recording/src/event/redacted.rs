//! What `Debug` shows in place of a possible secret.

use std::fmt;

/// Stands for a number of bytes that are not shown.
pub(super) struct Redacted(pub(super) usize);

impl Redacted {
    pub(super) fn text(text: &str) -> Self {
        Self(text.len())
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0)
    }
}
