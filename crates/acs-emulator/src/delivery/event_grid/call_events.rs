//! Event Grid events about calls of Communication Services users.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::event::Event;
use crate::service::event::{CallChange, CallEvent, CallSummary};
use crate::wire::identifier::{is_communication_user, model};

/// The event about a change to a call. `None` if the service sends none: it sends such events for
/// Communication Services users only.
pub(crate) fn event(event: &CallEvent) -> Option<Event> {
    let call = &event.call;
    match &event.change {
        CallChange::Ringing {
            caller,
            recipient,
            context,
        } => Some(incoming_call(event, caller, recipient, context)),
        CallChange::Started => {
            let starter = call.started_by.as_deref().unwrap_or_default();
            let subject = format!("call/{}/startedBy/{starter}", call.server_call_id);
            let kind = "Microsoft.Communication.CallStarted";
            about_call(event, kind, subject, data(call))
        }
        CallChange::Ended => {
            let lasted = event.at.duration_since(call.started_at?);
            let mut data = data(call);
            data["callDurationInSeconds"] = json!(lasted.as_secs_f64());
            data["reason"] = json!({"code": 0, "subCode": 0, "phrase": ""});
            let subject = format!("call/{}", call.server_call_id);
            about_call(event, "Microsoft.Communication.CallEnded", subject, data)
        }
        CallChange::ParticipantAdded { raw_id } => {
            let kind = "Microsoft.Communication.CallParticipantAdded";
            about_participant(event, kind, raw_id)
        }
        CallChange::ParticipantRemoved { raw_id } => {
            let kind = "Microsoft.Communication.CallParticipantRemoved";
            about_participant(event, kind, raw_id)
        }
        CallChange::Created
        | CallChange::Removed
        | CallChange::Connected { .. }
        | CallChange::ParticipantMuted { .. }
        | CallChange::ParticipantUnmuted { .. }
        | CallChange::ParticipantSpeaking { .. } => None,
    }
}

fn incoming_call(event: &CallEvent, caller: &str, recipient: &str, context: &str) -> Event {
    let data = json!({
        "to": model(recipient),
        "from": model(caller),
        "serverCallId": event.call.server_call_id,
        "callerDisplayName": "",
        "incomingCallContext": context,
        "correlationId": event.call.correlation_id,
    });
    let subject = format!("/caller/{caller}/recipient/{recipient}");
    let kind = "Microsoft.Communication.IncomingCall";
    Event::new(kind, subject, data, event.at).about_call(event.call.correlation_id)
}

fn about_call(
    event: &CallEvent,
    kind: &'static str,
    subject: String,
    data: Value,
) -> Option<Event> {
    event.call.started_at?;
    let mut participants = event.call.participants.iter();
    let concerned = participants.any(|raw_id| is_communication_user(raw_id));
    concerned
        .then(|| Event::new(kind, subject, data, event.at).about_call(event.call.correlation_id))
}

fn about_participant(event: &CallEvent, kind: &'static str, raw_id: &str) -> Option<Event> {
    let call = &event.call;
    if call.started_at.is_none() || !is_communication_user(raw_id) {
        return None;
    }
    let mut data = data(call);
    data["user"] = json!({"communicationIdentifier": model(raw_id)});
    data["displayName"] = json!("");
    data["participantId"] = json!(raw_id);
    let subject = format!("call/{}/participant/{raw_id}", call.server_call_id);
    Some(Event::new(kind, subject, data, event.at).about_call(event.call.correlation_id))
}

/// The members that all events about a call have.
fn data(call: &CallSummary) -> Value {
    let mut data = json!({
        "startedBy": {
            "communicationIdentifier": call.started_by.as_deref().map(model),
            "role": "UserRole",
        },
        "serverCallId": call.server_call_id,
        "isTwoParty": is_two_party(call),
        "isRoomsCall": call.ids.room.is_some(),
        "correlationId": call.correlation_id,
    });
    if let Some(group) = &call.ids.group {
        data["group"] = json!({"id": group});
    }
    if let Some(room) = &call.ids.room {
        data["room"] = json!({"id": room});
    }
    data
}

/// Whether the call is one of two people. It is not, once a third one has joined, and group and room
/// calls never are.
fn is_two_party(call: &CallSummary) -> bool {
    let people: BTreeSet<_> = call.participants.iter().collect();
    people.len() == 2 && call.ids.group.is_none() && call.ids.room.is_none()
}
