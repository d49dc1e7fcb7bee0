//! Participants and phone numbers in requests and responses.

use acs_call_automation::types::{CallParticipant, PhoneNumberIdentifierModel};

use super::identifier::model;
use crate::service::connection::PhoneNumber;
use crate::service::event::ParticipantStatus;
use crate::service::participant::ParticipantState;

impl From<&ParticipantState> for CallParticipant {
    fn from(participant: &ParticipantState) -> Self {
        call_participant(&participant.raw_id, participant.is_muted())
    }
}

impl From<&ParticipantStatus> for CallParticipant {
    fn from(participant: &ParticipantStatus) -> Self {
        call_participant(&participant.raw_id, participant.is_muted)
    }
}

/// The participant as it appears in responses and callbacks.
pub(crate) fn call_participant(raw_id: &str, is_muted: bool) -> CallParticipant {
    CallParticipant::default()
        .identifier(model(raw_id))
        .is_muted(is_muted)
        .is_on_hold(false)
}

impl From<PhoneNumberIdentifierModel> for PhoneNumber {
    fn from(number: PhoneNumberIdentifierModel) -> Self {
        Self {
            value: number.value,
            is_anonymous: number.is_anonymous,
            asserted_id: number.asserted_id,
        }
    }
}

impl From<&PhoneNumber> for PhoneNumberIdentifierModel {
    fn from(number: &PhoneNumber) -> Self {
        let mut model = Self::new(&number.value);
        model.is_anonymous = number.is_anonymous;
        model.asserted_id.clone_from(&number.asserted_id);
        model
    }
}
