//! Where the files of a chunk are.

use serde::Serialize;

use super::document::Document;

/// The locations of a chunk's files.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Locations {
    #[serde(rename = "contentLocation")]
    pub(crate) content: String,
    #[serde(rename = "metadataLocation")]
    pub(crate) metadata: String,
    /// Files in your own storage have no delete location.
    #[serde(rename = "deleteLocation", skip_serializing_if = "Option::is_none")]
    pub(crate) delete: Option<String>,
}

impl Locations {
    /// The locations in the service's own store. `origin` is the usual origin of content.
    pub(super) fn in_store(origin: &str, document: &Document) -> Self {
        let origin = document.origin.as_deref().unwrap_or(origin);
        let object = format!("{origin}/v1/objects/{}", document.id);
        Self {
            content: format!("{object}/content/{}", document.content_name),
            metadata: format!("{object}/content/acsmetadata"),
            delete: Some(object),
        }
    }
}
