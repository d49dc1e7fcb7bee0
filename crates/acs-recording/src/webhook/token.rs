//! Bearer tokens of callbacks and of Event Grid.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation, decode_header};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::check::{InvalidCheck, Verdict};
use super::jwt;
use super::keys::{Found, Keys};

/// Where Call Automation says which keys its tokens are signed with.
const CALLBACK_CONFIGURATION: &str =
    "https://acscallautomation.communication.azure.com/calling/.well-known/acsopenidconfiguration";
const CALLBACK_ISSUER: &str = "https://acscallautomation.communication.azure.com";

/// Event Grid's application in the public cloud.
const EVENT_GRID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";

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
pub struct TokenCheck {
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

impl TokenCheck {
    /// Tokens of Call Automation's callbacks.
    ///
    /// `resource_id` is the immutable id of the Communication Services resource, a GUID that the
    /// portal shows; it is the tokens' audience.
    ///
    /// # Errors
    /// The resource id is empty.
    pub fn callbacks(resource_id: impl Into<String>) -> Result<Self, InvalidCheck> {
        Self::new(CALLBACK_CONFIGURATION, [CALLBACK_ISSUER], resource_id)
    }

    /// Tokens of an Event Grid subscription that delivers to a webhook protected by Entra ID.
    ///
    /// `audience` is the application id or URI that the subscription is set up with. Only tokens
    /// that Event Grid asked for pass; in other clouds than the public one its
    /// [`application`](Self::application) is another one.
    ///
    /// The tenant is given by its id, a GUID, because that is what its tokens say; not by a domain.
    ///
    /// # Errors
    /// The tenant is no GUID, or the audience is empty.
    pub fn entra(tenant_id: &str, audience: impl Into<String>) -> Result<Self, InvalidCheck> {
        // In tokens it is in lower case, with hyphens.
        let tenant_id = Uuid::try_parse(tenant_id)
            .map_err(|_| InvalidCheck("a tenant is given by its id, a GUID"))?
            .hyphenated();
        let login = format!("https://login.microsoftonline.com/{tenant_id}/v2.0");
        let check = Self::new(
            &format!("{login}/.well-known/openid-configuration"),
            [&login, &format!("https://sts.windows.net/{tenant_id}/")],
            audience,
        )?;
        Ok(check.application(EVENT_GRID))
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
    ) -> Result<Self, InvalidCheck> {
        let configuration = Url::parse(configuration)
            .ok()
            .filter(super::keys::is_safe)
            .ok_or(InvalidCheck(
                "an OpenID configuration is at an https address",
            ))?;
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        let audience = audience.into();
        if audience.is_empty() || issuers.is_empty() || issuers.iter().any(String::is_empty) {
            return Err(InvalidCheck(
                "tokens are checked for an issuer and an audience",
            ));
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[audience]);
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

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCheck")
            .field("issuers", &self.inner.validation.iss)
            .field("audiences", &self.inner.validation.aud)
            .field("application", &self.inner.application)
            .finish_non_exhaustive()
    }
}
