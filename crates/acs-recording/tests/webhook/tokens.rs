//! Valid and forged bearer tokens.

use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Issuer, Key, claims, now, unsigned};
use super::{SECRET, Seen, post, status};

fn authenticator(issuer: &Issuer) -> TokenAuthenticator {
    TokenAuthenticator::new(&issuer.configuration, [ISSUER], AUDIENCE).unwrap()
}

fn webhook(authenticator: impl Into<Authenticator>) -> Webhook {
    Seen::default().webhook(Webhook::builder(authenticator))
}

async fn with_authorization(webhook: &Webhook, authorization: &str) -> u16 {
    let mut request = post("/e", "[]");
    request
        .headers_mut()
        .insert("authorization", authorization.parse().unwrap());
    status(webhook, request).await
}

async fn with_token(webhook: &Webhook, token: &str) -> u16 {
    with_authorization(webhook, &format!("Bearer {token}")).await
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn only_valid_tokens_are_accepted() {
    let (key, stranger) = (Key::new("k1"), Key::new("k1"));
    let issuer = Issuer::start(&[&key]).await;
    let webhook = webhook(authenticator(&issuer));
    let good = key.sign(&claims());
    assert_eq!(with_token(&webhook, &good).await, 200);
    assert_eq!(
        with_authorization(&webhook, &format!("bearer  {good}")).await,
        200
    );
    for (what, claims) in [
        ("a little late", changed("exp", json!(now() - 5))),
        ("a little early", changed("nbf", json!(now() + 5))),
        (
            "one of several audiences",
            changed("aud", json!(["x", AUDIENCE])),
        ),
    ] {
        assert_eq!(
            with_token(&webhook, &key.sign(&claims)).await,
            200,
            "{what}"
        );
    }
    for (what, claims) in [
        ("expired", changed("exp", json!(now() - 3600))),
        ("not yet", changed("nbf", json!(now() + 3600))),
        ("audience", changed("aud", json!("another"))),
        (
            "issuer",
            changed("iss", json!("https://issuer.example.evil")),
        ),
        ("no expiry", changed("exp", Value::Null)),
        ("no audience", changed("aud", Value::Null)),
        ("no issuer", changed("iss", Value::Null)),
        ("a list of issuers", changed("iss", json!([ISSUER]))),
        ("several issuers", changed("iss", json!([ISSUER, "x"]))),
        ("no known audience", changed("aud", json!(["x", "y"]))),
        (
            "an expiry that is text",
            changed("exp", json!("9999999999")),
        ),
        ("a beginning that is text", changed("nbf", json!("0"))),
    ] {
        assert_eq!(
            with_token(&webhook, &key.sign(&claims)).await,
            401,
            "{what}"
        );
    }
    let none = unsigned(&json!({"alg": "none", "kid": "k1"}), &claims());
    let hmac = {
        // A known attack: the public key as the secret of an HMAC.
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let text = unsigned(&json!({"alg": "HS256", "kid": "k1"}), &claims());
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key.modulus()).unwrap();
        mac.update(text.as_bytes());
        format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    };
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other_claims = key.sign(&changed("exp", json!(now() + 9999)));
    let (other_head, _) = other_claims.rsplit_once('.').unwrap();
    for (what, token) in [
        ("none", format!("{none}.")),
        ("none without a dot", none.clone()),
        ("hmac", hmac),
        ("another key", stranger.sign(&claims())),
        (
            "an extension",
            key.sign_with(&json!(["urn:example:once"]), &claims()),
        ),
        ("no extension", key.sign_with(&json!([]), &claims())),
        ("cut", good[..good.len() - 4].to_owned()),
        ("no signature", format!("{head}.")),
        ("other claims", format!("{other_head}.{signature}")),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("noise", "a.b.c".to_owned()),
        ("endless", "a".repeat(100_000)),
    ] {
        assert_eq!(with_token(&webhook, &token).await, 401, "{what}");
    }
    for authorization in [&good[..], "Bearer", "Basic dTpw", ""] {
        assert_eq!(
            with_authorization(&webhook, authorization).await,
            401,
            "{authorization}"
        );
    }
    assert_eq!(status(&webhook, post("/e", "[]")).await, 401);
    let mut twice = post("/e", "[]");
    for _ in 0..2 {
        let value = format!("Bearer {good}").parse().unwrap();
        twice.headers_mut().append("authorization", value);
    }
    assert_eq!(status(&webhook, twice).await, 401);
    assert_eq!(issuer.fetches(), 1, "keys are cached");
}

#[tokio::test]
async fn unknown_keys_lead_to_one_fetch_per_minute() {
    let (old, new, foreign) = (Key::new("old"), Key::new("new"), Key::new("foreign"));
    let issuer = Issuer::start(&[&old]).await;
    let webhook = webhook(authenticator(&issuer));
    assert_eq!(with_token(&webhook, &old.sign(&claims())).await, 200);
    // The key may be a new one of the issuer, so no token is rejected without a fetch.
    for _ in 0..20 {
        assert_eq!(with_token(&webhook, &foreign.sign(&claims())).await, 503);
    }
    assert_eq!(
        issuer.fetches(),
        1,
        "unknown keys do not cause an immediate fetch"
    );
    issuer.keys.lock().unwrap().push(new.jwk());
    pass(Duration::from_secs(61)).await;
    assert_eq!(with_token(&webhook, &new.sign(&claims())).await, 200);
    assert_eq!(with_token(&webhook, &foreign.sign(&claims())).await, 503);
    assert_eq!(issuer.fetches(), 2);
    pass(Duration::from_secs(61)).await;
    assert_eq!(with_token(&webhook, &foreign.sign(&claims())).await, 401);
    assert_eq!(issuer.fetches(), 3);

    // Cached keys are used while the issuer is down, however old they are.
    issuer.broken.store(true, Ordering::Relaxed);
    pass(Duration::from_secs(25 * 60 * 60)).await;
    assert_eq!(with_token(&webhook, &old.sign(&claims())).await, 200);
    assert_eq!(with_token(&webhook, &foreign.sign(&claims())).await, 503);
    assert_eq!(issuer.fetches(), 4);

    // A key that the issuer has removed is not accepted.
    issuer.broken.store(false, Ordering::Relaxed);
    issuer.keys.lock().unwrap().remove(0);
    pass(Duration::from_secs(6)).await;
    assert_eq!(with_token(&webhook, &old.sign(&claims())).await, 401);
}

/// Lets time pass without waiting.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_fetch_continues_without_the_delivery_that_started_it() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    let hurry = Webhook::builder(authenticator(&issuer)).timeout(Duration::from_millis(300));
    let webhook = Seen::default().webhook(hurry);
    let closed = issuer.gate.lock().await;
    for _ in 0..2 {
        assert_eq!(with_token(&webhook, &key.sign(&claims())).await, 503);
    }
    drop(closed);
    // The next one waits for the same fetch, or finds its result.
    assert_eq!(with_token(&webhook, &key.sign(&claims())).await, 200);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn without_keys_the_delivery_must_be_repeated() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    issuer.broken.store(true, Ordering::Relaxed);
    let tokens = webhook(authenticator(&issuer));
    assert_eq!(with_token(&tokens, &key.sign(&claims())).await, 503);
    issuer.broken.store(false, Ordering::Relaxed);
    assert_eq!(with_token(&tokens, &key.sign(&claims())).await, 503);
    pass(Duration::from_secs(6)).await;
    assert_eq!(with_token(&tokens, &key.sign(&claims())).await, 200);
    issuer.broken.store(true, Ordering::Relaxed);
    // With a secret as an alternative, the secret suffices, and other requests are retried later.
    let either = webhook(
        Authenticator::from(authenticator(&issuer))
            .or(Authenticator::query_secret("code", SECRET).unwrap()),
    );
    assert_eq!(with_token(&either, &key.sign(&claims())).await, 503);
    let with_secret = post("/e?code=correct+horse+battery", "[]");
    assert_eq!(status(&either, with_secret).await, 200);
    assert_eq!(status(&either, post("/e", "[]")).await, 401);
}

#[tokio::test]
async fn unusable_keys_are_skipped() {
    let key = Key::new("good");
    let issuer = Issuer::start(&[&key]).await;
    {
        let mut keys = issuer.keys.lock().unwrap();
        let mut for_encryption = key.jwk();
        for_encryption["use"] = json!("enc");
        for_encryption["kid"] = json!("enc");
        let mut short = key.jwk();
        short["n"] = json!(URL_SAFE_NO_PAD.encode([0xc5; 128]));
        short["kid"] = json!("short");
        keys.extend([
            for_encryption,
            short,
            json!({"kty": "EC", "kid": "ec"}),
            json!(7),
        ]);
    }
    let webhook = webhook(authenticator(&issuer));
    assert_eq!(with_token(&webhook, &key.sign(&claims())).await, 200);
    for kid in ["enc", "short", "ec"] {
        pass(Duration::from_secs(61)).await;
        let token = unsigned(&json!({"alg": "RS256", "kid": kid}), &claims());
        assert_eq!(
            with_token(&webhook, &format!("{token}.AAAA")).await,
            401,
            "{kid}"
        );
    }
}

#[tokio::test]
async fn tokens_of_other_applications_are_rejected() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    let webhook = webhook(authenticator(&issuer).application("event-grid"));
    for claim in ["appid", "azp"] {
        let good = key.sign(&changed(claim, json!("event-grid")));
        assert_eq!(with_token(&webhook, &good).await, 200, "{claim}");
        let other = key.sign(&changed(claim, json!("other")));
        assert_eq!(with_token(&webhook, &other).await, 401, "{claim}");
    }
    assert_eq!(with_token(&webhook, &key.sign(&claims())).await, 401);
}

#[test]
fn invalid_settings_are_rejected() {
    assert!(TokenAuthenticator::callbacks("").is_err());
    assert!(TokenAuthenticator::callbacks(AUDIENCE).is_ok());
    let tenant = "4A7D6C1E-0000-4000-8000-00000000ABCD";
    let authenticator = TokenAuthenticator::entra(tenant, "api://app").unwrap();
    let debug = format!("{authenticator:?}");
    assert!(debug.contains(&tenant.to_lowercase()), "{debug}");
    assert!(!debug.contains(tenant), "{debug}");
    for tenant in ["contoso.onmicrosoft.com", "../common", "common", ""] {
        assert!(
            TokenAuthenticator::entra(tenant, "api://app").is_err(),
            "{tenant}"
        );
    }
    assert!(TokenAuthenticator::new("http://issuer.example", [ISSUER], AUDIENCE).is_err());
    assert!(TokenAuthenticator::new("https://issuer.example", [""], AUDIENCE).is_err());
}
