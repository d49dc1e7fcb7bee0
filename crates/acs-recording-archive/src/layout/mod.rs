//! Layouts: templates, and the names that they give to objects.

mod names;
mod template;

pub(crate) use names::{ChunkNames, Subject, folder_of};
pub use template::Layout;
