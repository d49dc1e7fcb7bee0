//! Opening an object store by its URL.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// Opens an object store by its URL.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `az://container/prefix`, `https://account.blob.core.windows.net/container/prefix` | Azure Blob Storage, also with a SAS in the query | `azure` |
/// | `http://127.0.0.1:10000/devstoreaccount1/container/prefix` | Azurite | `azure` |
/// | `s3://bucket/prefix` | Amazon S3 and what speaks its protocol | `aws` |
/// | `gs://bucket/prefix` | Google Cloud Storage | `gcp` |
/// | `file:///path`, or a path | a folder, which is created if it does not exist | `fs` |
/// | `memory:///` | memory, for tests | |
///
/// ```
/// use acs_recording_archive::StoreBuilder;
///
/// let store = StoreBuilder::new("memory:///")?.build()?;
/// # Ok::<(), acs_recording_archive::Error>(())
/// ```
#[must_use = "nothing is opened before `build`"]
pub struct StoreBuilder {
    url: Url,
    options: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    credential: Option<Arc<dyn TokenCredential>>,
    /// Where the blobs of the account are, if a connection string tells.
    #[cfg(feature = "azure")]
    endpoint: Option<String>,
    /// Certificate authorities in PEM, trusted beside the system's.
    roots: Vec<Vec<u8>>,
}

impl StoreBuilder {
    /// The store at a URL, or the folder at a path.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the text is neither.
    pub fn new(place: &str) -> Result<Self> {
        Ok(Self {
            url: parse(place)?,
            options: Vec::new(),
            environment: Vec::new(),
            credential: None,
            #[cfg(feature = "azure")]
            endpoint: None,
            roots: Vec::new(),
        })
    }

    /// A container in the storage account of a connection string, and if wanted a prefix in it:
    /// `recordings` or `recordings/2026`.
    ///
    /// The connection string is one that
    /// [`StorageQueue::from_connection_string`](crate::StorageQueue::from_connection_string) takes,
    /// with `BlobEndpoint` in place of `QueueEndpoint`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the text is no such connection string.
    #[cfg(feature = "azure")]
    pub fn from_connection_string(text: &str, container: &str) -> Result<Self> {
        use crate::connection_string::{AccountCredential, Service, ServiceAccount};

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
            endpoint: Some(account.endpoint),
            roots: Vec::new(),
        })
    }

    /// Trusts the certificate authorities of this PEM bundle too, beside the system's: those of a
    /// proxy that looks into TLS, or of Azurite.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Self {
        self.roots.push(pem.to_vec());
        self
    }

    /// Sets an option of the store, by the name that `object_store` has for it, such as
    /// `azure_storage_account_name` or `aws_region`. It takes precedence over the environment.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Reads options from the environment, where they have the same names in upper case, such as
    /// `AZURE_STORAGE_ACCOUNT_NAME` and `AWS_REGION`.
    pub fn environment(mut self) -> Self {
        // Variables that are not UTF-8 are none of these.
        let variables = std::env::vars_os();
        let texts = variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        self.environment.extend(texts);
        self
    }

    /// Authenticates with tokens of Entra ID. For Azure only.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Opens the store. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the URL names no store, its feature is not enabled, an option
    /// is unknown, or what the store needs is missing. [`ErrorKind::Io`] if a folder cannot be
    /// created.
    pub fn build(self) -> Result<Arc<dyn ObjectStore>> {
        #[cfg(feature = "azure")]
        if let Some(endpoint) = &self.endpoint {
            return self.azure_at(endpoint, None);
        }
        let scheme = ObjectStoreScheme::parse(&self.url);
        let (scheme, path) = scheme.map_err(|_| self.invalid("it is the URL of no known store"))?;
        let is_azure = matches!(
            scheme,
            ObjectStoreScheme::MicrosoftAzure | ObjectStoreScheme::Http
        );
        if self.credential.is_some() && !is_azure {
            return Err(self.invalid("a credential of Entra ID is for Azure Blob Storage only"));
        }
        match scheme {
            ObjectStoreScheme::Memory => {
                self.refuse_options()?;
                Ok(prefixed(InMemory::new(), path))
            }
            #[cfg(feature = "fs")]
            ObjectStoreScheme::Local => {
                self.refuse_options()?;
                self.local()
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = object_store::azure::MicrosoftAzureBuilder::new()
                    .with_client_options(self.client_options()?)
                    .with_url(self.plain_url());
                Ok(prefixed(self.azure(builder)?, path))
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::Http => self.azure_by_endpoint(),
            #[cfg(feature = "aws")]
            ObjectStoreScheme::AmazonS3 => {
                let builder = object_store::aws::AmazonS3Builder::new()
                    .with_client_options(self.client_options()?)
                    .with_url(self.plain_url());
                let builder = configured(builder, &self, "AWS_", |builder, key, value| {
                    builder.with_config(key, value)
                })?;
                let built = builder.build().map_err(|error| self.refused(&error))?;
                Ok(prefixed(built, path))
            }
            #[cfg(feature = "gcp")]
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = object_store::gcp::GoogleCloudStorageBuilder::new()
                    .with_client_options(self.client_options()?)
                    .with_url(self.plain_url());
                let builder = configured(builder, &self, "GOOGLE_", |builder, key, value| {
                    builder.with_config(key, value)
                })?;
                let built = builder.build().map_err(|error| self.refused(&error))?;
                Ok(prefixed(built, path))
            }
            other => {
                let text = format!(
                    "{other:?} is not supported by this build; enable the feature of this crate"
                );
                Err(self.invalid(&text))
            }
        }
    }

    #[cfg(feature = "fs")]
    fn local(&self) -> Result<Arc<dyn ObjectStore>> {
        let path = self.url.to_file_path();
        let path = path.map_err(|()| self.invalid("it names no local folder"))?;
        let failed = |error: &dyn fmt::Display| {
            let text = format!("the folder {} cannot be used: {error}", path.display());
            Error::new(ErrorKind::Io, text)
        };
        std::fs::create_dir_all(&path).map_err(|error| failed(&error))?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(&path);
        let store = store.map_err(|error| failed(&error))?;
        // A receipt on the disk must not outlive the media in a cache.
        Ok(Arc::new(store.with_fsync(true)))
    }

    /// Azure Blob Storage behind an endpoint that `object_store` does not know by its name: Azurite,
    /// and the hosts of other clouds.
    #[cfg(feature = "azure")]
    fn azure_by_endpoint(&self) -> Result<Arc<dyn ObjectStore>> {
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

    /// Azure Blob Storage at an endpoint that the URL begins with.
    #[cfg(feature = "azure")]
    fn azure_at(&self, endpoint: &str, account: Option<&str>) -> Result<Arc<dyn ObjectStore>> {
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
        let mut builder = object_store::azure::MicrosoftAzureBuilder::new()
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
            // A SAS is of its account by itself, and the name only has to be there.
            builder = builder.with_account("account");
        }
        Ok(prefixed(self.azure(builder)?, path))
    }

    #[cfg(any(feature = "azure", feature = "aws", feature = "gcp"))]
    fn client_options(&self) -> Result<object_store::ClientOptions> {
        let mut options = object_store::ClientOptions::new();
        for pem in &self.roots {
            let certificates = object_store::Certificate::from_pem_bundle(pem);
            let certificates = certificates.ok().filter(|list| !list.is_empty());
            let certificates = certificates
                .ok_or_else(|| self.invalid("a root certificate is not a certificate in PEM"))?;
            for certificate in certificates {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }

    #[cfg(feature = "azure")]
    fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }

    #[cfg(feature = "azure")]
    fn azure(
        &self,
        builder: object_store::azure::MicrosoftAzureBuilder,
    ) -> Result<object_store::azure::MicrosoftAzure> {
        use object_store::azure::AzureConfigKey;

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
            let provider = entra::EntraProvider::new(Arc::clone(credential));
            builder = builder.with_credentials(Arc::new(provider));
        }
        builder.build().map_err(|error| self.refused(&error))
    }

    fn refuse_options(&self) -> Result<()> {
        match self.options.first() {
            Some((name, _)) => Err(self.invalid(&format!("it has no option `{name}`"))),
            None => Ok(()),
        }
    }

    /// The URL without anything that may be a secret.
    fn plain_url(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }

    fn invalid(&self, reason: &str) -> Error {
        let text = format!("the store {} cannot be used: {reason}", self.plain_url());
        Error::new(ErrorKind::InvalidInput, text)
    }

    #[cfg(any(feature = "azure", feature = "aws", feature = "gcp"))]
    fn refused(&self, error: &object_store::Error) -> Error {
        let error = crate::error::from_store(error, "open the store");
        self.invalid(&error.to_string())
    }
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<_> = self.options.iter().map(|(name, _)| name).collect();
        f.debug_struct("StoreBuilder")
            .field("url", &self.plain_url())
            .field("options", &options)
            .field("credential", &self.credential.is_some())
            .finish_non_exhaustive()
    }
}

/// Sets the options of the environment that the store knows, then those that were given, all of
/// which it must know.
#[cfg(any(feature = "azure", feature = "aws", feature = "gcp"))]
fn configured<B, K: std::str::FromStr>(
    mut builder: B,
    settings: &StoreBuilder,
    variables: &str,
    set: impl Fn(B, K, String) -> B,
) -> Result<B> {
    for (name, value) in &settings.environment {
        if name.starts_with(variables)
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            builder = set(builder, key, value.clone());
        }
    }
    for (name, value) in &settings.options {
        let key = name.to_ascii_lowercase().parse();
        let key = key.map_err(|_| settings.invalid(&format!("it has no option `{name}`")))?;
        builder = set(builder, key, value.clone());
    }
    Ok(builder)
}

fn prefixed(store: impl ObjectStore, prefix: Path) -> Arc<dyn ObjectStore> {
    if prefix.as_ref().is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(store, prefix))
    }
}

fn parse(place: &str) -> Result<Url> {
    let invalid = |reason: &str| {
        let text = format!(
            "the store cannot be used: {reason}; give a URL such as \
             https://ACCOUNT.blob.core.windows.net/CONTAINER, or the path of a folder"
        );
        Error::new(ErrorKind::InvalidInput, text)
    };
    if place.trim().is_empty() {
        return Err(invalid("no place was given"));
    }
    if place.contains("://") || place.starts_with("file:") {
        // The text may hold a SAS.
        return Url::parse(place).map_err(|error| invalid(&error.to_string()));
    }
    let path = std::path::absolute(place);
    let path = path.map_err(|error| invalid(&error.to_string()))?;
    Url::from_file_path(path).map_err(|()| invalid("the path is invalid"))
}

#[cfg(feature = "azure")]
mod entra {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(builder: Result<StoreBuilder>) -> Error {
        let error = builder.and_then(StoreBuilder::build).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        error
    }

    #[test]
    fn stores_are_known_by_their_urls() {
        let key = "bm8gcmVhbCBrZXk=";
        for place in [
            "memory:///",
            "az://container/a/b",
            "https://acme.blob.core.windows.net/container",
            "https://acme.blob.core.windows.net/container/p?sv=2026-02-06&sig=s3cret",
            "https://acme.blob.core.chinacloudapi.cn/container/p",
            "http://127.0.0.1:10000/devstoreaccount1/container/p",
        ] {
            let mut builder = StoreBuilder::new(place).unwrap();
            if place != "memory:///" {
                builder = builder.option("azure_storage_account_key", key);
            }
            if place.starts_with("az:") {
                builder = builder.option("azure_storage_account_name", "acme");
            }
            assert!(!format!("{builder:?}").contains("s3cret"));
            let store = builder.build().unwrap();
            assert!(!store.to_string().contains("s3cret"), "{store}");
        }
    }

    #[test]
    fn what_is_no_store_is_an_error_without_secrets() {
        for place in [
            "",
            "ftp://host/x",
            "https://example.com/container?sig=s3cret",
            "http://10.0.0.1/account/container",
            "http://127.0.0.1:10000/devstoreaccount1",
            "https://acme.blob.core.windows.net:x/c?sig=s3cret",
        ] {
            let error = error(StoreBuilder::new(place));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        let mistyped = StoreBuilder::new("az://container").map(|b| b.option("azure_acount", "x"));
        assert!(error(mistyped).to_string().contains("`azure_acount`"));
        let memory = StoreBuilder::new("memory:///").map(|b| b.option("aws_region", "x"));
        assert!(error(memory).to_string().contains("`aws_region`"));
    }

    #[cfg(feature = "azure")]
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

    #[cfg(feature = "fs")]
    #[tokio::test]
    async fn a_folder_is_created_and_a_path_is_enough() {
        use object_store::ObjectStoreExt as _;

        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/archive");
        let store = StoreBuilder::new(place.to_str().unwrap()).unwrap();
        let store = store.build().unwrap();
        store.put(&Path::from("a/b"), "x".into()).await.unwrap();
        assert_eq!(std::fs::read(place.join("a/b")).unwrap(), b"x");
        std::fs::write(folder.path().join("file"), "").unwrap();
        let url = Url::from_file_path(folder.path().join("file/x")).unwrap();
        let error = StoreBuilder::new(url.as_str())
            .unwrap()
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
