//! Shared secrets in the URL or in a header.

use std::fmt;

use http::HeaderName;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::authenticate::{AuthDecision, AuthFuture, Authenticate, InvalidAuthenticator};

/// Shorter secrets can be guessed.
const MIN_LENGTH: usize = 16;

/// Requires one of several secrets in a fixed place of the request.
pub(super) struct SharedSecret {
    location: Location,
    /// Hashes have one length, so comparing them does not reveal that of a secret.
    hashes: Vec<[u8; 32]>,
}

/// Where a request carries the secret.
#[derive(Debug)]
enum Location {
    QueryParameter(String),
    Header(HeaderName),
}

impl SharedSecret {
    pub(super) fn in_query<'a>(
        parameter: String,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticator> {
        if parameter.is_empty() {
            return Err(InvalidAuthenticator(
                "the query parameter of a webhook secret has no name",
            ));
        }
        Self::new(Location::QueryParameter(parameter), secrets, check_query)
    }

    pub(super) fn in_header<'a>(
        name: &str,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticator> {
        let name = name.parse().map_err(|_| {
            InvalidAuthenticator("the header of a webhook secret has an invalid name")
        })?;
        Self::new(Location::Header(name), secrets, check_header)
    }

    fn new<'a>(
        location: Location,
        secrets: impl IntoIterator<Item = &'a str>,
        check: fn(&str) -> Result<(), InvalidAuthenticator>,
    ) -> Result<Self, InvalidAuthenticator> {
        let mut hashes = Vec::new();
        for secret in secrets {
            if secret.len() < MIN_LENGTH {
                return Err(InvalidAuthenticator(
                    "a webhook secret needs at least 16 bytes",
                ));
            }
            check(secret)?;
            hashes.push(hash(secret.as_bytes()));
        }
        if hashes.is_empty() {
            return Err(InvalidAuthenticator("there is no webhook secret to check"));
        }
        Ok(Self { location, hashes })
    }

    fn decide(&self, request: &Parts) -> AuthDecision {
        let Some(given) = self.location.only_value(request) else {
            return AuthDecision::deny("the secret is missing, or there are several");
        };
        // Every secret is compared, so that the time does not reveal which one matched.
        let matches = self
            .hashes
            .iter()
            .map(|known| known.ct_eq(&given))
            .fold(Choice::from(0), |any, equal| any | equal);
        if bool::from(matches) {
            AuthDecision::Allow
        } else {
            AuthDecision::deny("the secret is wrong")
        }
    }
}

impl Location {
    /// The hash of the value in this place of a request, if there is exactly one.
    fn only_value(&self, request: &Parts) -> Option<[u8; 32]> {
        match self {
            Self::QueryParameter(parameter) => {
                let query = request.uri.query().unwrap_or_default();
                let values = url::form_urlencoded::parse(query.as_bytes())
                    .filter(|(name, _)| name == parameter)
                    .map(|(_, value)| hash(value.as_bytes()));
                only(values)
            }
            Self::Header(name) => {
                let values = request.headers.get_all(name).iter();
                only(values.map(|value| hash(value.as_bytes())))
            }
        }
    }
}

impl Authenticate for SharedSecret {
    fn authenticate<'a>(&'a self, request: &'a Parts) -> AuthFuture<'a> {
        Box::pin(std::future::ready(self.decide(request)))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret")
            .field("location", &self.location)
            .field("secrets", &self.hashes.len())
            .finish()
    }
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Rejects a secret that a URL changes on its way. Spaces are accepted, because a
/// URL with a space does not work at all.
fn check_query(secret: &str) -> Result<(), InvalidAuthenticator> {
    if secret.contains('+') {
        return Err(InvalidAuthenticator(
            "a webhook secret with a raw `+` never matches, because a URL turns it into a space; use \
             letters, digits, `-` and `_`, as in base64url",
        ));
    }
    if secret.contains(['&', '#']) {
        return Err(InvalidAuthenticator(
            "a webhook secret with `&` or `#` never matches, because a URL ends it there; use \
             letters, digits, `-` and `_`, as in base64url",
        ));
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = secret.as_bytes();
    let mut percents = secret.match_indices('%').map(|(at, _)| at);
    if percents.any(|at| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2))) {
        return Err(InvalidAuthenticator(
            "a percent-encoded webhook secret never matches, because a URL is decoded; pass the \
             decoded secret, preferably of letters, digits, `-` and `_`",
        ));
    }
    Ok(())
}

/// Rejects a secret that cannot be the value of a header.
fn check_header(secret: &str) -> Result<(), InvalidAuthenticator> {
    let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if secret.trim() != secret || !secret.bytes().all(is_visible) {
        return Err(InvalidAuthenticator(
            "a webhook secret in a header consists of visible ASCII characters, without spaces \
             around it",
        ));
    }
    Ok(())
}
