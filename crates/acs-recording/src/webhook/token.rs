//! Bearer tokens of callbacks and of Event Grid.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation, decode_header};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::authenticator::{InvalidAuthenticator, Verdict};
use super::jwt;
use super::keys::{Found, Keys};
use crate::cloud::Cloud;
use crate::credential::is_secure;
use crate::mistaken::{Mistaken, recognize};

/// Where an issuer of callbacks says which keys its tokens are signed with.
const CALLBACK_CONFIGURATION: &str = "calling/.well-known/acsopenidconfiguration";

/// Tokens are a few kilobytes; nobody has to parse more.
const MAX_TOKEN: usize = 16 * 1024;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 60;

/// Checks bearer tokens: signature (RS256 only), issuer, audience and time.
///
/// The keys come from the issuer's `OpenID` configuration, are kept for a day, and are fetched again
/// when a token has an unknown key, though not more than once a minute. In between, what has an
/// unknown key is put off and not refused, because the key may be new.
#[derive(Clone)]
pub struct TokenAuthenticator {
    inner: Arc<Inner>,
}

struct Inner {
    validation: Validation,
    /// The application that must have asked for the token.
    application: Option<String>,
    keys: Keys,
}

/// What else than the standard claims is looked at.
#[derive(Deserialize)]
struct Claims {
    /// One, of which `Validation` would take a list, too.
    #[serde(rename = "iss")]
    _issuer: String,
    /// The application, in version 1 of Entra's tokens.
    appid: Option<String>,
    /// The application, in version 2.
    azp: Option<String>,
}

impl TokenAuthenticator {
    /// Tokens of Call Automation's callbacks, in the public cloud.
    ///
    /// `resource_id` is the immutable id of the Communication Services resource, a GUID that the
    /// portal shows as `immutableResourceId` in the resource's JSON view; it is the tokens'
    /// audience.
    ///
    /// # Errors
    /// The resource id is no GUID. The error says what it is, such as the resource's path in Azure
    /// Resource Manager, and what to give.
    pub fn callbacks(resource_id: impl AsRef<str>) -> Result<Self, InvalidAuthenticator> {
        Self::callbacks_in(Cloud::Public, resource_id)
    }

    /// As [`callbacks`](Self::callbacks), in another cloud. Its issuer is inferred, not documented:
    /// see [`Cloud`]. If it is another one, use [`new`](Self::new).
    ///
    /// # Errors
    /// As [`callbacks`](Self::callbacks).
    pub fn callbacks_in(
        cloud: Cloud,
        resource_id: impl AsRef<str>,
    ) -> Result<Self, InvalidAuthenticator> {
        let audiences = immutable_id(resource_id.as_ref())?;
        let issuer = cloud.callback_issuer();
        let configuration = format!("{issuer}/{CALLBACK_CONFIGURATION}");
        Self::with_audiences(&configuration, [issuer], &audiences)
    }

    /// Tokens of an Event Grid subscription that delivers to a webhook protected by Entra ID, in
    /// the public cloud.
    ///
    /// `audience` is the application id or URI that the subscription is set up with. Only tokens
    /// that Event Grid asked for pass.
    ///
    /// The tenant is given by its id, a GUID, because that is what its tokens say; not by a domain.
    ///
    /// # Errors
    /// The tenant is no GUID, or the audience is empty.
    pub fn entra(
        tenant_id: &str,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::entra_in(Cloud::Public, tenant_id, audience, None)
    }

    /// As [`entra`](Self::entra), in another cloud.
    ///
    /// `application` is that of Event Grid, by its client id. None takes the
    /// [documented one](Cloud::event_grid_application) of the cloud.
    ///
    /// # Errors
    /// As [`entra`](Self::entra); or the cloud has no documented application, and none is given.
    pub fn entra_in(
        cloud: Cloud,
        tenant_id: &str,
        audience: impl Into<String>,
        application: Option<&str>,
    ) -> Result<Self, InvalidAuthenticator> {
        // In tokens it is in lower case, with hyphens.
        let tenant_id = Uuid::try_parse(tenant_id)
            .map_err(|_| InvalidAuthenticator("a tenant is given by its id, a GUID"))?
            .hyphenated()
            .to_string();
        let application = application
            .or_else(|| cloud.event_grid_application())
            .ok_or(InvalidAuthenticator(
                "the application of Event Grid is not documented for this cloud: give its client \
                 id, which Entra ID lists as Microsoft.EventGrid",
            ))?;
        let login = format!("{}/{tenant_id}/v2.0", cloud.authority_host());
        let check = Self::new(
            &format!("{login}/.well-known/openid-configuration"),
            cloud.entra_issuers(&tenant_id),
            audience,
        )?;
        Ok(check.application(application))
    }

    /// Tokens of another issuer, by the address of its `OpenID` configuration.
    ///
    /// # Errors
    /// The address is not `https` (or `http` on this machine), or the audience or all issuers are
    /// empty.
    pub fn new<I: Into<String>>(
        configuration: &str,
        issuers: impl IntoIterator<Item = I>,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidAuthenticator> {
        Self::with_audiences(configuration, issuers, &[audience.into()])
    }

    /// As [`new`](Self::new), for tokens with any of these audiences.
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
                    "an OpenID configuration is at an https address",
                ))?;
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        if audiences.iter().any(String::is_empty)
            || issuers.is_empty()
            || issuers.iter().any(String::is_empty)
        {
            return Err(InvalidAuthenticator(
                "tokens are checked for an issuer and an audience",
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

    /// Takes only tokens that this application asked for.
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

    pub(super) async fn verdict(&self, headers: &HeaderMap) -> Verdict {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Verdict::Refuse("there is no token, or there are several");
        };
        let Some(token) = value.to_str().ok().and_then(bearer) else {
            return Verdict::Refuse("the authorization is no bearer token");
        };
        if token.len() > MAX_TOKEN {
            return Verdict::Refuse("the token is too long");
        }
        let Ok(header) = decode_header(token) else {
            return Verdict::Refuse("the token's header cannot be read");
        };
        if header.alg != Algorithm::RS256 {
            return Verdict::Refuse("the token is not signed with RS256");
        }
        // What is listed there has to be understood, and no extension is.
        if header.crit.is_some() {
            return Verdict::Refuse("the token requires an extension");
        }
        let Some(kid) = header.kid else {
            return Verdict::Refuse("the token names no key");
        };
        let key = match self.inner.keys.find(&kid).await {
            Found::Key(key) => key,
            Found::Unknown => return Verdict::Refuse("the token's key is none of the issuer's"),
            Found::Unavailable => {
                return Verdict::Unavailable("the issuer's keys cannot be fetched");
            }
        };
        let Some(claims) = jwt::verify::<Claims>(token, &key, &self.inner.validation) else {
            return Verdict::Refuse("the token's signature, issuer, audience or time is wrong");
        };
        let Some(wanted) = &self.inner.application else {
            return Verdict::Pass;
        };
        if claims.appid.or(claims.azp).as_ref() == Some(wanted) {
            Verdict::Pass
        } else {
            Verdict::Refuse("the token is another application's")
        }
    }
}

/// The immutable id of a resource, as it was given and as the service writes GUIDs.
fn immutable_id(text: &str) -> Result<Vec<String>, InvalidAuthenticator> {
    let text = text.trim();
    if let Some(id) = Uuid::try_parse(text).ok().filter(|_| text.len() == 36) {
        let mut audiences = vec![text.to_owned(), id.hyphenated().to_string()];
        audiences.dedup();
        return Ok(audiences);
    }
    Err(InvalidAuthenticator(match recognize(text) {
        Some(Mistaken::ArmPath) => {
            "this is the resource's path in Azure Resource Manager; the immutable resource id is \
             the GUID that the portal shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(Mistaken::HostName | Mistaken::Url) => {
            "this is the resource's address; the immutable resource id is the GUID that the portal \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(Mistaken::PortalUrl) => {
            "this is an address of the Azure portal; the immutable resource id is the GUID that it \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(Mistaken::ConnectionString) => {
            "this is a connection string; the immutable resource id is the GUID that the portal \
             shows as `immutableResourceId` in the resource's JSON view"
        }
        Some(Mistaken::Quoted | Mistaken::Braced) => {
            "the immutable resource id stands in quotes or braces: leave them away"
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
    fn the_resource_id_is_the_immutable_one() {
        let path = "/subscriptions/1/resourceGroups/r/providers/Microsoft.Communication/x/acs";
        for (id, said) in [
            (path, "Azure Resource Manager"),
            ("contoso.communication.azure.com", "the resource's address"),
            (
                "https://contoso.communication.azure.com/",
                "the resource's address",
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
            assert!(error.contains(said), "{id}: {error}");
        }
        let check = TokenAuthenticator::callbacks(RESOURCE.to_uppercase()).unwrap();
        let audiences = check.inner.validation.aud.as_ref().unwrap();
        assert!(audiences.contains(RESOURCE) && audiences.len() == 2);
    }

    #[test]
    fn clouds_have_issuers_of_their_own() {
        let issuers = |check: &TokenAuthenticator| {
            let mut issuers: Vec<_> = check
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
