//! The seam between the generated client and whatever signs, sends and retries its requests.

use std::error::Error as StdError;
use std::fmt::Debug;
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

/// Sends requests as they are: for servers that ask for no authentication.
impl Transport for reqwest::Client {
    fn send<'a>(&'a self, request: reqwest::Request, _operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move { Ok(with_body(self.execute(request).await?).await?) })
    }
}

/// An answer of reqwest's with its whole body, as a [`Transport`] returns it.
///
/// # Errors
/// The connection breaks before the body is complete.
#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would hold the answer twice"
)]
pub fn with_body(
    mut response: reqwest::Response,
) -> impl Future<Output = reqwest::Result<Response<Bytes>>> + Send {
    async move {
        let mut body = response.chunk().await?.unwrap_or_default();
        // As a rule that was all, and is not copied.
        if let Some(next) = response.chunk().await? {
            let mut parts = [body, next].concat();
            while let Some(next) = response.chunk().await? {
                parts.extend_from_slice(&next);
            }
            body = parts.into();
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = response.status();
        *answer.version_mut() = response.version();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        *answer.extensions_mut() = std::mem::take(response.extensions_mut());
        Ok(answer)
    }
}
