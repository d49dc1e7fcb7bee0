//! Downloading a whole recording into a folder.
//!
//! The chunks get their numbers ([`chunk_numbers`]), each file is downloaded unless an earlier run
//! verified it ([`files`]), and what was verified is recorded in the manifest ([`finish`]).

mod announced;
mod chunk;
mod chunk_numbers;
mod download;
mod durations;
mod file_names;
mod files;
mod finish;
mod known_chunks;
mod lock;
mod media;
mod request;
mod run;
mod saved;
mod to_dir;

pub use download::DownloadRecording;
pub use saved::{MissingChunk, SavedChunk, SavedRecording};
pub use to_dir::DownloadToDir;
