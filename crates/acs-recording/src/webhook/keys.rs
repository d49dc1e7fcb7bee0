//! The public keys of a token issuer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use jsonwebtoken::DecodingKey;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use url::{Position, Url};

use super::authenticate::InvalidAuthenticator;
use crate::credential::is_secure;
use crate::transport::{HttpClients, HttpOptions, Transport};

/// Older keys are fetched again before they are used, if the issuer can be reached.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest time between two fetches, however many tokens name unknown keys.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// The same after a failed fetch. It is shorter because deliveries are waiting for the keys.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A delivery that waits for keys cannot wait longer for one document.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_DOCUMENT_SIZE: usize = 256 * 1024;
/// RSA keys below 2048 bits can be broken.
const MIN_MODULUS_BYTES: usize = 256;

/// The keys of one issuer, fetched when they are needed and shared by all clones.
#[derive(Clone)]
pub(super) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    configuration: Url,
    transport: Arc<dyn Transport>,
    cache: RwLock<Cache>,
    /// The latest fetch, which everybody who needs a key waits for.
    fetch: Mutex<Option<Fetch>>,
}

/// A fetch in a task of its own, so that it continues when a waiting delivery is dropped.
struct Fetch {
    task: AbortHandle,
    /// Whether it succeeded.
    outcome: Outcome,
}

type Outcome = Shared<BoxFuture<'static, bool>>;

#[derive(Default)]
struct Cache {
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Option<Instant>,
    /// No fetch starts before this time.
    next_fetch: Option<Instant>,
}

pub(super) enum KeyLookup {
    Found(Arc<DecodingKey>),
    /// The issuer has no such key.
    Unknown,
    /// The issuer may have it, but cannot be reached, or not yet again.
    Unavailable,
}

#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Key {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
}

impl Keys {
    /// Keys from an `OpenID` configuration, fetched with the system's certificates and proxy.
    pub(super) fn new(configuration: Url) -> Result<Self, InvalidAuthenticator> {
        let http = HttpClients::new(HttpOptions::default(), &configuration)
            .map_err(|_| InvalidAuthenticator("the HTTP client for keys cannot be created"))?;
        Ok(Self::with_transport(configuration, Arc::new(http)))
    }

    fn with_transport(configuration: Url, transport: Arc<dyn Transport>) -> Self {
        Self {
            inner: Arc::new(Inner {
                configuration,
                transport,
                cache: RwLock::default(),
                fetch: Mutex::default(),
            }),
        }
    }

    /// The same keys, fetched through another transport.
    pub(super) fn fetched_through(&self, transport: Arc<dyn Transport>) -> Self {
        Self::with_transport(self.inner.configuration.clone(), transport)
    }

    pub(super) async fn find(&self, kid: &str) -> KeyLookup {
        if let Some((key, true)) = self.cached(kid) {
            return KeyLookup::Found(key);
        }
        let is_current = match self.fetch() {
            Some(outcome) => outcome.await,
            None => false,
        };
        match self.cached(kid) {
            // An old key is better than none while the issuer cannot be reached.
            Some((key, _)) => KeyLookup::Found(key),
            // The event of a rejected request is lost, so an older key set is no reason to reject.
            None if is_current => KeyLookup::Unknown,
            None => KeyLookup::Unavailable,
        }
    }

    /// A key from the cache, and whether it is fresh.
    fn cached(&self, kid: &str) -> Option<(Arc<DecodingKey>, bool)> {
        self.read(|cache| {
            let is_fresh = cache.fetched_at.is_some_and(|at| at.elapsed() < MAX_AGE);
            Some((Arc::clone(cache.keys.get(kid)?), is_fresh))
        })
    }

    /// The running fetch, or a new one if enough time has passed since the last.
    fn fetch(&self) -> Option<Outcome> {
        let mut latest = self.inner.fetch.lock();
        if let Some(fetch) = latest.as_ref().filter(|fetch| !fetch.task.is_finished()) {
            return Some(fetch.outcome.clone());
        }
        if self.read(|cache| cache.next_fetch.is_some_and(|time| Instant::now() < time)) {
            return None;
        }
        let task = tokio::spawn(self.clone().refresh());
        let fetch = Fetch {
            task: task.abort_handle(),
            outcome: task
                .map(|succeeded| succeeded.unwrap_or(false))
                .boxed()
                .shared(),
        };
        let outcome = fetch.outcome.clone();
        *latest = Some(fetch);
        Some(outcome)
    }

    fn read<T>(&self, read: impl FnOnce(&Cache) -> T) -> T {
        read(&self.inner.cache.read())
    }

    async fn refresh(self) -> bool {
        let outcome = self.download().await;
        let now = Instant::now();
        match outcome {
            Ok(keys) => {
                self.write(|cache| {
                    *cache = Cache {
                        keys,
                        fetched_at: Some(now),
                        next_fetch: Some(now + MIN_INTERVAL),
                    };
                });
                true
            }
            Err(error) => {
                self.write(|cache| cache.next_fetch = Some(now + RETRY_INTERVAL));
                let url = loggable(&self.inner.configuration);
                tracing::warn!(url, %error, "the signing keys of a token issuer cannot be fetched");
                false
            }
        }
    }

    fn write(&self, change: impl FnOnce(&mut Cache)) {
        change(&mut self.inner.cache.write());
    }

    async fn download(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let configuration: Configuration = self.document(&self.inner.configuration).await?;
        let key_set = Url::parse(&configuration.jwks_uri)
            .ok()
            .filter(|url| is_secure(url) && url.scheme() == self.inner.configuration.scheme())
            .ok_or("the OpenID configuration has no secure `jwks_uri`")?;
        let set: KeySet = self.document(&key_set).await?;
        let keys: HashMap<_, _> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(format!("{} contains no usable RSA key", loggable(&key_set)));
        }
        Ok(keys)
    }

    async fn document<T: DeserializeOwned>(&self, url: &Url) -> Result<T, String> {
        let address = loggable(url);
        let body = match timeout(FETCH_TIMEOUT, self.body(url)).await {
            Ok(body) => body.map_err(|error| format!("{address}: {error}"))?,
            Err(_) => return Err(format!("{address}: there was no response in time")),
        };
        serde_json::from_slice(&body).map_err(|error| format!("{address}: {error}"))
    }

    async fn body(&self, url: &Url) -> Result<Vec<u8>, String> {
        let request = http::Request::get(url.as_str()).body(Bytes::new());
        let request = request.map_err(|error| error.to_string())?;
        let response = self.inner.transport.send(request).await;
        let response = response.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the response is {}", response.status()));
        }
        let mut body = Vec::new();
        match response
            .into_body()
            .read_into(&mut body, MAX_DOCUMENT_SIZE)
            .await
        {
            Ok(true) => Ok(body),
            Ok(false) => Err(format!("it is longer than {MAX_DOCUMENT_SIZE} bytes")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The part of a URL that contains no credentials.
fn loggable(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPath]
}

/// A key that can verify RS256. A key set may contain others, which are skipped.
fn usable(key: serde_json::Value) -> Option<(String, Arc<DecodingKey>)> {
    let key: Key = serde_json::from_value(key).ok()?;
    let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
    let is_usable = key.kty == "RSA"
        && key.purpose.is_none_or(|purpose| purpose == "sig")
        && key.alg.is_none_or(|alg| alg == "RS256")
        && modulus.len() >= MIN_MODULUS_BYTES;
    let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
    is_usable.then(|| (key.kid, Arc::new(decoding)))
}
