//! Recorded content: downloading it and deleting it.
//!
//! Files depend on those further down:
//!
//! - [`recording`]: a whole recording into a folder, with its manifest
//! - [`download`] and the destinations [`to_file`], [`to_writer`], [`stream`] and [`bytes`]
//! - [`file_download`]: one file, with [`fetch`] and [`existing_file`]; it opens the [`part_file`]
//!   with its [`journal`], and runs a [`transfer`] of several connections, to which the
//!   [`scheduler`] assigns ranges
//! - [`content_reader`]: content in order, for everything but files
//! - [`range_reader`]: one connection, which resumes after an interruption
//! - [`source`]: requests, and the [`response`] to each

mod bytes;
mod connection_controller;
mod content_error;
mod content_hash;
mod content_reader;
mod delete;
mod digest;
mod download;
mod error_page;
mod existing_file;
mod fetch;
mod file_download;
mod identity;
mod journal;
mod journal_sync;
mod leftovers;
mod manifest_store;
mod metadata;
mod options;
mod overlap;
mod part_file;
mod permits;
mod progress;
mod range;
mod range_reader;
mod range_set;
mod readiness;
mod recording;
mod request;
mod response;
mod response_head;
mod retry_budget;
mod scheduler;
mod source;
mod stream;
mod throughput;
mod to_file;
mod to_writer;
mod transfer;
mod write_buffer;

pub use bytes::DownloadBytes;
pub use content_hash::{ContentHash, InvalidContentHash};
pub use delete::DeleteContent;
pub use download::Download;
pub use file_download::SavedFile;
#[cfg(fuzzing)]
pub use journal::fuzz as fuzz_journal;
pub use metadata::ReadMetadata;
pub use options::Overwrite;
pub use progress::Progress;
pub use recording::{DownloadRecording, DownloadToDir, MissingChunk, SavedChunk, SavedRecording};
pub use stream::{ContentStream, DownloadStream};
pub use to_file::DownloadToFile;
pub use to_writer::{CopiedContent, DownloadToWriter};
