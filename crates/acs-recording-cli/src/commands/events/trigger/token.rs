//! Tokens as Microsoft Entra ID issues them to Event Grid, from an issuer of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use acs_recording::Cloud;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Args;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::failure::Failure;
use crate::files::read_text;

/// The lifetime of a token, in seconds.
const LIFETIME: i64 = 60 * 60;

/// How requests are signed.
#[derive(Debug, Args)]
#[allow(clippy::struct_field_names, reason = "they are the names of options")]
pub(super) struct TokenOptions {
    /// Sends a signed token for this application, as for a webhook that Microsoft Entra ID protects
    ///
    /// The receiver must trust the issuer: for `events listen`, pass --entra-authority with the URL
    /// of --token-issuer, the same audience, and the tenant of --token-tenant.
    #[arg(long, value_name = "APP")]
    token_audience: Option<String>,

    /// Address on loopback where the issuer publishes its key while the command runs; the issuer is
    /// http://ADDR/TENANT/v2.0
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8089",
        requires = "token_audience"
    )]
    token_issuer: SocketAddr,

    /// Tenant of the token
    #[arg(
        long,
        value_name = "GUID",
        default_value_t = Uuid::nil(),
        requires = "token_audience"
    )]
    token_tenant: Uuid,

    /// Application that the token is issued to [default: Event Grid in the cloud]
    #[arg(long, value_name = "ID", requires = "token_audience")]
    token_application: Option<String>,

    /// PEM file with the RSA private key that signs the token [default: a new key]
    #[arg(long, value_name = "FILE", requires = "token_audience")]
    token_key: Option<PathBuf>,
}

/// An issuer that publishes its key until it is dropped.
#[derive(Debug)]
pub(super) struct Issuer {
    token: String,
    server: AbortHandle,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    azp: &'a str,
    tid: Uuid,
    sub: Uuid,
    uti: String,
    ver: &'static str,
}

impl TokenOptions {
    /// Issues a token, and publishes its key.
    pub(super) async fn issue(&self, cloud: Cloud) -> Result<Option<Issuer>, Failure> {
        let Some(audience) = &self.token_audience else {
            return Ok(None);
        };
        if !self.token_issuer.ip().is_loopback() {
            return Err(Failure::usage("--token-issuer must be on loopback"));
        }
        let application = self.token_application.as_deref();
        let application = application.or(cloud.event_grid_application());
        let application = application.ok_or_else(|| {
            Failure::usage("the application of Event Grid is not known in this cloud")
                .hint("pass --token-application")
        })?;
        let key = self.key()?;
        let pem = pem(&key)?;
        let signing =
            EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| Failure::other(&error))?;
        let listener = TcpListener::bind(self.token_issuer).await;
        let listener = listener.map_err(|error| {
            let text = format!("cannot publish the key at {}: {error}", self.token_issuer);
            Failure::usage(text).hint("pass another --token-issuer")
        })?;
        let authority = format!("http://{}", listener.local_addr()?);
        let issuer = format!("{authority}/{}/v2.0", self.token_tenant);
        let mut header = Header::new(Algorithm::RS256);
        let public = public_key(&key);
        header.kid = public["kid"].as_str().map(str::to_owned);
        let now = Timestamp::now().as_second();
        let claims = Claims {
            iss: &issuer,
            aud: audience,
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            azp: application,
            tid: self.token_tenant,
            sub: Uuid::new_v4(),
            uti: URL_SAFE_NO_PAD.encode(Uuid::new_v4()),
            ver: "2.0",
        };
        let token = encode(&header, &claims, &signing).map_err(|error| Failure::other(&error))?;
        let keys_url = format!("{authority}/{}/discovery/v2.0/keys", self.token_tenant);
        let configuration = json!({
            "issuer": issuer,
            "jwks_uri": keys_url,
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let server = tokio::spawn(publish(listener, configuration, json!({"keys": [public]})));
        Ok(Some(Issuer {
            token,
            server: server.abort_handle(),
        }))
    }

    fn key(&self) -> Result<KeyPair, Failure> {
        let Some(path) = &self.token_key else {
            return KeyPair::generate(KeySize::Rsa2048).map_err(|error| Failure::other(&error));
        };
        let text = read_text(path)?;
        let unusable = |what: &str| {
            Failure::usage(format!("{}: {what}", path.display()))
                .with_path(path)
                .hint("make one with `openssl genrsa -out key.pem 2048`")
        };
        let base64: String = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(base64);
        let der = der.map_err(|_| unusable("this is not a PEM file"))?;
        KeyPair::from_pkcs8(&der)
            .or_else(|_| KeyPair::from_der(&der))
            .map_err(|_| unusable("this is not an RSA private key of at least 2048 bits"))
    }
}

impl Issuer {
    pub(super) fn token(&self) -> String {
        self.token.clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn pem(key: &KeyPair) -> Result<String, Failure> {
    let der = key.as_der().map_err(|error| Failure::other(&error))?;
    let base64 = STANDARD.encode(der.as_ref());
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"
    ))
}

/// The public key as a JSON Web Key. Its id depends on the key, so that a key in a file keeps its id.
fn public_key(key: &KeyPair) -> Value {
    let public = key.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let exponent = public.exponent().big_endian_without_leading_zero();
    let modulus = URL_SAFE_NO_PAD.encode(modulus);
    let id: String = modulus.chars().take(27).collect();
    json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": id,
        "n": modulus,
        "e": URL_SAFE_NO_PAD.encode(exponent),
    })
}

/// Serves the OpenID configuration and the keys.
async fn publish(listener: TcpListener, configuration: Value, keys: Value) {
    let document = |value: Value| {
        get(move || {
            let text = value.to_string();
            async move { ([("content-type", "application/json")], text) }
        })
    };
    let router = Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            document(configuration),
        )
        .route("/{tenant}/discovery/v2.0/keys", document(keys));
    let _ = axum::serve(listener, router).await;
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    use super::*;

    /// The options with a key in a file, and a free port.
    fn options(key: PathBuf) -> TokenOptions {
        TokenOptions {
            token_audience: Some("api://app".to_owned()),
            token_issuer: ([127, 0, 0, 1], 0).into(),
            token_tenant: Uuid::nil(),
            token_application: None,
            token_key: Some(key),
        }
    }

    #[tokio::test]
    async fn a_key_in_a_file_signs_every_token_and_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        std::fs::write(&path, pem(&key).unwrap()).unwrap();
        let public = public_key(&key);
        let text = |name: &str| public[name].as_str().unwrap();
        let public_key = DecodingKey::from_rsa_components(text("n"), text("e")).unwrap();
        for _ in 0..2 {
            let issuer = options(path.clone()).issue(Cloud::Public).await;
            let token = issuer.unwrap().unwrap().token();
            let header = decode_header(&token).unwrap();
            assert_eq!(header.kid.as_deref(), Some(text("kid")));
            let mut rules = Validation::new(Algorithm::RS256);
            rules.set_audience(&["api://app"]);
            let claims = decode::<Value>(&token, &public_key, &rules).unwrap().claims;
            let application = Cloud::Public.event_grid_application().unwrap();
            assert_eq!(claims["azp"], application);
        }
    }
}
