//! The requests for content at one location.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::debug;

use super::content_error::{content_changed, storage_error};
use super::identity::{EntityIdentity, IdentityMatch};
use super::range::{ContentRange, RequestedRange};
use super::readiness::{NotReady, ReadyBackoff, ReadyTimeout};
use super::response::ContentResponse;
use super::response_head::content_range;
use super::retry_budget::RetryBudget;
use crate::client_core::ClientCore;
use crate::content_url::ContentUrl;
use crate::error::{Error, ErrorKind, Hint, RequestInfo, Result};
use crate::transport::Response;

/// Where content comes from, and how it is requested.
#[derive(Debug)]
pub(super) struct ContentSource {
    pub(super) client: ClientCore,
    pub(super) location: ContentUrl,
    /// How long a connection may deliver nothing.
    pub(super) read_timeout: Duration,
    /// Bytes per second, on average over `read_timeout`.
    pub(super) minimum_rate: u64,
    /// The attempts and the time of the connection that the others depend on.
    pub(super) budget: RetryBudget,
    pub(super) ready_timeout: ReadyTimeout,
    /// Whether the recording is older than the service's retention.
    pub(super) is_expired: bool,
    /// Set to false by the first response that shows otherwise.
    pub(super) supports_ranges: AtomicBool,
}

impl ContentSource {
    /// Sends the first request, and waits while content is not ready.
    pub(super) async fn open_when_ready(&self, range: RequestedRange) -> Result<ContentResponse> {
        let mut backoff = ReadyBackoff::default();
        loop {
            match self.open_first(range).await? {
                Ok(response) => return Ok(response),
                Err(not_ready) => {
                    sleep(backoff.next(not_ready)?).await;
                    self.budget.renew(self.client.pipeline());
                }
            }
        }
    }

    /// Sends the first request. The inner error says that content is not ready.
    pub(super) async fn open_first(
        &self,
        range: RequestedRange,
    ) -> Result<Result<ContentResponse, NotReady>> {
        let mut response = match self.open(range, None, &self.budget).await {
            Ok(response) => response,
            Err(error) => return self.not_ready(error).map(Err),
        };
        let timeout = self.ready_timeout.empty;
        let first_bytes = self.budget.first_byte_timeout(self.read_timeout);
        if !timeout.is_zero() && response.is_empty(first_bytes).await {
            let error = Error::new(ErrorKind::ContentNotReady, "the content is empty");
            return Ok(Err(NotReady { timeout, error }));
        }
        Ok(Ok(response))
    }

    /// Interprets an error as content that is not ready.
    ///
    /// # Errors
    /// The same error, if it means something else.
    pub(super) fn not_ready(&self, error: Error) -> Result<NotReady> {
        let timeout = self.ready_timeout.missing;
        match error.status() {
            Some(404 | 503) if error.kind() != ErrorKind::ExpiredContent => {
                Ok(NotReady { timeout, error })
            }
            _ => Err(error),
        }
    }

    /// Requests a range of the expected version of the content.
    ///
    /// # Errors
    /// [`ErrorKind::ContentChanged`] if there is another version now.
    pub(super) async fn open(
        &self,
        range: RequestedRange,
        expected: Option<&EntityIdentity>,
        budget: &RetryBudget,
    ) -> Result<ContentResponse> {
        let with_range = self.supports_ranges() && range.header().is_some();
        let requested = if with_range {
            range
        } else {
            RequestedRange::default()
        };
        let response = self.send(requested, expected, budget).await?;
        let response = match response.status().as_u16() {
            200 | 206 => ContentResponse::parse(response, requested)?,
            416 => match content_range(response.headers()) {
                Some(ContentRange::Unsatisfied(Some(total))) if total <= range.start => {
                    // The expected version has bytes there.
                    if expected.is_some() {
                        return Err(content_changed());
                    }
                    ContentResponse::empty(total, range)?
                }
                _ if with_range => return self.open_without_range(expected, budget).await,
                _ => return Err(self.response_error(response).await),
            },
            405 | 501 if with_range => return self.open_without_range(expected, budget).await,
            // Some gateways do not support ranges and respond with this status.
            400 if with_range && expected.is_some() => {
                return self.open_without_range(expected, budget).await;
            }
            _ => return Err(self.response_error(response).await),
        };
        match response.compare(expected) {
            IdentityMatch::Same => {}
            // A server may say less about ranges than about the complete content.
            IdentityMatch::Unknown if with_range => {
                return self.open_without_range(expected, budget).await;
            }
            IdentityMatch::Unknown | IdentityMatch::Different => return Err(content_changed()),
        }
        if response.head.start != range.start {
            self.supports_ranges.store(false, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// The permits for connections that download into files.
    pub(super) fn permits(&self) -> &Arc<Semaphore> {
        &self.client.pipeline().download_permits
    }

    /// False as soon as a response showed that the server does not support ranges.
    pub(super) fn supports_ranges(&self) -> bool {
        self.supports_ranges.load(Ordering::Relaxed)
    }

    async fn open_without_range(
        &self,
        expected: Option<&EntityIdentity>,
        budget: &RetryBudget,
    ) -> Result<ContentResponse> {
        debug!("the server rejects ranges");
        self.supports_ranges.store(false, Ordering::Relaxed);
        let requested = RequestedRange::default();
        let response = self.send(requested, expected, budget).await?;
        if !response.status().is_success() {
            return Err(self.response_error(response).await);
        }
        let response = ContentResponse::parse(response, requested)?;
        match response.compare(expected) {
            IdentityMatch::Same => Ok(response),
            IdentityMatch::Unknown | IdentityMatch::Different => Err(content_changed()),
        }
    }

    /// Sends a request, with no more attempts and time than the budget has left.
    async fn send(
        &self,
        requested: RequestedRange,
        expected: Option<&EntityIdentity>,
        budget: &RetryBudget,
    ) -> Result<Response> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = requested.header() {
            headers.insert(RANGE, range);
            if let Some(etag) = expected.and_then(EntityIdentity::if_range) {
                headers.insert(IF_RANGE, etag);
            }
        }
        let pipeline = budget.limit(self.client.pipeline(), expected.is_some());
        let url = self.location.as_url();
        let sent = pipeline.content(Method::GET, url, headers).await;
        match sent {
            Ok(response) => {
                let info = response.extensions().get::<RequestInfo>();
                budget.spend(info.map_or(0, |info| info.attempts.count.saturating_sub(1)));
                Ok(response)
            }
            Err(error) if error.attempts() == 0 => Err(error),
            Err(error) => {
                budget.spend(error.attempts());
                Err(error.with_attempts(budget.failures()))
            }
        }
    }

    async fn response_error(&self, response: Response) -> Error {
        let is_gone = response.status().as_u16() == 410;
        let error = storage_error(response).await;
        if error.hint() == Some(Hint::CheckGateway) {
            return error;
        }
        if is_gone || (self.is_expired && error.kind() == ErrorKind::NotFound) {
            return error.with_kind(ErrorKind::ExpiredContent);
        }
        error
    }
}
