//! The JSON of callbacks: an array with one `CloudEvent`.

use std::fmt;

use acs_call_automation::Client;
use acs_call_automation::types::CallParticipant;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::service::clock;
use crate::service::disconnect_reason::DisconnectReason;
use crate::service::event::{Callback, CallbackContent};
use crate::service::ids;
use crate::service::recordings::RecordingState;
use crate::wire::identifier::model;

pub(crate) const PREFIX: &str = "Microsoft.Communication.";

/// The value that the service uses for an unknown time.
const NO_TIME: &str = "0001-01-01T00:00:00+00:00";

/// The code, sub-code and message in `resultInformation`.
struct ResultInformation(u16, u16, &'static str);

/// One callback to send.
#[derive(Clone)]
pub(crate) struct CallbackRequest {
    /// It may contain secrets.
    pub(super) url: String,
    pub(crate) id: String,
    /// The type without its prefix.
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) at: Timestamp,
    pub(super) call: Uuid,
    pub(super) recording: Option<String>,
    pub(crate) body: Value,
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRequest")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl From<&Callback> for CallbackRequest {
    fn from(callback: &Callback) -> Self {
        let kind = kind(&callback.content);
        let name = format!("{PREFIX}{kind}");
        let source = source(callback, kind);
        let mut members = match data(&callback.content, &source) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        members.retain(|_, value| !value.is_null());
        let ResultInformation(code, sub_code, message) = result_information(&callback.content);
        for (member, value) in [
            ("callConnectionId", json!(callback.connection_id)),
            ("serverCallId", json!(callback.server_call_id)),
            ("correlationId", json!(callback.correlation_id)),
            (
                "resultInformation",
                json!({"code": code, "subCode": sub_code, "message": message}),
            ),
            ("version", json!(Client::API_VERSION)),
            ("publicEventType", json!(name)),
        ] {
            members.insert(member.to_owned(), value);
        }
        let id = ids::random_id();
        let body = json!([{
            "id": id,
            "source": source,
            "type": name,
            "data": members,
            "time": time(callback.at),
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "subject": source,
        }]);
        Self {
            url: callback.url.clone(),
            id,
            kind,
            subject: source,
            at: callback.at,
            call: callback.correlation_id,
            recording: match &callback.content {
                CallbackContent::RecordingStateChanged { recording_id, .. }
                | CallbackContent::StartRecordingFailed { recording_id } => {
                    Some(recording_id.clone())
                }
                _ => None,
            },
            body,
        }
    }
}

fn kind(content: &CallbackContent) -> &'static str {
    match content {
        CallbackContent::CallConnected { .. } => "CallConnected",
        CallbackContent::CallDisconnected { .. } => "CallDisconnected",
        CallbackContent::ParticipantsUpdated { .. } => "ParticipantsUpdated",
        CallbackContent::AddParticipantSucceeded { .. } => "AddParticipantSucceeded",
        CallbackContent::RemoveParticipantSucceeded { .. } => "RemoveParticipantSucceeded",
        CallbackContent::RecordingStateChanged { .. } => "RecordingStateChanged",
        CallbackContent::StartRecordingFailed { .. } => "StartRecordingFailed",
    }
}

fn source(callback: &Callback, kind: &str) -> String {
    match &callback.content {
        CallbackContent::RecordingStateChanged { recording_id, .. }
        | CallbackContent::StartRecordingFailed { recording_id } => {
            let server_call_id = &callback.server_call_id;
            format!("calling/recordings/{server_call_id}/{recording_id}/{kind}")
        }
        _ => format!("calling/callConnections/{}", callback.connection_id),
    }
}

/// The members that are specific to the type.
fn data(content: &CallbackContent, source: &str) -> Value {
    match content {
        CallbackContent::CallConnected { operation_context }
        | CallbackContent::CallDisconnected {
            operation_context, ..
        } => json!({"operationContext": operation_context}),
        CallbackContent::ParticipantsUpdated {
            participants,
            sequence_number,
        } => {
            let participants: Vec<_> = participants.iter().map(CallParticipant::from).collect();
            json!({"participants": participants, "sequenceNumber": sequence_number})
        }
        CallbackContent::AddParticipantSucceeded {
            raw_id,
            operation_context,
        }
        | CallbackContent::RemoveParticipantSucceeded {
            raw_id,
            operation_context,
        } => json!({"participant": model(raw_id), "operationContext": operation_context}),
        CallbackContent::RecordingStateChanged {
            recording_id,
            state,
            active_at,
        } => json!({
            "eventSource": source,
            "recordingId": recording_id,
            "state": match state {
                RecordingState::Active => "active",
                RecordingState::Inactive => "inactive",
            },
            "startDateTime": active_at.map_or_else(|| NO_TIME.to_owned(), time),
            "recordingKind": "azureCommunicationServices",
        }),
        CallbackContent::StartRecordingFailed { recording_id } => {
            json!({"recordingId": recording_id})
        }
    }
}

fn result_information(content: &CallbackContent) -> ResultInformation {
    match content {
        CallbackContent::CallDisconnected {
            reason: DisconnectReason::Application,
            ..
        } => ResultInformation(200, 7000, "The application has ended the call."),
        CallbackContent::CallDisconnected {
            reason: DisconnectReason::CallEnded,
            ..
        } => ResultInformation(200, 0, "The call has ended."),
        CallbackContent::StartRecordingFailed { .. } => {
            ResultInformation(400, 8528, "The call ended before the recording began.")
        }
        _ => ResultInformation(200, 0, ""),
    }
}

/// Formats a time as callbacks do. Event Grid uses a different format.
fn time(at: Timestamp) -> String {
    let text = clock::text(at);
    format!("{}+00:00", text.trim_end_matches('Z'))
}
