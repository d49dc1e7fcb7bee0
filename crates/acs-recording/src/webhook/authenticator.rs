//! Who may post.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::token::TokenAuthenticator;
use crate::error::{Error, ErrorKind};

/// What a request must have for its events to be believed.
///
/// Callbacks of Call Automation carry a token of the service ([`TokenAuthenticator::callbacks`]). Event
/// Grid's deliveries carry what the subscription is set up for: a token of Entra ID
/// ([`TokenAuthenticator::entra`]) or a [secret](Self::secret) in the URL. Join what comes to one address
/// with [`or`](Self::or).
///
/// The handshake of `CloudEvents`, which comes once when a subscription is made, has the URL's secret
/// and never a token. So where a secret is among what is checked, the handshake needs it too, and
/// where there are tokens only, the handshake is open to all: it gives nothing away, and deliveries
/// are checked all the same. The validation event of the Event Grid schema is checked as any other.
#[derive(Clone)]
pub struct Authenticator(Rule);

#[derive(Clone)]
enum Rule {
    Anybody,
    Secret(Secret),
    Token(TokenAuthenticator),
    All(Arc<[Authenticator; 2]>),
    Any(Arc<[Authenticator; 2]>),
}

#[derive(Clone)]
struct Secret {
    parameter: String,
    hashes: Vec<[u8; 32]>,
}

/// A check that would let everybody in, or nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAuthenticator(pub(super) &'static str);

impl From<InvalidAuthenticator> for Error {
    fn from(error: InvalidAuthenticator) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string())
    }
}

/// What a check says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Refuse(&'static str),
    /// Nobody can tell right now, such as without the keys for a token.
    Unavailable(&'static str),
}

impl Authenticator {
    /// Anybody may post. For tests, and behind a gateway that checks.
    pub fn allow_unauthenticated() -> Self {
        Self(Rule::Anybody)
    }

    /// A secret in the query of the URL that events are posted to, as in `?code=…`.
    ///
    /// # Errors
    /// The secret is shorter than 16 bytes, or has characters that mean something else in a query:
    /// a `+` arrives as a space, `&` and `#` end the secret, and `%41` arrives as `A`. All
    /// deliveries would be refused, and their events lost.
    pub fn secret(
        parameter: impl Into<String>,
        secret: &str,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::secrets(parameter, [secret])
    }

    /// As [`secret`](Self::secret), with more than one that is good, so that it can be changed
    /// without a gap.
    ///
    /// # Errors
    /// There is no secret, or one cannot be used; see [`secret`](Self::secret).
    pub fn secrets<'a>(
        parameter: impl Into<String>,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticator> {
        let mut hashes = Vec::new();
        for secret in secrets {
            if secret.len() < 16 {
                return Err(InvalidAuthenticator(
                    "a secret of a webhook needs 16 bytes or more",
                ));
            }
            if let Some(reason) = changed_in_query(secret) {
                return Err(InvalidAuthenticator(reason));
            }
            hashes.push(hash(secret));
        }
        if hashes.is_empty() {
            return Err(InvalidAuthenticator("there is no secret to check"));
        }
        Ok(Self(Rule::Secret(Secret {
            parameter: parameter.into(),
            hashes,
        })))
    }

    /// A bearer token in the header `Authorization`.
    pub fn token(token: TokenAuthenticator) -> Self {
        Self(Rule::Token(token))
    }

    /// Both checks must pass.
    pub fn and(self, other: Self) -> Self {
        Self(Rule::All(Arc::new([self, other])))
    }

    /// One of the checks must pass.
    pub fn or(self, other: Self) -> Self {
        Self(Rule::Any(Arc::new([self, other])))
    }

    /// What there is to say about a handshake of `CloudEvents`, which can have a secret but never has
    /// a token; `None` if the check knows tokens only.
    pub(super) fn handshake_verdict(&self, request: &Parts) -> Option<Verdict> {
        let verdicts = |both: &[Self; 2]| both.each_ref().map(|one| one.handshake_verdict(request));
        match &self.0 {
            Rule::Anybody => Some(Verdict::Pass),
            Rule::Secret(secret) => Some(secret.verdict(request)),
            Rule::Token(_) => None,
            Rule::All(both) => match verdicts(both) {
                [Some(Verdict::Pass), second @ Some(_)] => second,
                [first, second] => first.or(second),
            },
            Rule::Any(either) => match verdicts(either) {
                [pass @ Some(Verdict::Pass), _] => pass,
                [first, second] => second.or(first),
            },
        }
    }

    pub(super) async fn verdict(&self, request: &Parts) -> Verdict {
        match &self.0 {
            Rule::Anybody => Verdict::Pass,
            Rule::Secret(secret) => secret.verdict(request),
            Rule::Token(token) => token.verdict(&request.headers).await,
            Rule::All(both) => match Box::pin(both[0].verdict(request)).await {
                Verdict::Pass => Box::pin(both[1].verdict(request)).await,
                verdict => verdict,
            },
            Rule::Any(either) => {
                let first = Box::pin(either[0].verdict(request)).await;
                if first == Verdict::Pass {
                    return first;
                }
                match Box::pin(either[1].verdict(request)).await {
                    // As long as the first might have passed, this is no refusal.
                    Verdict::Refuse(_) if matches!(first, Verdict::Unavailable(_)) => first,
                    verdict => verdict,
                }
            }
        }
    }
}

impl From<TokenAuthenticator> for Authenticator {
    fn from(token: TokenAuthenticator) -> Self {
        Self::token(token)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Anybody => f.write_str("Authenticator(none)"),
            Rule::Secret(secret) => write!(f, "Authenticator(secret in {:?})", secret.parameter),
            Rule::Token(token) => write!(f, "Authenticator({token:?})"),
            Rule::All(both) => write!(f, "({:?} and {:?})", both[0], both[1]),
            Rule::Any(either) => write!(f, "({:?} or {:?})", either[0], either[1]),
        }
    }
}

impl Secret {
    fn verdict(&self, request: &Parts) -> Verdict {
        let query = request.uri.query().unwrap_or_default();
        let mut given = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| *name == self.parameter)
            .map(|(_, value)| value);
        let (Some(given), None) = (given.next(), given.next()) else {
            return Verdict::Refuse("the secret is missing, or there are several");
        };
        // Hashes have one length, and comparing all of them takes one time.
        let given = hash(&given);
        let equal = self
            .hashes
            .iter()
            .map(|known| known.ct_eq(&given))
            .fold(Choice::from(0), |any, equal| any | equal);
        if bool::from(equal) {
            Verdict::Pass
        } else {
            Verdict::Refuse("the secret is wrong")
        }
    }
}

/// Why a secret does not arrive as it is, if it does not. Spaces are left out: nobody can write one
/// into a URL without noticing.
fn changed_in_query(secret: &str) -> Option<&'static str> {
    if secret.contains('+') {
        return Some(
            "a secret of a webhook with a raw `+` never matches: in a URL it becomes a space; use a \
             secret of letters, digits, `-` and `_`, such as base64url",
        );
    }
    if secret.contains(['&', '#']) {
        return Some(
            "a secret of a webhook with `&` or `#` never matches: in a URL it ends there; use a secret \
             of letters, digits, `-` and `_`, such as base64url",
        );
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = secret.as_bytes();
    let mut percents = secret.match_indices('%').map(|(at, _)| at);
    percents
        .any(|at| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2)))
        .then_some(
            "a percent-encoded secret of a webhook never matches: in a URL it is decoded; give the \
             secret itself, best of letters, digits, `-` and `_`",
        )
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
