//! What `Debug` shows of something that may be a secret.

use std::fmt;

/// Stands for so many bytes that are not shown.
pub(super) struct Hidden(pub(super) usize);

impl Hidden {
    pub(super) fn text(text: &str) -> Self {
        Self(text.len())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0)
    }
}
