//! The data of each event type.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ids::{Content, Ids};

/// The version of the service that callbacks name.
const API_VERSION: &str = "2026-03-12";

/// The data of an event of this type, given by its name without prefix.
pub(super) fn data(name: &str, ids: &Ids, content: &Content, start: Timestamp) -> Value {
    match name {
        "RecordingFileStatusUpdated" => files(content, start),
        "IncomingCall" => incoming_call(ids),
        "CallStarted" => call(ids, json!({})),
        "CallEnded" => call(
            ids,
            json!({
                "endedBy": party(&ids.participants[0]),
                "reason": end_reason(),
                "callDurationInSeconds": 60.0,
            }),
        ),
        "CallParticipantAdded" => call(ids, participant(ids)),
        "CallParticipantRemoved" => {
            let mut members = participant(ids);
            members["reason"] = end_reason();
            call(ids, members)
        }
        "SubscriptionValidationEvent" => {
            let code = Uuid::new_v4();
            json!({"validationCode": code})
        }
        "SubscriptionDeletedEvent" => {
            let id = format!(
                "/subscriptions/{}/resourceGroups/acs-recording/providers/Microsoft.EventGrid/eventSubscriptions/acs-recording",
                ids.resource
            );
            json!({"eventSubscriptionId": id})
        }
        _ => callback(name, ids, start),
    }
}

fn files(content: &Content, start: Timestamp) -> Value {
    let origin = content.origin.as_str().trim_end_matches('/');
    let last = content.chunks.saturating_sub(1);
    let chunk = |index: usize| {
        let id = format!("0-weu-d1-{}", Uuid::new_v4().simple());
        let object = format!("{origin}/v1/objects/{id}");
        let end = if index == last {
            "SessionEnded"
        } else {
            "ChunkMaximumTimeExceeded"
        };
        json!({
            "documentId": id,
            "index": index,
            "endReason": end,
            "contentLocation": format!("{object}/content/video"),
            "metadataLocation": format!("{object}/content/acsmetadata"),
            "deleteLocation": object,
        })
    };
    json!({
        "recordingStorageInfo": {
            "recordingChunks": (0..content.chunks).map(chunk).collect::<Vec<_>>(),
        },
        "recordingStartTime": start.to_string(),
        "recordingDurationMs": 60_000,
        "sessionEndReason": "CallEnded",
        "recordingContentType": "AudioVideo",
        "recordingChannelType": "Mixed",
        "recordingFormatType": "Mp4",
    })
}

fn incoming_call(ids: &Ids) -> Value {
    let [from, to] = &ids.participants;
    json!({
        "to": identifier(to),
        "from": identifier(from),
        "serverCallId": ids.server_call_id,
        "callerDisplayName": "Alice",
        "incomingCallContext": format!("context-{}", Uuid::new_v4()),
        "correlationId": ids.correlation_id,
    })
}

/// The members of events about calls.
fn call(ids: &Ids, members: Value) -> Value {
    let common = json!({
        "startedBy": party(&ids.participants[0]),
        "serverCallId": ids.server_call_id,
        "correlationId": ids.correlation_id,
        "isTwoParty": true,
        "isRoomsCall": false,
    });
    merged(common, members)
}

fn participant(ids: &Ids) -> Value {
    json!({
        "user": party(&ids.participants[1]),
        "displayName": "Bob",
        "participantId": Uuid::new_v4(),
    })
}

fn end_reason() -> Value {
    json!({"code": 0, "subCode": 0, "phrase": "The call ended normally."})
}

fn party(raw_id: &str) -> Value {
    json!({"communicationIdentifier": identifier(raw_id), "role": "UserRole"})
}

fn identifier(raw_id: &str) -> Value {
    json!({
        "kind": "communicationUser",
        "rawId": raw_id,
        "communicationUser": {"id": raw_id},
    })
}

/// The data of a callback of Call Automation.
fn callback(name: &str, ids: &Ids, start: Timestamp) -> Value {
    let (code, sub_code, message) = match name {
        "CallDisconnected" => (200, 7000, "The call was ended by the application."),
        _ if name.ends_with("Failed") => (500, 9999, "An internal error occurred."),
        _ if name.ends_with("Canceled") => (400, 8508, "The operation was canceled."),
        _ => (200, 0, ""),
    };
    let common = json!({
        "callConnectionId": ids.call_connection_id,
        "serverCallId": ids.server_call_id,
        "correlationId": ids.correlation_id,
        "resultInformation": {"code": code, "subCode": sub_code, "message": message},
        "version": API_VERSION,
        "publicEventType": format!("Microsoft.Communication.{name}"),
    });
    merged(common, callback_members(name, ids, start))
}

fn callback_members(name: &str, ids: &Ids, start: Timestamp) -> Value {
    let [from, to] = ids.participants.each_ref().map(|id| identifier(id));
    match name {
        "AddParticipantSucceeded"
        | "AddParticipantFailed"
        | "RemoveParticipantSucceeded"
        | "RemoveParticipantFailed" => json!({"participant": to}),
        "MoveParticipantSucceeded" | "MoveParticipantFailed" => {
            json!({"participant": to, "fromCall": Uuid::new_v4()})
        }
        "CancelAddParticipantSucceeded" | "CancelAddParticipantFailed" => {
            json!({"invitationId": Uuid::new_v4()})
        }
        "CallTransferAccepted" => json!({"transferTarget": to, "transferee": from}),
        "ParticipantsUpdated" => {
            let listed = [from, to]
                .map(|who| json!({"identifier": who, "isMuted": false, "isOnHold": false}));
            json!({"participants": listed, "sequenceNumber": 1})
        }
        "PlayFailed" | "RecognizeFailed" => json!({"failedPlaySourceIndex": 0}),
        "RecognizeCompleted" => {
            json!({"recognitionType": "dtmf", "dtmfResult": {"tones": ["one", "two", "pound"]}})
        }
        "ContinuousDtmfRecognitionToneReceived" => json!({"sequenceId": 1, "tone": "five"}),
        "RecordingStateChanged"
        | "TeamsRecordingStateChanged"
        | "TeamsComplianceRecordingStateChanged" => json!({
            "recordingId": ids.recording_id,
            "state": "active",
            "startDateTime": start.to_string(),
            "recordingKind": match name {
                "RecordingStateChanged" => "azureCommunicationServices",
                "TeamsRecordingStateChanged" => "teams",
                _ => "teamsCompliance",
            },
        }),
        "StartRecordingFailed" => json!({"recordingId": ids.recording_id}),
        _ if name.starts_with("MediaStreaming") => json!({"mediaStreamingUpdate": {
            "contentType": "audio",
            "mediaStreamingStatus": first_lower(name),
            "mediaStreamingStatusDetails": details(name),
        }}),
        _ if name.starts_with("Transcription") => json!({"transcriptionUpdate": {
            "transcriptionStatus": match name {
                "TranscriptionCallSummaryUpdated" => "callSummaryUpdated".to_owned(),
                _ => first_lower(name),
            },
            "transcriptionStatusDetails": details(name),
        }}),
        _ => json!({}),
    }
}

/// Why the status of a stream or transcription changed.
fn details(name: &str) -> &'static str {
    match name {
        "TranscriptionCallSummaryUpdated" => "callSummarySuccess",
        "TranscriptionUpdated" => "transcriptionLocaleUpdated",
        "TranscriptionResumed" => "streamConnectionReestablished",
        _ if name.ends_with("Stopped") => "subscriptionStopped",
        _ if name.ends_with("Failed") => "streamConnectionUnsuccessful",
        _ => "subscriptionStarted",
    }
}

fn first_lower(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn merged(mut common: Value, members: Value) -> Value {
    if let (Some(all), Value::Object(members)) = (common.as_object_mut(), members) {
        all.extend(members.into_iter().collect::<Map<_, _>>());
    }
    common
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use acs_recording::{EventPayload, Events};

    use super::super::sample::Sample;
    use super::*;
    use crate::commands::events::types::short;
    use crate::webhook_sender::Schema;

    /// Members that the samples leave out, and those that are in no schema.
    const LEFT_OUT: [&str; 13] = [
        "operationContext",
        "group",
        "room",
        "userAgent",
        "onBehalfOfCallee",
        "customContext",
        "choiceResult",
        "speechResult",
        "storageType",
        "validationUrl",
        "version",
        "publicEventType",
        "recordingId",
    ];

    fn sample(event_type: &'static str) -> Sample {
        let content = Content {
            origin: "https://eu-storage.asm.skype.com".parse().unwrap(),
            chunks: 2,
        };
        Sample::new(event_type, &Ids::new(), &content)
    }

    #[test]
    fn every_known_type_is_read_with_its_payload_in_both_schemas() {
        for event_type in EventPayload::KNOWN_TYPES {
            for schema in [Schema::EventGrid, Schema::CloudEvents] {
                let body = sample(event_type).to_json(schema).to_string();
                let events: Vec<_> = Events::parse(body.as_bytes()).collect();
                let [Ok(event)] = &events[..] else {
                    panic!("{event_type}: {events:?}");
                };
                assert_eq!(event.event_type, *event_type);
                assert_ne!(event.payload(), &EventPayload::Unknown, "{event_type}");
                assert!(event.time.is_some(), "{event_type}");
            }
        }
    }

    #[test]
    fn every_member_of_a_schema_has_a_value_and_no_other_is_sent() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/events");
        let left_out = BTreeSet::from(LEFT_OUT);
        for event_type in EventPayload::KNOWN_TYPES {
            let path = folder.join(format!("{}.schema.json", short(event_type)));
            let text = std::fs::read_to_string(&path).unwrap();
            let schema: Value = serde_json::from_str(&text).unwrap();
            let sample = sample(event_type);
            let names = |value: &Value| -> BTreeSet<String> {
                let names = value.as_object().unwrap().keys();
                let names = names.filter(|name| !left_out.contains(name.as_str()));
                names.cloned().collect()
            };
            assert_eq!(
                names(&sample.data),
                names(&schema["properties"]),
                "{event_type}"
            );
        }
    }

    #[test]
    fn files_have_ids_and_locations() {
        let sample = sample("Microsoft.Communication.RecordingFileStatusUpdated");
        let body = sample.to_json(Schema::EventGrid).to_string();
        let event = Events::parse(body.as_bytes()).next().unwrap().unwrap();
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            panic!("{event:?}");
        };
        assert_eq!(file.chunks.len(), 2);
        assert!(file.recording_id.is_some() && file.server_call_id.is_some());
        let chunk = &file.chunks[1];
        assert!(chunk.content_location.is_some() && chunk.delete_location.is_some());
        assert_eq!(chunk.end_reason.as_deref(), Some("SessionEnded"));
    }
}
