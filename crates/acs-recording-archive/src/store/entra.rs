//! Tokens of Entra ID for Azure Blob Storage.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use object_store::CredentialProvider;
use object_store::azure::AzureCredential;
use tokio::sync::Mutex;

const SCOPE: &str = "https://storage.azure.com/.default";
/// How long before it expires a token is renewed.
const MARGIN: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct EntraProvider {
    credential: Arc<dyn TokenCredential>,
    /// The newest token, and until when it is used.
    current: Mutex<Option<(Arc<AzureCredential>, Duration)>>,
}

impl EntraProvider {
    pub(super) fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self {
            credential,
            current: Mutex::default(),
        }
    }
}

#[async_trait]
impl CredentialProvider for EntraProvider {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let mut current = self.current.lock().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        if let Some((credential, until)) = &*current
            && now < *until
        {
            return Ok(Arc::clone(credential));
        }
        let token = self.credential.get_token(&[SCOPE], None).await;
        let token = token.map_err(|error| object_store::Error::Unauthenticated {
            path: String::new(),
            source: format!("no token of Entra ID: {}", error.kind()).into(),
        })?;
        let expires = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
        let until = Duration::from_secs(expires).saturating_sub(MARGIN);
        let credential = AzureCredential::BearerToken(token.token.secret().to_owned());
        let credential = Arc::new(credential);
        *current = Some((Arc::clone(&credential), until));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use azure_core::credentials::{AccessToken, TokenRequestOptions};

    use super::*;

    #[derive(Debug)]
    struct Counting {
        tokens: AtomicU32,
        lifetime: u64,
    }

    #[async_trait]
    impl TokenCredential for Counting {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            assert_eq!(scopes, [SCOPE]);
            let number = self.tokens.fetch_add(1, Ordering::Relaxed);
            let expires = SystemTime::now() + Duration::from_secs(self.lifetime);
            Ok(AccessToken::new(format!("token-{number}"), expires.into()))
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_it_expires() {
        for (lifetime, expected) in [(3600, "token-0"), (60, "token-1")] {
            let credential = Arc::new(Counting {
                tokens: AtomicU32::new(0),
                lifetime,
            });
            let provider = EntraProvider::new(credential);
            provider.get_credential().await.unwrap();
            let current = provider.get_credential().await.unwrap();
            let AzureCredential::BearerToken(token) = &*current else {
                panic!("no token")
            };
            assert_eq!(token, expected);
        }
    }
}
