//! The schemas of event data.

use super::call::{
    CallEnded, CallParticipantAdded, CallParticipantRemoved, CallStarted, IncomingCall,
};
use super::file::WireData;
use super::recording::RecordingStateChanged;
use super::validation::{SubscriptionDeleted, SubscriptionValidation};
use crate::schema::types::{NamedSchema, named};

pub(crate) fn all() -> Vec<NamedSchema> {
    vec![
        named::<WireData>("RecordingFileStatusUpdated"),
        named::<RecordingStateChanged>("RecordingStateChanged"),
        named::<RecordingStateChanged>("TeamsRecordingStateChanged"),
        named::<RecordingStateChanged>("TeamsComplianceRecordingStateChanged"),
        named::<IncomingCall>("IncomingCall"),
        named::<CallStarted>("CallStarted"),
        named::<CallEnded>("CallEnded"),
        named::<CallParticipantAdded>("CallParticipantAdded"),
        named::<CallParticipantRemoved>("CallParticipantRemoved"),
        named::<SubscriptionValidation>("SubscriptionValidationEvent"),
        named::<SubscriptionDeleted>("SubscriptionDeletedEvent"),
    ]
}
