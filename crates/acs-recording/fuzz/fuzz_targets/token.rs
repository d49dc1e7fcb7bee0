//! Bearer tokens: a token is accepted only if an independent validation accepts it.

#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use acs_recording::Event;
use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "audience";
const APPLICATION: &str = "application";
/// The allowed clock skew in seconds.
const LEEWAY: i64 = 60;

/// The content of the `Authorization` header.
#[derive(Arbitrary, Debug)]
enum Token<'a> {
    /// Anything.
    Raw(&'a str),
    /// Arbitrary content, signed with the issuer's key.
    Signed { header: &'a str, claims: &'a str },
    /// A valid token with some members changed.
    Changed(Vec<Change<'a>>),
    /// A valid token, signed with another key.
    Forged {
        algorithm: &'a str,
        signature: &'a [u8],
    },
}

#[derive(Arbitrary, Debug)]
struct Change<'a> {
    header: bool,
    member: Member<'a>,
    value: Content<'a>,
}

#[derive(Arbitrary, Debug)]
enum Member<'a> {
    Alg,
    Kid,
    Crit,
    Iss,
    Aud,
    Exp,
    Nbf,
    Appid,
    Azp,
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Content<'a> {
    Missing,
    Null,
    Text(&'a str),
    Good(u8),
    Both(u8, &'a str),
    Number(f64),
    FromNow(i16),
    Json(&'a str),
}

struct World {
    runtime: Runtime,
    webhook: Webhook,
    key: RsaKeyPair,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let configuration = runtime.block_on(issuer(&key));
    let check = TokenAuthenticator::new(&configuration, [ISSUER], AUDIENCE).unwrap();
    let check = Authenticator::token(check.application(APPLICATION));
    let webhook = Webhook::builder(check)
        .allow_duplicates()
        .build(async |_: Event| Ok(()));
    World {
        runtime,
        webhook,
        key,
    }
});

fuzz_target!(|token: Token<'_>| {
    let world = &*WORLD;
    let token = token.text(&world.key);
    let mut request = Request::post("/events").header("content-type", "application/json");
    request = request.header("authorization", format!("Bearer {token}"));
    let Ok(request) = request.body(Bytes::from_static(b"[]")) else {
        return;
    };
    let response = world.runtime.block_on(world.webhook.respond(request));
    // A token with an unknown key must be delivered again.
    if !matches!(response.status().as_u16(), 401 | 503) {
        assert!(is_valid(token.trim(), &world.key), "{token}");
    }
});

impl Token<'_> {
    fn text(&self, key: &RsaKeyPair) -> String {
        let (mut header, mut claims) = (valid_header(), valid_claims());
        match self {
            Self::Raw(text) => (*text).to_owned(),
            Self::Signed { header, claims } => sign(header, claims, key),
            Self::Changed(changes) => {
                for change in changes {
                    let object = if change.header {
                        &mut header
                    } else {
                        &mut claims
                    };
                    change.make(object);
                }
                sign(&header.to_string(), &claims.to_string(), key)
            }
            Self::Forged {
                algorithm,
                signature,
            } => {
                header["alg"] = json!(algorithm);
                let text = unsigned(&header.to_string(), &claims.to_string());
                format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
            }
        }
    }
}

impl Change<'_> {
    fn make(&self, object: &mut Value) {
        let name = match self.member {
            Member::Alg => "alg",
            Member::Kid => "kid",
            Member::Crit => "crit",
            Member::Iss => "iss",
            Member::Aud => "aud",
            Member::Exp => "exp",
            Member::Nbf => "nbf",
            Member::Appid => "appid",
            Member::Azp => "azp",
            Member::Other(name) => name,
        };
        let good = |which: &u8| match which % 3 {
            0 => ISSUER,
            1 => AUDIENCE,
            _ => APPLICATION,
        };
        object[name] = match &self.value {
            Content::Missing => {
                object.as_object_mut().map(|members| members.remove(name));
                return;
            }
            Content::Null => Value::Null,
            Content::Text(text) => json!(text),
            Content::Good(which) => json!(good(which)),
            Content::Both(which, other) => json!([good(which), other]),
            Content::Number(number) => json!(number),
            Content::FromNow(seconds) => json!(now() + i64::from(*seconds)),
            Content::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        };
    }
}

fn valid_header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": "k"})
}

fn valid_claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "appid": APPLICATION, "exp": now() + 300, "nbf": now()})
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn unsigned(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(header), encode(claims))
}

fn sign(header: &str, claims: &str, key: &RsaKeyPair) -> String {
    let text = unsigned(header, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Validates a token independently: strictly, by the rules.
fn is_valid(token: &str, key: &RsaKeyPair) -> bool {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, _] = parts[..] else {
        return false;
    };
    let decode = |part: &str| -> Option<(Value, String)> {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        Some((serde_json::from_str(&text).ok()?, text))
    };
    let (Some((header, header_text)), Some((claims, claims_text))) =
        (decode(header), decode(claims))
    else {
        return false;
    };
    // The signature is deterministic.
    let is_signed = sign(&header_text, &claims_text, key) == token;
    let has_audience = match &claims["aud"] {
        Value::Array(all) => all.iter().any(|one| one == AUDIENCE),
        one => one == AUDIENCE,
    };
    let time = |name: &str| claims[name].as_f64();
    let now = now();
    // Up to two seconds can pass in between.
    let is_expired = time("exp").is_none_or(|end| end < (now - LEEWAY - 2) as f64);
    let is_early = match &claims["nbf"] {
        Value::Null => false,
        _ => time("nbf").is_none_or(|begin| begin > (now + LEEWAY + 2) as f64),
    };
    let application = match &claims["appid"] {
        Value::Null => &claims["azp"],
        given => given,
    };
    is_signed
        && header["alg"] == "RS256"
        && header["kid"] == "k"
        && header["crit"].is_null()
        && claims["iss"] == ISSUER
        && has_audience
        && !is_expired
        && !is_early
        && application == APPLICATION
}

/// Serves the configuration and keys of an issuer on loopback, until the runtime is dropped.
async fn issuer(key: &RsaKeyPair) -> String {
    let public = key.public_key();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let keys = json!({"keys": [{
        "kty": "RSA", "use": "sig", "kid": "k",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    }]});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let configuration = json!({"issuer": ISSUER, "jwks_uri": format!("{url}/keys")});
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let body = if request[..read].starts_with(b"GET /keys") {
                &keys
            } else {
                &configuration
            };
            let body = body.to_string();
            let response = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    format!("{url}/configuration")
}
