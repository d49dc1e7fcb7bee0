//! Verifying a JSON Web Token with a cryptography provider that is chosen here. `jsonwebtoken` alone
//! uses the one of the process, which is the application's choice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, get_current_timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The claims that every token is verified by. The first three are required.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
    iss: String,
    aud: Audience,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The claims of a token signed with RS256. None if its signature, issuer, audience or time is wrong.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Option<T> {
    let (message, signature) = token.rsplit_once('.')?;
    let (_, payload) = message.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, key).ok()?;
    verifier.verify(message.as_bytes(), &signature).ok()?;

    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.is_valid_now(validation.leeway) && claims.is_for(validation)).then_some(())?;
    serde_json::from_slice(&payload).ok()
}

impl Claims {
    #[allow(
        clippy::cast_precision_loss,
        reason = "times in tokens may have fractions and are far below 2^53 seconds"
    )]
    fn is_valid_now(&self, leeway: u64) -> bool {
        let (now, leeway) = (get_current_timestamp() as f64, leeway as f64);
        // NaN is not valid at any time.
        self.exp >= now - leeway && self.nbf.is_none_or(|begin| begin <= now + leeway)
    }

    fn is_for(&self, validation: &Validation) -> bool {
        let is_accepted = |audience: &String| {
            let accepted = validation.aud.as_ref();
            accepted.is_some_and(|accepted| accepted.contains(audience))
        };
        let issuers = validation.iss.as_ref();
        let is_known = issuers.is_some_and(|issuers| issuers.contains(&self.iss));
        is_known
            && match &self.aud {
                Audience::One(audience) => is_accepted(audience),
                Audience::Several(audiences) => audiences.iter().any(is_accepted),
            }
    }
}
