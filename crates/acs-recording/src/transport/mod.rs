//! The way of every request: headers, signature, sending, and sending again.

mod hosts;
mod retry;
mod sign;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use acs_call_automation::{Transport, TransportFuture};
#[cfg(feature = "entra")]
use http::header::WWW_AUTHENTICATE;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use http::{Method, StatusCode};
use reqwest::{Request, Response, ResponseBuilderExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, debug, info_span};
use url::Url;
use uuid::Uuid;

#[cfg(feature = "entra")]
use crate::credential::ClaimsChallenge;
use crate::credential::{AccessKey, Credential, Endpoint};
use crate::error::{Error, ErrorKind, Result, retry_after};

pub(crate) use hosts::ContentHosts;
pub use retry::RetryPolicy;
use retry::{Jitter, is_passing, is_repeatable};
pub(crate) use sign::{Signable, content_hash};

const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-ms-content-sha256");
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// Connections for downloads into files at the same time: they bound memory and open files.
const MAX_DOWNLOADS: usize = 32;

/// How often content may send us elsewhere.
const MAX_REDIRECTS: usize = 5;

/// Limits on the time that one operation takes.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From sending a request to the head of its answer.
    pub(crate) attempt: Duration,
    /// All attempts and the pauses between them.
    pub(crate) total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(30),
            total: Duration::from_mins(2),
        }
    }
}

/// Signs, sends and repeats requests; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) http: reqwest::Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) credential: Arc<Credential>,
    pub(crate) hosts: Arc<ContentHosts>,
    pub(crate) retry: RetryPolicy,
    pub(crate) limits: Limits,
    pub(crate) jitter: Jitter,
    /// What downloads into files have to have for a connection.
    pub(crate) slots: Arc<Semaphore>,
}

/// What an answer is about, for the error that it may become.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) request_id: String,
    pub(crate) attempts: u32,
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
    fn send<'a>(&'a self, request: Request, operation: &'a str) -> TransportFuture<'a> {
        Box::pin(async move {
            let answer = self.run(request, Credentials::Resource, operation).await;
            Ok(answer?)
        })
    }
}

impl Pipeline {
    pub(crate) fn new(
        endpoint: Endpoint,
        credential: Credential,
        hosts: ContentHosts,
        retry: RetryPolicy,
        limits: Limits,
    ) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, user_agent());
        let http = reqwest::Client::builder()
            .default_headers(headers)
            // Credentials go where we send them and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            // Of a body, not of the whole: a recording takes as long as it takes.
            .read_timeout(Duration::from_mins(1))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::InvalidInput, "the HTTP client cannot be set up")
                    .with_source(error)
            })?;
        Ok(Self {
            http,
            endpoint,
            credential: Arc::new(credential),
            hosts: Arc::new(hosts),
            retry,
            limits,
            jitter: Jitter::new(),
            slots: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
        })
    }

    /// Sends a request to the resource itself, by a link from one of its answers.
    pub(crate) async fn resource(
        &self,
        method: Method,
        link: &str,
        operation: &'static str,
    ) -> Result<Response> {
        let url = self.endpoint.url().join(link).ok();
        let url = url.filter(|url| url.origin() == self.endpoint.url().origin());
        let url = url.ok_or_else(|| {
            Error::new(
                ErrorKind::ForbiddenHost,
                "an answer links to a place that is not the resource",
            )
        })?;
        self.run(Request::new(method, url), Credentials::Resource, operation)
            .await
    }

    /// Sends a request for content, and follows where the storage sends it.
    ///
    /// The first URL must be on a host that gets credentials. A redirect elsewhere is followed
    /// without them.
    pub(crate) async fn content(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        operation: &'static str,
    ) -> Result<Response> {
        self.hosts.check(url, &self.endpoint)?;
        let mut url = url.clone();
        let mut credentials = Credentials::Content;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            let response = self.run(request, credentials, operation).await?;
            let Some(target) = redirect_target(&response, &url)? else {
                return Ok(response);
            };
            if url.scheme() == "https" && target.scheme() != "https" {
                return Err(Error::new(
                    ErrorKind::ForbiddenHost,
                    format!("{} redirects to a URL that is not https", place(&url)),
                ));
            }
            // Who is not trusted with credentials does not decide where they go either.
            let trusted = matches!(credentials, Credentials::Content);
            credentials = match self.hosts.check(&target, &self.endpoint) {
                Ok(()) if trusted => Credentials::Content,
                _ => Credentials::Nobody,
            };
            debug!(to = place(&target), "redirected");
            url = target;
        }
        Err(Error::new(
            ErrorKind::UnexpectedAnswer,
            format!(
                "more than {MAX_REDIRECTS} redirects, the last to {}",
                place(&url)
            ),
        ))
    }

    async fn run(
        &self,
        mut request: Request,
        credentials: Credentials,
        operation: &str,
    ) -> Result<Response> {
        let request_id = Uuid::new_v4().to_string();
        set(request.headers_mut(), REQUEST_ID, &request_id);
        if *request.method() == Method::POST && request.body().is_none() {
            // Gateways answer 411 to a POST that does not tell its length.
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let span = info_span!("acs", operation, request_id);
        let (attempts, outcome) = self.attempts(&request, credentials).instrument(span).await;
        match outcome {
            Ok(mut response) => {
                let trace = Trace {
                    request_id,
                    attempts,
                };
                response.extensions_mut().insert(trace);
                Ok(response)
            }
            Err(error) => Err(error.with_request_id(request_id).with_attempts(attempts)),
        }
    }

    /// Sends the request until it has an answer that counts; also tells how often it was sent.
    async fn attempts(
        &self,
        request: &Request,
        credentials: Credentials,
    ) -> (u32, Result<Response>) {
        let deadline = Instant::now() + self.limits.total;
        let repeatable = is_repeatable(request);
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let hash = content_hash(body.unwrap_or_default());
        let mut attempt = 0;
        let mut challenged = false;
        loop {
            attempt += 1;
            let outcome = self.attempt(request, credentials, &hash, deadline).await;
            let (passing, asked) = match &outcome {
                Ok(response) if response.status().is_success() => (false, None),
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                    if !challenged && self.answer_challenge(response).await {
                        challenged = true;
                        continue;
                    }
                    (false, None)
                }
                Ok(response) => (
                    is_passing(response.status(), repeatable),
                    retry_after(response.headers(), SystemTime::now()),
                ),
                Err(Failed::NotSent(_)) => {
                    attempt -= 1;
                    (false, None)
                }
                Err(Failed::NotReached(_)) => (true, None),
                Err(Failed::NoAnswer(_)) => (repeatable, None),
            };
            let pause = passing
                .then(|| self.retry.pause(attempt, asked, &self.jitter))
                .flatten();
            match pause {
                Some(pause) if Instant::now() + pause < deadline => {
                    debug!(attempt, ?pause, "sending again");
                    sleep(pause).await;
                }
                _ => return (attempt, outcome.map_err(Failed::into_error)),
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        credentials: Credentials,
        hash: &str,
        deadline: Instant,
    ) -> Result<Response, Failed> {
        let started = Instant::now();
        let limit = deadline.min(started + self.limits.attempt);
        let url = request.url();
        let exchange = async {
            let mut request = request.try_clone().ok_or_else(|| {
                let message = "a body that cannot be repeated cannot be sent";
                Failed::NotSent(Error::new(ErrorKind::InvalidInput, message))
            })?;
            let authorized = self.authorize(&mut request, credentials, hash).await;
            authorized.map_err(Failed::NotSent)?;
            let response = self.http.execute(request).await;
            let response = response.map_err(|error| failed(error, url))?;
            match credentials {
                // Short, and worth nothing unless it is whole.
                Credentials::Resource => with_body(response).await,
                Credentials::Content | Credentials::Nobody => Ok(response),
            }
        };
        let outcome = timeout_at(limit, exchange).await.unwrap_or_else(|_| {
            let waited = started.elapsed().as_secs_f32();
            let message = format!("{} did not answer within {waited:.1} s", place(url));
            Err(Failed::NoAnswer(Error::new(ErrorKind::Timeout, message)))
        });
        let method = request.method();
        match outcome {
            Ok(response) => {
                debug!(%method, status = response.status().as_u16(), elapsed = ?started.elapsed());
                Ok(response)
            }
            Err(failed) => {
                debug!(%method, error = %failed.error(), "no answer");
                Err(failed)
            }
        }
    }

    /// Dates and signs a request; done anew for every attempt, because a date grows old.
    #[cfg_attr(
        not(feature = "entra"),
        allow(
            clippy::unused_async,
            reason = "fetching a token waits, signing does not"
        )
    )]
    async fn authorize(
        &self,
        request: &mut Request,
        credentials: Credentials,
        hash: &str,
    ) -> Result<()> {
        if matches!(credentials, Credentials::Nobody) {
            return Ok(());
        }
        let authorization = match self.credential.as_ref() {
            Credential::Key(key) => {
                let key = key.read().unwrap_or_else(PoisonError::into_inner);
                self.sign(request, credentials, hash, &key)
            }
            #[cfg(feature = "entra")]
            Credential::Entra(entra) => entra.bearer().await?,
        };
        let headers = request.headers_mut();
        let mut authorization = HeaderValue::try_from(authorization).map_err(|error| {
            Error::new(ErrorKind::Authentication, "the token cannot be sent").with_source(error)
        })?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        if matches!(credentials, Credentials::Content) {
            set(headers, RESOURCE_HOST, self.endpoint.authority());
        }
        Ok(())
    }

    fn sign(
        &self,
        request: &mut Request,
        credentials: Credentials,
        hash: &str,
        key: &AccessKey,
    ) -> String {
        let url = request.url();
        let path_and_query = match (credentials, url.query()) {
            (Credentials::Resource, Some(query)) => format!("{}?{query}", url.path()),
            _ => url.path().to_owned(),
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        let authorization = Signable {
            method: request.method().as_str(),
            path_and_query: &path_and_query,
            host: self.endpoint.authority(),
            date: &date,
            content_hash: hash,
        }
        .authorization(key);
        set(request.headers_mut(), DATE, &date);
        set(request.headers_mut(), CONTENT_HASH, hash);
        authorization
    }

    /// Whether there is something new to answer a 401 with.
    #[cfg(feature = "entra")]
    async fn answer_challenge(&self, response: &Response) -> bool {
        let Credential::Entra(entra) = self.credential.as_ref() else {
            return false;
        };
        let challenge = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .find_map(|header| ClaimsChallenge::find(header.to_str().ok()?));
        let asked = challenge.is_some();
        match entra.challenged(challenge).await {
            Ok(()) => asked,
            Err(error) => {
                tracing::warn!(%error, "the service's claims challenge was not answered");
                false
            }
        }
    }

    /// Whether there is something new to answer a 401 with; a key has only itself.
    #[cfg(not(feature = "entra"))]
    #[allow(clippy::unused_async, reason = "with the feature `entra` it is one")]
    async fn answer_challenge(&self, _response: &Response) -> bool {
        false
    }
}

/// An attempt without an answer, by what the service knows of it.
enum Failed {
    /// Nothing: there was nothing to send, or no credentials to send it with.
    NotSent(Error),
    /// Nothing: there was no connection.
    NotReached(Error),
    /// Perhaps something.
    NoAnswer(Error),
}

impl Failed {
    fn error(&self) -> &Error {
        let (Self::NotSent(error) | Self::NotReached(error) | Self::NoAnswer(error)) = self;
        error
    }

    fn into_error(self) -> Error {
        let (Self::NotSent(error) | Self::NotReached(error) | Self::NoAnswer(error)) = self;
        error
    }
}

/// What a failure to send or receive is called, with the host and without the rest of the URL.
fn failed(error: reqwest::Error, url: &Url) -> Failed {
    let (place, cause) = (place(url), root_cause(&error));
    let (timeout, connect) = (error.is_timeout(), error.is_connect());
    let error = |kind, message: String| Error::new(kind, message).with_source(error.without_url());
    if connect {
        let message =
            format!("{place} cannot be reached ({cause}); check the endpoint and the network");
        Failed::NotReached(error(ErrorKind::Connection, message))
    } else if timeout {
        let message = format!("{place} did not answer in time");
        Failed::NoAnswer(error(ErrorKind::Timeout, message))
    } else {
        let message = format!("the connection to {place} broke ({cause})");
        Failed::NoAnswer(error(ErrorKind::Connection, message))
    }
}

/// The answer with its body read, so that what breaks or stalls there counts as no answer.
async fn with_body(mut response: Response) -> Result<Response, Failed> {
    let url = response.url().clone();
    let mut whole = http::Response::builder()
        .status(response.status())
        .url(url.clone());
    if let Some(headers) = whole.headers_mut() {
        *headers = std::mem::take(response.headers_mut());
    }
    let body = response
        .bytes()
        .await
        .map_err(|error| failed(error, &url))?;
    whole.body(body).map(Response::from).map_err(|error| {
        let message = format!("{} gave an answer that is none", place(&url));
        Failed::NoAnswer(Error::new(ErrorKind::UnexpectedAnswer, message).with_source(error))
    })
}

/// What the outer errors only wrap, such as "Connection refused".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Where a redirect leads; none for any other answer.
fn redirect_target(response: &Response, from: &Url) -> Result<Option<Url>> {
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
            ErrorKind::UnexpectedAnswer,
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

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Dates, hashes, ids and hosts are visible ASCII.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("acs-recording-rust/", env!("CARGO_PKG_VERSION")))
}
