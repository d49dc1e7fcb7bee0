//! One request until it has an answer: dated and signed, sent, judged, and sent again.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use acs_call_automation::{BodyError, with_body};
use bytes::Bytes;
#[cfg(feature = "entra")]
use http::header::WWW_AUTHENTICATE;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use reqwest::Request;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;
use url::{Position, Url};

use super::http_clients::proxy_of;
use super::retry::{is_idempotent, is_retryable_status, may_have_acted};
use super::retry_policy::FailedAttempt;
use super::sign::{Signable, content_hash};
use super::{Credentials, Pipeline, RESOURCE_HOST, Tries, deadline_after, place, set};
#[cfg(feature = "entra")]
use crate::credential::ClaimsChallenge;
use crate::credential::{AccessKey, Credential};
use crate::error::{Error, ErrorKind, Hint, Result, kind_of_status, read_error_body, retry_after};

const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-ms-content-sha256");

/// A request on its way, and how it went so far.
struct Call<'a> {
    request: &'a mut Request,
    credentials: Credentials,
    /// Of the body, for the signature.
    hash: Cow<'static, str>,
    started: Instant,
    deadline: Instant,
    tries: Tries,
    /// Whether there was a challenge of the credentials already.
    challenged: bool,
}

/// What follows from an attempt that was no success.
enum Verdict<B> {
    /// Another one, after a pause.
    Again(Duration),
    /// This is how it ends.
    Done(Box<Result<Response<B>>>),
}

/// What has to be there of an answer's body for it to be one.
pub(super) trait Receive: Sized + Send + Sync {
    /// The answer with its body, of at most `limit` bytes, which has to be there by `until`.
    fn receive(
        response: reqwest::Response,
        limit: usize,
        until: Instant,
    ) -> impl Future<Output = Result<Response<Self>, BodyError>> + Send;
}

/// All of it: it is short, and worth nothing unless it is whole. Of an error it is the beginning.
impl Receive for Bytes {
    async fn receive(
        mut response: reqwest::Response,
        limit: usize,
        until: Instant,
    ) -> Result<Response<Self>, BodyError> {
        if response.status().is_success() {
            return with_body(response, limit).await;
        }
        let body = read_error_body(&mut response, until).await;
        Ok(Response::<reqwest::Body>::from(response).map(|_| body.into()))
    }
}

/// Nothing yet: it is content, and may be long.
impl Receive for reqwest::Body {
    fn receive(
        response: reqwest::Response,
        _limit: usize,
        _until: Instant,
    ) -> impl Future<Output = Result<Response<Self>, BodyError>> + Send {
        std::future::ready(Ok(response.into()))
    }
}

/// A wait that the service asks for and that the operation has no time for: in an answer's
/// extensions, for the error that it becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitTooLong {
    asked: Duration,
    limit: Duration,
}

impl fmt::Display for WaitTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the service asks to wait {} s, which is longer than the rest of the {} s that the \
             operation may take: try again later",
            self.asked.as_secs_f32(),
            self.limit.as_secs_f32()
        )
    }
}

impl Pipeline {
    /// Sends the request until it has an answer that counts; also tells how often it was sent.
    pub(super) async fn attempts<B: Receive>(
        &self,
        request: &mut Request,
        credentials: Credentials,
        deadline: Instant,
    ) -> (Tries, Result<Response<B>>) {
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let hash = content_hash(body.unwrap_or_default());
        let mut call = Call {
            request,
            credentials,
            hash,
            started: Instant::now(),
            deadline,
            tries: Tries::default(),
            challenged: false,
        };
        loop {
            call.tries.attempts += 1;
            let verdict = {
                let outcome = self.attempt(&mut call).await;
                if matches!(&outcome, Ok(response) if response.status().is_success()) {
                    return (call.tries, outcome.map_err(Failed::into_error));
                }
                self.judge(&mut call, outcome)
            };
            match verdict.await {
                Verdict::Again(pause) => sleep(pause).await,
                Verdict::Done(outcome) => return (call.tries, *outcome),
            }
        }
    }

    /// Whether to send a request again that did not succeed.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn would hold the outcome twice"
    )]
    fn judge<B: Receive>(
        &self,
        call: &mut Call<'_>,
        mut outcome: Result<Response<B>, Failed>,
    ) -> impl Future<Output = Verdict<B>> {
        async move {
            let (retryable, asked) = match &outcome {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                    if !call.challenged {
                        call.challenged = true;
                        let answered = self.answer_challenge(call, response.headers());
                        if timeout_at(call.deadline, answered).await == Ok(true) {
                            return Verdict::Again(Duration::ZERO);
                        }
                    }
                    (false, None)
                }
                Ok(response) => {
                    let asked = retry_after(response.headers(), SystemTime::now());
                    let idempotent = is_idempotent(call.request);
                    call.tries.may_have_acted |= may_have_acted(response.status());
                    let retryable =
                        is_retryable_status(response.status(), idempotent, asked.is_some());
                    (retryable, asked)
                }
                Err(Failed::NotSent(_)) => {
                    call.tries.attempts -= 1;
                    (false, None)
                }
                Err(Failed::NotReached(_)) => (true, None),
                Err(Failed::TooLarge(_)) => {
                    call.tries.may_have_acted = true;
                    (false, None)
                }
                Err(Failed::NoAnswer(_)) => {
                    call.tries.may_have_acted = true;
                    (is_idempotent(call.request), None)
                }
            };
            let attempt = call.tries.attempts;
            let pause = retryable
                .then(|| {
                    let (kind, status) = match &outcome {
                        Ok(response) => {
                            (kind_of_status(response.status()), Some(response.status()))
                        }
                        Err(failed) => (failed.error().kind(), None),
                    };
                    self.retry.next_delay(&FailedAttempt {
                        attempt,
                        elapsed: call.started.elapsed(),
                        kind,
                        status: status.map(|status| status.as_u16()),
                        retry_after: asked,
                    })
                })
                .flatten();
            let left = call.deadline.saturating_duration_since(Instant::now());
            // What was added to the wait that was asked for is no reason to give up.
            let least = asked.filter(|asked| !asked.is_zero());
            let pause = pause.map(|pause| {
                if pause < left {
                    pause
                } else {
                    least.unwrap_or(pause)
                }
            });
            match (pause, &mut outcome) {
                (Some(pause), _) if pause < left => {
                    debug!(attempt, ?pause, "sending again");
                    return Verdict::Again(pause);
                }
                (Some(_), Ok(response)) if let Some(asked) = least => {
                    let limit = self.limits.total;
                    response
                        .extensions_mut()
                        .insert(WaitTooLong { asked, limit });
                }
                _ => {}
            }
            Verdict::Done(Box::new(outcome.map_err(Failed::into_error)))
        }
    }

    async fn attempt<B: Receive>(&self, call: &mut Call<'_>) -> Result<Response<B>, Failed> {
        self.authorize(call).await.map_err(Failed::NotSent)?;
        let started = Instant::now();
        let limit = call
            .deadline
            .min(deadline_after(started, self.limits.attempt));
        let outcome = {
            // Pinned, because futures of this size should not move.
            let exchange = pin!(self.exchange(call, limit));
            timeout_at(limit, exchange).await
        };
        let outcome = outcome.unwrap_or_else(|_| {
            let waited = started.elapsed().as_secs_f32();
            let place = place(call.request.url());
            let message = format!("{place} did not answer within {waited:.1} s");
            Err(Failed::NoAnswer(Error::new(ErrorKind::Timeout, message)))
        });
        let method = call.request.method();
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

    /// Sends the request, of which a copy stays, and waits for what counts as its answer.
    async fn exchange<B: Receive>(
        &self,
        call: &mut Call<'_>,
        until: Instant,
    ) -> Result<Response<B>, Failed> {
        // The copy stays, because the original has room for the headers that HTTP adds.
        let copy = copy(call.request)?;
        let answer = match self.http.to(call.request.url()) {
            Ok(client) => {
                let sent = client.execute(std::mem::replace(call.request, copy));
                match sent.await {
                    Ok(response) => B::receive(response, self.limits.body, until).await,
                    Err(error) => Err(BodyError::Connection(error)),
                }
            }
            Err(error) => Err(BodyError::Connection(error)),
        };
        answer.map_err(|error| match error {
            BodyError::Connection(error) => failed(error, call.request.url()),
            error => too_large(error, call.request.url()),
        })
    }

    /// Dates and signs a request; done anew for every attempt, because a date grows old.
    #[cfg_attr(
        not(feature = "entra"),
        allow(
            clippy::unused_async,
            reason = "fetching a token waits, signing does not"
        )
    )]
    async fn authorize(&self, call: &mut Call<'_>) -> Result<()> {
        if matches!(call.credentials, Credentials::Nobody) {
            return Ok(());
        }
        let authorization = match self.credential.as_ref() {
            Credential::Key(key) => {
                let key = key.read().unwrap_or_else(PoisonError::into_inner);
                self.sign(call, &key)
            }
            #[cfg(feature = "entra")]
            Credential::Entra(entra) => {
                let limit = deadline_after(Instant::now(), self.limits.attempt).min(call.deadline);
                let token = timeout_at(limit, entra.bearer()).await;
                token.unwrap_or_else(|_| Err(entra.gave_nothing()))?
            }
        };
        let headers = call.request.headers_mut();
        let mut authorization = HeaderValue::try_from(authorization).map_err(|error| {
            Error::new(ErrorKind::Authentication, "the token cannot be sent").with_source(error)
        })?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        if matches!(call.credentials, Credentials::Content) {
            set(headers, RESOURCE_HOST, self.endpoint.authority());
        }
        Ok(())
    }

    fn sign(&self, call: &mut Call<'_>, key: &AccessKey) -> String {
        let url = call.request.url();
        let end = match call.credentials {
            Credentials::Resource => Position::AfterQuery,
            Credentials::Content | Credentials::Nobody => Position::AfterPath,
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        let authorization = Signable {
            method: call.request.method().as_str(),
            path_and_query: &url[Position::BeforePath..end],
            host: self.endpoint.authority(),
            date: &date,
            content_hash: &call.hash,
        }
        .authorization(key);
        let headers = call.request.headers_mut();
        set(headers, DATE, date);
        set(headers, CONTENT_HASH, &*call.hash);
        authorization
    }

    /// Whether there is something new to answer a 401 with.
    #[cfg(feature = "entra")]
    async fn answer_challenge(&self, call: &Call<'_>, headers: &HeaderMap) -> bool {
        let Credential::Entra(entra) = self.credential.as_ref() else {
            return false;
        };
        let used = call.request.headers().get(AUTHORIZATION);
        let Some(used) = used.and_then(|used| used.to_str().ok()) else {
            // Who got no token has none to refuse.
            return false;
        };
        let challenge = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .find_map(|header| ClaimsChallenge::find(header.to_str().ok()?));
        match entra.challenged(used, challenge).await {
            Ok(is_new) => is_new,
            Err(error) => {
                tracing::warn!(%error, "the service's claims challenge was not answered");
                false
            }
        }
    }

    /// Whether there is something new to answer a 401 with; a key has only itself.
    #[cfg(not(feature = "entra"))]
    #[allow(clippy::unused_async, reason = "with the feature `entra` it is one")]
    async fn answer_challenge(&self, _call: &Call<'_>, _headers: &HeaderMap) -> bool {
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
    /// Perhaps something: what it sends has no end.
    TooLarge(Error),
}

impl Failed {
    fn error(&self) -> &Error {
        let (Self::NotSent(error)
        | Self::NotReached(error)
        | Self::NoAnswer(error)
        | Self::TooLarge(error)) = self;
        error
    }

    fn into_error(self) -> Error {
        let (Self::NotSent(error)
        | Self::NotReached(error)
        | Self::NoAnswer(error)
        | Self::TooLarge(error)) = self;
        error
    }
}

/// An answer that is longer than any of the service's.
fn too_large(error: BodyError, url: &Url) -> Failed {
    let message = format!(
        "{} sent more than a response may have ({error}); check the endpoint, or raise \
         max_response_size of the client",
        place(url)
    );
    Failed::TooLarge(Error::new(ErrorKind::InvalidResponse, message).with_source(error))
}

/// What a failure to send or receive is called, with the host and without the rest of the URL.
fn failed(error: reqwest::Error, url: &Url) -> Failed {
    let (place, cause) = (place(url), root_cause(&error));
    let (timeout, connect) = (error.is_timeout(), error.is_connect());
    let untrusted = is_untrusted(&error);
    let error = |kind, message: String| Error::new(kind, message).with_source(error.without_url());
    if untrusted {
        let message = format!("{place} is not trusted ({cause})");
        let error = error(ErrorKind::Connection, message).with_hint(Hint::AddRootCertificate);
        // It will be the same the next time.
        Failed::NotSent(error.with_retryable(false))
    } else if connect && let Some((variable, proxy)) = proxy_of(url) {
        let message = format!("{place} cannot be reached through the proxy {proxy} ({cause})");
        let error = error(ErrorKind::Connection, message);
        Failed::NotReached(error.with_hint(Hint::CheckProxy(variable)))
    } else if connect {
        let message = format!("{place} cannot be reached ({cause})");
        let error = error(ErrorKind::Connection, message);
        Failed::NotReached(error.with_hint(Hint::CheckNetwork))
    } else if timeout {
        let message = format!("{place} did not answer in time");
        Failed::NoAnswer(error(ErrorKind::Timeout, message))
    } else {
        let message = format!("the connection to {place} broke ({cause})");
        Failed::NoAnswer(error(ErrorKind::Connection, message))
    }
}

/// Whether the server could not show that it is who it claims to be.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(at) = cause {
        if let Some(error) = at.downcast_ref::<rustls::Error>() {
            return matches!(error, rustls::Error::InvalidCertificate(_));
        }
        // Whose source is not what it wraps, but the source of that.
        let wrapped = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => at.source(),
        };
    }
    false
}

fn copy(request: &Request) -> Result<Request, Failed> {
    request.try_clone().ok_or_else(|| {
        let message = "a body that cannot be repeated cannot be sent";
        Failed::NotSent(Error::new(ErrorKind::InvalidInput, message))
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
