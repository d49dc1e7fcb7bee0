//! The schemas of event data.

use super::{
    CallEnded, CallParticipantAdded, CallParticipantRemoved, CallStarted, DialogUpdate,
    IncomingCall, RecordingStateChanged, SubscriptionDeleted, SubscriptionValidation, file,
};
use crate::schema::{Named, named};

pub(crate) fn all() -> Vec<Named> {
    vec![
        named::<file::Data>("RecordingFileStatusUpdated"),
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
        named::<DialogUpdate>("DialogStarted"),
        named::<DialogUpdate>("DialogCompleted"),
        named::<DialogUpdate>("DialogFailed"),
        named::<DialogUpdate>("DialogConsent"),
        named::<DialogUpdate>("DialogHangup"),
        named::<DialogUpdate>("DialogLanguageChange"),
        named::<DialogUpdate>("DialogTransfer"),
        named::<DialogUpdate>("DialogSensitivityUpdate"),
    ]
}
