//! Tokens of Entra ID: fetched once, used by all, renewed before they expire.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientMethodOptions, Context};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};

/// A token this close to its end is renewed while it still works.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// How long a request waits for a new token while the old one works.
const RENEWAL: Duration = Duration::from_secs(5);

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a token must prove, because the service says that the last one did not: JSON, as Entra ID
/// takes it in a request's `claims`.
///
/// After such an answer, the credential gets it in the context of the
/// [`TokenRequestOptions`](azure_core::credentials::TokenRequestOptions), once. A credential that
/// does not look there gives any token; one that it gave before is not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChallenge(pub String);

impl ClaimsChallenge {
    /// The claims in a `WWW-Authenticate` header that asks for some.
    pub(crate) fn find(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let value = |name: &str| {
            let rest = parameters.split(',').find_map(|parameter| {
                let (found, value) = parameter.trim().split_once('=')?;
                found.eq_ignore_ascii_case(name).then_some(value)
            })?;
            Some(rest.trim().trim_matches('"'))
        };
        if value("error")? != "insufficient_claims" {
            return None;
        }
        // In either alphabet, with padding or without.
        let claims = value("claims")?.replace('-', "+").replace('_', "/");
        let claims = LENIENT.decode(claims).ok()?;
        Some(Self(String::from_utf8(claims).ok()?))
    }
}

/// A credential and the token that it gave last.
pub(crate) struct EntraCredential {
    credential: Arc<dyn TokenCredential>,
    scope: String,
    current: RwLock<Option<AccessToken>>,
    /// Held while a token is fetched, so that one is fetched at a time.
    fetching: Mutex<()>,
}

impl EntraCredential {
    pub(crate) fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            credential,
            scope,
            current: RwLock::new(None),
            fetching: Mutex::new(()),
        }
    }

    /// The value of the `Authorization` header.
    pub(crate) async fn bearer(&self) -> Result<String> {
        let token = match self.current() {
            Some(token) if remaining(&token) > RENEW_AHEAD => token,
            Some(token) if !remaining(&token).is_zero() => self.renew(token).await,
            _ => self.first().await?,
        };
        Ok(header(&token))
    }

    /// Gives up the token of this header, because the service did, and fetches one that answers
    /// the challenge; whether there is another one now.
    pub(crate) async fn challenged(
        &self,
        refused: &str,
        challenge: Option<ClaimsChallenge>,
    ) -> Result<bool> {
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(current) = self.current()
            && header(&current) != refused
        {
            // Somebody whose token was refused too was faster.
            return Ok(true);
        }
        self.set(None);
        match challenge {
            Some(challenge) => {
                let token = self.fetch(Some(challenge)).await?;
                Ok(header(&token) != refused)
            }
            None => Ok(false),
        }
    }

    /// The error for a credential that takes too long.
    pub(crate) fn gave_nothing(&self) -> Error {
        Error::new(
            ErrorKind::Timeout,
            format!("the credential gave no token for {} in time", self.scope),
        )
    }

    /// Renews a token that still works; whoever comes meanwhile goes on with the old one, and so
    /// does everybody when there is no new one.
    async fn renew(&self, old: AccessToken) -> AccessToken {
        let Ok(_one_at_a_time) = self.fetching.try_lock() else {
            return old;
        };
        match timeout(RENEWAL, self.fetch(None)).await {
            Ok(Ok(token)) => return token,
            Ok(Err(error)) => tracing::warn!(%error, "the token could not be renewed yet"),
            Err(_) => tracing::warn!("the token could not be renewed yet: no answer"),
        }
        old
    }

    async fn first(&self) -> Result<AccessToken> {
        let _one_at_a_time = self.fetching.lock().await;
        match self.current() {
            // Somebody was faster.
            Some(token) if !remaining(&token).is_zero() => Ok(token),
            _ => self.fetch(None).await,
        }
    }

    async fn fetch(&self, challenge: Option<ClaimsChallenge>) -> Result<AccessToken> {
        let options = challenge.map(|challenge| TokenRequestOptions {
            method_options: ClientMethodOptions {
                context: Context::new().with_value(challenge),
            },
        });
        let token = self.credential.get_token(&[&self.scope], options).await;
        let token = token.map_err(|error| {
            Error::new(
                ErrorKind::Authentication,
                format!("the credential gives no token for {}: {error}", self.scope),
            )
            .with_source(error)
        })?;
        self.set(Some(token.clone()));
        Ok(token)
    }

    fn current(&self) -> Option<AccessToken> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, token: Option<AccessToken>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

impl fmt::Debug for EntraCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraCredential")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The header with a token.
fn header(token: &AccessToken) -> String {
    format!("Bearer {}", token.token.secret())
}

/// How long a token is good for from now.
fn remaining(token: &AccessToken) -> Duration {
    let end = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
    (UNIX_EPOCH + Duration::from_secs(end))
        .duration_since(SystemTime::now())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn challenges_are_found_among_other_headers() {
        let claims = BASE64_STANDARD.encode(r#"{"access_token":{"nbf":{"value":"1"}}}"#);
        let header = format!(
            r#"Bearer realm="", error="insufficient_claims", authorization_uri="https://x", claims="{claims}""#
        );
        let found = ClaimsChallenge::find(&header).unwrap();
        assert_eq!(found.0, r#"{"access_token":{"nbf":{"value":"1"}}}"#);
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"?":"~~~>>>"}"#);
        assert!(claims.contains('-') || claims.contains('_'), "{claims}");
        let header = format!(r#"bearer claims="{claims}", error="insufficient_claims""#);
        assert_eq!(
            ClaimsChallenge::find(&header).unwrap().0,
            r#"{"?":"~~~>>>"}"#
        );
        for header in [
            "",
            "HMAC-SHA256",
            r#"Bearer error="invalid_token""#,
            r#"Bearer error="insufficient_claims", claims="%%%""#,
        ] {
            assert_eq!(ClaimsChallenge::find(header), None, "{header}");
        }
    }
}
