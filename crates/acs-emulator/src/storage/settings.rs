//! The settings of stored recordings.

use std::fmt;
use std::time::Duration;

use url::Url;

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
