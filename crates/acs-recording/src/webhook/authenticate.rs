//! The interface between a webhook and its authenticators.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;

use http::request::Parts;

use crate::error::{Error, ErrorKind};

/// The future of an [`AuthDecision`].
pub type AuthFuture<'a> = Pin<Box<dyn Future<Output = AuthDecision> + Send + 'a>>;

/// Decides which requests may deliver events.
///
/// Implement it for a scheme that [`Authenticator`](super::Authenticator) does not provide, such as
/// client certificates. An implementation is used like a built-in one, and can be combined with
/// others:
///
/// ```
/// use acs_recording::webhook::{AuthDecision, AuthFuture, Authenticate, Authenticator, Webhook};
/// use http::request::Parts;
///
/// /// The gateway in front of this service verifies client certificates and names the client.
/// #[derive(Debug)]
/// struct ClientCertificate {
///     allowed: Vec<String>,
/// }
///
/// impl Authenticate for ClientCertificate {
///     fn authenticate<'a>(&'a self, request: &'a Parts) -> AuthFuture<'a> {
///         Box::pin(async move {
///             let client = request.headers.get("x-client-cert-subject");
///             match client.and_then(|client| client.to_str().ok()) {
///                 Some(client) if self.allowed.iter().any(|one| one == client) => {
///                     AuthDecision::Allow
///                 }
///                 Some(_) => AuthDecision::deny("the client certificate is not allowed"),
///                 None => AuthDecision::deny("there is no client certificate"),
///             }
///         })
///     }
/// }
///
/// # fn run(secret: &str) -> acs_recording::Result<()> {
/// let certificate = ClientCertificate { allowed: vec!["CN=events.example".to_owned()] };
/// let secret = Authenticator::header_secret("x-webhook-key", secret)?;
/// let webhook = Webhook::builder(secret.and(certificate));
/// # Ok(())
/// # }
/// ```
///
/// `Debug` is required because the settings of a webhook can be printed; it must not show secrets.
pub trait Authenticate: fmt::Debug + Send + Sync + 'static {
    /// Decides on a request by its method, URI, headers and extensions.
    ///
    /// The body has not been read at this point, so that a stranger cannot make the process buffer
    /// one. The decision counts towards the webhook's [`timeout`](super::WebhookBuilder::timeout).
    fn authenticate<'a>(&'a self, request: &'a Parts) -> AuthFuture<'a>;

    /// Whether the `CloudEvents` handshake (`OPTIONS`) carries the credential, too (default: yes).
    ///
    /// If not, this authenticator is not called for a handshake, as is the case for tokens. A
    /// handshake only states that an origin may deliver; deliveries are still authenticated.
    fn authenticates_handshake(&self) -> bool {
        true
    }
}

/// The decision of an [`Authenticate`] implementation.
///
/// The reasons are logged and are not part of the response. They must not contain secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthDecision {
    /// The request may deliver events.
    Allow,
    /// The request is rejected with 401. Event Grid does not deliver its events again.
    Deny(Cow<'static, str>),
    /// No decision is possible at the moment, for example because a service cannot be reached. The
    /// response is 503, and Event Grid delivers the events again.
    Unavailable(Cow<'static, str>),
}

impl AuthDecision {
    /// [`Deny`](Self::Deny) for this reason.
    pub fn deny(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny(reason.into())
    }

    /// [`Unavailable`](Self::Unavailable) for this reason.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(reason.into())
    }
}

/// The settings of an authenticator are invalid: it would allow every request, or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAuthenticator(pub(super) &'static str);

impl From<InvalidAuthenticator> for Error {
    fn from(error: InvalidAuthenticator) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}
