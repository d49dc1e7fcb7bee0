//! One request until it has an answer: dated and signed, sent, judged, and sent again.

use std::pin::pin;
use std::sync::PoisonError;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
#[cfg(feature = "entra")]
use http::header::WWW_AUTHENTICATE;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Request, Response, ResponseBuilderExt as _};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;
use url::{Position, Url};

use super::retry::{is_passing, is_repeatable};
use super::sign::{Signable, content_hash};
use super::{Credentials, Pipeline, place, set};
#[cfg(feature = "entra")]
use crate::credential::ClaimsChallenge;
use crate::credential::{AccessKey, Credential};
use crate::error::{Error, ErrorKind, Result, retry_after};

const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-ms-content-sha256");
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");

impl Pipeline {
    /// Sends the request until it has an answer that counts; also tells how often it was sent.
    pub(super) async fn attempts(
        &self,
        request: &mut Request,
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
        request: &mut Request,
        credentials: Credentials,
        hash: &str,
        deadline: Instant,
    ) -> Result<Response, Failed> {
        let started = Instant::now();
        let limit = deadline.min(started + self.limits.attempt);
        let outcome = {
            let exchange = pin!(self.exchange(request, credentials, hash));
            timeout_at(limit, exchange).await
        };
        let outcome = outcome.unwrap_or_else(|_| {
            let waited = started.elapsed().as_secs_f32();
            let place = place(request.url());
            let message = format!("{place} did not answer within {waited:.1} s");
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

    /// Sends a copy of the request, and waits for what counts as its answer.
    async fn exchange(
        &self,
        request: &mut Request,
        credentials: Credentials,
        hash: &str,
    ) -> Result<Response, Failed> {
        // The original is signed, because it has room for headers.
        let authorized = self.authorize(request, credentials, hash).await;
        authorized.map_err(Failed::NotSent)?;
        let response = self.http.execute(copy(request)?).await;
        let mut response = response.map_err(|error| failed(error, request.url()))?;
        match credentials {
            // Short, and worth nothing unless it is whole.
            Credentials::Resource if response.content_length() != Some(0) => {
                with_body(&mut response).await
            }
            _ => Ok(response),
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
        let end = match credentials {
            Credentials::Resource => Position::AfterQuery,
            Credentials::Content | Credentials::Nobody => Position::AfterPath,
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        let authorization = Signable {
            method: request.method().as_str(),
            path_and_query: &url[Position::BeforePath..end],
            host: self.endpoint.authority(),
            date: &date,
            content_hash: hash,
        }
        .authorization(key);
        let headers = request.headers_mut();
        set(headers, DATE, date);
        set(headers, CONTENT_HASH, hash);
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

fn copy(request: &Request) -> Result<Request, Failed> {
    request.try_clone().ok_or_else(|| {
        let message = "a body that cannot be repeated cannot be sent";
        Failed::NotSent(Error::new(ErrorKind::InvalidInput, message))
    })
}

/// The answer with its body read, so that what breaks or stalls there counts as no answer.
async fn with_body(response: &mut Response) -> Result<Response, Failed> {
    let mut parts = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => break,
            Err(error) => return Err(failed(error, response.url())),
        }
    }
    let body = match parts.as_mut_slice() {
        [whole] => std::mem::take(whole),
        parts => Bytes::from(parts.concat()),
    };
    let mut answer = http::Response::builder().url(response.url().clone());
    if let Some(headers) = answer.headers_mut() {
        *headers = std::mem::take(response.headers_mut());
    }
    let answer = answer.status(response.status()).body(body);
    answer.map(Response::from).map_err(|error| {
        let message = format!("{} gave an answer that is none", place(response.url()));
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
