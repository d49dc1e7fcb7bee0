//! The seam between the generated client and whatever signs, sends and retries its requests.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::pin::Pin;

use bytes::Bytes;
use http::Response;

/// Any error of a [`Transport`]; [`Failure::Transport`](crate::Failure::Transport) hands it back.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The answer that a [`Transport`] is waiting for.
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send + 'a>>;

/// Sends the requests of a [`Client`](crate::Client): authentication, retries and telemetry live
/// behind it.
///
/// The request is complete but for authentication: the URL has its `api-version` query parameter
/// and the body is there. The answer comes with its whole body, so that a transport can repeat a
/// request whose answer breaks off. Every answer of the server is a success to the transport,
/// whatever its status; an error means that there is no answer.
pub trait Transport: Debug + Send + Sync {
    /// Sends `request`; `operation` is the name of the [`Client`](crate::Client) method, for logs
    /// and traces.
    fn send<'a>(&'a self, request: reqwest::Request, operation: &'a str) -> TransportFuture<'a>;
}

/// The longest body of a response that this crate reads on its own, in bytes: 16 MiB. Responses of
/// the service have some kilobytes.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Why a response has no body that could be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection broke before the body was complete.
    Connection(reqwest::Error),
    /// The body is longer than this many bytes.
    TooLarge(usize),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => write!(f, "the connection broke before the body was complete"),
            Self::TooLarge(limit) => write!(f, "the body is longer than {limit} bytes"),
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

/// Sends requests as they are: for servers that ask for no authentication.
impl Transport for reqwest::Client {
    fn send<'a>(&'a self, request: reqwest::Request, _operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move {
            let response = self.execute(request).await?;
            Ok(with_body(response, DEFAULT_BODY_LIMIT).await?)
        })
    }
}

/// A response of reqwest's with its whole body, as a [`Transport`] returns it.
///
/// # Errors
/// The connection breaks before the body is complete, or the body is longer than `limit` bytes.
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

/// Appends the body of a response to `body`, up to `limit` bytes in all, and says whether that was
/// the whole body.
///
/// What was read before an error, or before the future was dropped, stays in `body`.
///
/// # Errors
/// The connection breaks before the body is complete.
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
