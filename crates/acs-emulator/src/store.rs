//! The settings of stored recordings.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::builder::EmulatorBuilder;
use crate::state::Shared;

/// The limit of the service.
const LONGEST_CHUNK: Duration = Duration::from_secs(4 * 60 * 60);

/// The builder's settings for stored recordings.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    pub(crate) chunk_duration: Duration,
    pub(crate) chunk_size: Option<u64>,
    pub(crate) swapped: bool,
    pub(crate) redirect: Redirect,
    /// For your own storage.
    pub(crate) storage_sas: Option<Signature>,
}

/// The query of a shared access signature. It is never shown.
#[derive(Clone)]
pub(crate) struct Signature(String);

#[cfg_attr(
    not(feature = "own-storage"),
    allow(dead_code, reason = "the feature is required for exports")
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

/// Whether media and metadata are behind a redirect.
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
    /// The maximum recorded time in one file. The default is four hours, the limit of the service.
    /// A longer recording consists of several chunks, at most 10,000, each with its own metadata
    /// document. All chunks but the last end with `ChunkMaximumTimeExceeded`.
    pub fn chunk_duration(mut self, duration: Duration) -> Self {
        self.settings.store.chunk_duration = duration;
        self
    }

    /// The maximum size of a file in bytes. By default there is no limit. All chunks but the last
    /// end with `ChunkMaximumSizeExceeded`. A recording has at most 10,000 chunks; if the limit
    /// would require more, the chunks exceed it.
    pub fn chunk_size(mut self, bytes: u64) -> Self {
        self.settings.store.chunk_size = Some(bytes);
        self
    }

    /// Interchanges the values of `contentType` and `channelType` in metadata documents. The
    /// service has been observed to do this.
    pub fn swap_metadata_types(mut self) -> Self {
        self.settings.store.swapped = true;
        self
    }

    /// Redirects requests for media and metadata with status 302 from 127.0.0.1, where the
    /// locations point, to the same port of `localhost`.
    pub fn redirect_content(mut self) -> Self {
        self.settings.store.redirect = Redirect::Localhost;
        self
    }

    /// Like [`EmulatorBuilder::redirect_content`], but redirects to the origin of a URL that leads
    /// back to this emulator.
    pub fn redirect_content_to(mut self, origin: Url) -> Self {
        self.settings.store.redirect = Redirect::To(origin);
        self
    }

    /// The shared access signature, a query string, with which the emulator writes to your own
    /// storage. A leading `?` is ignored. The service uses a managed identity instead, which
    /// storage emulators do not support.
    pub fn storage_sas(mut self, query: impl Into<String>) -> Self {
        let query = query.into();
        let query = query.trim_start_matches('?').to_owned();
        self.settings.store.storage_sas = Some(Signature(query));
        self
    }
}

impl Shared {
    /// The redirect target for content at this path. Returns `None` if `host` serves the content
    /// itself.
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
