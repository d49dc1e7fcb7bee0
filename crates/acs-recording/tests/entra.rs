//! Tokens of Entra ID on the way to the service.

#![cfg(feature = "entra")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_recording::{
    ClaimsChallenge, ErrorKind, ExponentialBackoff, RecordingClient, RecordingId,
    RetryPolicyExt as _,
};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{Server, answer, state};

/// Gives tokens that are numbered, and remembers what it was asked for.
#[derive(Debug, Default)]
struct Numbered {
    given: AtomicU32,
    /// Seconds that a token lasts.
    lasts: AtomicU32,
    refuses: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicU32,
    slow: Duration,
    /// Whether all its tokens are the first, as those of a cache.
    same: bool,
    scopes: Mutex<Vec<String>>,
    claims: Mutex<Vec<String>>,
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
        options: Option<TokenRequestOptions<'_>>,
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
        if let Some(options) = &options
            && let Some(ClaimsChallenge(claims)) = options.method_options.context.value()
        {
            self.claims.lock().unwrap().push(claims.clone());
        }
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
async fn a_token_is_asked_for_once() {
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
async fn many_requests_at_once_ask_for_one_token() {
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

/// Lets time pass for whoever looks at tokio's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    // Background tasks notice.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_renewal_that_hangs_delays_no_request_and_is_tried_again() {
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
    // It is given up, and after a pause there is another.
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
async fn a_token_is_used_to_its_end_when_it_cannot_be_renewed() {
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

#[tokio::test]
async fn a_claims_challenge_is_answered_once() {
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    let header = format!(
        r#"Bearer realm="", error="insufficient_claims", claims="{}""#,
        BASE64_STANDARD.encode(claims)
    );
    let challenge = || answer("401 Unauthorized", &[("WWW-Authenticate", &header)], "");
    let server = Server::start([challenge(), state("active"), challenge(), challenge()]).await;
    let credential = Numbered::lasting(3600);
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    assert_eq!(tokens(&server), ["token-0", "token-1"]);
    assert_eq!(*credential.claims.lock().unwrap(), [claims]);

    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(
        server.requests().len(),
        4,
        "no second answer to a second challenge"
    );
}

/// Requests whose token is refused at the same time need one new token.
#[tokio::test]
async fn one_new_token_answers_many_challenges() {
    const AT_ONCE: usize = 5;
    let claims = BASE64_STANDARD.encode(r#"{"access_token":{}}"#);
    let header = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
    let challenge = answer("401 Unauthorized", &[("WWW-Authenticate", &header)], "");
    let mut answers = vec![state("active")];
    answers.extend(vec![challenge; AT_ONCE]);
    answers.extend(vec![state("active"); AT_ONCE]);
    let server = Server::start(answers).await;
    let credential = Arc::new(Numbered {
        lasts: AtomicU32::new(3600),
        // Long enough for all to be refused meanwhile.
        slow: Duration::from_secs(1),
        ..Numbered::default()
    });
    let recording = client(&server, &credential).recording(rid());
    recording.state().await.unwrap();
    let tasks: Vec<_> = (0..AT_ONCE)
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
async fn a_token_that_was_refused_is_not_sent_again() {
    let claims = BASE64_STANDARD.encode(r#"{"access_token":{}}"#);
    let header = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
    let challenge = || answer("401 Unauthorized", &[("WWW-Authenticate", &header)], "");
    let server = Server::start([challenge(), challenge()]).await;
    let credential = Arc::new(Numbered {
        same: true,
        ..Numbered::default()
    });
    credential.lasts.store(3600, Ordering::SeqCst);
    let error = client(&server, &credential).recording(rid()).state().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Authentication);
    assert_eq!(server.requests().len(), 1);
}

/// A credential that hangs is no reason to hang, nor to blame the service.
#[tokio::test]
async fn a_credential_that_gives_nothing_is_named() {
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
async fn content_is_read_with_the_token_and_the_resource() {
    let server = Server::start([answer("200 OK", &[], "media")]).await;
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
async fn another_cloud_has_another_scope_and_no_key() {
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
