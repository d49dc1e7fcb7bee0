//! The built-in authenticators, and their combinations.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::request::Parts;

use super::authenticate::{AuthDecision, AuthFuture, Authenticate, InvalidAuthenticator};
use super::secret::SharedSecret;
use super::token::TokenAuthenticator;
use crate::panic::panic_message;

/// What a request must carry for a [`Webhook`](super::Webhook) to accept its events.
///
/// Which one to use depends on the sender:
///
/// - Callbacks of Call Automation carry a token of the service:
///   [`TokenAuthenticator::callbacks`].
/// - Event Grid sends what its event subscription is configured with: a token of Microsoft Entra ID
///   ([`TokenAuthenticator::entra`]), a secret in a header ([`header_secret`](Self::header_secret)),
///   or a secret in the URL ([`query_secret`](Self::query_secret)).
/// - Everything else is an implementation of [`Authenticate`].
///
/// Combine several with [`and`](Self::and) and [`or`](Self::or), for example when callbacks and
/// Event Grid use the same address.
///
/// # Handshakes
/// Event Grid sends a handshake when an event subscription is created or changed. In the Event Grid
/// schema it is an event, and it is authenticated like every other event. With `CloudEvents` it is an
/// `OPTIONS` request, which never carries a token. It needs the secret if there is one among the
/// authenticators, and is open to everybody if there are only tokens: it reveals nothing, and the
/// deliveries are authenticated.
#[derive(Clone)]
pub struct Authenticator(Rule);

#[derive(Clone)]
enum Rule {
    Single(Arc<dyn Authenticate>),
    All(Arc<[Authenticator; 2]>),
    Any(Arc<[Authenticator; 2]>),
}

/// Which kind of request is to be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    Delivery,
    /// The `OPTIONS` request of `CloudEvents`.
    Handshake,
}

impl Authenticator {
    /// An authenticator of your own. Wherever an authenticator is expected, the implementation can
    /// be passed as well.
    pub fn new(authenticate: impl Authenticate) -> Self {
        Self(Rule::Single(Arc::new(authenticate)))
    }

    /// Accepts every request. Only for tests, and behind a gateway that authenticates.
    pub fn allow_unauthenticated() -> Self {
        Self::new(Anyone)
    }

    /// A secret in a header.
    ///
    /// Event Grid sends it when the event subscription has a *delivery property* of this name: a
    /// static value that is marked as secret. Microsoft documents these headers for delivered
    /// events and does not mention handshakes. If creating the subscription fails because the
    /// webhook rejects the handshake with 401, allow a [`query_secret`](Self::query_secret) as well.
    ///
    /// Prefer this to a secret in the URL, which proxies and servers write to their access logs.
    ///
    /// The comparison takes the same time whatever the request contains.
    ///
    /// ```
    /// # use acs_recording::webhook::Authenticator;
    /// # fn run(secret: &str) -> acs_recording::Result<()> {
    /// let authenticator = Authenticator::header_secret("x-webhook-key", secret)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The name is not a header name. Or the secret is shorter than 16 bytes, or contains anything
    /// but visible ASCII characters.
    pub fn header_secret(name: &str, secret: &str) -> Result<Self, InvalidAuthenticator> {
        Self::header_secrets(name, [secret])
    }

    /// Like [`header_secret`](Self::header_secret), with several valid secrets.
    ///
    /// To rotate a secret without a gap, accept the new one beside the old one, change the event
    /// subscription, then remove the old one.
    ///
    /// # Errors
    /// There is no secret, or [`header_secret`](Self::header_secret) rejects one.
    pub fn header_secrets<'a>(
        name: &str,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticator> {
        Ok(Self::new(SharedSecret::in_header(name, secrets)?))
    }

    /// A secret in the query of the webhook's URL, as in `?code=…`.
    ///
    /// A URL ends up in the access logs of every proxy and server on the way, and is shown to
    /// everybody who may read the event subscription. Prefer a [`header_secret`](Self::header_secret) or a
    /// token where the sender supports it.
    ///
    /// The comparison takes the same time whatever the request contains.
    ///
    /// # Errors
    /// The secret is shorter than 16 bytes, or contains characters that have another meaning in a
    /// query: `+` arrives as a space, `&` and `#` end the secret, and `%41` arrives as `A`. Every
    /// delivery would be rejected, and its events lost.
    pub fn query_secret(
        parameter: impl Into<String>,
        secret: &str,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::query_secrets(parameter, [secret])
    }

    /// Like [`query_secret`](Self::query_secret), with several valid secrets, for
    /// [rotation](Self::header_secrets).
    ///
    /// # Errors
    /// There is no secret, or [`query_secret`](Self::query_secret) rejects one.
    pub fn query_secrets<'a>(
        parameter: impl Into<String>,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticator> {
        let secret = SharedSecret::in_query(parameter.into(), secrets)?;
        Ok(Self::new(secret))
    }

    /// A bearer token in the header `Authorization`.
    pub fn token(token: TokenAuthenticator) -> Self {
        Self::new(token)
    }

    /// Accepts what both accept.
    pub fn and(self, other: impl Into<Self>) -> Self {
        Self(Rule::All(Arc::new([self, other.into()])))
    }

    /// Accepts what at least one of them accepts.
    pub fn or(self, other: impl Into<Self>) -> Self {
        Self(Rule::Any(Arc::new([self, other.into()])))
    }

    /// The decision on a request. None for a handshake that no authenticator checks.
    pub(super) async fn decide(&self, request: &Parts, kind: RequestKind) -> Option<AuthDecision> {
        use AuthDecision::{Allow, Deny, Unavailable};

        match &self.0 {
            Rule::Single(single) => {
                if kind == RequestKind::Handshake && !single.authenticates_handshake() {
                    return None;
                }
                Some(unless_panicked(single.as_ref(), request).await)
            }
            Rule::All(both) => {
                let [first, second] = both.as_ref();
                let first = Box::pin(first.decide(request, kind)).await;
                if matches!(first, Some(Deny(_) | Unavailable(_))) {
                    return first;
                }
                Box::pin(second.decide(request, kind)).await.or(first)
            }
            Rule::Any(either) => {
                let [first, second] = either.as_ref();
                let first = Box::pin(first.decide(request, kind)).await;
                if first == Some(Allow) {
                    return first;
                }
                let second = Box::pin(second.decide(request, kind)).await;
                match (&first, &second) {
                    // The first one may accept it later, so it must not be rejected.
                    (Some(Unavailable(_)), Some(Deny(_))) => first,
                    _ => second.or(first),
                }
            }
        }
    }
}

async fn unless_panicked(single: &dyn Authenticate, request: &Parts) -> AuthDecision {
    // The call itself may panic as well, not only its future.
    let decision = async { single.authenticate(request).await };
    match AssertUnwindSafe(decision).catch_unwind().await {
        Ok(decision) => decision,
        Err(panic) => AuthDecision::unavailable(format!(
            "the authenticator panicked: {}",
            panic_message(panic.as_ref())
        )),
    }
}

impl<T: Authenticate> From<T> for Authenticator {
    fn from(authenticate: T) -> Self {
        Self::new(authenticate)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Single(single) => fmt::Debug::fmt(single, f),
            Rule::All(both) => write!(f, "({:?} and {:?})", both[0], both[1]),
            Rule::Any(either) => write!(f, "({:?} or {:?})", either[0], either[1]),
        }
    }
}

/// Accepts every request.
#[derive(Debug)]
struct Anyone;

impl Authenticate for Anyone {
    fn authenticate<'a>(&'a self, _: &'a Parts) -> AuthFuture<'a> {
        Box::pin(std::future::ready(AuthDecision::Allow))
    }
}
