//! Results and events that programs create in their own tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use acs_recording::models::RecordingState;
use acs_recording::{
    CallProperties, CommunicationIdentifier, CopiedContent, Disposition, Error, ErrorKind,
    EventPayload, Events, MissingChunk, Participant, RecordedParticipant, RecordingChunk,
    RecordingFileStatusUpdated, RecordingMetadata, RecordingProperties, RecordingStateChanged,
    SavedChunk, SavedFile, SavedRecording, StartResponse,
};

#[test]
fn a_saved_recording_is_created_from_its_files() {
    let media = SavedFile::new("recordings/call_0000.wav", 1000);
    let mut saved = SavedRecording::new(vec![SavedChunk::new(0, media)], "recordings/call.json");
    assert_eq!(saved.bytes(), 1000);
    assert!(saved.is_complete() && !saved.deleted);
    saved.missing.push(MissingChunk::new(1));
    assert!(!saved.is_complete());
    assert_eq!(CopiedContent::new(7).bytes, 7);
}

#[test]
fn an_event_is_created_from_chunks_or_json() {
    let mut chunk = RecordingChunk::default();
    let location = "https://eu-storage.asm.skype.com/v1/objects/o/content/video";
    chunk.content_location = Some(location.parse().unwrap());
    let mut file = RecordingFileStatusUpdated::new(vec![chunk]);
    file.recording_id = Some("r1".parse().unwrap());
    assert_eq!(file.chunks.len(), 1);
    assert!(!file.is_for_own_storage());

    let json = serde_json::json!([{
        "id": "e1",
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Communication/communicationServices/c",
        "subject": "/recording/call/c1/serverCallId/s1/recordingId/r1",
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2026-01-01T00:00:00Z",
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "data": {"recordingStorageInfo": {"recordingChunks": [{
            "documentId": "o", "index": 0, "contentLocation": location}]}},
    }]);
    let mut events = Events::parse(json.to_string().as_bytes());
    let event = events.next().unwrap().unwrap();
    let EventPayload::RecordingFileStatusUpdated(parsed) = event.payload() else {
        panic!("{event:?}");
    };
    assert_eq!(parsed.recording_id, file.recording_id);
    assert_eq!(
        parsed.chunks[0].content_location,
        file.chunks[0].content_location
    );
    let changed = RecordingStateChanged::default();
    assert_eq!(changed.state, None);
}

#[test]
fn responses_and_metadata_have_constructors() {
    let alice: CommunicationIdentifier = "8:acs:alice".parse().unwrap();
    let mut metadata = RecordingMetadata::default();
    let mut participant = RecordedParticipant::new(alice.clone());
    participant.channel = Some(0);
    metadata.participants.push(participant);
    assert_eq!(metadata.participant_on(0), Some(&alice));

    let properties = RecordingProperties::new(RecordingState::Active);
    assert_eq!(properties.state, RecordingState::Active);
    assert!(!StartResponse::default().outcome_pending);
    assert_eq!(CallProperties::default().server_call_id, None);
    assert!(!Participant::new(alice).is_muted);
}

#[test]
fn errors_have_constructors() {
    let error = Error::new(ErrorKind::NotFound, "recording r1")
        .with_status(404)
        .with_code("8522")
        .with_recording_id("r1");
    assert_eq!((error.status(), error.code()), (Some(404), Some("8522")));
    assert_eq!(error.recording_id(), Some("r1"));
    assert_eq!(Disposition::of(&error), Disposition::Note);
}
