//! The webhook as a service of tower.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::time::timeout_at;
use tower_service::Service;

use super::Webhook;
use super::handshake::empty;
use super::respond::{again, too_large};

type ServiceFuture =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

/// The body of a response of the webhook, which is complete from the start. Needs the feature
/// `tower`.
#[derive(Clone, Debug)]
pub struct ResponseBody(Full<Bytes>);

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<B> Service<Request<B>> for Webhook
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let webhook = self.clone();
        Box::pin(async move {
            let response = webhook.serve(request).await;
            Ok(response.map(|body| ResponseBody(Full::new(body))))
        })
    }
}

impl Webhook {
    /// As [`respond`](Self::respond), and reads the body, of which nothing is read before the
    /// request has passed the check.
    async fn serve<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let deadline = self.deadline();
        let (parts, body) = request.into_parts();
        if let Err(response) = self.admit(&parts, deadline).await {
            return response;
        }
        let body = Limited::new(body, self.max_body()).collect();
        let body = match timeout_at(deadline, Box::pin(body)).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return too_large(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the body of a delivery broke off");
                return again();
            }
            Err(_) => return empty(StatusCode::REQUEST_TIMEOUT),
        };
        self.deliver(&parts, &body, deadline).await
    }
}
