//! One attempt of a request: signed, sent, and its response received.

use std::borrow::Cow;
use std::pin::pin;

use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span, debug};
use url::Url;

use super::pipeline::{Authentication, Pipeline, Request, deadline_after};
use super::receive::{BodyError, FromBody};
use super::{ObjectPath, Sender, TransportError, TransportErrorKind, authority};
use crate::error::{Attempts, Error, ErrorKind, Hint, Result};
use crate::telemetry;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request while it is being sent, and its attempts.
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) authentication: Authentication,
    /// The hash of the body, for the signature.
    pub(super) content_hash: Cow<'static, str>,
    pub(super) deadline: Instant,
    pub(super) started: Instant,
    pub(super) attempts: Attempts,
    /// The token of the last attempt.
    pub(super) authorization: Option<HeaderValue>,
    /// Whether the token was replaced because the service rejected it.
    pub(super) token_replaced: bool,
}

/// Why an attempt has no response, by whether the service may have received it.
pub(super) enum AttemptError {
    /// Nothing was sent, because the request or its credentials could not be created.
    NotSent(Error),
    /// Nothing was sent, because no connection was established.
    NotConnected(Error),
    /// The service may have acted on the request.
    NoResponse(Error),
    /// The service may have acted on the request: its response is too long.
    BodyTooLarge(Error),
}

impl Pipeline {
    /// Sends the request once.
    pub(super) async fn attempt<B: FromBody>(
        &self,
        call: &mut Call,
    ) -> Result<Response<B>, AttemptError> {
        let mut headers = call.request.headers.clone();
        let authorized = self.authorize(call, &mut headers).await;
        authorized.map_err(AttemptError::NotSent)?;
        let call = &*call;
        let (url, method) = (&call.request.url, &call.request.method);
        let telemetry = telemetry::Attempt {
            method,
            scheme: url.scheme(),
            address: url.host_str().unwrap_or_default(),
            port: url.port_or_known_default(),
            template: template(url),
            resend_count: call.attempts.count - 1,
        };
        let span = telemetry.span();
        self.add_trace_context(call.authentication, &mut headers, &span);
        self.early_timer.keep();
        let started = Instant::now();
        let limit = call
            .deadline
            .min(deadline_after(started, self.limits.attempt));
        let outcome = {
            // Pinned, because futures of this size should not move.
            let exchange = pin!(self.exchange(call, headers, limit));
            timeout_at(limit, exchange.instrument(span.clone())).await
        };
        let elapsed = started.elapsed();
        let outcome = outcome.unwrap_or_else(|_| {
            let host = authority(url);
            let waited = elapsed.as_secs_f32();
            let message = format!("{host} did not respond within {waited:.1} s");
            Err(AttemptError::NoResponse(Error::new(
                ErrorKind::Timeout,
                message,
            )))
        });
        match &outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                telemetry.finish(&span, Ok(status), elapsed);
                debug!(%method, status, ?elapsed, "response");
            }
            Err(failed) => {
                let error = failed.error();
                telemetry.finish(&span, Err(error.kind()), elapsed);
                debug!(%method, %error, "no response");
            }
        }
        outcome
    }

    /// Sends the request with these headers, and receives the response.
    async fn exchange<B: FromBody>(
        &self,
        call: &Call,
        headers: HeaderMap,
        until: Instant,
    ) -> Result<Response<B>, AttemptError> {
        let Request {
            method, url, body, ..
        } = &call.request;
        let response = match &self.sender {
            Sender::BuiltIn(clients) => {
                let sent = clients.execute(method.clone(), url, headers, body.clone());
                pin!(sent).await
            }
            Sender::Custom(transport) => {
                transport.send(http_request(&call.request, headers)?).await
            }
        };
        let (head, body) = response
            .map_err(|error| attempt_error(error, url))?
            .into_parts();
        match B::from_body(body, head.status, self.limits.body, until).await {
            Ok(body) => Ok(Response::from_parts(head, body)),
            Err(BodyError::Transport(error)) => Err(attempt_error(error, url)),
            Err(BodyError::TooLarge) => {
                let message = format!(
                    "the response of {} is longer than {} bytes; check the endpoint, or raise the \
                     client's max_response_size",
                    authority(url),
                    self.limits.body
                );
                let error = Error::new(ErrorKind::InvalidResponse, message);
                Err(AttemptError::BodyTooLarge(error))
            }
        }
    }

    fn add_trace_context(
        &self,
        authentication: Authentication,
        headers: &mut HeaderMap,
        span: &Span,
    ) {
        let Some(trace_context) = &self.trace_context else {
            return;
        };
        // A host that receives no credentials does not receive trace contexts either.
        if authentication == Authentication::Anonymous {
            return;
        }
        headers.remove(TRACESTATE);
        headers.remove(TRACEPARENT);
        if let Some(context) = trace_context.context_of(span) {
            headers.insert(TRACEPARENT, context.traceparent);
            if let Some(tracestate) = context.tracestate {
                headers.insert(TRACESTATE, tracestate);
            }
        }
    }
}

/// The request for a transport of the caller's own.
fn http_request(
    request: &Request,
    headers: HeaderMap,
) -> Result<http::Request<bytes::Bytes>, AttemptError> {
    let uri = Uri::try_from(request.url.as_str()).map_err(|error| {
        let message = format!("no request can be sent to {}", authority(&request.url));
        let error = Error::new(ErrorKind::InvalidInput, message).with_source(error);
        AttemptError::NotSent(error)
    })?;
    let mut copy = http::Request::new(request.body.clone());
    *copy.method_mut() = request.method.clone();
    *copy.uri_mut() = uri;
    *copy.headers_mut() = headers;
    Ok(copy)
}

/// The path of a known URL, with placeholders for ids and names.
fn template(url: &Url) -> Option<&'static str> {
    if let Some(object) = ObjectPath::of(url) {
        return Some(match object.name {
            Some(_) => "/v1/objects/{objectId}/content/{name}",
            None => "/v1/objects/{objectId}",
        });
    }
    let rest = url.path().strip_prefix("/calling/recordings")?;
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some("/calling/recordings"),
        Some(id) if id.contains('/') => None,
        Some(id) if id.ends_with(":pause") => Some("/calling/recordings/{recordingId}:pause"),
        Some(id) if id.ends_with(":resume") => Some("/calling/recordings/{recordingId}:resume"),
        Some(_) => Some("/calling/recordings/{recordingId}"),
        None => None,
    }
}

impl AttemptError {
    pub(super) fn error(&self) -> &Error {
        let (Self::NotSent(error)
        | Self::NotConnected(error)
        | Self::NoResponse(error)
        | Self::BodyTooLarge(error)) = self;
        error
    }

    pub(super) fn into_error(self) -> Error {
        let (Self::NotSent(error)
        | Self::NotConnected(error)
        | Self::NoResponse(error)
        | Self::BodyTooLarge(error)) = self;
        error
    }
}

/// Converts the error of a transport. The message contains the host, but not the rest of the URL.
fn attempt_error(error: TransportError, url: &Url) -> AttemptError {
    let (host, cause) = (authority(url), root_cause(&error));
    let (kind, proxy) = (error.kind(), error.proxy().cloned());
    let error = |kind, message: String| Error::new(kind, message).with_source(error);
    match kind {
        TransportErrorKind::Untrusted => {
            let message = format!("{host} is not trusted ({cause})");
            let error = error(ErrorKind::Connection, message).with_hint(Hint::AddRootCertificate);
            // A retry would fail in the same way.
            AttemptError::NotSent(error.with_retryable(false))
        }
        TransportErrorKind::Connect => {
            let (through, hint) = match proxy {
                Some(proxy) => (
                    format!(" through the proxy {}", proxy.authority),
                    Hint::CheckProxy(proxy.named_by),
                ),
                None => (String::new(), Hint::CheckNetwork),
            };
            let message = format!("{host} cannot be reached{through} ({cause})");
            AttemptError::NotConnected(error(ErrorKind::Connection, message).with_hint(hint))
        }
        TransportErrorKind::Timeout => {
            let message = format!("{host} did not respond in time");
            AttemptError::NoResponse(error(ErrorKind::Timeout, message))
        }
        TransportErrorKind::Interrupted => {
            let message = format!("the connection to {host} broke ({cause})");
            AttemptError::NoResponse(error(ErrorKind::Connection, message))
        }
        TransportErrorKind::Request => {
            let message = format!("no request can be sent to {host} ({cause})");
            AttemptError::NotSent(error(ErrorKind::InvalidInput, message))
        }
    }
}

/// The innermost cause, such as "Connection refused", which outer errors only wrap.
fn root_cause(error: &TransportError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_contain_no_id() {
        for (path, expected) in [
            ("/calling/recordings", Some("/calling/recordings")),
            (
                "/calling/recordings/abc",
                Some("/calling/recordings/{recordingId}"),
            ),
            (
                "/calling/recordings/abc:pause",
                Some("/calling/recordings/{recordingId}:pause"),
            ),
            ("/calling/recordings/abc/def", None),
            ("/calling/recordingsX", None),
            ("/calling/callConnections/abc", None),
            ("/v1/objects/abc", Some("/v1/objects/{objectId}")),
            (
                "/v1/objects/abc/content/video",
                Some("/v1/objects/{objectId}/content/{name}"),
            ),
        ] {
            let url = format!("https://contoso.example{path}").parse().unwrap();
            assert_eq!(template(&url), expected, "{path}");
        }
    }
}
