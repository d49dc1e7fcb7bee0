//! The settings of stored recordings.

use std::fmt;
use std::time::Duration;

use url::Url;

/// The limit of the service.
const LONGEST_CHUNK: Duration = Duration::from_secs(4 * 60 * 60);

/// The settings of stored recordings.
#[derive(Clone, Debug)]
pub(crate) struct StorageSettings {
    pub(crate) chunk_duration: Duration,
    pub(crate) chunk_size: Option<u64>,
    pub(crate) swap_metadata_types: bool,
    pub(crate) redirect: Redirect,
    /// Whether content is located at the host of the request that started the recording.
    pub(crate) follows_host: bool,
    /// The time from the end of a recording until its content is deleted.
    pub(crate) retention: Duration,
    /// For your own storage.
    pub(crate) sas: Option<SasToken>,
}

/// The query of a shared access signature (SAS). It is never shown.
#[derive(Clone)]
pub(crate) struct SasToken(String);

#[cfg_attr(
    not(feature = "own-storage"),
    allow(dead_code, reason = "the feature is required for exports")
)]
impl SasToken {
    pub(crate) fn query(&self) -> &str {
        &self.0
    }
}

impl From<String> for SasToken {
    fn from(query: String) -> Self {
        Self(query)
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasToken(..)")
    }
}

/// Whether media and metadata are behind a redirect.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    Off,
    Localhost,
    To(Url),
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            chunk_duration: LONGEST_CHUNK,
            chunk_size: None,
            swap_metadata_types: false,
            redirect: Redirect::Off,
            follows_host: false,
            retention: Duration::from_secs(24 * 60 * 60),
            sas: None,
        }
    }
}
