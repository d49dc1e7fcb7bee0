//! The names of event types.

use acs_recording::EventPayload;

/// Types that Event Grid delivers. Call Automation posts the others to the callback URL of a call.
const BY_EVENT_GRID: [&str; 6] = [
    "RecordingFileStatusUpdated",
    "IncomingCall",
    "CallStarted",
    "CallEnded",
    "CallParticipantAdded",
    "CallParticipantRemoved",
];

/// The name of an event type without its prefix.
pub(super) fn short(event_type: &str) -> &str {
    event_type.rsplit('.').next().unwrap_or(event_type)
}

/// Whether this is a name of the type, with or without its prefix.
pub(super) fn is_name_of(name: &str, event_type: &str) -> bool {
    event_type.eq_ignore_ascii_case(name) || short(event_type).eq_ignore_ascii_case(name)
}

/// The known type with this name.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let mut types = EventPayload::KNOWN_TYPES.iter().copied();
    types.find(|known| is_name_of(name, known))
}

/// Whether Call Automation posts events of this type to the callback URL of a call.
pub(super) fn is_callback(event_type: &str) -> bool {
    let name = event_type.strip_prefix("Microsoft.Communication.");
    EventPayload::KNOWN_TYPES.contains(&event_type)
        && name.is_some_and(|name| !BY_EVENT_GRID.contains(&name))
}
