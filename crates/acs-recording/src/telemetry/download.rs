//! The metrics of downloads.

use std::time::Duration;

#[cfg(feature = "metrics")]
use super::names::{ACTIVE_DOWNLOADS, CONNECTION_WAIT, DOWNLOADED_BYTES};

/// A running download, which counts as active until it is dropped.
#[derive(Debug)]
pub(crate) struct ActiveDownload {
    #[cfg(feature = "metrics")]
    bytes: metrics::Counter,
}

impl ActiveDownload {
    pub(crate) fn begin() -> Self {
        #[cfg(feature = "metrics")]
        metrics::gauge!(ACTIVE_DOWNLOADS).increment(1);
        Self {
            #[cfg(feature = "metrics")]
            bytes: metrics::counter!(DOWNLOADED_BYTES),
        }
    }

    /// Counts received bytes of content.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(
            clippy::unused_self,
            reason = "with the feature `metrics` they are counted"
        )
    )]
    pub(crate) fn received(&self, bytes: u64) {
        #[cfg(feature = "metrics")]
        self.bytes.increment(bytes);
        #[cfg(not(feature = "metrics"))]
        let _ = bytes;
    }
}

impl Drop for ActiveDownload {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        metrics::gauge!(ACTIVE_DOWNLOADS).decrement(1);
    }
}

/// Counts a wait for one of the client's download connections.
pub(crate) fn waited_for_connection(wait: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(CONNECTION_WAIT).record(wait.as_secs_f64());
    #[cfg(not(feature = "metrics"))]
    let _ = wait;
}
