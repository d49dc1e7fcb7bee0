//! A token as Entra ID issues it.

use std::time::Duration;

use acs_test_support::Azurite;
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;

/// A credential that Azurite accepts over TLS. It must be used for storage.
#[derive(Debug)]
pub(crate) struct Token;

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://storage.azure.com/.default"]);
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(Azurite::token(), expires_on))
    }
}
