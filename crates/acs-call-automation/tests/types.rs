//! The generated types against what the service really writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are as free as the tests"
)]

use std::fmt::Debug;

use acs_call_automation::types::*;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn write(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Reads a value and writes it as it was.
fn survives<T: DeserializeOwned + Serialize>(value: &Value) -> T {
    let read: T = read(value.clone());
    assert_eq!(write(&read), *value);
    read
}

fn date(text: &str) -> Timestamp {
    let event: RecordingStateChanged = read(json!({"startDateTime": text}));
    event.start_date_time.unwrap()
}

#[test]
fn dates_keep_six_and_seven_digits_of_a_second() {
    let six = date("2024-06-15T10:21:56.123456+00:00");
    assert_eq!(six.subsec_nanosecond(), 123_456_000);
    let seven = date("2024-06-15T10:21:56.1234567Z");
    assert_eq!(seven.subsec_nanosecond(), 123_456_700);
    assert_eq!(seven.as_second(), six.as_second());
    for date_time in [six, seven] {
        let written = write(&RecordingStateChanged::default().start_date_time(date_time));
        assert_eq!(date(written["startDateTime"].as_str().unwrap()), date_time);
    }
}

#[test]
fn dates_of_all_offsets_are_one_instant() {
    let utc = date("2024-06-15T10:21:56Z");
    assert_eq!(date("2024-06-15T10:21:56+00:00"), utc);
    assert_eq!(date("2024-06-15T12:21:56+02:00"), utc);
    assert_eq!(date("2024-06-15T02:51:56-07:30"), utc);
    assert_ne!(date("2024-06-15T10:21:56+02:00"), utc);
}

#[test]
fn the_first_year_says_that_there_is_no_date() {
    let none = date("0001-01-01T00:00:00+00:00");
    assert_eq!(none, "0001-01-01T00:00:00Z".parse().unwrap());
    let written = write(&RecordingStateChanged::default().start_date_time(none));
    assert_eq!(written["startDateTime"], "0001-01-01T00:00:00Z");
    // Written by a clock east of Greenwich, it is still year 0 in UTC.
    assert!(date("0001-01-01T00:00:00+02:00") < none);
}

#[test]
fn a_date_that_is_none_is_an_error_and_no_date_is_none() {
    let error = serde_json::from_value::<RecordingStateChanged>(json!({"startDateTime": "soon"}));
    assert!(error.is_err());
    for event in [json!({}), json!({"startDateTime": null})] {
        assert_eq!(read::<RecordingStateChanged>(event).start_date_time, None);
    }
}

#[test]
fn enums_are_read_in_any_case_and_written_as_specified() {
    for text in ["active", "Active", "ACTIVE"] {
        let response: RecordingStateResponse = read(json!({"recordingState": text}));
        assert_eq!(response.recording_state, Some(RecordingState::Active));
        assert_eq!(write(&response), json!({"recordingState": "active"}));
    }
}

#[test]
fn unknown_enum_values_come_back_as_they_were() {
    for text in ["Simmering", "", " active", "aktiv"] {
        let response: RecordingStateResponse = survives(&json!({"recordingState": text}));
        assert_eq!(
            response.recording_state,
            Some(RecordingState::UnknownValue(text.to_owned()))
        );
    }
}

#[test]
fn unknown_members_are_ignored_at_every_depth() {
    let response: GetParticipantsResponse = read(json!({
        "value": [{
            "identifier": {
                "rawId": "8:acs:1",
                "communicationUser": {"id": "8:acs:1", "newInTheUser": [1]},
                "newInTheIdentifier": {},
            },
            "isMuted": true,
            "newInTheParticipant": null,
        }],
        "newInTheList": "x",
    }));
    assert_eq!(response.value.len(), 1);
    assert_eq!(response.value[0].is_muted, Some(true));
}

#[test]
fn a_union_is_read_by_its_tag_and_written_with_it() {
    let websocket = json!({
        "transportType": "websocket",
        "transportUrl": "wss://example.org",
        "audioChannelType": "mixed",
        "startMediaStreaming": true,
    });
    let options: MediaStreamingOptions = survives(&websocket);
    let MediaStreamingOptions::Websocket(options) = options else {
        panic!("{options:?}");
    };
    assert_eq!(options.transport_url.as_deref(), Some("wss://example.org"));
    assert_eq!(
        options.audio_channel_type,
        MediaStreamingAudioChannelType::Mixed
    );

    // Inside of a request too, with the members of the subtype beside the tag.
    let request: CreateCallRequest = survives(&json!({
        "callbackUri": "https://example.org",
        "targets": [],
        "mediaStreamingOptions": websocket,
        "transcriptionOptions": {"transportType": "websocket", "locale": "en-GB"},
    }));
    assert!(matches!(
        request.transcription_options,
        Some(TranscriptionOptions::Websocket(options)) if options.locale.as_deref() == Some("en-GB")
    ));
}

#[test]
fn a_union_of_an_unknown_tag_loses_nothing() {
    let carrier =
        json!({"transportType": "carrierPigeon", "pigeons": 3, "nested": {"a": [1, null]}});
    let options: MediaStreamingOptions = survives(&carrier);
    let MediaStreamingOptions::UnknownValue(members) = options else {
        panic!("{options:?}");
    };
    assert_eq!(members["pigeons"], 3);
    // Nor does one that lacks what its tag asks for.
    let options: MediaStreamingOptions = survives(&json!({"transportType": "websocket"}));
    assert!(matches!(options, MediaStreamingOptions::UnknownValue(_)));
}

#[test]
fn what_is_required_upstream_is_required_here() {
    fn needs<T: DeserializeOwned + Debug>(complete: &Value, members: &[&str]) {
        read::<T>(complete.clone());
        for member in members {
            let mut without = complete.clone();
            without.as_object_mut().unwrap().remove(*member).unwrap();
            let error = serde_json::from_value::<T>(without)
                .unwrap_err()
                .to_string();
            assert!(error.contains(member), "{error}");
        }
    }
    needs::<CreateCallRequest>(
        &json!({"targets": [], "callbackUri": "https://example.org"}),
        &["targets", "callbackUri"],
    );
    needs::<ExternalStorage>(
        &json!({"recordingStorageKind": "azureBlobStorage"}),
        &["recordingStorageKind"],
    );
    needs::<ChannelAffinity>(&json!({"participant": {}}), &["participant"]);
    needs::<CommunicationErrorResponse>(
        &json!({"error": {"code": "8522", "message": ""}}),
        &["error"],
    );
    needs::<CommunicationError>(
        &json!({"code": "8522", "message": ""}),
        &["code", "message"],
    );
    needs::<PhoneNumberIdentifierModel>(&json!({"value": "+1"}), &["value"]);
}

#[test]
fn what_is_optional_upstream_may_be_missing_or_null_and_is_not_written() {
    fn empty<T: DeserializeOwned + Serialize + Default + PartialEq + Debug>(member: &str) {
        assert_eq!(read::<T>(json!({})), T::default());
        if !member.is_empty() {
            assert_eq!(read::<T>(json!({member: null})), T::default());
        }
        assert_eq!(write(&T::default()), json!({}));
    }
    empty::<StartCallRecordingRequest>("pauseOnStart");
    empty::<RecordingStateResponse>("recordingId");
    empty::<CallConnectionProperties>("serverCallId");
    empty::<CommunicationIdentifierModel>("rawId");
    empty::<RecordingStateChanged>("state");
}

#[test]
fn a_list_or_map_that_is_null_is_empty_unless_it_is_required() {
    let properties: CallConnectionProperties = read(json!({"targets": null}));
    assert_eq!(properties, CallConnectionProperties::default());
    let context: CustomCallingContext = read(json!({"voipHeaders": null, "sipHeaders": null}));
    assert_eq!(context, CustomCallingContext::default());
    assert!(serde_json::from_value::<GetParticipantsResponse>(json!({"value": null})).is_err());
}

/// The data of every event has a type, and no event is so short that it cannot be read.
#[test]
fn every_event_is_there() {
    let mut count = 0;
    macro_rules! events {
        ($($event:ident)*) => {$(
            let event: $event = read(json!({"callConnectionId": "c", "newInTheEvent": 1}));
            assert_eq!(read::<$event>(write(&event)), event);
            count += 1;
        )*};
    }
    events! {
        AddParticipantFailed AddParticipantSucceeded AnswerFailed CallConnected CallDisconnected
        CallTransferAccepted CallTransferFailed CancelAddParticipantFailed
        CancelAddParticipantSucceeded ConnectFailed ContinuousDtmfRecognitionStopped
        ContinuousDtmfRecognitionToneFailed ContinuousDtmfRecognitionToneReceived CreateCallFailed
        HoldFailed IncomingCall MediaStreamingFailed MediaStreamingStarted MediaStreamingStopped
        MoveParticipantFailed MoveParticipantSucceeded ParticipantsUpdated PlayCanceled
        PlayCompleted PlayFailed PlayStarted RecognizeCanceled RecognizeCompleted RecognizeFailed
        RecordingStateChanged RemoveParticipantFailed RemoveParticipantSucceeded
        SendDtmfTonesCompleted SendDtmfTonesFailed StartRecordingFailed
        TranscriptionCallSummaryUpdated TranscriptionFailed TranscriptionStarted
        TranscriptionStopped TranscriptionUpdated UserConsent
        // What only events contain.
        ChoiceResult DtmfResult MediaStreamingUpdate ResultInformation SentimentAnalysisResult
        SipDiagnosticInfo SpeechResult TranscriptionUpdate
    }
    assert_eq!(count, 41 + 8);
}
