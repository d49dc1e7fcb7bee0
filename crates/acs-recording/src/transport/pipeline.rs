//! The pipeline of every request: common headers, credentials, attempts, and telemetry.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acs_call_automation::DEFAULT_BODY_LIMIT;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Span;
use url::Url;
use uuid::Uuid;

use super::date_header::DateHeader;
use super::early_timer::EarlyTimer;
use super::options::{ExtraHeaders, RequestOptions};
use super::receive::{FromBody, read_error_body};
use super::{AllowedHost, ContentHosts, Response, RetryPolicy, Sender};
use crate::credential::{Credential, Endpoint};
use crate::error::{Error, ErrorKind, RequestInfo, Result, from_response};
use crate::telemetry::{self, TraceContextHook};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// The resource that a request is for, if `Host` is another name.
pub(super) const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The default number of simultaneous connections for downloads into files. It bounds memory and open
/// files.
pub(crate) const MAX_DOWNLOADS: usize = 32;

/// The limits of one operation.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From sending a request to the head of its response.
    pub(crate) attempt: Duration,
    /// All attempts and the pauses between them.
    pub(crate) total: Duration,
    /// The bytes of a response that is not content.
    pub(crate) body: usize,
}

impl Limits {
    /// Rejects timeouts of zero.
    pub(crate) fn check(&self) -> Result<()> {
        let limits = [
            ("attempt_timeout", self.attempt),
            ("operation_timeout", self.total),
        ];
        for (name, limit) in limits {
            if limit.is_zero() {
                let text = format!("a {name} of zero is out of range; give more than that");
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(30),
            total: Duration::from_secs(2 * 60),
            body: DEFAULT_BODY_LIMIT,
        }
    }
}

/// The settings of a [`Pipeline`].
pub(crate) struct Settings {
    pub(crate) sender: Sender,
    pub(crate) endpoint: Endpoint,
    pub(crate) custom_endpoint: Option<Endpoint>,
    pub(crate) credential: Credential,
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    pub(crate) retry: Arc<dyn RetryPolicy>,
    pub(crate) limits: Limits,
    pub(crate) user_agent: HeaderValue,
    pub(crate) trace_context: Option<TraceContextHook>,
    pub(crate) max_download_connections: usize,
}

/// Signs, sends and retries requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) sender: Sender,
    pub(crate) endpoint: Endpoint,
    /// Where requests for the resource are sent, if not to its endpoint.
    pub(crate) custom_endpoint: Option<Endpoint>,
    pub(crate) credential: Arc<Credential>,
    pub(crate) hosts: Arc<ContentHosts>,
    pub(crate) retry: Arc<dyn RetryPolicy>,
    pub(crate) limits: Limits,
    extra: Arc<ExtraHeaders>,
    /// The permits for connections of downloads into files.
    pub(crate) download_permits: Arc<Semaphore>,
    user_agent: HeaderValue,
    pub(super) trace_context: Option<TraceContextHook>,
    pub(super) date: Arc<DateHeader>,
    pub(super) early_timer: EarlyTimer,
}

/// A request before it is signed. Every attempt signs and sends a copy.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// How a request authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    /// As a request to the resource itself: a signature covers path and query, and the resource's host.
    Resource,
    /// As a request for content on a storage host: a signature covers the path, and the resource's host.
    Content,
    /// Without credentials.
    Anonymous,
}

impl acs_call_automation::Transport for Pipeline {
    fn send<'a>(
        &'a self,
        request: reqwest::Request,
        operation: &'a str,
    ) -> acs_call_automation::TransportFuture<'a> {
        Box::pin(async move {
            let deadline = self.deadline();
            let request = Request::try_from(request)?;
            // Pinned, because futures of this size should not move.
            let response = pin!(self.run(request, Authentication::Resource, deadline));
            // A program may use the generated client directly.
            if telemetry::is_in_operation() {
                Ok(response.await?)
            } else {
                Ok(telemetry::operation(operation, response).await?)
            }
        })
    }
}

impl TryFrom<reqwest::Request> for Request {
    type Error = Error;

    fn try_from(mut request: reqwest::Request) -> Result<Self> {
        let body = match request.body() {
            None => Bytes::new(),
            Some(body) => body.as_bytes().map(Bytes::copy_from_slice).ok_or_else(|| {
                let text = "a request with a streamed body cannot be sent, because it could not be \
                            repeated";
                Error::new(ErrorKind::InvalidInput, text)
            })?,
        };
        Ok(Self {
            method: request.method().clone(),
            url: request.url().clone(),
            headers: std::mem::take(request.headers_mut()),
            body,
        })
    }
}

impl Pipeline {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings {
            sender,
            endpoint,
            custom_endpoint,
            credential,
            allowed_hosts,
            retry,
            limits,
            user_agent,
            trace_context,
            max_download_connections,
        } = settings;
        let hosts = ContentHosts::new(endpoint.clone(), custom_endpoint.clone(), allowed_hosts);
        Self {
            sender,
            endpoint,
            custom_endpoint,
            credential: Arc::new(credential),
            hosts: Arc::new(hosts),
            retry,
            limits,
            extra: Arc::default(),
            download_permits: Arc::new(Semaphore::new(max_download_connections)),
            user_agent,
            trace_context,
            date: Arc::default(),
            early_timer: EarlyTimer::default(),
        }
    }

    /// The pipeline with the options of one operation.
    ///
    /// # Errors
    /// One of the options is invalid.
    pub(crate) fn with_options(&self, options: &RequestOptions) -> Result<Self> {
        options.check()?;
        let mut pipeline = self.clone();
        if let Some(limit) = options.timeout {
            pipeline.limits.total = limit;
        }
        if let Some(limit) = options.attempt_timeout {
            pipeline.limits.attempt = limit;
        }
        if let Some(policy) = &options.retry_policy {
            pipeline.retry = Arc::clone(policy);
        }
        pipeline.extra = Arc::new(options.extra.clone());
        Ok(pipeline)
    }

    /// The deadline of an operation that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        deadline_after(Instant::now(), self.limits.total)
    }

    /// Sends a request to the resource itself, by a link from one of its responses.
    pub(crate) async fn resource(
        &self,
        method: Method,
        link: &str,
        deadline: Instant,
    ) -> Result<http::Response<Bytes>> {
        let url = self.endpoint.url().join(link).ok();
        let url = url.filter(|url| {
            let endpoints = [Some(&self.endpoint), self.custom_endpoint.as_ref()];
            let mut endpoints = endpoints.into_iter().flatten();
            endpoints.any(|own| own.url().origin() == url.origin())
        });
        let url = url.ok_or_else(|| {
            let text = "a response links to an address that is not the resource's";
            Error::new(ErrorKind::ForbiddenHost, text)
        })?;
        let request = Request {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        self.run(request, Authentication::Resource, deadline).await
    }

    /// Sends a request with retries, and returns the final response.
    pub(super) async fn run<B: FromBody>(
        &self,
        mut request: Request,
        authentication: Authentication,
        deadline: Instant,
    ) -> Result<http::Response<B>> {
        self.limits.check()?;
        let client_request_id = self.extra.request_id.clone();
        let client_request_id = client_request_id.unwrap_or_else(new_client_request_id);
        let recording_id = recording_id(&request.url);
        if let (Authentication::Resource, Some(endpoint)) = (authentication, &self.custom_endpoint)
        {
            self.use_custom_endpoint(&mut request, endpoint);
        }
        self.add_headers(&mut request, authentication, client_request_id.clone());
        // The span of the operation.
        let span = Span::current();
        telemetry::record_request(&span, &client_request_id, recording_id.as_deref());
        // Pinned, because futures of this size should not move.
        let attempts = pin!(self.send_with_retries(request, authentication, deadline));
        let (attempts, outcome) = attempts.await;
        let info = RequestInfo {
            client_request_id,
            attempts,
            recording_id,
        };
        match outcome {
            Ok(mut response) => {
                let status = response.status().as_u16();
                telemetry::record_response(&span, status, attempts.count);
                // The body of a successful response may still be invalid.
                response.extensions_mut().insert(info);
                Ok(response)
            }
            Err(error) => Err(error.with_request_info(&info)),
        }
    }

    fn add_headers(
        &self,
        request: &mut Request,
        authentication: Authentication,
        client_request_id: HeaderValue,
    ) {
        let headers = &mut request.headers;
        // They may be secrets, which only the resource and its content hosts may receive.
        if authentication != Authentication::Anonymous {
            for (name, value) in &self.extra.headers {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(USER_AGENT, self.user_agent.clone());
        if !headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
        headers.insert(CLIENT_REQUEST_ID, client_request_id);
        if request.method == Method::POST && request.body.is_empty() {
            // Gateways respond with 411 to a POST that does not state its length.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }

    /// Redirects a request for the resource to the custom endpoint.
    ///
    /// The signature is for the resource's host. A front door routes by its own name, and passes the
    /// request on with the resource's name, or the service uses the other two headers. An endpoint
    /// without a name, such as that of a tunnel, passes `Host` on unchanged.
    fn use_custom_endpoint(&self, request: &mut Request, custom_endpoint: &Endpoint) {
        let to = custom_endpoint.url();
        // These only fail for URLs without a host.
        let _ = request.url.set_scheme(to.scheme());
        let _ = request.url.set_host(to.host_str());
        let _ = request.url.set_port(to.port());
        let resource = self.endpoint.authority();
        set(&mut request.headers, RESOURCE_HOST, resource);
        set(&mut request.headers, FORWARDED_HOST, resource);
        if custom_endpoint.is_nameless() {
            set(&mut request.headers, HOST, resource);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("endpoint", &self.endpoint)
            .field("custom_endpoint", &self.custom_endpoint)
            .field("credential", &self.credential)
            .field("retry", &self.retry)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The time that is this long after another. Durations without end are allowed.
pub(crate) fn deadline_after(from: Instant, by: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    from.checked_add(by).unwrap_or_else(|| from + FOREVER)
}

/// The error for a response that is not a success, whose body has not been read.
pub(crate) async fn error_from_response(response: Response) -> Error {
    let (head, body) = response.into_parts();
    let body = read_error_body(body, deadline_after(Instant::now(), Duration::MAX)).await;
    from_response(head.status, &head.headers, &head.extensions, &body)
}

/// The recording that a request to the resource is about.
fn recording_id(url: &Url) -> Option<String> {
    let id = url.path().strip_prefix("/calling/recordings/")?;
    let id = id.split([':', '/']).next().filter(|id| !id.is_empty())?;
    let id = percent_decode_str(id).decode_utf8().ok()?;
    Some(id.into_owned())
}

fn new_client_request_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Sets a header.
pub(super) fn set<V: TryInto<HeaderValue>>(headers: &mut HeaderMap, name: HeaderName, value: V) {
    // Dates, hashes, ids and hosts are visible ASCII.
    if let Ok(value) = value.try_into() {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::transport::Body;

    #[test]
    fn a_recording_is_known_by_the_path_of_its_requests() {
        for (path, id) in [
            ("/calling/recordings/abc", Some("abc")),
            ("/calling/recordings/a%3D%3D:pause", Some("a==")),
            ("/calling/recordings", None),
            ("/calling/recordings/", None),
            ("/v1/objects/abc", None),
        ] {
            let url = format!("https://contoso.example{path}?api-version=1");
            let found = recording_id(&url.parse().unwrap());
            assert_eq!(found.as_deref(), id, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_of_an_error_is_read_as_far_as_it_came() {
        let began = stream::iter([Ok::<_, std::io::Error>("<html>Bad Gateway")]);
        let body = Body::from_stream(began.chain(stream::pending()));
        let response = http::Response::builder().status(502).body(body).unwrap();
        let error = error_from_response(response).await;
        assert_eq!(error.status(), Some(502));
        assert!(error.to_string().contains("Bad Gateway"), "{error}");
    }
}
