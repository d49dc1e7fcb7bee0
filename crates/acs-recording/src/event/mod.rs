//! Events of the service: what Event Grid and Call Automation send to a webhook.
//!
//! The files depend on each other in this order: the data of each event type, the payload that has
//! one of them, the envelope around it, the reading of one event, and the events in a body.

mod binary;
mod call;
mod cursor;
mod data;
mod delivery;
mod envelope;
mod events;
mod file;
mod invalid;
mod party;
mod payload;
mod read;
mod recording;
mod redacted;
#[cfg(feature = "schemars")]
pub(crate) mod schemas;
mod serialize;
mod subject;
mod unwrap;
mod validation;
mod wire;

pub use call::{
    CallDetails, CallEndReason, CallEnded, CallParticipantAdded, CallParticipantRemoved,
    CallStarted, IncomingCall,
};
pub use delivery::Delivery;
pub use envelope::{Event, EventSchema};
pub use events::Events;
pub use file::{RecordingChunk, RecordingFileStatusUpdated};
pub use invalid::InvalidEvent;
pub use party::CallParty;
pub use payload::EventPayload;
pub use recording::RecordingStateChanged;
#[cfg(feature = "webhook")]
pub(crate) use unwrap::FunctionTrigger;
pub use validation::{SubscriptionDeleted, SubscriptionValidation};
