//! Requests with Microsoft Entra ID tokens.

#![cfg(feature = "entra")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_recording::{
    ErrorKind, ExponentialBackoff, RecordingClient, RecordingId, RetryPolicyExt as _,
};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use common::{Server, TestResponse, respond, state};

/// A credential with numbered tokens, which records the requests for them.
#[derive(Debug, Default)]
struct Numbered {
    given: AtomicU32,
    /// Lifetime of a token in seconds.
    lasts: AtomicU32,
    refuses: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicU32,
    slow: Duration,
    /// Whether it always returns the first token, like a cache.
    same: bool,
    scopes: Mutex<Vec<String>>,
}

impl Numbered {
    fn lasting(seconds: u32) -> Arc<Self> {
        let credential = Self::default();
        credential.lasts.store(seconds, Ordering::SeqCst);
        Arc::new(credential)
    }
}

#[async_trait::async_trait]
impl TokenCredential for Numbered {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.slow).await;
        if self.refuses.load(Ordering::SeqCst) {
            return Err(azure_core::Error::with_message(
                AzureErrorKind::Credential,
                "signed out",
            ));
        }
        self.scopes
            .lock()
            .unwrap()
            .extend(scopes.iter().map(ToString::to_string));
        let given = self.given.fetch_add(1, Ordering::SeqCst);
        let number = if self.same { 0 } else { given };
        let end = OffsetDateTime::now_utc()
            + Duration::from_secs(self.lasts.load(Ordering::SeqCst).into());
        Ok(AccessToken::new(format!("token-{number}"), end))
    }
}

fn client(server: &Server, credential: &Arc<Numbered>) -> RecordingClient {
    let credential: Arc<dyn TokenCredential> = Arc::clone(credential) as _;
    RecordingClient::with_token_credential(server.url.parse().unwrap(), credential)
        .retry_policy(
            ExponentialBackoff::default()
                .initial_delay(Duration::from_millis(1))
                .with_attempt_limit(5),
        )
        .build()
        .unwrap()
}

fn rid() -> RecordingId {
    RecordingId::new("rid").unwrap()
}

fn tokens(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let header = |request: &String| {
        let (_, rest) = request.split_once("authorization: Bearer ").unwrap();
        assert!(!request.contains("x-ms-content-sha256"), "{request}");
        rest.lines().next().unwrap().to_owned()
    };
    requests.iter().map(header).collect()
}

#[tokio::test]
async fn a_token_is_requested_once() {
    let server = Server::start((0..3).map(|_| state("active"))).await;
    let credential = Numbered::lasting(3600);
    let recording = client(&server, &credential).recording(rid());
    for _ in 0..3 {
        recording.state().await.unwrap();
    }
    assert_eq!(tokens(&server), ["token-0"; 3]);
    assert_eq!(
        *credential.scopes.lock().unwrap(),
        ["https://communication.azure.com//.default"]
    );
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let server = Server::start((0..20).map(|_| state("active"))).await;
    let credential = Arc::new(Numbered {
        lasts: AtomicU32::new(3600),
        slow: Duration::from_millis(20),
        ..Numbered::default()
    });
    let client = client(&server, &credential);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let recording = client.recording(rid());
            tokio::spawn(async move { recording.state().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(credential.given.load(Ordering::SeqCst), 1);
}

/// Advances tokio's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    // Lets background tasks run.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hanging_renewal_delays_no_request_and_is_retried() {
    let server = Server::start((0..9).map(|_| state("active"))).await;
    let credential = Numbered::lasting(3600);
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();

    credential.hangs.store(true, Ordering::SeqCst);
    pass(Duration::from_secs(56 * 60)).await;
    let begun = Instant::now();
    for _ in 0..3 {
        recording.state().await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(credential.asked.load(Ordering::SeqCst), 2);
    // The renewal times out, and is retried after a pause.
    pass(Duration::from_secs(61)).await;
    recording.state().await.unwrap();
    assert_eq!(credential.asked.load(Ordering::SeqCst), 2);
    credential.hangs.store(false, Ordering::SeqCst);
    pass(Duration::from_secs(31)).await;
    recording.state().await.unwrap();
    pass(Duration::from_millis(1)).await;
    recording.state().await.unwrap();
    let tokens = tokens(&server);
    assert_eq!(tokens[..6], ["token-0"; 6]);
    assert_eq!(tokens[6..], ["token-1"]);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_until_it_expires() {
    let server = Server::start((0..9).map(|_| state("active"))).await;
    let credential = Numbered::lasting(120);
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    credential.refuses.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        pass(Duration::from_secs(20)).await;
        recording.state().await.unwrap();
    }
    assert_eq!(tokens(&server), ["token-0"; 6]);
    pass(Duration::from_secs(20)).await;
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    credential.refuses.store(false, Ordering::SeqCst);
    recording.state().await.unwrap();
    assert_eq!(tokens(&server)[6..], ["token-1"]);
}

#[tokio::test]
async fn an_expired_token_is_not_sent() {
    let server = Server::start([state("active"), state("active")]).await;
    let credential = Numbered::lasting(0);
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    credential.refuses.store(true, Ordering::SeqCst);
    let error = recording.state().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Authentication, 0)
    );
    assert!(error.to_string().contains("signed out"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

fn unauthorized() -> TestResponse {
    respond("401 Unauthorized", &[], "")
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let responses = [
        unauthorized(),
        state("active"),
        unauthorized(),
        unauthorized(),
    ];
    let server = Server::start(responses).await;
    let credential = Numbered::lasting(3600);
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    assert_eq!(tokens(&server), ["token-0", "token-1"]);

    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(server.requests().len(), 4, "no third attempt");
}

/// Requests whose token is rejected at the same time share one new token.
#[tokio::test]
async fn a_token_rejected_for_many_requests_is_renewed_once() {
    const CONCURRENCY: usize = 5;
    let mut responses = vec![state("active")];
    responses.extend(vec![unauthorized(); CONCURRENCY]);
    responses.extend(vec![state("active"); CONCURRENCY]);
    let server = Server::start(responses).await;
    let credential = Arc::new(Numbered {
        lasts: AtomicU32::new(3600),
        // Long enough for all requests to be rejected meanwhile.
        slow: Duration::from_secs(1),
        ..Numbered::default()
    });
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    let tasks: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let recording = recording.clone();
            tokio::spawn(async move { recording.state().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(credential.given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_rejected_token_is_not_sent_again() {
    let server = Server::start([unauthorized(), unauthorized()]).await;
    let credential = Arc::new(Numbered {
        same: true,
        ..Numbered::default()
    });
    credential.lasts.store(3600, Ordering::SeqCst);
    let error = client(&server, &credential).recording(rid()).state().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Authentication);
    assert_eq!(server.requests().len(), 1);
}

/// A hanging credential is a timeout error that names the credential, not the service.
#[tokio::test]
async fn a_credential_without_a_token_is_named() {
    let server = Server::start([state("active")]).await;
    let credential = Arc::new(Numbered {
        slow: Duration::from_secs(60 * 60),
        ..Numbered::default()
    });
    let recording = client(&server, &credential).recording(rid());
    let state = recording.state().attempt_timeout(Duration::from_millis(50));
    let error = state.await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 0));
    assert!(error.to_string().contains("the credential"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn content_is_requested_with_the_token_and_the_resource() {
    let server = Server::start([respond("200 OK", &[], "media")]).await;
    let credential = Numbered::lasting(3600);
    let location = format!("{}/v1/objects/o/content/video", server.url)
        .parse()
        .unwrap();
    client(&server, &credential)
        .download(&location)
        .into_bytes()
        .await
        .unwrap();
    assert_eq!(tokens(&server), ["token-0"]);
    let host = server.url.trim_start_matches("http://");
    assert!(server.requests()[0].contains(&format!("x-ms-host: {host}\r\n")));
}

#[tokio::test]
async fn another_cloud_has_another_scope() {
    let server = Server::start([state("active")]).await;
    let credential = Numbered::lasting(3600);
    let client = RecordingClient::with_token_credential(
        server.url.parse().unwrap(),
        Arc::clone(&credential) as Arc<dyn TokenCredential>,
    )
    .token_scope("https://communication.azure.us//.default")
    .build()
    .unwrap();
    client.recording(rid()).state().await.unwrap();
    assert_eq!(
        *credential.scopes.lock().unwrap(),
        ["https://communication.azure.us//.default"]
    );
    let error = client
        .set_access_key(common::KEY.parse().unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{client:?}").contains("token-0"));
}
