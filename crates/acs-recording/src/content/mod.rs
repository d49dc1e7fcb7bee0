//! Recorded content: downloading it and deleting it.

mod delete;
mod download;
mod url;

pub use self::url::{ContentUrl, InvalidContentUrl};
pub use delete::DeleteContent;
pub use download::{Download, Saved};

use reqwest::Response;

use crate::error::{Error, ErrorKind, from_response};

/// The error for an answer of a storage host, whose own body is empty as a rule.
async fn refused(response: Response) -> Error {
    let error = from_response(response).await;
    match error.kind() {
        ErrorKind::NotFound => {
            error.advise("content is kept for 24 hours, unless it was deleted before")
        }
        _ => error,
    }
}
