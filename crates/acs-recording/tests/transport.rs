//! Clients with a custom transport.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::models::RecordingState;
use acs_recording::{
    Body, ConnectionString, ErrorKind, ExponentialBackoff, NeverRetry, RecordingClient,
    RecordingClientBuilder, RecordingId, RetryPolicyExt as _, ServerCallId, Transport,
    TransportError, TransportErrorKind, TransportFuture,
};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};

type Reply = Result<Response<Body>, TransportError>;

/// Replies to each request with the result of a function of the request and its number.
struct Fake<F> {
    reply: F,
    requests: Mutex<Vec<Request<Bytes>>>,
}

impl<F> std::fmt::Debug for Fake<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl<F: Fn(usize, &Request<Bytes>) -> Reply + Send + Sync> Transport for Fake<F> {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        let mut requests = self.requests.lock().unwrap();
        let reply = (self.reply)(requests.len(), &request);
        requests.push(request);
        Box::pin(std::future::ready(reply))
    }
}

impl<F> Fake<F> {
    fn requests(&self) -> Vec<Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }
}

const LOCATION: &str = "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-a/content/video";

fn builder() -> RecordingClientBuilder {
    let text = "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0";
    let backoff = ExponentialBackoff::default().initial_delay(Duration::from_millis(1));
    RecordingClient::builder(text.parse::<ConnectionString>().unwrap())
        .retry_policy(backoff.with_attempt_limit(5))
}

fn client<F>(reply: F) -> (RecordingClient, Arc<Fake<F>>)
where
    F: Fn(usize, &Request<Bytes>) -> Reply + Send + Sync + 'static,
{
    let fake = Arc::new(Fake {
        reply,
        requests: Mutex::default(),
    });
    let transport: Arc<dyn Transport> = Arc::<Fake<F>>::clone(&fake);
    (builder().transport(transport).build().unwrap(), fake)
}

fn respond(status: u16, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(status);
    response.body(body.into()).unwrap()
}

fn active() -> Response<Body> {
    respond(200, r#"{"recordingId":"rid","recordingState":"active"}"#)
}

fn fail(kind: TransportErrorKind) -> Reply {
    let cause = io::Error::other("the cause");
    Err(TransportError::new(kind, "the transport failed").with_source(cause))
}

fn rid() -> RecordingId {
    RecordingId::new("rid").unwrap()
}

#[tokio::test]
async fn requests_are_signed_and_complete() {
    let (client, fake) = client(|_, _| Ok(active()));
    let state = client.recording(rid()).state().header("x-order", "7");
    assert_eq!(state.await.unwrap(), RecordingState::Active);
    let id = ServerCallId::new("aHR0cHM6Ly9h").unwrap();
    client.start(id).await.unwrap();
    let [state, start] = &fake.requests()[..] else {
        panic!("{:?}", fake.requests());
    };
    let uri = "https://contoso.communication.azure.com/calling/recordings/rid";
    assert!(state.uri().to_string().starts_with(uri), "{}", state.uri());
    assert!(state.body().is_empty());
    assert_eq!(state.headers()["x-order"], "7");
    let version = env!("CARGO_PKG_VERSION");
    let agent = state.headers()["user-agent"].to_str().unwrap();
    assert!(
        agent.starts_with(&format!("acs-recording-rust/{version} (")),
        "{agent}"
    );
    for request in [state, start] {
        let signature = request.headers()["authorization"].to_str().unwrap();
        assert!(signature.starts_with("HMAC-SHA256 "), "{signature}");
        assert!(request.headers().contains_key("x-ms-client-request-id"));
    }
    let body: serde_json::Value = serde_json::from_slice(start.body()).unwrap();
    assert_eq!(body["callLocator"]["serverCallId"], "aHR0cHM6Ly9h");
}

#[tokio::test]
async fn the_kind_of_a_transport_error_decides_about_a_retry() {
    for (kind, expected, is_retried) in [
        (TransportErrorKind::Connect, ErrorKind::Connection, true),
        (TransportErrorKind::Interrupted, ErrorKind::Connection, true),
        (TransportErrorKind::Timeout, ErrorKind::Timeout, true),
        (TransportErrorKind::Untrusted, ErrorKind::Connection, false),
        (TransportErrorKind::Request, ErrorKind::InvalidInput, false),
    ] {
        let (client, fake) = client(move |number, _| {
            if number == 0 {
                fail(kind)
            } else {
                Ok(active())
            }
        });
        let outcome = client.recording(rid()).state().await;
        assert_eq!(outcome.is_ok(), is_retried, "{kind:?}");
        assert_eq!(fake.requests().len(), if is_retried { 2 } else { 1 });

        let (client, _) = self::client(move |_, _| fail(kind));
        let error = client
            .recording(rid())
            .state()
            .retry_policy(NeverRetry)
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?}");
        assert_eq!(error.recording_id(), Some("rid"));
        let text = error.to_string();
        assert!(text.contains("contoso.communication.azure.com"), "{text}");
        // All sources are kept.
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.downcast_ref::<TransportError>().is_some());
        assert_eq!(source.source().unwrap().to_string(), "the cause");
    }
}

#[tokio::test]
async fn errors_contain_the_headers_that_support_needs() {
    let (client, _) = client(|_, _| {
        let response = Response::builder()
            .status(404)
            .header("X-Microsoft-Skype-Chain-ID", "chain-1")
            .header("MS-CV", "vector.0");
        let body = Body::json(&serde_json::json!({"error": {"code": "8522"}})).unwrap();
        Ok(response.body(body).unwrap())
    });
    let error = client.recording(rid()).stop().await.unwrap_err();
    assert_eq!(error.chain_id(), Some("chain-1"));
    assert_eq!(error.correlation_vector(), Some("vector.0"));
    assert_eq!(error.recording_id(), Some("rid"));
    assert_eq!(error.code(), Some("8522"));
    // Also for a success with an invalid body.
    let (client, _) = self::client(|_, _| {
        let response = Response::builder().header("MS-CV", "vector.1");
        Ok(response.body(Body::from("no JSON")).unwrap())
    });
    let error = client.recording(rid()).state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(error.correlation_vector(), Some("vector.1"));
    assert_eq!((error.recording_id(), error.attempts()), (Some("rid"), 1));
}

/// Content whose stream fails after each part.
fn content(request: &Request<Bytes>) -> Response<Body> {
    const CONTENT: &[u8] = b"RIFF0123456789abcdef";
    const PART: usize = 6;
    let range = request.headers().get("range");
    let start: usize = range.map_or(0, |range| {
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        range.split_once('-').unwrap().0.parse().unwrap()
    });
    let end = CONTENT.len().min(start + PART);
    let mut parts = vec![Ok(&CONTENT[start..end])];
    if end < CONTENT.len() {
        parts.push(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    }
    let response = Response::builder()
        .header("etag", "\"1\"")
        .header("content-length", CONTENT.len() - start);
    let response = match range {
        Some(_) => response.status(206).header(
            "content-range",
            format!("bytes {start}-{}/{}", CONTENT.len() - 1, CONTENT.len()),
        ),
        None => response,
    };
    response
        .body(Body::from_stream(stream::iter(parts)))
        .unwrap()
}

#[tokio::test]
async fn a_download_resumes_after_an_interruption() {
    let (client, fake) = client(|_, request| Ok(content(request)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let location = LOCATION.parse().unwrap();
    let saved = client.download(&location).to_file(&path).await.unwrap();
    assert_eq!(saved.bytes, 20);
    assert_eq!(std::fs::read(&path).unwrap(), b"RIFF0123456789abcdef");
    assert!(fake.requests().len() > 3, "{:?}", fake.requests());
    for request in fake.requests() {
        assert_eq!(
            request.headers()["x-ms-host"],
            "contoso.communication.azure.com"
        );
    }
}

#[tokio::test]
async fn redirects_and_host_rules_do_not_depend_on_the_transport() {
    let (client, fake) = client(|number, _| match number {
        0 => {
            let response = Response::builder().status(302);
            let response = response.header("location", "https://signed.example/content?sig=1");
            Ok(response.body(Body::empty()).unwrap())
        }
        _ => Ok(respond(200, "content")),
    });
    let location = LOCATION.parse().unwrap();
    let content = client.download(&location).into_bytes().await.unwrap();
    assert_eq!(content, b"content");
    let requests = fake.requests();
    assert!(requests[0].headers().contains_key("authorization"));
    assert!(!requests[1].headers().contains_key("authorization"));
    assert_eq!(requests[1].uri().host(), Some("signed.example"));

    let elsewhere = "https://evil.example/v1/objects/o/content/video"
        .parse()
        .unwrap();
    let error = client.download(&elsewhere).into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForbiddenHost);
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_transport_is_a_timeout() {
    #[derive(Debug)]
    struct Hangs;
    impl Transport for Hangs {
        fn send(&self, _request: Request<Bytes>) -> TransportFuture<'_> {
            Box::pin(std::future::pending())
        }
    }
    let client = builder().transport(Arc::new(Hangs)).build().unwrap();
    let state = client
        .recording(rid())
        .state()
        .timeout(Duration::from_secs(3));
    let error = state.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn conflicting_settings_are_rejected() {
    let fake = || {
        Arc::new(Fake {
            reply: |_: usize, _: &Request<Bytes>| Ok(active()),
            requests: Mutex::default(),
        })
    };
    let proxied = builder().proxy("http://proxy.example:3128").unwrap();
    for (builder, name) in [
        (proxied, "proxy"),
        (builder().no_proxy(), "proxy"),
        (
            builder().connect_timeout(Duration::from_secs(1)),
            "connect_timeout",
        ),
        (
            builder().pool_max_idle_per_host(1),
            "pool_max_idle_per_host",
        ),
        (
            builder().pool_idle_timeout(Duration::from_secs(1)),
            "pool_idle_timeout",
        ),
    ] {
        let error = builder.clone().transport(fake()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
        builder.build().unwrap();
    }
}

#[test]
fn settings_out_of_range_are_rejected() {
    for builder in [
        builder().connect_timeout(Duration::ZERO),
        builder().max_download_connections(0),
        builder().attempt_timeout(Duration::ZERO),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("zero"), "{error}");
    }
    for id in ["", "two words", "much-too-long-for-this-header"] {
        let error = builder().application_id(id).unwrap_err();
        assert!(error.to_string().contains("application id"), "{error}");
    }
}

#[tokio::test]
async fn the_application_id_precedes_the_user_agent() {
    let fake = Arc::new(Fake {
        reply: |_: usize, _: &Request<Bytes>| Ok(active()),
        requests: Mutex::default(),
    });
    let builder = builder().application_id("contoso-archive/1.2").unwrap();
    let transport: Arc<dyn Transport> = Arc::clone(&fake) as _;
    let client = builder.transport(transport).build().unwrap();
    client.recording(rid()).state().await.unwrap();
    let agent = fake.requests()[0].headers()["user-agent"].clone();
    let agent = agent.to_str().unwrap();
    assert!(
        agent.starts_with("contoso-archive/1.2 acs-recording-rust/"),
        "{agent}"
    );
}

#[cfg(feature = "unstable-reqwest")]
#[tokio::test]
async fn a_reqwest_client_is_used_for_all_requests() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(async |request: axum::extract::Request| {
        assert_eq!(request.headers()["x-of-the-client"], "1");
        r#"{"recordingId":"rid","recordingState":"active"}"#
    });
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut headers = http::HeaderMap::new();
    headers.insert("x-of-the-client", "1".parse().unwrap());
    let http = reqwest::Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let text = format!("endpoint=http://{address}/;accesskey=c2VjcmV0");
    let builder = RecordingClient::builder(text.parse().unwrap()).reqwest_client(http);
    let client = builder.clone().build().unwrap();
    let state = client.recording(rid()).state().await.unwrap();
    assert_eq!(state, RecordingState::Active);
    let error = builder.no_proxy().build().unwrap_err();
    assert!(error.to_string().contains("reqwest_client"), "{error}");
    server.abort();
}
