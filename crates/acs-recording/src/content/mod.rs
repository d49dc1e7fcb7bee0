//! Recorded content: downloading it and deleting it.
//!
//! A download into a file is a [`file::Job`]. It opens the file and its journal (`sink`), finds out
//! what the content is (`answer`), shares out what is missing (`plan`), fetches it on several
//! connections (`transfer`, `reader`, `batch`), and gives the file its name. Streams use a `reader`
//! alone.

mod answer;
mod batch;
mod budget;
mod delete;
mod disk;
mod download;
mod existing;
mod file;
mod folder;
mod head;
mod identity;
mod journal;
mod media;
mod names;
mod options;
mod overlap;
mod plan;
mod progress;
mod range;
mod reader;
mod sink;
mod stream;
mod throughput;
mod transfer;
mod url;
mod verify;

pub use self::url::{ContentUrl, InvalidContentUrl};
pub use delete::DeleteContent;
pub use download::{Download, Written};
pub use file::Saved;
pub use folder::{DownloadRecording, SaveRecording, SavedChunk, SavedRecording};
pub use options::Overwrite;
pub use progress::Progress;
pub use stream::ContentStream;
pub use verify::ContentHash;

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
