//! What is downloaded, and how: everything but the destination.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;

use super::options::TransferOptions;
use super::progress::ProgressTracker;
use super::range::RequestedRange;
use super::readiness::ReadyTimeout;
use super::retry_budget::RetryBudget;
use super::source::ContentSource;
use crate::client_core::ClientCore;
use crate::content_url::ContentUrl;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::RequestOptions;

/// The name of downloads in errors.
pub(super) const DOWNLOAD: &str = "download recording";

/// How long the service usually keeps content.
pub(super) const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long after the end of a recording its content may not be ready.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// How long to wait for the content of a recent recording.
const RECENT_READY_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// How long to wait for empty content.
const EMPTY_READY_TIMEOUT: Duration = Duration::from_secs(30);

/// The request for content, without a destination.
#[derive(Clone, Debug)]
pub(super) struct ContentRequest {
    pub(super) client: ClientCore,
    pub(super) location: ContentUrl,
    /// None if the range is invalid.
    pub(super) range: Option<RequestedRange>,
    pub(super) recorded_until: Option<Timestamp>,
    pub(super) transfer: TransferOptions,
    pub(super) options: RequestOptions,
}

/// A validated request.
pub(super) struct PreparedRequest {
    pub(super) source: Arc<ContentSource>,
    pub(super) range: RequestedRange,
}

impl ContentRequest {
    pub(super) fn new(client: ClientCore, location: ContentUrl) -> Self {
        Self {
            client,
            location,
            range: Some(RequestedRange::default()),
            recorded_until: None,
            transfer: TransferOptions::default(),
            options: RequestOptions::new(),
        }
    }

    /// Counts and reports the bytes of this request.
    pub(super) fn progress(&self) -> Arc<ProgressTracker> {
        ProgressTracker::new(
            self.transfer.listener.clone(),
            self.transfer.bandwidth_limit,
        )
    }

    /// # Errors
    /// [`ErrorKind::InvalidInput`] if an option is out of range.
    pub(super) fn prepare(&self) -> Result<PreparedRequest> {
        self.transfer.check()?;
        let client = self.client.with_options(&self.options)?;
        client.pipeline().limits.check()?;
        let range = self.range.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "the range ends before it begins")
        })?;
        let age = self.recorded_until.map(age);
        let source = ContentSource {
            location: self.location.clone(),
            read_timeout: self.transfer.read_timeout,
            minimum_rate: self.transfer.minimum_rate,
            budget: RetryBudget::new(client.pipeline(), self.transfer.resume_policy.clone()),
            ready_timeout: ready_timeout(self.transfer.ready_timeout, age),
            is_expired: age.is_some_and(|age| age > RETENTION),
            supports_ranges: AtomicBool::new(true),
            client,
        };
        Ok(PreparedRequest {
            source: Arc::new(source),
            range,
        })
    }
}

/// The configured timeout, or the default for content of this age.
fn ready_timeout(configured: Option<Duration>, age: Option<Duration>) -> ReadyTimeout {
    match configured {
        Some(timeout) => ReadyTimeout {
            missing: timeout,
            empty: timeout,
        },
        None if age.is_some_and(|age| age < RECENT) => ReadyTimeout {
            missing: RECENT_READY_TIMEOUT,
            empty: RECENT_READY_TIMEOUT,
        },
        None => ReadyTimeout {
            missing: Duration::ZERO,
            empty: EMPTY_READY_TIMEOUT,
        },
    }
}

/// The time since then; zero for a time in the future.
fn age(time: Timestamp) -> Duration {
    let age = Timestamp::now().duration_since(time);
    Duration::try_from(age).unwrap_or_default()
}
