//! Azure Blob Storage.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path;
use url::Url;

use super::entra::EntraProvider;
use super::{StoreBuilder, configured, prefixed};
use crate::connection_string::{AccountCredential, Service, ServiceAccount};
use crate::error::{Error, ErrorKind, Result};

impl StoreBuilder {
    /// A container in the storage account of a connection string, optionally with a prefix:
    /// `recordings` or `recordings/2026`.
    ///
    /// The connection string is one that
    /// [`StorageQueue::from_connection_string`](crate::StorageQueue::from_connection_string) takes,
    /// with `BlobEndpoint` in place of `QueueEndpoint`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the text is not such a connection string.
    pub fn from_connection_string(text: &str, container: &str) -> Result<Self> {
        let account = ServiceAccount::parse(text, Service::Blob)?;
        let place = format!("{}/{}", account.endpoint, container.trim_matches('/'));
        let url = Url::parse(&place).ok();
        let url =
            url.filter(|url| matches!(url.scheme(), "https" | "http") && url.query().is_none());
        let mut url = url.ok_or_else(|| {
            let text = "the storage connection string has no usable address of blobs; check \
                        BlobEndpoint, AccountName and EndpointSuffix";
            Error::new(ErrorKind::InvalidInput, text)
        })?;
        let mut options = Vec::new();
        match account.credential {
            AccountCredential::Key { account, key } => {
                options.push(("azure_storage_account_name".to_owned(), account));
                options.push(("azure_storage_account_key".to_owned(), key));
            }
            AccountCredential::Sas(sas) => url.set_query(Some(&sas)),
        }
        Ok(Self {
            url,
            options,
            environment: Vec::new(),
            credential: None,
            creates_folder: true,
            endpoint: Some(account.endpoint),
            roots: Vec::new(),
        })
    }

    /// The store at a URL whose host `object_store` knows.
    pub(super) fn azure_by_url(&self, path: Path) -> Result<Arc<dyn ObjectStore>> {
        let builder = MicrosoftAzureBuilder::new()
            .with_client_options(self.client_options()?)
            .with_url(self.plain_url());
        Ok(prefixed(self.azure(builder)?, path))
    }

    /// Azure Blob Storage behind an endpoint that `object_store` does not recognize: Azurite,
    /// and the hosts of other clouds.
    pub(super) fn azure_by_endpoint(&self) -> Result<Arc<dyn ObjectStore>> {
        let unknown = || {
            self.invalid(
                "it is the URL of no known store; give \
                 https://ACCOUNT.blob.core.windows.net/CONTAINER, s3://BUCKET, gs://BUCKET, \
                 file:///PATH or a path",
            )
        };
        let host = self.url.host_str().ok_or_else(unknown)?;
        let origin = self.url.origin().ascii_serialization();
        match host.split_once(".blob.") {
            Some((account, _)) => self.azure_at(&origin, Some(account)),
            // The path names the account, as Azurite has it.
            None if self.is_loopback() => {
                let account = self.url.path_segments().and_then(|mut parts| parts.next());
                let account = account.ok_or_else(unknown)?;
                self.azure_at(&format!("{origin}/{account}"), Some(account))
            }
            None => Err(unknown()),
        }
    }

    /// Azure Blob Storage at the endpoint that the URL begins with.
    pub(super) fn azure_at(
        &self,
        endpoint: &str,
        account: Option<&str>,
    ) -> Result<Arc<dyn ObjectStore>> {
        let url = self.plain_url();
        let place = url.strip_prefix(endpoint).unwrap_or_default();
        let mut parts = place.split('/').filter(|part| !part.is_empty());
        let container = parts.next();
        let container = container.ok_or_else(|| self.invalid("it names no container"))?;
        let prefix: Vec<_> = parts.collect();
        let path = Path::from_url_path(prefix.join("/"));
        let path = path.map_err(|_| self.invalid("its path is invalid"))?;
        let is_plain = self.url.scheme() == "http";
        if is_plain
            && !self.is_loopback()
            && (self.url.query().is_some() || self.credential.is_some())
        {
            return Err(self.invalid("it would send the credential in the clear; use https"));
        }
        let mut builder = MicrosoftAzureBuilder::new()
            .with_client_options(self.client_options()?)
            .with_container_name(container)
            .with_endpoint(endpoint.to_owned())
            .with_allow_http(is_plain);
        if let Some(account) = account {
            builder = builder.with_account(account);
        } else if !self
            .options
            .iter()
            .any(|(name, _)| name == "azure_storage_account_name")
        {
            // A SAS identifies its account, but object_store requires a name.
            builder = builder.with_account("account");
        }
        Ok(prefixed(self.azure(builder)?, path))
    }

    fn azure(&self, builder: MicrosoftAzureBuilder) -> Result<MicrosoftAzure> {
        let mut builder = configured(builder, self, "AZURE_", |builder, key, value| {
            builder.with_config(key, value)
        })?;
        if let Some(sas) = self.url.query() {
            builder = builder.with_config(AzureConfigKey::SasKey, sas);
        }
        if let Some(credential) = &self.credential {
            if self.url.query().is_some() {
                return Err(self.invalid("it has a SAS, and a credential was given, too"));
            }
            let provider = EntraProvider::new(Arc::clone(credential));
            builder = builder.with_credentials(Arc::new(provider));
        }
        builder.build().map_err(|error| self.rejected(&error))
    }

    fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::error;

    #[test]
    fn containers_are_found_by_connection_string() {
        let key = "AccountKey=c2VjcmV0";
        for text in [
            "UseDevelopmentStorage=true".to_owned(),
            format!("AccountName=acme;{key}"),
            format!("BlobEndpoint=http://azurite:10000/a/;AccountName=a;{key}"),
            "BlobEndpoint=https://acme.blob.example;SharedAccessSignature=?sv=1&sig=s3cret"
                .to_owned(),
        ] {
            for container in ["recordings", "/recordings/2026/a/"] {
                let builder = StoreBuilder::from_connection_string(&text, container).unwrap();
                assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
                let store = builder.build().unwrap();
                assert!(!format!("{store} {store:?}").contains("c2VjcmV0"), "{text}");
            }
        }
        for (text, container) in [
            ("secret", "recordings"),
            ("UseDevelopmentStorage=true", ""),
            (
                "BlobEndpoint=nowhere;SharedAccessSignature=sig=s3cret",
                "recordings",
            ),
            (
                "BlobEndpoint=http://a.example;SharedAccessSignature=sig=s3cret",
                "recordings",
            ),
        ] {
            let error = error(StoreBuilder::from_connection_string(text, container));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        let builder =
            StoreBuilder::from_connection_string("UseDevelopmentStorage=true", "recordings");
        let junk = builder.map(|builder| builder.add_root_certificate(b"junk"));
        assert!(error(junk).to_string().contains("root certificate"));
    }
}
