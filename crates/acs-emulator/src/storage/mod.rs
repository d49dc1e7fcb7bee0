//! Recordings as files: documents, metadata, and exports to a container.

pub(crate) mod blob_export;
pub(crate) mod catalog;
pub(crate) mod chunking;
pub(crate) mod document;
mod files;
pub(crate) mod locations;
pub(crate) mod metadata;
pub(crate) mod settings;
pub(crate) mod store;
