//! Errors about content.

use crate::error::{Error, ErrorKind, Hint};
use crate::transport::{Response, error_from_response};

/// The error for an error response of a storage host, whose body is usually empty.
pub(super) async fn storage_error(response: Response) -> Error {
    let error = error_from_response(response).await;
    match error.kind() {
        // What is missing is the route to the storage, not the content.
        ErrorKind::NotFound if error.hint() == Some(Hint::CheckGateway) => {
            error.with_kind(ErrorKind::InvalidResponse)
        }
        ErrorKind::NotFound => error.with_hint(Hint::ContentIsGone),
        _ => error,
    }
}

pub(super) fn content_changed() -> Error {
    Error::new(
        ErrorKind::ContentChanged,
        "the content changed during the download",
    )
}

/// The error of a range that begins at or beyond the end of the content.
pub(super) fn out_of_range(start: u64, total: u64) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the range begins at {start}, but the content has {total} bytes"),
    )
}

/// Whether the service no longer has the content.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ExpiredContent
    )
}
