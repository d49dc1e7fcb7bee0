//! Signed tokens: those in callbacks, and those that clients use instead of an access key.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::service::clock::after;
use crate::service::ids;

/// The issuer of callback tokens, according to the documentation of the service.
pub(crate) const CALLBACK_ISSUER: &str = "https://acscallautomation.communication.azure.com";
/// The lifetime of a callback token.
const CALLBACK_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The audiences of client tokens. The scope of the service ends in a second slash.
const AUDIENCES: [&str; 2] = [
    "https://communication.azure.com/",
    "https://communication.azure.com",
];
/// The scopes for client tokens.
pub(crate) const SCOPES: [&str; 2] = [
    "https://communication.azure.com//.default",
    "https://communication.azure.com/.default",
];

/// Issues and verifies tokens. The key is generated when it is first needed, which takes a moment.
pub(crate) struct Tokens {
    key: OnceLock<Option<Key>>,
    pub(crate) tenant: Uuid,
    /// The issuer of client tokens.
    pub(crate) issuer: String,
}

struct Key {
    id: String,
    private: EncodingKey,
    public: DecodingKey,
    modulus: String,
    exponent: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// Makes tokens of the same second differ, so that each callback has its own.
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<Uuid>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Creates an issuer below `endpoint`.
    pub(crate) fn new(endpoint: &str) -> Self {
        let tenant = ids::new_id();
        Self {
            key: OnceLock::new(),
            tenant,
            issuer: format!("{endpoint}/{tenant}/v2.0"),
        }
    }

    /// Issues a token for a client.
    pub(crate) fn for_client(
        &self,
        client: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, Error> {
        self.sign(&Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCES[0].to_owned(),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: after(now, lifetime).as_second(),
            jti: Uuid::new_v4(),
            sub: Some(client.to_owned()),
            tid: Some(self.tenant),
        })
    }

    /// Issues a token for one callback to an application of `resource`.
    pub(crate) fn for_callback(&self, resource: Uuid, now: Timestamp) -> Result<String, Error> {
        self.sign(&Claims {
            iss: CALLBACK_ISSUER.to_owned(),
            aud: resource.to_string(),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: after(now, CALLBACK_LIFETIME).as_second(),
            jti: Uuid::new_v4(),
            sub: None,
            tid: None,
        })
    }

    /// Whether `token` is a client token that is valid at `now`.
    pub(crate) fn accepts(&self, token: &str, now: Timestamp) -> bool {
        let Ok(key) = self.key() else { return false };
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&AUDIENCES);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Expiry is checked below against the service's clock, not the machine's.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        match decode::<Claims>(token, &key.public, &rules) {
            Ok(token) => {
                let now = now.as_second();
                token.claims.nbf <= now && now < token.claims.exp
            }
            Err(error) => {
                tracing::debug!(%error, "token denied");
                false
            }
        }
    }

    /// The public key as a JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Result<Value, Error> {
        let key = self.key()?;
        Ok(json!({"keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": key.id,
            "n": key.modulus,
            "e": key.exponent,
        }]}))
    }

    fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let key = self.key()?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(key.id.clone());
        encode(&header, claims, &key.private).map_err(|error| Error::Token(error.into()))
    }

    fn key(&self) -> Result<&Key, Error> {
        let made = self.key.get_or_init(|| {
            make()
                .inspect_err(|error| tracing::error!(%error, "cannot generate the key for tokens"))
                .ok()
        });
        made.as_ref()
            .ok_or_else(|| Error::Token("the key could not be generated".into()))
    }
}

fn make() -> Result<Key, Box<dyn std::error::Error + Send + Sync>> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let modulus = pair
        .public_key()
        .modulus()
        .big_endian_without_leading_zero();
    let exponent = pair
        .public_key()
        .exponent()
        .big_endian_without_leading_zero();
    let (modulus, exponent) = (
        URL_SAFE_NO_PAD.encode(modulus),
        URL_SAFE_NO_PAD.encode(exponent),
    );
    let der = pair.as_der()?;
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    Ok(Key {
        id: Uuid::new_v4().simple().to_string(),
        private: EncodingKey::from_rsa_pem(pem.as_bytes())?,
        public: DecodingKey::from_rsa_components(&modulus, &exponent)?,
        modulus,
        exponent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

    #[test]
    fn a_token_is_valid_for_its_lifetime_and_audience() {
        let tokens = Tokens::new("http://127.0.0.1:1");
        let hour = Duration::from_secs(60 * 60);
        let token = tokens.for_client("app", NOW, hour).unwrap();
        assert!(tokens.accepts(&token, NOW));
        assert!(tokens.accepts(&token, after(NOW, Duration::from_secs(3599))));
        assert!(!tokens.accepts(&token, after(NOW, hour)));
        assert!(!tokens.accepts(&token, Timestamp::constant(1_767_225_599, 0)));

        let callback = tokens.for_callback(tokens.tenant, NOW).unwrap();
        assert!(
            !tokens.accepts(&callback, NOW),
            "a callback token was accepted"
        );
        let other = Tokens::new("http://127.0.0.1:1");
        assert!(
            !other.accepts(&token, NOW),
            "a token with another key was accepted"
        );
        let (head, signature) = token.rsplit_once('.').unwrap();
        assert!(!tokens.accepts(head, NOW));
        let mut forged: String = signature.chars().rev().collect();
        forged.insert_str(0, &format!("{head}."));
        assert!(!tokens.accepts(&forged, NOW));
    }
}
