//! Credentials of a request.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, HeaderName};
#[cfg(feature = "entra")]
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::attempt::Call;
#[cfg(feature = "entra")]
use super::pipeline::deadline_after;
use super::pipeline::{Authentication, Pipeline, RESOURCE_HOST, set};
use crate::credential::{AccessKey, Credential, Signable};
use crate::error::{Error, ErrorKind, Result};

const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-ms-content-sha256");

impl Pipeline {
    /// Adds credentials to a request. Every attempt gets new ones, because dates and tokens expire.
    #[cfg_attr(
        not(feature = "entra"),
        allow(
            clippy::unused_async,
            reason = "fetching a token waits, signing does not"
        )
    )]
    pub(super) async fn authorize(&self, call: &mut Call, headers: &mut HeaderMap) -> Result<()> {
        if call.authentication == Authentication::Anonymous {
            return Ok(());
        }
        let authorization = match self.credential.as_ref() {
            Credential::Key(key) => self.sign(call, headers, &key.read()),
            #[cfg(feature = "entra")]
            Credential::Entra(entra) => {
                let limit = deadline_after(Instant::now(), self.limits.attempt).min(call.deadline);
                let token = timeout_at(limit, entra.bearer()).await;
                token.unwrap_or_else(|_| Err(entra.timed_out()))?
            }
        };
        let mut authorization = HeaderValue::try_from(authorization).map_err(|error| {
            Error::new(
                ErrorKind::Authentication,
                "the token cannot be the value of a header",
            )
            .with_source(error)
        })?;
        authorization.set_sensitive(true);
        if self.credential.has_tokens() {
            call.authorization = Some(authorization.clone());
        }
        headers.insert(AUTHORIZATION, authorization);
        if call.authentication == Authentication::Content {
            set(headers, RESOURCE_HOST, self.endpoint.authority());
        }
        Ok(())
    }

    fn sign(&self, call: &Call, headers: &mut HeaderMap, key: &AccessKey) -> String {
        let url = &call.request.url;
        let end = match call.authentication {
            Authentication::Resource => Position::AfterQuery,
            Authentication::Content | Authentication::Anonymous => Position::AfterPath,
        };
        let date = self.date.now();
        let authorization = Signable {
            method: call.request.method.as_str(),
            path_and_query: &url[Position::BeforePath..end],
            host: self.endpoint.authority(),
            // An HTTP date is visible ASCII.
            date: date.to_str().unwrap_or_default(),
            content_hash: &call.content_hash,
        }
        .authorization(key);
        headers.insert(DATE, date);
        match &call.content_hash {
            Cow::Borrowed(hash) => {
                headers.insert(CONTENT_HASH, HeaderValue::from_static(hash));
            }
            Cow::Owned(hash) => set(headers, CONTENT_HASH, hash),
        }
        authorization
    }

    /// Replaces the token that the service rejected. Returns whether there is another one.
    #[cfg(feature = "entra")]
    pub(super) async fn replace_token(&self, rejected: Option<&HeaderValue>) -> bool {
        let Credential::Entra(entra) = self.credential.as_ref() else {
            return false;
        };
        let Some(rejected) = rejected.and_then(|rejected| rejected.to_str().ok()) else {
            // A request without a token was not rejected for it.
            return false;
        };
        match entra.replace(rejected).await {
            Ok(is_new) => is_new,
            Err(error) => {
                tracing::warn!(%error, "no token could be fetched to replace the rejected one");
                false
            }
        }
    }

    /// Access keys have no token to replace.
    #[cfg(not(feature = "entra"))]
    #[allow(clippy::unused_async, reason = "with the feature `entra` it waits")]
    pub(super) async fn replace_token(&self, _rejected: Option<&HeaderValue>) -> bool {
        false
    }
}
