//! Opening an object store by its URL.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "azure")]
mod entra;

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
    creates_folder: bool,
    /// The blob endpoint of the account, from a connection string.
    #[cfg(feature = "azure")]
    endpoint: Option<String>,
    /// Certificate authorities in PEM, trusted in addition to the system's.
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
            creates_folder: true,
            #[cfg(feature = "azure")]
            endpoint: None,
            roots: Vec::new(),
        })
    }

    /// Trusts the certificate authorities of this PEM bundle in addition to the system's: those of a
    /// proxy that inspects TLS, or of Azurite.
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

    /// Whether a folder that does not exist is created (default: true).
    pub fn create_folder(mut self, create: bool) -> Self {
        self.creates_folder = create;
        self
    }

    /// Opens the store. Sends no request.
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
                self.reject_options()?;
                Ok(prefixed(InMemory::new(), path))
            }
            #[cfg(feature = "fs")]
            ObjectStoreScheme::Local => {
                self.reject_options()?;
                self.local()
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::MicrosoftAzure => self.azure_by_url(path),
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
                let built = builder.build().map_err(|error| self.rejected(&error))?;
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
                let built = builder.build().map_err(|error| self.rejected(&error))?;
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
        if self.creates_folder {
            std::fs::create_dir_all(&path).map_err(|error| failed(&error))?;
        } else if !path.is_dir() {
            let text = format!("the folder {} does not exist", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let store = object_store::local::LocalFileSystem::new_with_prefix(&path);
        let store = store.map_err(|error| failed(&error))?;
        // A receipt on the disk must not outlive the media in a cache.
        Ok(Arc::new(store.with_fsync(true)))
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

    fn reject_options(&self) -> Result<()> {
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
    fn rejected(&self, error: &object_store::Error) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The error about a store that cannot be used.
    pub(super) fn error(builder: Result<StoreBuilder>) -> Error {
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
        let missing = folder.path().join("missing");
        let builder = StoreBuilder::new(missing.to_str().unwrap()).unwrap();
        let error = builder.create_folder(false).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!missing.exists());
    }
}
