//! Files that the command line names.

use std::path::Path;

use crate::failure::Failure;

/// Reads a text file in UTF-8 or, with a byte order mark, in UTF-16.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let text = acs_recording::text::decode(&bytes)
        .map_err(|error| Failure::usage(error.to_string()).context_file(path))?;
    Ok(text.into_owned())
}
