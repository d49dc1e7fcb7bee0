//! Bearer tokens, good and forged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Issuer, Key, claims, now, unsigned};
use super::{SECRET, Seen, post, status};

fn check(issuer: &Issuer) -> TokenAuthenticator {
    TokenAuthenticator::new(&issuer.configuration, [ISSUER], AUDIENCE).unwrap()
}

fn webhook(check: impl Into<Authenticator>) -> Webhook {
    Seen::default().webhook(Webhook::builder(check.into()))
}

async fn with(webhook: &Webhook, authorization: &str) -> u16 {
    let mut request = post("/e", "[]");
    request
        .headers_mut()
        .insert("authorization", authorization.parse().unwrap());
    status(webhook, request).await
}

async fn answer(webhook: &Webhook, token: &str) -> u16 {
    with(webhook, &format!("Bearer {token}")).await
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn only_good_tokens_pass() {
    let (key, stranger) = (Key::new("k1"), Key::new("k1"));
    let issuer = Issuer::start(&[&key]).await;
    let webhook = webhook(check(&issuer));
    let good = key.sign(&claims());
    assert_eq!(answer(&webhook, &good).await, 200);
    assert_eq!(with(&webhook, &format!("bearer  {good}")).await, 200);
    for (what, claims) in [
        ("a little late", changed("exp", json!(now() - 5))),
        ("a little early", changed("nbf", json!(now() + 5))),
        (
            "one of several audiences",
            changed("aud", json!(["x", AUDIENCE])),
        ),
    ] {
        assert_eq!(answer(&webhook, &key.sign(&claims)).await, 200, "{what}");
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
        assert_eq!(answer(&webhook, &key.sign(&claims)).await, 401, "{what}");
    }
    let none = unsigned(&json!({"alg": "none", "kid": "k1"}), &claims());
    let hmac = {
        // The oldest trick: the public key as a secret.
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
        assert_eq!(answer(&webhook, &token).await, 401, "{what}");
    }
    for authorization in [&good[..], "Bearer", "Basic dTpw", ""] {
        assert_eq!(with(&webhook, authorization).await, 401, "{authorization}");
    }
    assert_eq!(status(&webhook, post("/e", "[]")).await, 401);
    let mut twice = post("/e", "[]");
    for _ in 0..2 {
        let value = format!("Bearer {good}").parse().unwrap();
        twice.headers_mut().append("authorization", value);
    }
    assert_eq!(status(&webhook, twice).await, 401);
    assert_eq!(issuer.fetches(), 1, "keys are kept");
}

#[tokio::test]
async fn new_keys_are_fetched_but_not_for_everybody() {
    let (old, new, foreign) = (Key::new("old"), Key::new("new"), Key::new("foreign"));
    let issuer = Issuer::start(&[&old]).await;
    let webhook = webhook(check(&issuer));
    assert_eq!(answer(&webhook, &old.sign(&claims())).await, 200);
    // The foreign key may be a new one of the issuer's, so nobody is refused without asking it.
    for _ in 0..20 {
        assert_eq!(answer(&webhook, &foreign.sign(&claims())).await, 503);
    }
    assert_eq!(
        issuer.fetches(),
        1,
        "unknown keys do not make it ask at once"
    );
    issuer.keys.lock().unwrap().push(new.jwk());
    pass(Duration::from_secs(61)).await;
    assert_eq!(answer(&webhook, &new.sign(&claims())).await, 200);
    assert_eq!(answer(&webhook, &foreign.sign(&claims())).await, 503);
    assert_eq!(issuer.fetches(), 2);
    pass(Duration::from_secs(61)).await;
    assert_eq!(answer(&webhook, &foreign.sign(&claims())).await, 401);
    assert_eq!(issuer.fetches(), 3);

    // Known keys do while the issuer is down, for whatever time; about others nobody can tell.
    issuer.broken.store(true, Ordering::Relaxed);
    pass(Duration::from_secs(25 * 60 * 60)).await;
    assert_eq!(answer(&webhook, &old.sign(&claims())).await, 200);
    assert_eq!(answer(&webhook, &foreign.sign(&claims())).await, 503);
    assert_eq!(issuer.fetches(), 4);

    // What the issuer no longer has is no longer good.
    issuer.broken.store(false, Ordering::Relaxed);
    issuer.keys.lock().unwrap().remove(0);
    pass(Duration::from_secs(6)).await;
    assert_eq!(answer(&webhook, &old.sign(&claims())).await, 401);
}

/// Lets time pass without waiting.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_fetch_goes_on_without_the_delivery_that_began_it() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    let hurry = Webhook::builder(check(&issuer).into()).timeout(Duration::from_millis(300));
    let webhook = Seen::default().webhook(hurry);
    let closed = issuer.gate.lock().await;
    for _ in 0..2 {
        assert_eq!(answer(&webhook, &key.sign(&claims())).await, 503);
    }
    drop(closed);
    // The next one waits for the same fetch, or finds what that has brought.
    assert_eq!(answer(&webhook, &key.sign(&claims())).await, 200);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn without_keys_deliveries_come_again() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    issuer.broken.store(true, Ordering::Relaxed);
    let tokens = webhook(check(&issuer));
    assert_eq!(answer(&tokens, &key.sign(&claims())).await, 503);
    issuer.broken.store(false, Ordering::Relaxed);
    assert_eq!(answer(&tokens, &key.sign(&claims())).await, 503);
    pass(Duration::from_secs(6)).await;
    assert_eq!(answer(&tokens, &key.sign(&claims())).await, 200);
    issuer.broken.store(true, Ordering::Relaxed);
    // Together with a secret: whoever has that passes, and the others may later.
    let either = webhook(
        Authenticator::from(check(&issuer)).or(Authenticator::secret("code", SECRET).unwrap()),
    );
    assert_eq!(answer(&either, &key.sign(&claims())).await, 503);
    let with_secret = post("/e?code=correct+horse+battery", "[]");
    assert_eq!(status(&either, with_secret).await, 200);
    assert_eq!(status(&either, post("/e", "[]")).await, 401);
}

#[tokio::test]
async fn weak_and_odd_keys_are_no_keys() {
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
    let webhook = webhook(check(&issuer));
    assert_eq!(answer(&webhook, &key.sign(&claims())).await, 200);
    for kid in ["enc", "short", "ec"] {
        pass(Duration::from_secs(61)).await;
        let token = unsigned(&json!({"alg": "RS256", "kid": kid}), &claims());
        assert_eq!(
            answer(&webhook, &format!("{token}.AAAA")).await,
            401,
            "{kid}"
        );
    }
}

#[tokio::test]
async fn tokens_of_other_applications_do_not_pass() {
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    let webhook = webhook(check(&issuer).application("event-grid"));
    for claim in ["appid", "azp"] {
        let good = key.sign(&changed(claim, json!("event-grid")));
        assert_eq!(answer(&webhook, &good).await, 200, "{claim}");
        let other = key.sign(&changed(claim, json!("other")));
        assert_eq!(answer(&webhook, &other).await, 401, "{claim}");
    }
    assert_eq!(answer(&webhook, &key.sign(&claims())).await, 401);
}

#[test]
fn checks_that_check_nothing_are_refused() {
    assert!(TokenAuthenticator::callbacks("").is_err());
    assert!(TokenAuthenticator::callbacks(AUDIENCE).is_ok());
    let tenant = "4A7D6C1E-0000-4000-8000-00000000ABCD";
    let check = TokenAuthenticator::entra(tenant, "api://app").unwrap();
    let debug = format!("{check:?}");
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
