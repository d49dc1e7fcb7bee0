//! Event Grid events about calls of Communication Services users.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::event_grid::event::Event;
use crate::service::calls::CallState;
use crate::wire::identifier::model;

const PREFIX: &str = "Microsoft.Communication.";
/// All event types, as `'static` strings.
const KINDS: [&str; 4] = [
    "Microsoft.Communication.CallStarted",
    "Microsoft.Communication.CallEnded",
    "Microsoft.Communication.CallParticipantAdded",
    "Microsoft.Communication.CallParticipantRemoved",
];

/// The event, or `None` if it does not concern a Communication Services user.
pub(crate) fn event(
    call: &CallState,
    kind: &str,
    person: Option<&str>,
    started_at: Timestamp,
    at: Timestamp,
) -> Option<Event> {
    let is_user = |raw_id: &str| raw_id.starts_with("8:acs:");
    let concerned = match person {
        Some(person) => is_user(person),
        None => call.members.iter().any(|member| is_user(&member.raw_id)),
    };
    let kind = KINDS
        .into_iter()
        .find(|known| known.strip_prefix(PREFIX) == Some(kind))
        .filter(|_| concerned)?;
    let starter = call.starter();
    let mut data = json!({
        "startedBy": {
            "communicationIdentifier": starter.as_deref().map(model),
            "role": "UserRole",
        },
        "serverCallId": call.server_call_id,
        "isTwoParty": call.members.len() == 2,
        "isRoomsCall": call.addresses.room.is_some(),
        "correlationId": call.correlation_id,
    });
    let mut add = |member: &str, value: Value| data[member] = value;
    if let Some(group) = &call.addresses.group {
        add("group", json!({"id": group}));
    }
    if let Some(room) = &call.addresses.room {
        add("room", json!({"id": room}));
    }
    let server_call_id = &call.server_call_id;
    let subject = match (person, kind == KINDS[1]) {
        (Some(person), _) => {
            add("user", json!({"communicationIdentifier": model(person)}));
            add("displayName", json!(""));
            add("participantId", json!(person));
            format!("call/{server_call_id}/participant/{person}")
        }
        (None, false) => {
            let starter = starter.as_deref().unwrap_or_default();
            format!("call/{server_call_id}/startedBy/{starter}")
        }
        (None, true) => {
            let lasted = at.duration_since(started_at).as_secs_f64();
            add("callDurationInSeconds", json!(lasted));
            add("reason", json!({"code": 0, "subCode": 0, "phrase": ""}));
            format!("call/{server_call_id}")
        }
    };
    Some(Event::new(kind, subject, data, at))
}
