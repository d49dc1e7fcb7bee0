//! JSON Schemas of what the service sends: the data of events, and metadata documents.
//!
//! They describe what this crate reads, which is more than one version of the service writes. Unknown
//! members are allowed, and hardly any member is required. Needs the feature `schemars`.

pub(crate) mod types;

pub use types::NamedSchema;

use types::named;

use crate::event::schemas;
use crate::metadata;

/// Every schema of this crate, in a fixed order.
///
/// The data of callbacks is described by the OpenAPI document of the service instead.
///
/// ```
/// let schemas = acs_recording::schema::all();
/// assert!(schemas.iter().any(|schema| schema.name == "RecordingFileStatusUpdated"));
/// ```
pub fn all() -> Vec<NamedSchema> {
    let mut all = schemas::all();
    all.push(named::<metadata::Document>("RecordingMetadata"));
    all
}
