//! How recordings are stored, as far as tests can set it.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::builder::EmulatorBuilder;
use crate::state::Shared;

/// The service's own limit.
const LONGEST_CHUNK: Duration = Duration::from_secs(4 * 60 * 60);

/// What the builder sets about stored recordings.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    pub(crate) chunk_duration: Duration,
    pub(crate) chunk_size: Option<u64>,
    pub(crate) swapped: bool,
    pub(crate) redirect: Redirect,
    /// For own storage.
    pub(crate) storage_sas: Option<Signature>,
}

/// The query of a shared access signature, which nothing shows.
#[derive(Clone)]
pub(crate) struct Signature(String);

#[cfg_attr(
    not(feature = "own-storage"),
    allow(dead_code, reason = "nothing is written without the feature")
)]
impl Signature {
    pub(crate) fn query(&self) -> &str {
        &self.0
    }
}

impl From<String> for Signature {
    fn from(query: String) -> Self {
        Self(query)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// Whether media and metadata are under another name.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    Off,
    Localhost,
    To(Url),
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            chunk_duration: LONGEST_CHUNK,
            chunk_size: None,
            swapped: false,
            redirect: Redirect::Off,
            storage_sas: None,
        }
    }
}

impl EmulatorBuilder {
    /// The most recorded time in one file. The default is four hours, as on the service. A longer
    /// recording consists of several chunks, at most 10,000, each with a metadata document, and all
    /// but the last end with `ChunkMaximumTimeExceeded`.
    pub fn chunk_duration(mut self, duration: Duration) -> Self {
        self.settings.store.chunk_duration = duration;
        self
    }

    /// The largest size of a file in bytes; there is no limit by default. All chunks but the last
    /// end with `ChunkMaximumSizeExceeded`. A recording has at most 10,000 chunks, which are larger
    /// than a limit that would make more of them.
    pub fn chunk_size(mut self, bytes: u64) -> Self {
        self.settings.store.chunk_size = Some(bytes);
        self
    }

    /// Writes metadata documents with the values of `contentType` and `channelType` interchanged,
    /// as the service has been seen to do.
    pub fn swap_metadata_types(mut self) -> Self {
        self.settings.store.swapped = true;
        self
    }

    /// Answers 302 where media and metadata are read, and serves them under another name: the
    /// same port of `localhost`, where the events point to 127.0.0.1.
    pub fn redirect_content(mut self) -> Self {
        self.settings.store.redirect = Redirect::Localhost;
        self
    }

    /// Like [`EmulatorBuilder::redirect_content`], to the origin of a URL that leads back to this
    /// emulator.
    pub fn redirect_content_to(mut self, origin: Url) -> Self {
        self.settings.store.redirect = Redirect::To(origin);
        self
    }

    /// The shared access signature, a query without `?`, with which the emulator writes into own
    /// storage. On Azure that takes a managed identity, which no emulator of the storage has.
    pub fn storage_sas(mut self, query: impl Into<String>) -> Self {
        let query = query.into();
        let query = query.trim_start_matches('?').to_owned();
        self.settings.store.storage_sas = Some(Signature(query));
        self
    }
}

impl Shared {
    /// Where content of this path is, for a request to `host`; `None` if it is here.
    pub(crate) fn content_redirect(&self, host: &str, path: &str) -> Option<Url> {
        let mut target = match &self.settings.store.redirect {
            Redirect::Off => return None,
            Redirect::To(origin) => origin.clone(),
            Redirect::Localhost => {
                let mut origin = Url::parse(&self.endpoint).ok()?;
                origin.set_host(Some("localhost")).ok()?;
                origin
            }
        };
        if host.eq_ignore_ascii_case(target.authority()) {
            return None;
        }
        target.set_path(path);
        target.set_query(None);
        Some(target)
    }
}
