//! The log lines of activities.

use http::StatusCode;

use super::record::{Activity, Channel, DeliveryAttempt, DeliveryOutcome, RequestRecord, Verdict};
use crate::service::event::{CallChange, CallEvent, RecordingChange, RecordingEvent, ServiceEvent};

pub(super) fn write(activity: &Activity) {
    match activity {
        Activity::Service(ServiceEvent::Call(event)) => call(event),
        Activity::Service(ServiceEvent::Recording(event)) => recording(event),
        // Its delivery is logged.
        Activity::Service(ServiceEvent::Callback(_)) => {}
        Activity::Delivery(attempt) => match attempt.channel {
            Channel::Callback => callback(attempt),
            Channel::EventGrid => event(attempt),
        },
        Activity::Request(record) => request(record),
    }
}

fn call(event: &CallEvent) {
    let server_call = event.call.server_call_id.as_str();
    match &event.change {
        CallChange::Created => tracing::info!(server_call, "call created"),
        CallChange::Ringing { caller, .. } => {
            tracing::debug!(server_call, caller, "call is ringing");
        }
        CallChange::Connected { connection_id } => {
            tracing::info!(connection = connection_id, "call connected");
        }
        CallChange::Started => tracing::debug!(server_call, "call started"),
        CallChange::ParticipantAdded { raw_id } => {
            tracing::info!(who = raw_id, "participant joined");
        }
        CallChange::ParticipantRemoved { raw_id } => {
            tracing::info!(who = raw_id, "participant left");
        }
        CallChange::ParticipantMuted { raw_id } => {
            tracing::debug!(who = raw_id, "participant muted");
        }
        CallChange::ParticipantUnmuted { raw_id } => {
            tracing::debug!(who = raw_id, "participant unmuted");
        }
        CallChange::ParticipantSpeaking { raw_id, until } => {
            let until = until.map(tracing::field::display);
            tracing::debug!(who = raw_id, until, "participant speaks");
        }
        CallChange::Ended => tracing::info!(server_call, "call ended"),
        CallChange::Removed => tracing::debug!(server_call, "call no longer kept"),
    }
}

fn recording(event: &RecordingEvent) {
    let recording = event.recording_id.as_str();
    let server_call = event.server_call_id.as_str();
    match &event.change {
        RecordingChange::Started => tracing::info!(recording, server_call, "recording started"),
        RecordingChange::RecorderJoined(state) => {
            tracing::debug!(recording, ?state, "recorder joined");
        }
        RecordingChange::Paused => tracing::info!(recording, "recording paused"),
        RecordingChange::Resumed => tracing::info!(recording, "recording resumed"),
        RecordingChange::Ended(ended) => {
            let seconds = ended.length().as_secs_f64();
            tracing::info!(recording, seconds, "recording stopped");
        }
    }
}

fn callback(attempt: &DeliveryAttempt) {
    let (kind, to) = (attempt.kind, attempt.to.as_str());
    match (attempt.outcome, attempt.status) {
        (DeliveryOutcome::Delivered, _) => tracing::info!(kind, to, "callback accepted"),
        (_, Some(status)) => {
            let status = status.as_u16();
            tracing::warn!(kind, to, status, "callback not accepted");
        }
        (_, None) => {
            let error = attempt.reason.as_deref();
            tracing::warn!(kind, to, error, "callback not delivered");
        }
    }
}

fn event(event: &DeliveryAttempt) {
    let (kind, to, id) = (event.kind, event.to.as_str(), event.id.as_str());
    let (status, reason) = (event.status.as_ref().map(StatusCode::as_u16), &event.reason);
    let (attempt, reason) = (event.attempt, reason.as_deref());
    match event.outcome {
        DeliveryOutcome::Delivered => tracing::info!(kind, to, attempt, id, "event delivered"),
        DeliveryOutcome::Dropped => {
            tracing::warn!(kind, to, status, reason, attempt, id, "event dropped");
        }
        DeliveryOutcome::Retry(delay) => {
            tracing::warn!(
                kind,
                to,
                status,
                reason,
                attempt,
                ?delay,
                id,
                "event not accepted"
            );
        }
        DeliveryOutcome::Expired => {
            tracing::warn!(kind, to, id, "event expired before it was accepted");
        }
    }
}

fn request(record: &RequestRecord) {
    let path = record.path.as_str();
    if let Verdict::Denied(denial) = &record.authentication.verdict {
        let reason = denial.reason.to_string();
        tracing::info!(reason, path, "request denied");
    } else {
        let method = record.method.as_str();
        let status = record.status.map(|status| status.as_u16());
        tracing::debug!(method, path, status, "request handled");
    }
}
