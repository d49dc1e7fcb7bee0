//! Snapshots of every request as sent over the wire.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use acs_recording::models::CommunicationIdentifierModel;
use acs_recording::{
    CallConnectionId, CommunicationIdentifier, ContentUrl, Events, GroupCallId, Media,
    RecordingClient, RecordingId, Result, RoomId, ServerCallId, StartRecording,
};
use common::{Server, TestResponse, respond, state};
use uuid::Uuid;

const ALICE: &str =
    "8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007-0464-274b-b274-5a3a0d000101";

/// Formats a request, with volatile values replaced and a JSON body indented.
fn formatted(request: &str, server: &Server) -> String {
    let authority = server.url.trim_start_matches("http://");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let request_line = lines.next().unwrap();
    let mut headers: Vec<String> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let value = match name.to_lowercase().as_str() {
                "authorization" => {
                    value.split_once("Signature=").unwrap().0.to_owned() + "Signature=[signature]"
                }
                "x-ms-date" | "repeatability-first-sent" => {
                    httpdate::parse_http_date(value).unwrap();
                    "[date]".to_owned()
                }
                "x-ms-client-request-id" | "repeatability-request-id" => {
                    Uuid::try_parse(value).unwrap();
                    "[uuid]".to_owned()
                }
                "user-agent" => {
                    let platform =
                        format!(" ({}; {})", std::env::consts::OS, std::env::consts::ARCH);
                    value.strip_suffix(&platform).unwrap().to_owned() + " ([os]; [arch])"
                }
                _ => value.replace(authority, "[endpoint]"),
            };
            format!("{name}: {value}\n")
        })
        .collect();
    headers.sort();
    let headers = headers.concat();
    if body.is_empty() {
        return format!("{request_line}\n{headers}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    format!("{request_line}\n{headers}\n{body:#}\n")
}

async fn sent<T>(
    reply: TestResponse,
    operation: impl AsyncFnOnce(RecordingClient, String) -> Result<T>,
) -> String {
    let server = Server::start([reply]).await;
    let client = server.client().build().unwrap();
    operation(client, server.url.clone()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    formatted(&requests[0], &server)
}

async fn start(options: impl FnOnce(&RecordingClient) -> StartRecording) -> String {
    sent(state("inactive"), async |client, _| options(&client).await).await
}

/// The JSON body of a formatted request.
fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\n\n").unwrap().1).unwrap()
}

fn server_call_id() -> ServerCallId {
    ServerCallId::new("aHR0cHM6Ly9h").unwrap()
}

#[tokio::test]
async fn starts() {
    insta::assert_snapshot!(
        "start",
        start(|client| client.start(server_call_id())).await
    );
}

#[tokio::test]
async fn starts_with_every_option() {
    let request = start(|client| {
        client
            .start(server_call_id())
            .media(
                Media::unmixed_wav()
                    .channel(0, ALICE)
                    .channel(4, "4:+14255550123")
                    .channel_order([ALICE]),
            )
            .state_callback("https://app.example/state?secret=1")
            .unwrap()
            .storage_container("https://acme.blob.core.windows.net/calls/today/")
            .unwrap()
            .paused()
    })
    .await;
    insta::assert_snapshot!("start_with_every_option", request);
}

#[tokio::test]
async fn a_start_sends_only_the_given_options() {
    let guid = "29228d3e-040e-4656-a70e-890ab4e173e5";
    let locator = r#""callLocator":{"kind":"serverCallLocator","serverCallId":"aHR0cHM6Ly9h"}"#;
    let user = |id: &str| format!(r#"{{"communicationUser":{{"id":"{id}"}},"rawId":"{id}"}}"#);
    for (request, expected) in [
        (
            start(|c| c.start(server_call_id())).await,
            format!("{{{locator}}}"),
        ),
        (
            start(|c| c.start(GroupCallId::new(guid).unwrap())).await,
            format!(r#"{{"callLocator":{{"groupCallId":"{guid}","kind":"groupCallLocator"}}}}"#),
        ),
        (
            start(|c| c.start(RoomId::new("99").unwrap())).await,
            r#"{"callLocator":{"kind":"roomCallLocator","roomId":"99"}}"#.to_owned(),
        ),
        (
            start(|c| c.start(CallConnectionId::new(guid).unwrap())).await,
            format!(r#"{{"callConnectionId":"{guid}"}}"#),
        ),
        (
            start(|c| c.start(server_call_id()).media(Media::mixed_mp4())).await,
            format!(
                r#"{{{locator},"recordingChannelType":"mixed","recordingContentType":"audioVideo","recordingFormatType":"mp4"}}"#
            ),
        ),
        (
            start(|c| c.start(server_call_id()).media(Media::mixed_mp3())).await,
            format!(
                r#"{{{locator},"recordingChannelType":"mixed","recordingContentType":"audio","recordingFormatType":"mp3"}}"#
            ),
        ),
        (
            start(|c| c.start(server_call_id()).media(Media::mixed_wav())).await,
            format!(
                r#"{{{locator},"recordingChannelType":"mixed","recordingContentType":"audio","recordingFormatType":"wav"}}"#
            ),
        ),
        (
            start(|c| {
                c.start(server_call_id())
                    .media(Media::unmixed_wav().channel_order([ALICE]))
            })
            .await,
            format!(
                r#"{{"audioChannelParticipantOrdering":[{}],{locator},"recordingChannelType":"unmixed","recordingContentType":"audio","recordingFormatType":"wav"}}"#,
                user(ALICE)
            ),
        ),
        (
            start(|c| {
                c.start(server_call_id())
                    .media(Media::unmixed_wav().channel(2, ALICE))
            })
            .await,
            format!(
                r#"{{{locator},"channelAffinity":[{{"channel":2,"participant":{}}}],"recordingChannelType":"unmixed","recordingContentType":"audio","recordingFormatType":"wav"}}"#,
                user(ALICE)
            ),
        ),
        (
            start(|c| c.start(server_call_id()).paused()).await,
            format!(r#"{{{locator},"pauseOnStart":true}}"#),
        ),
    ] {
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(body(&request), expected);
    }
}

#[cfg(feature = "unstable-low-level")]
#[tokio::test]
async fn a_start_can_contain_unknown_values() {
    let request = start(|c| {
        c.start(server_call_id())
            .media(Media::mixed_mp3())
            .with_request(|request| {
                request.recording_format_type = Some("opus".into());
                request.recording_content_type = None;
            })
    });
    let expected = serde_json::json!({
        "callLocator": {"kind": "serverCallLocator", "serverCallId": server_call_id().as_str()},
        "recordingChannelType": "mixed",
        "recordingFormatType": "opus",
    });
    assert_eq!(body(&request.await), expected);
}

#[tokio::test]
async fn controls() {
    let rid = || RecordingId::new("rid").unwrap();
    let done = |status| respond(status, &[], "");
    let get = sent(state("active"), async |client, _| {
        client.recording(rid()).state().await
    })
    .await;
    insta::assert_snapshot!("get_state", get);
    let pause = sent(done("202 Accepted"), async |client, _| {
        client.recording(rid()).pause().await
    });
    insta::assert_snapshot!("pause", pause.await);
    let resume = sent(done("202 Accepted"), async |client, _| {
        client.recording(rid()).resume().await
    });
    insta::assert_snapshot!("resume", resume.await);
    let stop = sent(done("204 No Content"), async |client, _| {
        client.recording(rid()).stop().await
    });
    insta::assert_snapshot!("stop", stop.await);
}

#[tokio::test]
async fn reads_and_deletes_content() {
    let event = |url: &str| {
        let body = format!(
            r#"{{"id":"1","eventType":"Microsoft.Communication.RecordingFileStatusUpdated","data":{{
                "recordingStorageInfo":{{"recordingChunks":[{{"documentId":"0-eus-d1-abc",
                "contentLocation":"{url}/v1/objects/0-eus-d1-abc/content/video?x=1",
                "metadataLocation":"{url}/v1/objects/0-eus-d1-abc/content/acsmetadata",
                "deleteLocation":"{url}/v1/objects/0-eus-d1-abc"}}]}}}}}}"#
        );
        let event = Events::parse(body.as_bytes()).next().unwrap().unwrap();
        let acs_recording::EventPayload::RecordingFileStatusUpdated(file) = event.into_payload()
        else {
            panic!("not a file event");
        };
        file.chunks[0].clone()
    };
    let download = sent(respond("200 OK", &[], "media"), async |client, url| {
        let location: ContentUrl = event(&url).content_location.unwrap();
        let bytes = client.download(&location).into_bytes().await?;
        assert_eq!(bytes, b"media");
        Ok(())
    });
    insta::assert_snapshot!("download", download.await);
    let metadata = sent(respond("200 OK", &[], "{}"), async |client, url| {
        client.metadata(&event(&url)).await
    });
    insta::assert_snapshot!("read_metadata", metadata.await);
    let delete = sent(respond("200 OK", &[], ""), async |client, url| {
        client.delete(&event(&url)).await
    });
    insta::assert_snapshot!("delete", delete.await);
}

#[test]
fn an_identifier_is_sent_with_its_raw_id() {
    let model: CommunicationIdentifierModel = CommunicationIdentifier::new("4:+1425").to_model();
    let json = serde_json::to_string(&model).unwrap();
    assert_eq!(
        json,
        r#"{"phoneNumber":{"value":"+1425"},"rawId":"4:+1425"}"#
    );
}
