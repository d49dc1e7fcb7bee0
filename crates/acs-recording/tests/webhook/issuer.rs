//! A token issuer with its `OpenID` configuration on loopback.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "4a7d6c1e-0000-4000-8000-000000000aaa";

pub struct Key {
    pub kid: &'static str,
    pair: RsaKeyPair,
}

impl Key {
    pub fn new(kid: &'static str) -> Self {
        Self {
            kid,
            pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    pub fn modulus(&self) -> Vec<u8> {
        let modulus = self.pair.public_key().modulus();
        modulus.big_endian_without_leading_zero().to_vec()
    }

    pub fn jwk(&self) -> Value {
        let exponent = self.pair.public_key().exponent();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(self.modulus()),
            "e": URL_SAFE_NO_PAD.encode(exponent.big_endian_without_leading_zero()),
        })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&Value::Null, claims)
    }

    /// Signs with critical extensions in the header.
    pub fn sign_with(&self, critical: &Value, claims: &Value) -> String {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid});
        if !critical.is_null() {
            header["crit"] = critical.clone();
        }
        let text = unsigned(&header, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Header and claims, ready to be signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Valid claims.
pub fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "nbf": now() - 5, "exp": now() + 300})
}

pub struct Issuer {
    pub configuration: String,
    pub keys: Arc<Mutex<Vec<Value>>>,
    pub fetches: Arc<AtomicUsize>,
    pub broken: Arc<AtomicBool>,
    /// While it is locked, the keys are not served.
    pub gate: Arc<tokio::sync::Mutex<()>>,
}

impl Issuer {
    pub async fn start(keys: &[&Key]) -> Self {
        let keys = Arc::new(Mutex::new(
            keys.iter().map(|key| key.jwk()).collect::<Vec<_>>(),
        ));
        let (fetches, broken) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let gate = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let configuration = json!({"issuer": ISSUER, "jwks_uri": format!("{address}/keys")});
        let router = Router::new()
            .route(
                "/configuration",
                get(async move || configuration.to_string()),
            )
            .route(
                "/keys",
                get({
                    let (keys, fetches, broken) =
                        (Arc::clone(&keys), Arc::clone(&fetches), Arc::clone(&broken));
                    let gate: Arc<tokio::sync::Mutex<()>> = Arc::clone(&gate);
                    async move || {
                        fetches.fetch_add(1, Ordering::Relaxed);
                        let _open = gate.lock().await;
                        if broken.load(Ordering::Relaxed) {
                            return Err(StatusCode::BAD_GATEWAY);
                        }
                        Ok(json!({"keys": *keys.lock().unwrap()}).to_string())
                    }
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            configuration: format!("{address}/configuration"),
            keys,
            fetches,
            broken,
            gate,
        }
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}
