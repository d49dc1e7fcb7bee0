//! From a request to an answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::Webhook;
use super::authenticator::Verdict;
use super::dedup::{Claim, EventKey};
use super::functions;
use super::handshake::{self, empty};
use crate::error::Disposition;
use crate::event::{Delivery, Event, EventPayload, Events, InvalidEvent};

/// How long the store may take to note what became of an event, be it after the deadline.
const NOTE_LIMIT: Duration = Duration::from_secs(1);

/// What became of an event, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Done,
    /// It can never be handled.
    Refused,
    /// It may be handled later.
    Again,
}

impl Webhook {
    /// Answers a request whose body has been read.
    ///
    /// Whoever reads it should stop after [`max_body`](Self::max_body) bytes. The request may be
    /// dropped at any time: events that were not handled are delivered again.
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let deadline = self.deadline();
        match self.admit(&parts, deadline).await {
            Err(response) => response,
            Ok(()) => self.deliver(&parts, &body, deadline).await,
        }
    }

    /// The largest body that is taken.
    pub fn max_body(&self) -> usize {
        self.inner.settings.body_limit
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.settings.timeout
    }

    /// Everything that can be decided before the body is read; an error is the answer.
    pub(super) async fn admit(
        &self,
        request: &Parts,
        deadline: Instant,
    ) -> Result<(), Response<Bytes>> {
        let settings = &self.inner.settings;
        if request.method == Method::OPTIONS {
            return Err(handshake::options(settings, request));
        }
        if request.method != Method::POST {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static("OPTIONS, POST");
            response.headers_mut().insert(ALLOW, allow);
            return Err(response);
        }
        match timeout_at(deadline, settings.check.verdict(request)).await {
            Ok(Verdict::Pass) => {}
            Ok(Verdict::Refuse(reason)) => {
                tracing::warn!(reason, "a delivery was refused");
                return Err(empty(StatusCode::UNAUTHORIZED));
            }
            Ok(Verdict::Unavailable(reason)) => {
                tracing::error!(reason, "a delivery could not be checked");
                return Err(again());
            }
            Err(_) => return Err(again()),
        }
        if let Some(allowed) = &settings.subscriptions {
            let name = Delivery::from_headers(&request.headers).and_then(|d| d.subscription);
            let is_allowed = match name {
                Some(name) => allowed.contains(&name.to_ascii_uppercase()),
                // Callbacks of Call Automation do not come from Event Grid.
                None => !is_event_grid(&request.headers),
            };
            if !is_allowed {
                tracing::warn!("a delivery of another subscription was refused");
                return Err(empty(StatusCode::FORBIDDEN));
            }
        }
        if !is_json(request) {
            return Err(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let announced = request.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > settings.body_limit as u64) {
            return Err(too_large());
        }
        Ok(())
    }

    /// Handles the events in a body.
    pub(super) async fn deliver(
        &self,
        request: &Parts,
        body: &[u8],
        deadline: Instant,
    ) -> Response<Bytes> {
        if body.len() > self.inner.settings.body_limit {
            return too_large();
        }
        let mut worst = Outcome::Done;
        let events = Events::from_request(&request.headers, body);
        let alone = events.len() == 1;
        let invocation = events.invocation();
        for event in events {
            if Instant::now() >= deadline {
                worst = Outcome::Again;
                break;
            }
            let outcome = match event {
                Ok(event) => {
                    // It comes alone. An answer to it says nothing of other events, which would be
                    // lost.
                    if let (true, EventPayload::SubscriptionValidation(question)) =
                        (alone, event.payload())
                    {
                        return functions::response(invocation, handshake::validation(question));
                    }
                    self.handle(event, deadline).await
                }
                Err(error) => self.refuse(&error, deadline).await,
            };
            worst = worst.max(outcome);
        }
        match worst {
            Outcome::Done => functions::response(invocation, empty(StatusCode::OK)),
            Outcome::Refused => empty(StatusCode::BAD_REQUEST),
            Outcome::Again => again(),
        }
    }

    /// Handles one event, unless that was done before.
    async fn handle(&self, event: Event, deadline: Instant) -> Outcome {
        let name = event.to_string();
        let Some(store) = &self.inner.settings.store else {
            return self.call_handler(event, &name, deadline).await;
        };
        let key = EventKey::of(&event);
        // Until the deadline this delivery has the event for itself; after it, it has given up.
        let lease = deadline.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
        let token = match timeout_at(deadline, store.claim(&key, lease)).await {
            Ok(Ok(Claim::Mine(token))) => token,
            Ok(Ok(Claim::Done)) => return Outcome::Done,
            // Of a busy event the outcome is not known yet, and this delivery must not stand for
            // it.
            Ok(Ok(Claim::Busy)) | Err(_) => return Outcome::Again,
            Ok(Err(error)) => {
                tracing::error!(%error, event = name, "the store of handled events failed");
                return Outcome::Again;
            }
        };
        let outcome = self.call_handler(event, &name, deadline).await;
        let noted = match outcome {
            Outcome::Done => store.done(&key, token),
            // Refused events must be refused each time they come: if they counted as done, a
            // batch that comes again for another event would succeed without them.
            Outcome::Refused | Outcome::Again => store.release(&key, token),
        };
        // If that fails, the event is handled twice at worst, or a little later.
        match timeout(NOTE_LIMIT, noted).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, event = name, "the store of handled events failed");
            }
            Err(_) => tracing::error!(event = name, "the store of handled events is slow"),
        }
        outcome
    }

    /// Lets the handler keep an event that cannot be read, before it is refused.
    async fn refuse(&self, event: &InvalidEvent, deadline: Instant) -> Outcome {
        match timeout_at(deadline, self.inner.handler.invalid(event)).await {
            Ok(Ok(())) => Outcome::Refused,
            Ok(Err(error)) => {
                tracing::warn!(%error, %event, "an event that cannot be read was not kept");
                Outcome::Again
            }
            Err(_) => Outcome::Again,
        }
    }

    async fn call_handler(&self, event: Event, name: &str, deadline: Instant) -> Outcome {
        let id = event.id.clone();
        match timeout_at(deadline, self.inner.handler.handle(event)).await {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(error)) if error.is_permanent() => {
                tracing::warn!(%error, event = name, "an event was refused");
                Outcome::Refused
            }
            Ok(Err(error)) if error.disposition() == Disposition::Note => {
                let id = id.as_str();
                tracing::warn!(%error, event = name, id, "there is nothing to do for an event");
                Outcome::Done
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, event = name, "an event was not handled");
                Outcome::Again
            }
            Err(_) => {
                tracing::warn!(event = name, "an event was not handled in time");
                Outcome::Again
            }
        }
    }
}

/// Whether Event Grid delivers, to believe the headers.
fn is_event_grid(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("aeg-"))
}

/// Whether the body claims to be what deliveries are. Without a content type it may be.
fn is_json(request: &Parts) -> bool {
    let Some(value) = request.headers.get(CONTENT_TYPE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    [
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    ]
    .iter()
    .any(|known| essence.eq_ignore_ascii_case(known))
}

pub(super) fn too_large() -> Response<Bytes> {
    tracing::warn!("a delivery was refused: it is too large");
    empty(StatusCode::PAYLOAD_TOO_LARGE)
}

/// "Send it again": of all statuses this one makes Event Grid wait longest, 30 seconds.
pub(super) fn again() -> Response<Bytes> {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    let seconds = HeaderValue::from_static("30");
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
