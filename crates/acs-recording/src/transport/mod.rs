//! How requests are sent: the transport, which a program can replace, and the pipeline above it.

mod attempt;
mod authorize;
mod body;
mod date_header;
mod denial;
mod early_timer;
mod error;
mod hosts;
mod http_client;
mod http_options;
mod object;
mod options;
mod pipeline;
mod receive;
mod redirect;
mod retry;
mod retry_loop;
mod retry_policy;
mod sender;
mod user_agent;

use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;
use url::Url;

pub use body::Body;
pub(crate) use body::ByteStream;
pub use error::{TransportError, TransportErrorKind};
pub(crate) use hosts::{AllowedHost, ContentHosts};
pub(crate) use http_client::HttpClients;
pub(crate) use http_options::HttpOptions;
pub(crate) use object::ObjectPath;
pub use options::RequestOptions;
pub(crate) use options::request_options;
pub(crate) use pipeline::{
    Limits, MAX_DOWNLOADS, Pipeline, Settings, deadline_after, error_from_response,
};
pub(crate) use retry_policy::{AfterFailures, default_retry_policy};
pub use retry_policy::{
    AttemptLimit, ExponentialBackoff, FailedAttempt, NeverRetry, RetryPolicy, RetryPolicyExt,
    TimeLimit,
};
pub(crate) use sender::Sender;
pub(crate) use user_agent::{ApplicationId, user_agent};

/// A response whose body has not been read.
pub(crate) type Response = http::Response<Body>;

/// The response that a [`Transport`] is waiting for.
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, TransportError>> + Send + 'a>>;

/// Sends single requests: the part of a client that knows about connections.
///
/// [`RecordingClientBuilder::transport`](crate::RecordingClientBuilder::transport) replaces the
/// built-in HTTPS transport with one of your own: a fake in a unit test, which then needs neither a
/// server nor the network, or another HTTP client.
///
/// Everything else runs above it as usual: checks of URLs, signatures, timeouts, retries, redirects,
/// decoding, and the verification of downloads. A transport gets every attempt as a separate request,
/// and returns every response as `Ok`, whatever its status. A transport that sends requests over a
/// network must not follow redirects, decompress bodies, or change the headers that a signature
/// covers.
///
/// # A fake
///
/// ```
/// use std::sync::Arc;
///
/// use acs_recording::models::RecordingState;
/// use acs_recording::{
///     Body, ErrorKind, RecordingClient, RecordingId, Transport, TransportFuture,
/// };
/// use bytes::Bytes;
///
/// /// A service that has one recording, whose content is `0123456789`.
/// #[derive(Debug)]
/// struct Fake;
///
/// impl Transport for Fake {
///     fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
///         Box::pin(async move {
///             let response = http::Response::builder();
///             Ok(match (request.method().as_str(), request.uri().path()) {
///                 ("GET", "/calling/recordings/r1") => response
///                     .body(Body::from(r#"{"recordingId": "r1", "recordingState": "active"}"#)),
///                 ("GET", "/v1/objects/o1/content/video") => content(&request),
///                 _ => response
///                     .status(404)
///                     .body(Body::from(r#"{"error": {"code": "8522", "message": "Not found."}}"#)),
///             }
///             .unwrap())
///         })
///     }
/// }
///
/// /// The content, or the requested range of it, in parts of three bytes.
/// fn content(request: &http::Request<Bytes>) -> http::Result<http::Response<Body>> {
///     const CONTENT: &str = "0123456789";
///     let range = request.headers().get("range").and_then(|range| {
///         let (start, end) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
///         let end = end.parse().map_or(CONTENT.len(), |last: usize| (last + 1).min(CONTENT.len()));
///         Some((start.parse::<usize>().ok()?, end))
///     });
///     let (start, end) = range.unwrap_or((0, CONTENT.len()));
///     let parts: Vec<_> = CONTENT.as_bytes()[start..end].chunks(3).collect();
///     let parts = parts.into_iter().map(Ok::<_, std::io::Error>);
///     let response = http::Response::builder()
///         .header("etag", "\"1\"")
///         .header("content-length", end - start);
///     let response = match range {
///         Some(_) => response
///             .status(206)
///             .header("content-range", format!("bytes {start}-{}/{}", end - 1, CONTENT.len())),
///         None => response,
///     };
///     response.body(Body::from_stream(futures_util::stream::iter(parts)))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The code under test gets this client.
/// let connection_string = "endpoint=https://contoso.communication.azure.com/;accesskey=a2V5";
/// let client = RecordingClient::builder(connection_string.parse()?)
///     .transport(Arc::new(Fake))
///     .build()?;
///
/// let recording = client.recording(RecordingId::new("r1")?);
/// assert_eq!(recording.state().await?, RecordingState::Active);
/// let unknown = client.recording(RecordingId::new("r2")?);
/// assert_eq!(unknown.state().await.unwrap_err().kind(), ErrorKind::NotFound);
///
/// let location = "https://eu-storage.asm.skype.com/v1/objects/o1/content/video".parse()?;
/// assert_eq!(client.download(&location).into_bytes().await?, b"0123456789");
/// assert_eq!(client.download(&location).range(2..5).into_bytes().await?, b"234");
/// # Ok(())
/// # }
/// ```
pub trait Transport: Debug + Send + Sync {
    /// Sends a request once, and returns the response as soon as its head has arrived.
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_>;
}

/// The host and port of a URL, which errors and logs may show.
fn authority(url: &Url) -> String {
    match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    }
}
