//! Recorded content: downloading it and deleting it.
//!
//! A download into a file is a [`file::Job`]. It opens the file and its journal (`sink`), finds out
//! what the content is (`answer`), shares out what is missing (`plan`), fetches it on several
//! connections (`transfer`, `reader`, `batch`), and gives the file its name. Streams use a `reader`
//! alone.
//!
//! A whole recording (`folder`) is `saving`: its chunks get their `numbers`, each file is downloaded
//! unless there is a proof that it is there (`proofs`), and what was verified is written down.

mod announced;
mod answer;
mod batch;
mod budget;
mod delete;
mod disk;
mod download;
mod earlier;
mod existing;
mod file;
mod finishing;
mod folder;
mod head;
mod identity;
mod journal;
mod lock;
mod media;
mod names;
mod numbers;
mod options;
mod overlap;
mod piece;
mod plan;
mod progress;
mod proofs;
mod range;
mod read_metadata;
mod reader;
mod saving;
mod sink;
mod sniff;
mod stream;
mod throughput;
mod transfer;
mod url;
mod verify;

pub use self::url::{ContentUrl, InvalidContentUrl};
pub use delete::DeleteContent;
#[cfg(feature = "webhook")]
pub(crate) use disk::{is_ours, no_links};
pub use download::{CopiedContent, Download};
pub use file::SavedFile;
pub use folder::{DownloadRecording, MissingChunk, SaveRecording, SavedChunk, SavedRecording};
#[cfg(fuzzing)]
pub use journal::fuzz as fuzz_journal;
pub use options::Overwrite;
pub use progress::Progress;
pub use read_metadata::ReadMetadata;
pub use stream::ContentStream;
pub use verify::{ContentHash, InvalidContentHash};

use reqwest::Response;

use crate::error::{Error, ErrorKind, Hint, from_response};

/// The error for an answer of a storage host, whose own body is empty as a rule.
async fn refused(response: Response) -> Error {
    let error = from_response(response).await;
    match error.kind() {
        // What is missing is the way to the storage, and not the content.
        ErrorKind::NotFound if error.hint() == Some(Hint::CheckGateway) => {
            error.with_kind(ErrorKind::InvalidResponse)
        }
        ErrorKind::NotFound => error.with_hint(Hint::ContentIsGone),
        _ => error,
    }
}
