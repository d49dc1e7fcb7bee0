//! The whole life of a recording, with the emulator over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::time::{Duration, SystemTime};

use acs_emulator::{Clock, Emulator};
use acs_recording::models::{
    RecordingChannelType, RecordingFormatType, RecordingKind, RecordingState,
};
use acs_recording::{
    CallConnectionId, ConnectionString, ErrorKind, EventPayload, Events, Media, NeverRetry,
    RecordingClient, RecordingFileStatusUpdated, RecordingId, ServerCallId,
};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::sync::mpsc;
use uuid::Uuid;

async fn emulator() -> Emulator {
    Emulator::builder()
        .clock(Clock::manual())
        .start()
        .await
        .unwrap()
}

fn client(emulator: &Emulator) -> RecordingClient {
    let text: ConnectionString = emulator.connection_string().parse().unwrap();
    RecordingClient::builder(text)
        .retry_policy(NeverRetry)
        .build()
        .unwrap()
}

/// A webhook that accepts all events and forwards file events.
async fn webhook() -> (String, mpsc::UnboundedReceiver<RecordingFileStatusUpdated>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let handler = async move |body: Bytes| {
        let mut response = String::new();
        for event in Events::parse(&body) {
            match event.unwrap().into_payload() {
                EventPayload::SubscriptionValidation(question) => {
                    response = question.response_body();
                }
                EventPayload::RecordingFileStatusUpdated(file) => sender.send(file).unwrap(),
                _ => {}
            }
        }
        response
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let router = Router::new().route("/events", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, receiver)
}

#[tokio::test]
async fn a_recording_from_start_to_deletion() {
    let acs = emulator().await;
    let (url, mut files) = webhook().await;
    acs.subscribe(&url).await.unwrap();
    let call = acs.call(["alice", "bob"]).await;
    let (alice, bob) = (
        call.participant("alice").unwrap(),
        call.participant("bob").unwrap(),
    );
    let client = client(&acs);

    let recording = client
        .start(ServerCallId::new(call.server_call_id()).unwrap())
        .media(Media::unmixed_wav().channel(1, alice).channel(0, bob))
        .await
        .unwrap();
    let response = recording.start_response().unwrap();
    assert!(!response.outcome_pending);
    assert_eq!(response.state, Some(RecordingState::Inactive));
    assert_eq!(
        response.kind,
        Some(RecordingKind::AzureCommunicationServices)
    );

    acs.clock().advance(Duration::from_secs(1));
    assert_eq!(recording.state().await.unwrap(), RecordingState::Active);
    acs.clock().advance(Duration::from_secs(2));
    recording.pause().await.unwrap();
    assert_eq!(recording.state().await.unwrap(), RecordingState::Inactive);
    acs.clock().advance(Duration::from_secs(10));
    recording.resume().await.unwrap();
    acs.clock().advance(Duration::from_secs(3));
    recording.stop().await.unwrap();
    let error = recording.state().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::NotFound, Some("8522"))
    );

    acs.clock().advance(Duration::from_secs(60));
    let file = files.recv().await.unwrap();
    assert_eq!(file.recording_id.as_ref(), Some(recording.id()));
    assert_eq!(
        file.server_call_id.as_ref().unwrap().as_str(),
        call.server_call_id()
    );
    assert_eq!(file.channel, Some(RecordingChannelType::Unmixed));
    assert_eq!(file.format, Some(RecordingFormatType::Wav));
    // Active from 0.2 s after the start: 0.8 + 2 + 3.
    assert_eq!(file.duration, Some(Duration::from_millis(5800)));

    let chunk = &file.chunks[0];
    let location = chunk.content_location.as_ref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let saved = client.download(location).to_file(&path).await.unwrap();
    let wav = hound::WavReader::open(&path).unwrap();
    assert_eq!((wav.spec().channels, wav.duration()), (2, 92_800));
    assert_eq!(saved.bytes, std::fs::metadata(&path).unwrap().len());

    let metadata = client.metadata(chunk).await.unwrap();
    assert_eq!(metadata.participant_on(0), Some(&bob.into()));
    assert_eq!(metadata.participant_on(1), Some(&alice.into()));
    assert_eq!(metadata.pauses[0].duration, Some(Duration::from_secs(10)));
    assert_eq!(metadata.document_id, chunk.document_id);

    client.delete(chunk).await.unwrap();
    client.delete(chunk).await.unwrap();
    let error = client.download(location).into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    insta::with_settings!({filters => vec![("request [0-9a-f-]{36}", "request [id]")]}, {
        insta::assert_snapshot!("deleted_content", error);
    });
}

#[tokio::test]
async fn a_start_by_call_connection_reports_its_result_later() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = CallConnectionId::new(call.call_connection_id()).unwrap();
    let recording = client(&acs)
        .start(id)
        .media(Media::mixed_wav())
        .await
        .unwrap();
    assert!(recording.start_response().unwrap().outcome_pending);
}

#[tokio::test]
async fn the_same_repeatability_id_starts_once() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let client = client(&acs);
    let first_sent = SystemTime::now() - Duration::from_secs(60);
    let start = || {
        let id = ServerCallId::new(call.server_call_id()).unwrap();
        client.start(id).media(Media::mixed_wav())
    };
    let id = Uuid::new_v4();
    let first = start().repeatability(id, first_sent).await.unwrap();
    let second = start().repeatability(id, first_sent).await.unwrap();
    assert_eq!(first.id(), second.id());
    let error = start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn a_wait_for_a_state_ends() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = ServerCallId::new(call.server_call_id()).unwrap();
    let recording = client(&acs)
        .start(id)
        .media(Media::mixed_wav())
        .await
        .unwrap();
    let wait = recording
        .wait_until(RecordingState::Active)
        .poll_interval(Duration::from_millis(5))
        .timeout(Duration::from_millis(20));
    let error = wait.clone().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    acs.clock().advance(Duration::from_secs(1));
    wait.await.unwrap();
}

#[tokio::test]
async fn the_key_can_be_rotated_and_must_be_valid() {
    let acs = emulator().await;
    let client = client(&acs);
    let recording = client.recording(RecordingId::new("eyJQbGF0").unwrap());
    client.set_access_key("d3Jvbmc=".parse().unwrap()).unwrap();
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(!format!("{error:?}").contains("d3Jvbmc"));
    client
        .set_access_key(acs.access_key().parse().unwrap())
        .unwrap();
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn errors_say_what_happened_to_what_and_what_to_do() {
    let acs = emulator().await;
    let good = client(&acs);
    let call = acs.call(["alice"]).await;
    let id = || ServerCallId::new(call.server_call_id()).unwrap();
    let rid = || RecordingId::new("eyJQbGF0").unwrap();
    let mut texts = Vec::new();
    let mut note = |case: &str, error: acs_recording::Error| {
        texts.push(format!("{case}:\n  {error}"));
    };

    note(
        "unknown recording",
        good.recording(rid()).stop().await.unwrap_err(),
    );
    let bad_id = ServerCallId::new("bm90IGEgY2FsbA==").unwrap();
    note("unknown call", good.start(bad_id).await.unwrap_err());
    let first = good.start(id()).media(Media::mixed_wav()).await.unwrap();
    note(
        "second recording",
        good.start(id())
            .media(Media::mixed_wav())
            .await
            .unwrap_err(),
    );
    first.stop().await.unwrap();
    call.hang_up();
    note(
        "call is over",
        good.start(id())
            .media(Media::mixed_wav())
            .await
            .unwrap_err(),
    );
    let unmixed = Media::unmixed_wav;
    for (case, media) in [
        (
            "two participants on a channel",
            unmixed().channel(1, "4:+1").channel(1, "4:+2"),
        ),
        (
            "channel and order",
            unmixed().channel(0, "4:+1").channel_order(["4:+2"]),
        ),
        (
            "order and channel",
            unmixed().channel_order(["4:+2"]).channel(4, "4:+2"),
        ),
        ("channel 5", unmixed().channel(5, "4:+1")),
    ] {
        note(case, good.start(id()).media(media).await.unwrap_err());
    }
    note(
        "callback",
        good.start(id())
            .state_callback("http://app.example/x")
            .unwrap_err(),
    );
    note(
        "storage",
        good.start(id())
            .storage_container("https://a.blob.core.windows.net/c?sig=x")
            .unwrap_err(),
    );
    note(
        "GUID as server call id",
        ServerCallId::new(Uuid::nil()).unwrap_err().into(),
    );
    good.set_access_key("d3Jvbmc=".parse().unwrap()).unwrap();
    note(
        "wrong key",
        good.recording(rid()).state().await.unwrap_err(),
    );
    for text in [
        "",
        "endpoint=https://contoso.communication.azure.com/",
        "endpoint=https://contoso.communication.azure.com/;accesskey=not base64",
        "endpoint=http://contoso.communication.azure.com/;accesskey=c2VjcmV0",
        "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0;x=y",
    ] {
        note(
            "connection string",
            RecordingClient::from_connection_string(text).unwrap_err(),
        );
    }
    insta::with_settings!({filters => vec![("request [0-9a-f-]{36}", "request [id]")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
}

/// The result of a start can be lost, so it is sent again.
#[tokio::test]
async fn a_repeated_start_returns_the_same_recording() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let start = client(&acs).start(ServerCallId::new(call.server_call_id()).unwrap());
    let first = start.clone().await.unwrap();
    let second = start.await.unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(
        first.server_call_id().map(ServerCallId::as_str),
        Some(call.server_call_id())
    );
}
