//! Requests to loopback addresses bypass the proxy.
//!
//! The environment applies to the whole process, so another process sends the requests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::process::Command;
use std::time::Duration;

use acs_recording::{ErrorKind, Hint, NeverRetry, RecordingId};
use common::{Server, TestResponse, client, respond, state};

/// The environment variable with the endpoint for the other process.
const ENDPOINT: &str = "ACS_TEST_ENDPOINT";

/// Runs one test of this program in another process.
fn rerun(test: &str, endpoint: &str, proxy: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(ENDPOINT, endpoint);
    for name in ["NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, proxy).env(name.to_lowercase(), proxy);
    }
    command
}

async fn succeeds(mut command: Command) {
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("1 passed"), "{shown}");
}

#[tokio::test]
async fn loopback_bypasses_the_proxy() {
    let proxy = Server::start(vec![TestResponse::Close; 20]).await;
    let server = Server::start([
        state("active"),
        respond("200 OK", &[], "media"),
        respond("200 OK", &[], ""),
    ])
    .await;
    let port = server.url.rsplit(':').next().unwrap();
    let endpoint = format!("http://localhost:{port}");
    succeeds(rerun(
        "child_sends_requests_to_loopback",
        &endpoint,
        &proxy.url,
    ))
    .await;
    assert_eq!(proxy.requests(), Vec::<String>::new());
    assert_eq!(server.requests().len(), 3);
}

/// Does nothing except in the other process.
#[tokio::test]
async fn child_sends_requests_to_loopback() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let client = client(&endpoint).retry_policy(NeverRetry).build().unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    recording.state().await.unwrap();
    // With another name of this machine.
    let port = endpoint.rsplit(':').next().unwrap();
    let object = format!("http://127.0.0.1:{port}/v1/objects/o");
    let location = format!("{object}/content/video").parse().unwrap();
    client.download(&location).into_bytes().await.unwrap();
    client.delete_at(&object.parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_proxy_is_named() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:s3cret@{}", gone.local_addr().unwrap());
    drop(gone);
    let endpoint = "https://contoso.communication.azure.com";
    succeeds(rerun("child_uses_an_unreachable_proxy", endpoint, &proxy)).await;
}

/// Does nothing except in the other process.
#[tokio::test]
async fn child_uses_an_unreachable_proxy() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let client = client(&endpoint).retry_policy(NeverRetry);
    let client = client
        .operation_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert_eq!(error.hint(), Some(Hint::CheckProxy("HTTPS_PROXY")));
    let text = error.to_string();
    assert!(text.contains("through the proxy 127.0.0.1:"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[cfg(feature = "webhook")]
mod keys {
    use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
    use http::Request;

    use super::*;

    #[tokio::test]
    async fn keys_from_loopback_bypass_the_proxy() {
        let proxy = Server::start(vec![TestResponse::Close; 20]).await;
        let issuer = Server::start([respond("200 OK", &[], "{}")]).await;
        succeeds(rerun("keys::child_fetches_keys", &issuer.url, &proxy.url)).await;
        assert_eq!(proxy.requests(), Vec::<String>::new());
        assert_eq!(issuer.requests().len(), 1);
    }

    /// Does nothing except in the other process.
    #[tokio::test]
    async fn child_fetches_keys() {
        let Ok(issuer) = std::env::var(ENDPOINT) else {
            return;
        };
        let check =
            TokenAuthenticator::new(&format!("{issuer}/configuration"), ["issuer"], "audience");
        let webhook = Webhook::builder(Authenticator::token(check.unwrap()));
        let webhook = webhook.build(async |_| Ok(()));
        // `{"alg":"RS256","kid":"k"}`, and an invalid signature.
        let token = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln";
        let request = Request::post("/events")
            .header("content-type", "application/json")
            .header("authorization", token)
            .body(bytes::Bytes::from_static(b"[]"))
            .unwrap();
        let response = webhook.respond(request).await;
        assert_eq!(response.status(), 503);
    }
}
