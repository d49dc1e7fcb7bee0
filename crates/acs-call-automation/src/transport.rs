//! The seam between the generated client and whatever signs, sends and retries its requests.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};
use serde::de::DeserializeOwned;

use crate::{Client, Error, ResponseValue};

/// Any error of a [`Transport`]; [`Failure::Transport`](crate::Failure::Transport) hands it back.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The answer that a [`Transport`] is waiting for.
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<reqwest::Response, BoxError>> + Send + 'a>>;

/// Sends the requests of a [`Client`]: authentication, retries and telemetry live behind it.
///
/// The request is complete but for authentication: the URL has its `api-version` query parameter
/// and the body is there. Every answer of the server is a success to the transport, whatever its
/// status; an error means that there is no answer.
pub trait Transport: Debug + Send + Sync {
    /// Sends `request`; `operation` is the name of the [`Client`] method, for logs and traces.
    fn send<'a>(&'a self, request: reqwest::Request, operation: &'a str) -> TransportFuture<'a>;
}

/// Sends requests as they are: for servers that ask for no authentication.
impl Transport for reqwest::Client {
    fn send<'a>(&'a self, request: reqwest::Request, _operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move { Ok(self.execute(request).await?) })
    }
}

impl ClientHooks<Arc<dyn Transport>> for Client {
    // Not an `async fn`, which would hold the request twice for as long as it waits.
    fn exec(
        &self,
        request: reqwest::Request,
        info: &OperationInfo,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> {
        let sent = self.inner().send(request, info.operation_id);
        async { Ok(sent.await.unwrap_or_else(carry)) }
    }
}

/// The whole body of an answer, for transports that repeat a request whose answer breaks off.
///
/// It is what [`reqwest::Response::bytes`] gives, in a future of a tenth of its size.
pub async fn body(response: &mut reqwest::Response) -> reqwest::Result<Bytes> {
    let mut parts = Vec::new();
    while let Some(part) = response.chunk().await? {
        parts.push(part);
    }
    Ok(match parts.as_mut_slice() {
        [whole] => std::mem::take(whole),
        parts => Bytes::from(parts.concat()),
    })
}

/// The value in the body of an answer, for generated code.
#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would hold the answer twice"
)]
pub(crate) fn value<T: DeserializeOwned>(
    mut response: reqwest::Response,
) -> impl Future<Output = Result<ResponseValue<T>, Error>> {
    async move {
        let body = body(&mut response).await;
        let body = body.map_err(Error::ResponseBodyError)?;
        let value = serde_json::from_slice(&body);
        let value = value.map_err(|error| Error::InvalidResponsePayload(body, error))?;
        let headers = std::mem::take(response.headers_mut());
        Ok(ResponseValue::new(value, response.status(), headers))
    }
}

/// Generated code lets nothing but responses and reqwest's own errors through, so an error of the
/// transport travels as an extension of a response that no server sent.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<BoxError>>>);

fn carry(error: BoxError) -> reqwest::Response {
    let mut response = http::Response::new("");
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response
        .extensions_mut()
        .insert(Carried(Arc::new(Mutex::new(Some(error)))));
    response.into()
}

/// The error in a response that [`carry`] made.
pub(crate) fn carried(response: &mut reqwest::Response) -> Option<BoxError> {
    let Carried(error) = response.extensions_mut().remove()?;
    error.lock().unwrap_or_else(PoisonError::into_inner).take()
}
