//! Reading the body of a response.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::{Body, TransportError};

/// How much of an error body is read. Those of the service are below a kilobyte.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// How long reading an error body may take.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body could not be read.
pub(super) enum BodyError {
    Transport(TransportError),
    TooLarge,
}

/// What the body of a response is read into, within the attempt.
pub(super) trait FromBody: Sized + Send + Sync {
    /// Reads the body of a response with this status, at most `limit` bytes, until `until`.
    fn from_body(
        body: Body,
        status: StatusCode,
        limit: usize,
        until: Instant,
    ) -> impl Future<Output = Result<Self, BodyError>> + Send;
}

/// The whole body, or the beginning of an error body.
impl FromBody for Bytes {
    async fn from_body(
        body: Body,
        status: StatusCode,
        limit: usize,
        until: Instant,
    ) -> Result<Self, BodyError> {
        if !status.is_success() {
            return Ok(read_error_body(body, until).await.into());
        }
        let mut bytes = Vec::new();
        match body.read_into(&mut bytes, limit).await {
            Ok(true) => Ok(bytes.into()),
            Ok(false) => Err(BodyError::TooLarge),
            Err(error) => Err(BodyError::Transport(error)),
        }
    }
}

/// Content, which may be long, and is read after the attempt.
impl FromBody for Body {
    async fn from_body(
        body: Body,
        _status: StatusCode,
        _limit: usize,
        _until: Instant,
    ) -> Result<Self, BodyError> {
        Ok(body)
    }
}

/// The beginning of an error body, as far as it has arrived by `until`.
///
/// A failure does not matter: the status is known, and the received part is shown.
pub(super) async fn read_error_body(body: Body, until: Instant) -> Vec<u8> {
    let until = until.min(Instant::now() + ERROR_BODY_TIMEOUT);
    let mut bytes = Vec::new();
    match timeout_at(until, body.read_into(&mut bytes, ERROR_BODY_LIMIT)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the body of an error ended early"),
        Err(_) => tracing::debug!("the body of an error did not arrive in time"),
    }
    bytes
}
