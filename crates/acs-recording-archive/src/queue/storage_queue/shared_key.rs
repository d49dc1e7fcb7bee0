//! Shared Key: requests signed with the key of a storage account.
//!
//! `azure_storage_queue` has tokens and SAS only, so this is a policy for its pipeline.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Body, Context, Request};
use azure_core::time::{OffsetDateTime, to_rfc7231};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const X_MS_DATE: HeaderName = HeaderName::from_static("x-ms-date");

/// The name and key of a storage account.
#[derive(Clone)]
pub(super) struct AccountKey {
    account: String,
    key: Vec<u8>,
}

impl AccountKey {
    pub(super) fn new(account: &str, key: Vec<u8>) -> Self {
        Self {
            account: account.to_owned(),
            key,
        }
    }

    /// What is signed of a request that has its date already.
    fn string_to_sign(&self, request: &Request) -> String {
        let headers = request.headers();
        let content_length = match request.body() {
            Body::Bytes(bytes) if bytes.is_empty() => String::new(),
            body => body
                .len()
                .map(|length| length.to_string())
                .unwrap_or_default(),
        };
        let content_type = headers.get_optional_str(&CONTENT_TYPE).unwrap_or_default();
        // Content-Encoding, -Language, then after -Type the Date, If-… and Range, none of which
        // these requests have.
        let mut text = format!(
            "{}\n\n\n{content_length}\n\n{content_type}\n\n\n\n\n\n\n",
            request.method().as_ref()
        );
        let mut own: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().trim()))
            .filter(|(name, _)| name.starts_with("x-ms-"))
            .collect();
        own.sort_unstable();
        for (name, value) in own {
            text.extend([name.as_str(), ":", value, "\n"]);
        }
        let url = request.url();
        text.extend(["/", &self.account, url.path()]);
        let mut query: Vec<_> = url
            .query_pairs()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        query.sort_unstable();
        for (name, value) in query {
            text.extend(["\n", &name, ":", &value]);
        }
        text
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "with a lifetime it differs from the trait, once the macro is through"
)]
#[async_trait]
impl Policy for AccountKey {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let other = azure_core::error::ErrorKind::Other;
        request.insert_header(X_MS_DATE, to_rfc7231(&OffsetDateTime::now_utc()));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .map_err(|error| azure_core::Error::new(other.clone(), error))?;
        mac.update(self.string_to_sign(request).as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let value = format!("SharedKey {}:{signature}", self.account);
        request.insert_header(AUTHORIZATION, value);
        let Some((first, rest)) = next.split_first() else {
            let message = "the pipeline ends with Shared Key";
            return Err(azure_core::Error::with_message(other, message));
        };
        first.send(context, request, rest).await
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;

    use super::*;

    #[test]
    fn what_is_signed_follows_the_published_format() {
        let url = "http://127.0.0.1:1/acct/q/messages/id?visibilitytimeout=30&popreceipt=a%2Bb%3D";
        let mut request = Request::new(url.parse().unwrap(), Method::Put);
        request.insert_header("x-ms-version", "2026-04-06");
        request.insert_header("x-ms-date", "Thu, 01 Jan 2026 00:00:00 GMT");
        request.insert_header("accept", "application/xml");
        let key = AccountKey::new("acct", b"key".to_vec());
        assert_eq!(
            key.string_to_sign(&request),
            "PUT\n\n\n\n\n\n\n\n\n\n\n\n\
             x-ms-date:Thu, 01 Jan 2026 00:00:00 GMT\nx-ms-version:2026-04-06\n\
             /acct/acct/q/messages/id\npopreceipt:a+b=\nvisibilitytimeout:30"
        );
        request.insert_header("content-type", "application/xml");
        request.set_body("<QueueMessage/>");
        assert!(
            key.string_to_sign(&request)
                .starts_with("PUT\n\n\n15\n\napplication/xml\n\n\n\n\n\n\nx-ms-date:")
        );
        assert!(!format!("{key:?}").contains("key: ["));
    }
}
