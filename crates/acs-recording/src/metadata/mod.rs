//! The metadata document of a recorded chunk.

mod model;
mod read;
#[cfg(feature = "schemars")]
mod schema;

pub use model::{
    AudioConfiguration, InvalidMetadata, Pause, RecordedParticipant, RecordingMetadata,
    VideoConfiguration,
};
#[cfg(feature = "schemars")]
pub(crate) use schema::Document;
