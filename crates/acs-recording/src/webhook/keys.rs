//! The keys that an issuer signs its tokens with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use acs_call_automation::read_body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use url::{Position, Url};

use super::authenticator::InvalidAuthenticator;
use crate::credential::is_secure;
use crate::transport::HttpClients;

/// Keys that are older than this are fetched again before they are used, if that works.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// However many tokens have unknown keys, the issuer is asked this often.
const PAUSE: Duration = Duration::from_secs(60);
/// As long as it does not answer, deliveries wait for it, so it is asked sooner.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A configuration or a key set that takes longer is no use to a delivery that waits.
const FETCH_LIMIT: Duration = Duration::from_secs(5);
const MAX_DOCUMENT: usize = 256 * 1024;
/// RSA keys below 2048 bits can be broken.
const MIN_MODULUS: usize = 256;

/// The keys of one issuer, fetched when they are needed and shared by all clones.
#[derive(Clone)]
pub(super) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    configuration: Url,
    http: HttpClients,
    known: RwLock<Known>,
    /// The latest fetch, for whoever needs a key while it goes on.
    fetch: Mutex<Option<Fetch>>,
}

/// A fetch in a task of its own, which goes on when nobody waits for it any more.
struct Fetch {
    task: AbortHandle,
    /// Whether it worked.
    outcome: Outcome,
}

type Outcome = Shared<BoxFuture<'static, bool>>;

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// When they were fetched.
    fetched: Option<Instant>,
    /// Until when the issuer is left alone.
    pause: Option<Instant>,
}

pub(super) enum Found {
    Key(Arc<DecodingKey>),
    /// The issuer has no such key.
    Unknown,
    /// It may have it, but cannot be asked, or not yet again.
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
    pub(super) fn new(configuration: Url) -> Result<Self, InvalidAuthenticator> {
        let settings = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(FETCH_LIMIT)
        };
        let http = HttpClients::new(settings, &configuration)
            .map_err(|_| InvalidAuthenticator("the HTTP client for keys cannot be made"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                configuration,
                http,
                known: RwLock::default(),
                fetch: Mutex::default(),
            }),
        })
    }

    pub(super) async fn find(&self, kid: &str) -> Found {
        if let Some((key, true)) = self.known(kid) {
            return Found::Key(key);
        }
        let asked = match self.fetch() {
            Some(outcome) => outcome.await,
            None => false,
        };
        match self.known(kid) {
            // An old key is better than none while the issuer cannot be asked.
            Some((key, _)) => Found::Key(key),
            // Whoever is told so is refused for good, so an answer of before will not do.
            None if asked => Found::Unknown,
            None => Found::Unavailable,
        }
    }

    /// A known key, and whether it is fresh.
    fn known(&self, kid: &str) -> Option<(Arc<DecodingKey>, bool)> {
        self.read(|known| {
            let fresh = known.fetched.is_some_and(|at| at.elapsed() < FRESH);
            Some((Arc::clone(known.keys.get(kid)?), fresh))
        })
    }

    /// The fetch that goes on, or a new one unless the issuer is to be left alone.
    fn fetch(&self) -> Option<Outcome> {
        let mut latest = self
            .inner
            .fetch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = latest.as_ref().filter(|fetch| !fetch.task.is_finished()) {
            return Some(fetch.outcome.clone());
        }
        if self.read(|known| known.pause.is_some_and(|end| Instant::now() < end)) {
            return None;
        }
        let task = tokio::spawn(self.clone().renew());
        let fetch = Fetch {
            task: task.abort_handle(),
            outcome: task.map(|worked| worked.unwrap_or(false)).boxed().shared(),
        };
        let outcome = fetch.outcome.clone();
        *latest = Some(fetch);
        Some(outcome)
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(
            &self
                .inner
                .known
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    async fn renew(self) -> bool {
        let outcome = self.download().await;
        let now = Instant::now();
        match outcome {
            Ok(keys) => {
                self.write(|known| {
                    *known = Known {
                        keys,
                        fetched: Some(now),
                        pause: Some(now + PAUSE),
                    };
                });
                true
            }
            Err(error) => {
                self.write(|known| known.pause = Some(now + PAUSE_AFTER_FAILURE));
                let url = shown(&self.inner.configuration);
                tracing::warn!(url, %error, "the keys for tokens cannot be fetched");
                false
            }
        }
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        change(
            &mut self
                .inner
                .known
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    async fn download(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let configuration: Configuration = self.document(&self.inner.configuration).await?;
        let address = Url::parse(&configuration.jwks_uri)
            .ok()
            .filter(|url| is_secure(url) && url.scheme() == self.inner.configuration.scheme())
            .ok_or("the configuration has no safe address of keys")?;
        let set: KeySet = self.document(&address).await?;
        let keys: HashMap<_, _> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(format!("{} has no RSA key", shown(&address)));
        }
        Ok(keys)
    }

    async fn document<T: DeserializeOwned>(&self, url: &Url) -> Result<T, String> {
        let place = shown(url);
        let broken = |error: reqwest::Error| format!("{place}: {}", error.without_url());
        let client = self.inner.http.to(url).map_err(broken)?;
        let request = client.get(url.clone()).send().await;
        let response = request.and_then(reqwest::Response::error_for_status);
        let (mut response, mut body) = (response.map_err(broken)?, Vec::new());
        let read = read_body(&mut response, MAX_DOCUMENT, &mut body).await;
        if !read.map_err(broken)? {
            return Err(format!("{place} is too large"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{place}: {error}"))
    }
}

/// An address as logs may show it: without what may be a secret.
fn shown(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPath]
}

/// A key that may sign tokens with RS256. Others in the set are no mistake, and no use.
fn usable(key: serde_json::Value) -> Option<(String, Arc<DecodingKey>)> {
    let key: Key = serde_json::from_value(key).ok()?;
    let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
    let suits = key.kty == "RSA"
        && key.purpose.is_none_or(|purpose| purpose == "sig")
        && key.alg.is_none_or(|alg| alg == "RS256")
        && modulus.len() >= MIN_MODULUS;
    let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
    suits.then(|| (key.kid, Arc::new(decoding)))
}
