//! Operations over real HTTP: the requests, and the results of responses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::sync::Arc;
use std::time::Duration;

use acs_call_automation::options::CallRecordingStartRecordingOptions;
use acs_call_automation::types::{RecordingState, StartCallRecordingRequest};
use acs_call_automation::{Client, Failure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Starts a server that sends these pieces in response to one request, and returns the request.
async fn server(pieces: &'static [&'static str]) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap().port());
    let request = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        while !is_whole(&String::from_utf8_lossy(&request)) {
            assert!(connection.read_buf(&mut request).await.unwrap() > 0);
        }
        for piece in pieces {
            connection.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        String::from_utf8(request).unwrap()
    });
    (client, request)
}

/// Whether a request is complete, including its JSON body.
fn is_whole(request: &str) -> bool {
    request
        .split_once("\r\n\r\n")
        .is_some_and(|(head, body)| body.ends_with('}') || !head.contains("content-length"))
}

fn client(port: u16) -> Client {
    let http = reqwest::Client::new();
    let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    Client::new(endpoint, Arc::new(http))
}

#[tokio::test]
async fn a_request_has_path_version_headers_and_body() {
    let (client, request) = server(&["HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"]).await;
    let id = uuid::Uuid::nil();
    let body = StartCallRecordingRequest::default().call_connection_id("c-1");
    let first_sent = "Mon, 06 Oct 2025 09:30:00 GMT";
    let options = CallRecordingStartRecordingOptions::default()
        .repeatability_first_sent(first_sent)
        .repeatability_request_id(id);
    let response = client.call_recording_start_recording(&body, Some(options));
    assert_eq!(response.await.unwrap().status().as_u16(), 202);
    let request = request.await.unwrap();
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().filter(|it| !it.starts_with("host")).collect();
    lines.sort_unstable();
    let version = Client::API_VERSION;
    assert_eq!(
        lines,
        [
            &format!("POST /calling/recordings?api-version={version} HTTP/1.1"),
            "accept: application/json",
            "content-length: 26",
            "content-type: application/json",
            "repeatability-first-sent: Mon, 06 Oct 2025 09:30:00 GMT",
            "repeatability-request-id: 00000000-0000-0000-0000-000000000000",
        ]
    );
    assert_eq!(sent, r#"{"callConnectionId":"c-1"}"#);
}

#[tokio::test]
async fn an_id_cannot_change_the_path() {
    let (client, request) = server(&["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let response = client
        .call_recording_stop_recording("../a b?c#d", None)
        .await;
    response.unwrap();
    let request = request.await.unwrap();
    let version = Client::API_VERSION;
    let expected =
        format!("DELETE /calling/recordings/..%2Fa%20b%3Fc%23d?api-version={version} HTTP/1.1\r\n");
    assert!(request.starts_with(&expected), "{request}");
}

#[tokio::test]
async fn a_body_in_several_parts_is_read_completely() {
    let (client, _) = server(&[
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "10\r\n{\"recordingState\r\n",
        "8\r\n\":\"activ\r\n",
        "3\r\ne\"}\r\n",
        "0\r\n\r\n",
    ])
    .await;
    let response = client
        .call_recording_get_recording_properties("r", None)
        .await;
    assert_eq!(
        response.unwrap().recording_state,
        Some(RecordingState::Active)
    );
}

#[tokio::test]
async fn failures_keep_the_response() {
    let (refusing, _) = server(&[
        "HTTP/1.1 404 Not Found\r\nx-ms-request-id: 7\r\ncontent-length: 4\r\n\r\n",
        "gone",
    ])
    .await;
    match refusing
        .call_recording_get_recording_properties("r", None)
        .await
    {
        Err(Failure::Status(response)) => {
            assert_eq!(response.status().as_u16(), 404);
            assert_eq!(response.headers()["x-ms-request-id"], "7");
            assert_eq!(response.body(), "gone");
        }
        other => panic!("{other:?}"),
    }

    let (confused, _) = server(&["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"]).await;
    match confused
        .call_recording_get_recording_properties("r", None)
        .await
    {
        Err(Failure::Body { response, .. }) => assert_eq!(response.body(), "<html>"),
        other => panic!("{other:?}"),
    }

    let (breaking, _) = server(&["HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n<html>"]).await;
    let failure = breaking
        .call_recording_get_recording_properties("r", None)
        .await;
    assert!(matches!(failure, Err(Failure::Transport(_))), "{failure:?}");

    let unbound = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unbound.local_addr().unwrap().port();
    drop(unbound);
    let failure = client(port)
        .call_recording_get_recording_properties("r", None)
        .await;
    assert!(matches!(failure, Err(Failure::Transport(_))), "{failure:?}");
}

#[tokio::test]
async fn invalid_requests_are_not_sent() {
    let failure = client(1)
        .call_recording_start_recording(
            &StartCallRecordingRequest::default(),
            Some(CallRecordingStartRecordingOptions::default().repeatability_first_sent("a\nb")),
        )
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Request(_)), "{failure:?}");
}
