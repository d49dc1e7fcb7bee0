//! The way of every request: headers, signature, sending, and sending again.

mod attempt;
mod hosts;
mod http_clients;
mod object;
mod options;
mod retry;
mod retry_policy;
mod sign;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acs_call_automation::{DEFAULT_BODY_LIMIT, Transport, TransportFuture};
use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use http::{Method, StatusCode};
use reqwest::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, info_span};
use url::Url;
use uuid::Uuid;

use crate::credential::{Credential, Endpoint, is_loopback};
use crate::error::{Error, ErrorKind, Result};

use attempt::Receive;
pub(crate) use attempt::WaitTooLong;
use hosts::Refusal;
pub(crate) use hosts::{AllowedHost, ContentHosts};
pub(crate) use http_clients::HttpClients;
pub(crate) use object::ObjectPath;
use options::ExtraHeaders;
pub use options::RequestOptions;
pub(crate) use options::request_options;
pub(crate) use retry_policy::{AfterFailures, default_retry_policy};
pub use retry_policy::{
    AttemptLimit, ExponentialBackoff, FailedAttempt, NeverRetry, RetryPolicy, RetryPolicyExt,
    TimeLimit,
};
pub(crate) use sign::{Signable, base64_of_hash, content_hash};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Whose request it is, where `Host` is another's.
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Connections for downloads into files at the same time: they bound memory and open files.
pub(crate) const MAX_DOWNLOADS: usize = 32;

/// How often content may send us elsewhere.
const MAX_REDIRECTS: usize = 5;

/// What one operation may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From sending a request to the head of its answer.
    pub(crate) attempt: Duration,
    /// All attempts and the pauses between them.
    pub(crate) total: Duration,
    /// Bytes of a response that is no content.
    pub(crate) body: usize,
}

impl Limits {
    /// Refuses limits within which nothing can be done.
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

/// Signs, sends and repeats requests; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) http: HttpClients,
    pub(crate) endpoint: Endpoint,
    /// Where requests for the resource are sent, if that is not its endpoint.
    pub(crate) address: Option<Endpoint>,
    pub(crate) credential: Arc<Credential>,
    pub(crate) hosts: Arc<ContentHosts>,
    pub(crate) retry: Arc<dyn RetryPolicy>,
    pub(crate) limits: Limits,
    extra: Arc<ExtraHeaders>,
    /// What downloads into files have to have for a connection.
    pub(crate) slots: Arc<Semaphore>,
}

/// How an answer came about, for the error that it may become.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) request_id: HeaderValue,
    pub(crate) tries: Tries,
}

/// What was tried for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// Whether the service may have done what was asked, and its answer got lost.
    pub(crate) may_have_acted: bool,
}

/// What a signature covers.
#[derive(Clone, Copy, Debug)]
enum Credentials {
    /// A request to the resource itself: path and query, its own host.
    Resource,
    /// A request for content on a storage host: the path, and the resource's host.
    Content,
    /// None.
    Nobody,
}

impl Transport for Pipeline {
    fn send<'a>(&'a self, mut request: Request, operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move {
            let deadline = self.deadline();
            let answer = self.run(&mut request, Credentials::Resource, operation, deadline);
            Ok(answer.await?)
        })
    }
}

impl Pipeline {
    pub(crate) fn new(
        endpoint: Endpoint,
        address: Option<Endpoint>,
        credential: Credential,
        allowed: Vec<AllowedHost>,
        retry: Arc<dyn RetryPolicy>,
        limits: Limits,
        roots: Vec<reqwest::Certificate>,
    ) -> Result<Self> {
        let settings = move || {
            reqwest::Client::builder()
                // Credentials go where we send them and nowhere else.
                .redirect(reqwest::redirect::Policy::none())
                // Repeating is ours; reqwest would keep a copy of each request for it.
                .retry(reqwest::retry::never().max_retries_per_request(0))
                .connect_timeout(Duration::from_secs(10))
                // Another crate in the build may turn HTTP/2 on. The ranges of a download would
                // then share one connection and its flow control.
                .http1_only()
                .tls_certs_merge(roots.iter().cloned())
        };
        let first = address.as_ref().unwrap_or(&endpoint).url();
        let http = HttpClients::new(settings, first).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the HTTP client cannot be set up")
                .with_source(error)
        })?;
        let hosts = ContentHosts::new(endpoint.clone(), address.clone(), allowed);
        Ok(Self {
            http,
            endpoint,
            address,
            credential: Arc::new(credential),
            hosts: Arc::new(hosts),
            retry,
            limits,
            extra: Arc::default(),
            slots: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
        })
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

    /// When an operation that begins now has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        deadline_after(Instant::now(), self.limits.total)
    }

    /// Sends a request to the resource itself, by a link from one of its answers.
    pub(crate) async fn resource(
        &self,
        method: Method,
        link: &str,
        operation: &'static str,
        deadline: Instant,
    ) -> Result<http::Response<Bytes>> {
        let url = self.endpoint.url().join(link).ok();
        let url = url.filter(|url| {
            let addresses = [Some(&self.endpoint), self.address.as_ref()];
            let mut addresses = addresses.into_iter().flatten();
            addresses.any(|own| own.url().origin() == url.origin())
        });
        let url = url.ok_or_else(|| {
            Error::new(
                ErrorKind::ForbiddenHost,
                "an answer links to a place that is not the resource",
            )
        })?;
        let mut request = Request::new(method, url);
        self.run(&mut request, Credentials::Resource, operation, deadline)
            .await
    }

    /// Sends a request for content, and follows where the storage sends it.
    ///
    /// Method, host and path must be those of content, here and wherever a redirect leads. A
    /// redirect to another host is followed without credentials to read there, and not to delete.
    pub(crate) async fn content(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        operation: &'static str,
    ) -> Result<Response> {
        self.hosts.check(&method, url)?;
        let mut url = url.clone();
        let mut credentials = Credentials::Content;
        let deadline = self.deadline();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            let response = self.run(&mut request, credentials, operation, deadline);
            let response: http::Response<reqwest::Body> = response.await?;
            let Some(target) = redirect_target(&response, &url)? else {
                return Ok(response.into());
            };
            // Who is not trusted with credentials does not decide where they go either.
            let trusted = matches!(credentials, Credentials::Content);
            credentials = match self.redirected(&method, &url, &target)? {
                Credentials::Content if trusted => Credentials::Content,
                _ => Credentials::Nobody,
            };
            debug!(to = place(&target), "redirected");
            url = target;
        }
        Err(Error::new(
            ErrorKind::InvalidResponse,
            format!(
                "more than {MAX_REDIRECTS} redirects, the last to {}",
                place(&url)
            ),
        ))
    }

    /// What is sent along where a redirect leads; an error if nothing is to be sent there.
    fn redirected(&self, method: &Method, from: &Url, to: &Url) -> Result<Credentials> {
        let refuse = |to: &str| {
            let message = format!("{} redirects to {to}", place(from));
            Err(Error::new(ErrorKind::ForbiddenHost, message))
        };
        if !matches!(to.scheme(), "http" | "https") {
            return refuse(&format!("a `{}:` URL, which is not https", to.scheme()));
        }
        if from.scheme() == "https" && to.scheme() != "https" {
            return refuse("a URL that is not https");
        }
        match self.hosts.judge(method, to) {
            Ok(()) => Ok(Credentials::Content),
            // Storage may hand out addresses elsewhere, to whoever asks.
            Err(Refusal::Host | Refusal::OwnStorage | Refusal::InTheClear)
                if *method == Method::GET && (is_loopback(from) || !is_loopback(to)) =>
            {
                Ok(Credentials::Nobody)
            }
            Err(refusal) => {
                let refused = refusal.into_error(method, to);
                let message = format!("{} redirects elsewhere: {}", place(from), refused.summary());
                Err(Error::new(ErrorKind::ForbiddenHost, message))
            }
        }
    }

    async fn run<B: Receive>(
        &self,
        request: &mut Request,
        credentials: Credentials,
        operation: &str,
        deadline: Instant,
    ) -> Result<http::Response<B>> {
        self.limits.check()?;
        let request_id = self.extra.request_id.clone();
        let request_id = request_id.unwrap_or_else(new_request_id);
        let lengthless = *request.method() == Method::POST && request.body().is_none();
        if let (Credentials::Resource, Some(address)) = (credentials, &self.address) {
            self.send_to(request, address);
        }
        let headers = request.headers_mut();
        // They may be secrets, for the resource and its content alone.
        if !matches!(credentials, Credentials::Nobody) {
            for (name, value) in &self.extra.headers {
                headers.insert(name, value.clone());
            }
        }
        // Here and not as the client's defaults, so that copies need not grow.
        headers.insert(USER_AGENT, user_agent());
        if !headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
        headers.insert(REQUEST_ID, request_id.clone());
        if lengthless {
            // Gateways answer 411 to a POST that does not tell its length.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let shown = request_id.to_str().unwrap_or_default();
        let span = info_span!("acs", operation, request_id = %shown);
        // Pinned, because futures of this size should not move.
        let attempts = pin!(self.attempts(request, credentials, deadline));
        let (tries, outcome) = attempts.instrument(span).await;
        let trace = Trace { request_id, tries };
        match outcome {
            Ok(mut response) => {
                // A success may still be none, for what its body says.
                response.extensions_mut().insert(trace);
                Ok(response)
            }
            Err(error) => Err(error.with_trace(&trace)),
        }
    }
}

impl Pipeline {
    /// Sends a request for the resource to another address, which is told whom it is for.
    ///
    /// The signature is for the resource's host. A front door has a name of its own, by which it
    /// routes; it passes the request on with the resource's name, or the service goes by the other
    /// two headers. An address without a name, such as that of a tunnel, passes on what it gets.
    fn send_to(&self, request: &mut Request, address: &Endpoint) {
        let url = request.url_mut();
        let to = address.url();
        // Endpoints have a host, and one of the two schemes that have all of this.
        let _ = url.set_scheme(to.scheme());
        let _ = url.set_host(to.host_str());
        let _ = url.set_port(to.port());
        let resource = self.endpoint.authority();
        let headers = request.headers_mut();
        set(headers, RESOURCE_HOST, resource);
        set(headers, FORWARDED_HOST, resource);
        if address.is_nameless() {
            set(headers, HOST, resource);
        }
    }
}

/// The deadline of something that starts at `from` and may take `by`, however long that is.
pub(crate) fn deadline_after(from: Instant, by: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    from.checked_add(by).unwrap_or_else(|| from + FOREVER)
}

/// Where a redirect leads; none for any other answer.
fn redirect_target<B>(response: &http::Response<B>, from: &Url) -> Result<Option<Url>> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !redirects {
        return Ok(None);
    }
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok());
    target.map(Some).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidResponse,
            format!("{} redirects to nowhere", place(from)),
        )
    })
}

/// Host and port of a URL: what an error or a log may show of it.
fn place(url: &Url) -> String {
    match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    }
}

fn set<V: TryInto<HeaderValue>>(headers: &mut HeaderMap, name: HeaderName, value: V) {
    // Dates, hashes, ids and hosts are visible ASCII.
    if let Ok(value) = value.try_into() {
        headers.insert(name, value);
    }
}

fn new_request_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

fn user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("acs-recording-rust/", env!("CARGO_PKG_VERSION")))
}
