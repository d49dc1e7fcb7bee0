//! The webhook: handshakes, authentication, statuses, repeated deliveries.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod authenticate;
mod delivery;
mod issuer;
mod tokens;

use std::sync::{Arc, Mutex};

use acs_recording::Event;
use acs_recording::webhook::{
    Authenticator, HandlerError, TokenAuthenticator, Webhook, WebhookBuilder,
};
use bytes::Bytes;
use http::{Method, Request, Response};

pub(crate) const SECRET: &str = "correct horse battery";

pub(crate) fn post(uri: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let request = Request::post(uri).header("content-type", "application/json; charset=utf-8");
    request.body(body.into()).unwrap()
}

pub(crate) fn event(id: &str) -> String {
    format!(r#"{{"id": "{id}", "topic": "/t", "eventType": "Contoso.Test", "data": {{}}}}"#)
}

/// The events that the handler received, and the ids for which it fails (`true`: permanently).
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) ids: Arc<Mutex<Vec<String>>>,
    pub(crate) fail: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Seen {
    pub(crate) fn webhook(&self, builder: WebhookBuilder) -> Webhook {
        let seen = self.clone();
        builder.build(move |event: Event| std::future::ready(seen.take(event)))
    }

    fn take(&self, event: Event) -> Result<(), HandlerError> {
        let failure = self
            .fail
            .lock()
            .unwrap()
            .iter()
            .find(|(id, _)| *id == event.id)
            .cloned();
        self.ids.lock().unwrap().push(event.id);
        match failure {
            Some((id, true)) => Err(HandlerError::permanent(format!("{id} is useless"))),
            Some((id, false)) => Err(HandlerError::retry(format!("{id} must wait"))),
            None => Ok(()),
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        std::mem::take(&mut self.ids.lock().unwrap())
    }
}

async fn status(webhook: &Webhook, request: Request<Bytes>) -> u16 {
    webhook.respond(request).await.status().as_u16()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    Some(response.headers().get(name)?.to_str().unwrap())
}

#[tokio::test]
async fn the_response_to_the_validation_event_contains_its_code() {
    let webhook = Seen::default().webhook(Webhook::builder(Authenticator::allow_unauthenticated()));
    let body = r#"[{"id": "1", "topic": "/subscriptions/s", "subject": "", "dataVersion": "1",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-01T00:00:00Z", "data": {"validationCode": "c-1"}}]"#;
    let response = webhook.respond(post("/events", body)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), r#"{"validationResponse":"c-1"}"#);
    assert_eq!(
        header(&response, "content-type"),
        Some("application/json; charset=utf-8")
    );

    // Among other events it is an ordinary event, so that the others are not lost.
    let seen = Seen::default();
    let webhook = seen.webhook(Webhook::builder(Authenticator::allow_unauthenticated()));
    let mixed = body.replace("[{", &format!("[{}, {{", event("a")));
    let response = webhook.respond(post("/events", mixed)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "");
    assert_eq!(seen.ids(), ["a", "1"]);

    // It is authenticated like every other event.
    let closed = Seen::default().webhook(Webhook::builder(
        Authenticator::query_secret("code", SECRET).unwrap(),
    ));
    for uri in ["/events", "/events?code=wrong"] {
        let response = closed.respond(post(uri, body)).await;
        assert_eq!(response.status(), 401, "{uri}");
        assert_eq!(response.body(), "", "{uri}");
    }
    let good = "/events?code=correct%20horse%20battery";
    assert_eq!(status(&closed, post(good, body)).await, 200);
}

fn handshake(uri: &str, origin: &str) -> Request<Bytes> {
    let request = Request::builder().method(Method::OPTIONS).uri(uri);
    let request = request.header("webhook-request-origin", origin);
    request
        .header("webhook-request-rate", "120")
        .body(Bytes::new())
        .unwrap()
}

#[tokio::test]
async fn the_handshake_succeeds_for_allowed_origins_only() {
    let builder = Webhook::builder(Authenticator::allow_unauthenticated())
        .allow_origin("EventGrid.azure.net");
    let webhook = Seen::default().webhook(builder);
    let request = |origin| handshake("/events", origin);
    let response = webhook.respond(request("eventgrid.azure.net")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(&response, "webhook-allowed-origin"),
        Some("eventgrid.azure.net")
    );
    assert_eq!(header(&response, "webhook-allowed-rate"), Some("*"));
    assert_eq!(header(&response, "allow"), Some("OPTIONS, POST"));
    for origin in ["evil.example", "eventgrid.azure.net.evil.example", "", "*"] {
        let response = webhook.respond(request(origin)).await;
        assert_eq!(response.status(), 403, "{origin}");
        assert_eq!(
            header(&response, "webhook-allowed-origin"),
            None,
            "{origin}"
        );
        assert_eq!(header(&response, "webhook-allowed-rate"), None, "{origin}");
    }
    let response = webhook
        .respond(Request::options("/events").body(Bytes::new()).unwrap())
        .await;
    assert_eq!(header(&response, "webhook-allowed-origin"), None);
}

#[tokio::test]
async fn the_handshake_requires_the_secret_if_there_is_one() {
    const ORIGIN: &str = "eventgrid.azure.net";
    const OTHER: &str = "battery horse correct";
    let secret = |text| Authenticator::query_secret("code", text).unwrap();
    let token = || {
        Authenticator::token(
            TokenAuthenticator::callbacks("4a1b2c3d-0000-4000-8000-000000000001").unwrap(),
        )
    };
    let good = "/events?code=correct%20horse%20battery";
    let cases = [
        (
            "none",
            Authenticator::allow_unauthenticated(),
            "/events",
            true,
        ),
        ("token alone", token(), "/events", true),
        (
            "two tokens",
            token().and(token()).or(token()),
            "/events",
            true,
        ),
        ("right", secret(SECRET), good, true),
        ("missing", secret(SECRET), "/events", false),
        ("wrong", secret(SECRET), "/events?code=wrong", false),
        (
            "twice",
            secret(SECRET),
            "/events?code=x&code=correct%20horse%20battery",
            false,
        ),
        (
            "secret or token, without",
            secret(SECRET).or(token()),
            "/events",
            false,
        ),
        (
            "token or secret, without",
            token().or(secret(SECRET)),
            "/events",
            false,
        ),
        (
            "token or secret, with",
            token().or(secret(SECRET)),
            good,
            true,
        ),
        (
            "secret and token, without",
            secret(SECRET).and(token()),
            "/events",
            false,
        ),
        (
            "token and secret, with",
            token().and(secret(SECRET)),
            good,
            true,
        ),
        ("first of two", secret(SECRET).or(secret(OTHER)), good, true),
        (
            "second of two",
            secret(OTHER).or(secret(SECRET)),
            good,
            true,
        ),
        (
            "both of two",
            secret(OTHER).and(secret(SECRET)),
            good,
            false,
        ),
        ("both", secret(SECRET).and(secret(OTHER)), good, false),
        (
            "secret or anyone",
            secret(SECRET).or(Authenticator::allow_unauthenticated()),
            "/events",
            true,
        ),
    ];
    for (what, check, uri, passes) in cases {
        let builder = Webhook::builder(check).allow_origin(ORIGIN);
        let webhook = Seen::default().webhook(builder);
        let response = webhook.respond(handshake(uri, ORIGIN)).await;
        let status = if passes { 200 } else { 401 };
        assert_eq!(response.status(), status, "{what}");
        let allowed = header(&response, "webhook-allowed-origin");
        assert_eq!(allowed, passes.then_some(ORIGIN), "{what}");
        let rate = header(&response, "webhook-allowed-rate");
        assert_eq!(rate, passes.then_some("*"), "{what}");
        // Without the secret, the response does not reveal which origins are allowed.
        let foreign = webhook.respond(handshake(uri, "evil.example")).await;
        assert_eq!(foreign.status(), if passes { 403 } else { 401 }, "{what}");
    }
}

#[tokio::test]
async fn the_secret_in_the_url_is_required() {
    let authenticator =
        Authenticator::query_secrets("code", [SECRET, "a second one, long"]).unwrap();
    let webhook = Seen::default().webhook(Webhook::builder(authenticator));
    for (uri, expected) in [
        ("/e?code=correct%20horse%20battery", 200),
        ("/e?x=1&code=correct+horse+battery", 200),
        ("/e?code=a+second+one,+long", 200),
        ("/e", 401),
        ("/e?code=", 401),
        ("/e?code=correct%20horse%20batterx", 401),
        ("/e?code=correct%20horse%20battery2", 401),
        ("/e?Code=correct%20horse%20battery", 401),
        ("/e?code=wrong&code=correct%20horse%20battery", 401),
    ] {
        assert_eq!(status(&webhook, post(uri, "[]")).await, expected, "{uri}");
    }
    assert!(Authenticator::query_secret("code", "short").is_err());
    assert!(Authenticator::query_secrets("code", []).is_err());
    // A URL would change these, so they would never match.
    for (secret, name) in [
        ("0123456789+abcdef", "raw `+`"),
        ("0123456789&abcdef", "`&` or `#`"),
        ("0123456789#abcdef", "`&` or `#`"),
        ("0123456789%2Babcdef", "percent-encoded"),
    ] {
        let error = Authenticator::query_secrets("code", [SECRET, secret]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(name) && !text.contains(secret), "{text}");
    }
    assert!(Authenticator::query_secret("code", "50% of 01234/56789==").is_ok());
    let check = Authenticator::query_secret("a", SECRET).unwrap();
    let debug = format!("{check:?}");
    assert!(!debug.contains("horse"), "{debug}");
    let both = check.and(Authenticator::query_secret("b", "another one, long").unwrap());
    let webhook = Seen::default().webhook(Webhook::builder(both));
    assert_eq!(
        status(&webhook, post("/e?a=correct+horse+battery", "[]")).await,
        401
    );
    let uri = "/e?a=correct+horse+battery&b=another+one,+long";
    assert_eq!(status(&webhook, post(uri, "[]")).await, 200);
}

#[tokio::test]
async fn other_requests_are_rejected() {
    let builder = Webhook::builder(Authenticator::allow_unauthenticated())
        .body_limit(200)
        .allow_subscription("Files");
    let seen = Seen::default();
    let webhook = seen.webhook(builder);
    let request = |content_type: &str, body: String| {
        let mut request = post("/e", body);
        let headers = request.headers_mut();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("aeg-subscription-name", "FILES".parse().unwrap());
        request
    };
    for content_type in [
        "application/json",
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents-Batch+JSON",
    ] {
        let request = request(content_type, event(content_type));
        assert_eq!(status(&webhook, request).await, 200, "{content_type}");
    }
    assert_eq!(
        status(&webhook, request("text/plain", event("x"))).await,
        415
    );
    assert_eq!(
        status(&webhook, request("application/json", " ".repeat(201))).await,
        413
    );
    let mut with_length = request("application/json", event("x"));
    with_length
        .headers_mut()
        .insert("content-length", "201".parse().unwrap());
    assert_eq!(status(&webhook, with_length).await, 413);
    let mut other = post("/e", event("x"));
    let headers = other.headers_mut();
    headers.insert("aeg-event-type", "Notification".parse().unwrap());
    assert_eq!(status(&webhook, other.clone()).await, 403);
    let headers = other.headers_mut();
    headers.insert("aeg-subscription-name", "OTHERS".parse().unwrap());
    assert_eq!(status(&webhook, other).await, 403);
    let callback = post("/e", event("callback"));
    assert_eq!(status(&webhook, callback).await, 200);
    let mut get = request("application/json", event("x"));
    *get.method_mut() = Method::GET;
    let response = webhook.respond(get).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "allow")),
        (405, Some("OPTIONS, POST"))
    );
    assert_eq!(seen.ids().len(), 4);
}
