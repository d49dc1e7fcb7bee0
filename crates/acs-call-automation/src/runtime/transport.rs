//! The interface between the generated client and the code that authenticates, sends and retries
//! requests.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::pin::Pin;

use bytes::Bytes;
use http::Response;

/// Any error of a [`Transport`], which becomes a [`Failure::Transport`](crate::Failure::Transport).
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The future response of a [`Transport`].
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send + 'a>>;

/// Sends the requests of a [`Client`](crate::Client). An implementation can add authentication,
/// retries and telemetry.
///
/// The request is complete except for authentication, including its body and the `api-version`
/// query parameter. The response contains the whole body, so that a transport can retry if a
/// response is interrupted. A response with any status is `Ok`; an error means that there is no
/// response.
pub trait Transport: Debug + Send + Sync {
    /// Sends `request`; `operation` is the name of the [`Client`](crate::Client) method, for logs
    /// and traces.
    fn send<'a>(&'a self, request: reqwest::Request, operation: &'a str) -> TransportFuture<'a>;
}

/// The maximum size of a response body that this crate reads, in bytes: 16 MiB. Responses of the
/// service have some kilobytes.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The reason why the body of a response could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection was interrupted before the body was complete.
    Connection(reqwest::Error),
    /// The body is larger than this number of bytes.
    TooLarge(usize),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => write!(
                f,
                "the connection was interrupted before the body was complete"
            ),
            Self::TooLarge(limit) => write!(f, "the body is larger than {limit} bytes"),
        }
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::TooLarge(_) => None,
        }
    }
}

/// Sends requests unchanged, for servers that do not require authentication.
impl Transport for reqwest::Client {
    fn send<'a>(&'a self, request: reqwest::Request, _operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move {
            let response = self.execute(request).await?;
            Ok(with_body(response, DEFAULT_BODY_LIMIT).await?)
        })
    }
}

/// Reads the whole body of a reqwest response, for the result of a [`Transport`].
///
/// # Errors
/// The connection is interrupted before the body is complete, or the body is larger than `limit`
/// bytes.
#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would hold the response twice"
)]
pub fn with_body(
    mut response: reqwest::Response,
    limit: usize,
) -> impl Future<Output = Result<Response<Bytes>, BodyError>> + Send {
    async move {
        let mut body = Vec::new();
        let whole = read_body(&mut response, limit, &mut body).await;
        if !whole.map_err(BodyError::Connection)? {
            return Err(BodyError::TooLarge(limit));
        }
        Ok(Response::<reqwest::Body>::from(response).map(|_| body.into()))
    }
}

/// Appends the body of a response to `body`, up to a total of `limit` bytes, and returns whether
/// this is the whole body.
///
/// Bytes read before an error, or before the future was dropped, stay in `body`.
///
/// # Errors
/// The connection is interrupted before the body is complete.
pub async fn read_body(
    response: &mut reqwest::Response,
    limit: usize,
    body: &mut Vec<u8>,
) -> reqwest::Result<bool> {
    while let Some(part) = response.chunk().await? {
        let room = limit.saturating_sub(body.len());
        body.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            return Ok(false);
        }
    }
    Ok(true)
}
