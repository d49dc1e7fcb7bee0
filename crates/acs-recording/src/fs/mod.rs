//! Files on disk: private, locked, synced, and never reached through a link.
//!
//! Everything here blocks, except [`run_blocking`].

mod error;
mod names;
mod open;
mod positional;
mod write;

pub(crate) use error::{file_error, run_blocking};
pub(crate) use names::{remove, with_suffix};
#[cfg(feature = "webhook")]
pub(crate) use open::is_trusted;
pub(crate) use open::{
    PRIVATE, create_new, is_same_file, open_existing, open_locked, open_to_read,
};
pub(crate) use positional::{read_at, write_all_at};
#[cfg(feature = "webhook")]
pub(crate) use write::sync_dir;
pub(crate) use write::{sync_parent, write_atomically};
