//! Bearer tokens of callbacks and of Event Grid.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, Validation, decode_header};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::authenticate::{AuthDecision, AuthFuture, Authenticate, InvalidAuthenticator};
use super::jwt;
use super::keys::{KeyLookup, Keys};
use crate::cloud::Cloud;
use crate::credential::is_secure;
use crate::transport::Transport;
use crate::value_kind::{ValueKind, detect_kind};

/// The path of the `OpenID` configuration at an issuer of callbacks.
const CALLBACK_CONFIGURATION: &str = "calling/.well-known/acsopenidconfiguration";

/// Tokens have a few kilobytes.
const MAX_TOKEN_SIZE: usize = 16 * 1024;

/// The accepted difference between clocks, in seconds.
const LEEWAY: u64 = 60;

/// Authenticates requests by their bearer token: signature (RS256 only), issuer, audience and time.
///
/// The signing keys come from the issuer's `OpenID` configuration and are cached for a day. They are
/// fetched again when a token names an unknown key, at most once a minute. In between, the
/// response to a request with an unknown key is 503 and not 401, because the key may be new.
#[derive(Clone)]
pub struct TokenAuthenticator {
    inner: Arc<Inner>,
}

struct Inner {
    validation: Validation,
    /// The application that the token must have been issued to.
    application: Option<String>,
    keys: Keys,
}

/// The claims beside those that every token is verified by.
#[derive(Deserialize)]
struct Claims {
    /// `Validation` alone would accept a list as well.
    #[serde(rename = "iss")]
    _issuer: String,
    /// The application, in version 1 of Entra ID tokens.
    appid: Option<String>,
    /// The application, in version 2.
    azp: Option<String>,
}

impl TokenAuthenticator {
    /// Tokens of Call Automation callbacks, in the public cloud.
    ///
    /// `resource_id` is the immutable id of the Communication Services resource, a GUID that the
    /// portal shows as `immutableResourceId` in the resource's JSON view. It is the audience of the
    /// tokens.
    ///
    /// # Errors
    /// The resource id is not a GUID. The error says what it is, such as the resource's path in Azure
    /// Resource Manager, and what to pass instead.
    pub fn callbacks(resource_id: impl AsRef<str>) -> Result<Self, InvalidAuthenticator> {
        Self::callbacks_in(Cloud::Public, resource_id)
    }

    /// Like [`callbacks`](Self::callbacks), in another cloud. The issuer there is inferred and not
    /// documented; see [`Cloud`]. If it is a different one, use [`new`](Self::new).
    ///
    /// # Errors
    /// Those of [`callbacks`](Self::callbacks).
    pub fn callbacks_in(
        cloud: Cloud,
        resource_id: impl AsRef<str>,
    ) -> Result<Self, InvalidAuthenticator> {
        let audiences = immutable_id(resource_id.as_ref())?;
        let issuer = cloud.callback_issuer();
        let configuration = format!("{issuer}/{CALLBACK_CONFIGURATION}");
        Self::with_audiences(&configuration, [issuer], &audiences)
    }

    /// Tokens of an event subscription that delivers to a webhook protected by Microsoft Entra ID,
    /// in the public cloud.
    ///
    /// `tenant_id` is the GUID of the tenant, not one of its domains. `audience` is the application
    /// id or URI that the event subscription is configured with. Only tokens that were issued to
    /// Event Grid are accepted.
    ///
    /// # Errors
    /// The tenant id is not a GUID, or the audience is empty.
    pub fn entra(
        tenant_id: &str,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::entra_in(Cloud::Public, tenant_id, audience, None)
    }

    /// Like [`entra`](Self::entra), in another cloud.
    ///
    /// `application` is the client id of Event Grid's application (default: the
    /// [documented one](Cloud::event_grid_application) of the cloud).
    ///
    /// # Errors
    /// Those of [`entra`](Self::entra). Or the cloud has no documented application, and none is given.
    pub fn entra_in(
        cloud: Cloud,
        tenant_id: &str,
        audience: impl Into<String>,
        application: Option<&str>,
    ) -> Result<Self, InvalidAuthenticator> {
        // Tokens have it in lower case, with hyphens.
        let tenant_id = Uuid::try_parse(tenant_id)
            .map_err(|_| InvalidAuthenticator("the tenant id is not a GUID"))?
            .hyphenated()
            .to_string();
        let application = application
            .or_else(|| cloud.event_grid_application())
            .ok_or(InvalidAuthenticator(
                "the application of Event Grid is not documented for this cloud; pass the client id \
                 of the application that Entra ID lists as Microsoft.EventGrid",
            ))?;
        let login = format!("{}/{tenant_id}/v2.0", cloud.authority_host());
        let authenticator = Self::new(
            &format!("{login}/.well-known/openid-configuration"),
            cloud.entra_issuers(&tenant_id),
            audience,
        )?;
        Ok(authenticator.application(application))
    }

    /// Tokens of another issuer. `configuration` is the URL of its `OpenID` configuration.
    ///
    /// # Errors
    /// The URL is not `https` (or `http` on loopback), or the audience or an issuer is missing.
    pub fn new<I: Into<String>>(
        configuration: &str,
        issuers: impl IntoIterator<Item = I>,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::with_audiences(configuration, issuers, &[audience.into()])
    }

    /// Like [`new`](Self::new), for tokens with any of these audiences.
    fn with_audiences<I: Into<String>>(
        configuration: &str,
        issuers: impl IntoIterator<Item = I>,
        audiences: &[String],
    ) -> Result<Self, InvalidAuthenticator> {
        let configuration =
            Url::parse(configuration)
                .ok()
                .filter(is_secure)
                .ok_or(InvalidAuthenticator(
                    "the URL of an OpenID configuration must be https",
                ))?;
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        if audiences.iter().any(String::is_empty)
            || issuers.is_empty()
            || issuers.iter().any(String::is_empty)
        {
            return Err(InvalidAuthenticator(
                "tokens cannot be verified without an issuer and an audience",
            ));
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(audiences);
        validation.set_issuer(&issuers);
        validation.leeway = LEEWAY;
        Ok(Self {
            inner: Arc::new(Inner {
                validation,
                application: None,
                keys: Keys::new(configuration)?,
            }),
        })
    }

    /// Accepts only tokens that were issued to the application with this client id (default: every
    /// application).
    pub fn application(self, id: impl Into<String>) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                validation: inner.validation.clone(),
                application: Some(id.into()),
                keys: inner.keys.clone(),
            }),
        }
    }

    /// Fetches the signing keys through this transport (default: HTTPS with the certificates and the
    /// proxy of the system).
    ///
    /// The [transport of a client](crate::RecordingClient::transport) has the client's root
    /// certificates and proxy. The requests carry no credentials, and each of them may take 5 seconds.
    ///
    /// ```
    /// # use acs_recording::{RecordingClient, webhook::TokenAuthenticator};
    /// # fn run(client: &RecordingClient, resource_id: &str) -> acs_recording::Result<()> {
    /// let callbacks = TokenAuthenticator::callbacks(resource_id)?.transport(client.transport());
    /// # Ok(())
    /// # }
    /// ```
    pub fn transport(self, transport: Arc<dyn Transport>) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                validation: inner.validation.clone(),
                application: inner.application.clone(),
                keys: inner.keys.fetched_through(transport),
            }),
        }
    }

    async fn decide(&self, headers: &HeaderMap) -> AuthDecision {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return AuthDecision::deny("the bearer token is missing, or there are several");
        };
        let Some(token) = value.to_str().ok().and_then(bearer) else {
            return AuthDecision::deny("the authorization is not a bearer token");
        };
        if token.len() > MAX_TOKEN_SIZE {
            return AuthDecision::deny("the token is too long");
        }
        let Ok(header) = decode_header(token) else {
            return AuthDecision::deny("the header of the token cannot be read");
        };
        if header.alg != Algorithm::RS256 {
            return AuthDecision::deny("the token is not signed with RS256");
        }
        // An extension that is listed there must be understood, and none is.
        if header.crit.is_some() {
            return AuthDecision::deny("the token requires an extension");
        }
        let Some(kid) = header.kid else {
            return AuthDecision::deny("the token names no key");
        };
        let key = match self.inner.keys.find(&kid).await {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => {
                return AuthDecision::deny("the issuer has no key of the token's key id");
            }
            KeyLookup::Unavailable => {
                return AuthDecision::unavailable("the keys of the issuer cannot be fetched");
            }
        };
        let Some(claims) = jwt::verify::<Claims>(token, &key, &self.inner.validation) else {
            return AuthDecision::deny("the token's signature, issuer, audience or time is wrong");
        };
        let Some(application) = &self.inner.application else {
            return AuthDecision::Allow;
        };
        if claims.appid.or(claims.azp).as_ref() == Some(application) {
            AuthDecision::Allow
        } else {
            AuthDecision::deny("the token was issued to another application")
        }
    }
}

impl Authenticate for TokenAuthenticator {
    fn authenticate<'a>(&'a self, request: &'a Parts) -> AuthFuture<'a> {
        Box::pin(self.decide(&request.headers))
    }

    /// No sender puts a token into a handshake.
    fn authenticates_handshake(&self) -> bool {
        false
    }
}

/// The immutable id of a resource, as it was passed and as the service writes GUIDs.
fn immutable_id(text: &str) -> Result<Vec<String>, InvalidAuthenticator> {
    let text = text.trim();
    if let Some(id) = Uuid::try_parse(text).ok().filter(|_| text.len() == 36) {
        let mut audiences = vec![text.to_owned(), id.hyphenated().to_string()];
        audiences.dedup();
        return Ok(audiences);
    }
    Err(InvalidAuthenticator(match detect_kind(text) {
        Some(ValueKind::ArmPath) => {
            "this is the resource's path in Azure Resource Manager; the immutable resource id is \
             the GUID that the portal shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(ValueKind::HostName | ValueKind::Url) => {
            "this is the resource's endpoint; the immutable resource id is the GUID that the portal \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(ValueKind::PortalUrl) => {
            "this is a URL of the Azure portal; the immutable resource id is the GUID that it \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(ValueKind::ConnectionString) => {
            "this is a connection string; the immutable resource id is the GUID that the portal \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(ValueKind::Quoted | ValueKind::Braced) => {
            "the immutable resource id is in quotes or braces; pass it without them"
        }
        _ => {
            "the immutable resource id is a GUID, which the portal shows as `immutableResourceId` \
             in the resource's JSON view"
        }
    }))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl fmt::Debug for TokenAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuthenticator")
            .field("issuers", &self.inner.validation.iss)
            .field("audiences", &self.inner.validation.aud)
            .field("application", &self.inner.application)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "631fa8d8-aab5-4ac5-8e15-261aa2590750";

    #[test]
    fn callbacks_require_the_immutable_resource_id() {
        let path = "/subscriptions/1/resourceGroups/r/providers/Microsoft.Communication/x/acs";
        for (id, expected) in [
            (path, "Azure Resource Manager"),
            ("contoso.communication.azure.com", "the resource's endpoint"),
            (
                "https://contoso.communication.azure.com/",
                "the resource's endpoint",
            ),
            ("https://portal.azure.com/#@t/resource/x", "Azure portal"),
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                "connection string",
            ),
            ("\"631fa8d8-aab5-4ac5-8e15-261aa2590750\"", "quotes"),
            ("{631fa8d8-aab5-4ac5-8e15-261aa2590750}", "braces"),
            ("acs-voice", "is a GUID"),
            ("", "is a GUID"),
        ] {
            let error = TokenAuthenticator::callbacks(id).unwrap_err().to_string();
            assert!(error.contains(expected), "{id}: {error}");
        }
        let authenticator = TokenAuthenticator::callbacks(RESOURCE.to_uppercase()).unwrap();
        let audiences = authenticator.inner.validation.aud.as_ref().unwrap();
        assert!(audiences.contains(RESOURCE) && audiences.len() == 2);
    }

    #[test]
    fn issuers_depend_on_the_cloud() {
        let issuers = |authenticator: &TokenAuthenticator| {
            let mut issuers: Vec<_> = authenticator
                .inner
                .validation
                .iss
                .iter()
                .flatten()
                .cloned()
                .collect();
            issuers.sort();
            issuers
        };
        let tenant = "12c0cdab-3c40-4e86-80b9-3e6f98d2d344";
        let gov = TokenAuthenticator::entra_in(Cloud::UsGov, tenant, "app", None).unwrap();
        assert_eq!(
            issuers(&gov),
            [
                format!("https://login.microsoftonline.us/{tenant}/v2.0"),
                format!("https://sts.windows.net/{tenant}/"),
            ]
        );
        let application = gov.inner.application.as_deref();
        assert_eq!(application, Cloud::UsGov.event_grid_application());
        assert!(TokenAuthenticator::entra_in(Cloud::China, tenant, "app", None).is_err());
        let china =
            TokenAuthenticator::entra_in(Cloud::China, tenant, "app", Some("grid")).unwrap();
        assert!(issuers(&china).contains(&format!("https://sts.chinacloudapi.cn/{tenant}/")));
        let callbacks = TokenAuthenticator::callbacks_in(Cloud::UsGov, RESOURCE).unwrap();
        assert_eq!(issuers(&callbacks), [Cloud::UsGov.callback_issuer()]);
    }
}
