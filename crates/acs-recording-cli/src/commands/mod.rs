//! What the program can do: one module for each command.

#[cfg(feature = "archive")]
pub(crate) mod archive;
pub(crate) mod call;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod download;
#[cfg(feature = "emulator")]
pub(crate) mod emulator;
pub(crate) mod events;
pub(crate) mod inspect;
pub(crate) mod metadata;
pub(crate) mod profile;
pub(crate) mod recording;
pub(crate) mod shell;
