//! The JSON of the admin interface.

use std::sync::Arc;

use acs_call_automation::types::RecordingState;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::auth::keys::AccessKey;
use crate::delivery::event_grid::subscription::{
    Destination, EventSchema, Handshake, Subscription,
};
use crate::service::call::CallState;
use crate::service::recordings::Recording;
use crate::storage::document::Document;

pub(super) fn call(call: &CallState, now: Timestamp) -> Value {
    let participants: Vec<_> = call.present(now).map(|one| &one.raw_id).collect();
    json!({
        "serverCallId": call.server_call_id,
        "correlationId": call.correlation_id,
        "callConnectionIds": call.open_connections(),
        "participants": participants,
        "over": call.is_over(),
    })
}

/// Recordings in progress, and documents.
pub(super) fn recordings(
    recordings: &[&Recording],
    documents: &[Arc<Document>],
    now: Timestamp,
) -> Value {
    let live = recordings.iter().map(|recording| {
        let state = RecordingState::from(recording.state(now));
        json!({"recordingId": recording.id, "recordingState": state})
    });
    json!({
        "live": live.collect::<Vec<_>>(),
        "documents": documents.iter().map(|one| &one.id).collect::<Vec<_>>(),
    })
}

pub(super) fn subscription(subscription: &Subscription) -> Value {
    let kind = match &subscription.destination {
        Destination::Webhook(_) => "url",
        Destination::Queue(_) => "queue",
    };
    json!({
        "name": subscription.name,
        kind: subscription.destination.address(),
        "schema": match subscription.options.schema {
            EventSchema::EventGrid => "event-grid",
            EventSchema::CloudEvents => "cloud-events",
        },
        "events": subscription.options.events,
        "pending": subscription.handshake() != Handshake::Passed,
    })
}

pub(super) fn keys(auth: &Auth) -> Value {
    let [primary, secondary] = [AccessKey::Primary, AccessKey::Secondary].map(|key| {
        json!({
            "connectionString": auth.connection_string(key),
            "key": auth.keys.text(key),
        })
    });
    json!({"primary": primary, "secondary": secondary})
}
