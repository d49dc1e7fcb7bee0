//! Secrets in headers, authenticators of users, and the TLS settings for key fetches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acs_emulator::Emulator;
use acs_recording::webhook::{
    AuthDecision, AuthFuture, Authenticate, Authenticator, TokenAuthenticator, Webhook,
};
use acs_recording::{ConnectionString, RecordingClient};
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use serde_json::json;
use tokio::time::Instant;

use super::issuer::{AUDIENCE, ISSUER, claims, unsigned};
use super::{SECRET, Seen, handshake, header, post, status};

const NAME: &str = "x-webhook-key";
const ORIGIN: &str = "eventgrid.azure.net";

fn webhook(authenticator: impl Into<Authenticator>) -> Webhook {
    Seen::default().webhook(Webhook::builder(authenticator).allow_origin(ORIGIN))
}

fn with_headers(mut request: Request<Bytes>, headers: &[(&'static str, &str)]) -> Request<Bytes> {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_secret_in_a_header_is_required() {
    let webhook = webhook(Authenticator::header_secret("X-Webhook-Key", SECRET).unwrap());
    for (headers, expected) in [
        (&[(NAME, SECRET)][..], 200),
        (&[], 401),
        (&[(NAME, "")], 401),
        (&[(NAME, "correct horse batterx")], 401),
        (&[(NAME, "correct horse battery2")], 401),
        (&[("x-webhook-kez", SECRET)], 401),
        (&[(NAME, SECRET), (NAME, SECRET)], 401),
        (&[(NAME, "wrong"), (NAME, SECRET)], 401),
    ] {
        let request = with_headers(post("/e", "[]"), headers);
        assert_eq!(status(&webhook, request).await, expected, "{headers:?}");
        let request = with_headers(handshake("/e", ORIGIN), headers);
        let response = webhook.respond(request).await;
        assert_eq!(response.status(), expected, "handshake, {headers:?}");
        let allowed = header(&response, "webhook-allowed-origin");
        assert_eq!(allowed.is_some(), expected == 200, "{headers:?}");
    }
    // It is not accepted in the URL.
    let in_query = post("/e?x-webhook-key=correct+horse+battery", "[]");
    assert_eq!(status(&webhook, in_query).await, 401);
}

#[tokio::test]
async fn a_secret_in_a_header_can_be_rotated() {
    let new = "battery horse correct";
    let webhook = webhook(Authenticator::header_secrets(NAME, [SECRET, new]).unwrap());
    for (secret, expected) in [(SECRET, 200), (new, 200), ("another one, long", 401)] {
        let request = with_headers(post("/e", "[]"), &[(NAME, secret)]);
        assert_eq!(status(&webhook, request).await, expected, "{secret}");
    }
}

#[test]
fn invalid_secrets_in_headers_are_rejected_without_showing_them() {
    for (name, secret, reason) in [
        (NAME, "short", "at least 16 bytes"),
        (NAME, " 0123456789abcdef", "visible ASCII"),
        (NAME, "0123456789abcdef\n", "visible ASCII"),
        (NAME, "0123456789\u{e9}abcdef", "visible ASCII"),
        ("x webhook key", SECRET, "invalid name"),
        ("", SECRET, "invalid name"),
    ] {
        let error = Authenticator::header_secrets(name, [secret]).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(reason), "{shown}");
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(Authenticator::header_secrets(NAME, []).is_err());
    assert!(Authenticator::query_secret("", SECRET).is_err());
    let authenticator = Authenticator::header_secret(NAME, SECRET).unwrap();
    let debug = format!("{authenticator:?}");
    assert!(debug.contains(NAME) && !debug.contains("horse"), "{debug}");
}

/// Decides by the header `x-decision`.
#[derive(Debug, Default)]
struct ByHeader {
    for_handshakes: bool,
    calls: Arc<AtomicUsize>,
}

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, request: &'a Parts) -> AuthFuture<'a> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let decision = request.headers.get("x-decision").cloned();
        Box::pin(async move {
            // As after a request to another service.
            tokio::task::yield_now().await;
            match decision
                .as_ref()
                .and_then(|decision| decision.to_str().ok())
            {
                Some("allow") => AuthDecision::Allow,
                Some("unavailable") => AuthDecision::unavailable("the directory is down"),
                Some("panic") => panic!("no decision"),
                Some("hang") => std::future::pending().await,
                _ => AuthDecision::deny("the header is missing"),
            }
        })
    }

    fn authenticates_handshake(&self) -> bool {
        self.for_handshakes
    }
}

async fn decided(webhook: &Webhook, headers: &[(&'static str, &str)]) -> u16 {
    status(webhook, with_headers(post("/e", "[]"), headers)).await
}

#[tokio::test(start_paused = true)]
async fn a_custom_authenticator_decides() {
    let webhook = webhook(ByHeader::default());
    for (decision, expected) in [
        ("allow", 200),
        ("deny", 401),
        ("unavailable", 503),
        ("panic", 503),
    ] {
        let found = decided(&webhook, &[("x-decision", decision)]).await;
        assert_eq!(found, expected, "{decision}");
    }
    let begin = Instant::now();
    assert_eq!(decided(&webhook, &[("x-decision", "hang")]).await, 503);
    assert_eq!(begin.elapsed().as_secs(), 25);
}

#[tokio::test]
async fn custom_authenticators_can_be_combined() {
    let secret = || Authenticator::header_secret(NAME, SECRET).unwrap();
    let both = webhook(secret().and(ByHeader::default()));
    let either = webhook(Authenticator::new(ByHeader::default()).or(secret()));
    let (good, wrong) = ((NAME, SECRET), (NAME, "wrong"));
    for (key, decision, for_both, for_either) in [
        (good, "allow", 200, 200),
        (good, "deny", 401, 200),
        (good, "unavailable", 503, 200),
        (wrong, "allow", 401, 200),
        (wrong, "deny", 401, 401),
        (wrong, "unavailable", 401, 503),
    ] {
        let headers = [key, ("x-decision", decision)];
        assert_eq!(decided(&both, &headers).await, for_both, "{headers:?}");
        assert_eq!(decided(&either, &headers).await, for_either, "{headers:?}");
    }
}

#[tokio::test]
async fn a_custom_authenticator_can_exclude_handshakes() {
    for (for_handshakes, decision, expected, calls) in [
        (true, "allow", 200, 1),
        (true, "deny", 401, 1),
        (true, "unavailable", 503, 1),
        (false, "deny", 200, 0),
    ] {
        let counter = Arc::default();
        let own = ByHeader {
            for_handshakes,
            calls: Arc::clone(&counter),
        };
        let webhook = webhook(own);
        let request = with_headers(handshake("/e", ORIGIN), &[("x-decision", decision)]);
        let response = webhook.respond(request).await;
        assert_eq!(response.status(), expected, "{for_handshakes} {decision}");
        let allowed = header(&response, "webhook-allowed-origin");
        assert_eq!(allowed.is_some(), expected == 200, "{decision}");
        assert_eq!(counter.load(Ordering::Relaxed), calls, "{decision}");
    }
    // An additional secret is still required.
    let secret = Authenticator::header_secret(NAME, SECRET).unwrap();
    for combined in [
        secret.clone().or(ByHeader::default()),
        Authenticator::new(ByHeader::default()).and(secret),
    ] {
        let webhook = webhook(combined);
        let response = webhook.respond(handshake("/e", ORIGIN)).await;
        assert_eq!(response.status(), 401);
        let request = with_headers(handshake("/e", ORIGIN), &[(NAME, SECRET)]);
        assert_eq!(webhook.respond(request).await.status(), 200);
    }
}

#[tokio::test]
async fn keys_are_fetched_through_the_transport_of_a_client() {
    let builder = Emulator::builder().https(([127, 0, 0, 1], 0).into());
    let acs = builder.without_http().start().await.unwrap();
    let connection_string: ConnectionString = acs.connection_string().parse().unwrap();
    let client = RecordingClient::builder(connection_string)
        .add_root_certificate(acs.ca_certificate().unwrap().as_bytes())
        .unwrap()
        .build()
        .unwrap();
    let configuration = client.endpoint().url();
    let configuration = configuration.join("calling/.well-known/acsopenidconfiguration");
    let tokens =
        TokenAuthenticator::new(configuration.unwrap().as_str(), [ISSUER], AUDIENCE).unwrap();
    let token = unsigned(&json!({"alg": "RS256", "kid": "unknown"}), &claims());
    let authorization = format!("Bearer {token}.AAAA");
    let headers = [("authorization", authorization.as_str())];

    // The certificate of the issuer is not trusted.
    assert_eq!(decided(&webhook(tokens.clone()), &headers).await, 503);
    // Now it is trusted, but the issuer does not have the key.
    let through_client = tokens
        .application("event-grid")
        .transport(client.transport());
    assert_eq!(decided(&webhook(through_client), &headers).await, 401);
}
