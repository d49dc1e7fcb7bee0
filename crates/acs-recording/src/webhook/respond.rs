//! From a request to a response.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::Webhook;
use super::authenticate::AuthDecision;
use super::authenticator::RequestKind;
use super::dedup::{Claim, EventKey};
use super::functions;
use super::handshake::{self, empty};
use crate::error::Disposition;
use crate::event::{Delivery, Event, EventPayload, Events, InvalidEvent};
use crate::telemetry::{EventMeasurement, EventOutcome};

/// How long the store may take to record an outcome, even after the deadline of the delivery.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the events of a batch mean for its status, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BatchOutcome {
    Handled,
    /// An event can never be handled.
    Rejected,
    /// An event must be delivered again.
    Retry,
}

impl From<EventOutcome> for BatchOutcome {
    fn from(outcome: EventOutcome) -> Self {
        match outcome {
            EventOutcome::Handled | EventOutcome::Duplicate | EventOutcome::Noted => Self::Handled,
            EventOutcome::Rejected | EventOutcome::Invalid => Self::Rejected,
            EventOutcome::InProgress | EventOutcome::Deferred => Self::Retry,
        }
    }
}

/// The outcome of an event, with the type of the error that led to it.
type Handled = (EventOutcome, Option<&'static str>);

const TIMED_OUT: Handled = (EventOutcome::Deferred, Some("timeout"));

impl Webhook {
    /// Responds to a request whose body has been read, at most
    /// [`body_limit`](Self::body_limit) bytes of it.
    ///
    /// The future may be dropped at any time. Events that were not handled are delivered again.
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let deadline = self.deadline();
        match self.check_head(&parts, deadline).await {
            Err(response) => response,
            Ok(()) => self.handle_body(&parts, &body, deadline).await,
        }
    }

    /// The largest accepted body, in bytes.
    pub fn body_limit(&self) -> usize {
        self.inner.settings.body_limit
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.settings.timeout
    }

    /// Checks everything that does not need the body. An error is the response, which for a
    /// handshake may well be a success.
    pub(super) async fn check_head(
        &self,
        request: &Parts,
        deadline: Instant,
    ) -> Result<(), Response<Bytes>> {
        let settings = &self.inner.settings;
        if request.method == Method::OPTIONS {
            self.authenticate(request, RequestKind::Handshake, deadline)
                .await?;
            return Err(handshake::options(settings, request));
        }
        if request.method != Method::POST {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static("OPTIONS, POST");
            response.headers_mut().insert(ALLOW, allow);
            return Err(response);
        }
        self.authenticate(request, RequestKind::Delivery, deadline)
            .await?;
        if let Some(allowed) = &settings.subscriptions {
            let name = Delivery::from_headers(&request.headers).and_then(|d| d.subscription);
            let is_allowed = match name {
                Some(name) => allowed.contains(&name.to_ascii_uppercase()),
                // Callbacks of Call Automation belong to no subscription.
                None => !is_event_grid(&request.headers),
            };
            if !is_allowed {
                tracing::warn!("a delivery was rejected: its event subscription is not allowed");
                return Err(empty(StatusCode::FORBIDDEN));
            }
        }
        if !is_json(request) {
            return Err(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let length = request.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > settings.body_limit as u64) {
            return Err(too_large());
        }
        Ok(())
    }

    async fn authenticate(
        &self,
        request: &Parts,
        kind: RequestKind,
        deadline: Instant,
    ) -> Result<(), Response<Bytes>> {
        let decision = self.inner.settings.authenticator.decide(request, kind);
        match timeout_at(deadline, decision).await {
            Ok(None | Some(AuthDecision::Allow)) => Ok(()),
            Ok(Some(AuthDecision::Deny(reason))) => {
                tracing::warn!(%reason, ?kind, "a request was rejected");
                Err(empty(StatusCode::UNAUTHORIZED))
            }
            Ok(Some(AuthDecision::Unavailable(reason))) => {
                tracing::error!(%reason, ?kind, "a request could not be authenticated");
                Err(retry_later())
            }
            Err(_) => {
                tracing::error!(?kind, "a request could not be authenticated in time");
                Err(retry_later())
            }
        }
    }

    /// Handles the events in a body.
    pub(super) async fn handle_body(
        &self,
        request: &Parts,
        body: &[u8],
        deadline: Instant,
    ) -> Response<Bytes> {
        if body.len() > self.inner.settings.body_limit {
            return too_large();
        }
        let mut worst = BatchOutcome::Handled;
        let events = Events::from_request(&request.headers, body);
        let is_single = events.len() == 1;
        let trigger = events.function_trigger();
        for event in events {
            if Instant::now() >= deadline {
                worst = BatchOutcome::Retry;
                break;
            }
            let start = Instant::now();
            let outcome = match event {
                Ok(event) => {
                    // Event Grid sends it alone. Among other events, the response to it would
                    // acknowledge them unhandled.
                    if let (true, EventPayload::SubscriptionValidation(validation)) =
                        (is_single, event.payload())
                    {
                        return functions::response(trigger, handshake::validation(validation));
                    }
                    let event_type = event.event_type.clone();
                    let handled = self.handle(event, deadline).await;
                    measure(&event_type, handled, start)
                }
                Err(error) => {
                    let handled = self.reject(&error, deadline).await;
                    measure(
                        error.event_type.as_deref().unwrap_or_default(),
                        handled,
                        start,
                    )
                }
            };
            worst = worst.max(outcome.into());
        }
        match worst {
            BatchOutcome::Handled => functions::response(trigger, empty(StatusCode::OK)),
            BatchOutcome::Rejected => empty(StatusCode::BAD_REQUEST),
            BatchOutcome::Retry => retry_later(),
        }
    }

    /// Handles one event, unless it was handled before.
    async fn handle(&self, event: Event, deadline: Instant) -> Handled {
        let name = event.to_string();
        let Some(store) = &self.inner.settings.store else {
            return self.call_handler(event, &name, deadline).await;
        };
        let key = EventKey::of(&event);
        // This delivery holds the event until its deadline.
        let lease = deadline.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
        let token = match timeout_at(deadline, store.claim(&key, lease)).await {
            Ok(Ok(Claim::Acquired(token))) => token,
            Ok(Ok(Claim::Completed)) => return (EventOutcome::Duplicate, None),
            // The other delivery may still fail, so this one must not acknowledge the event.
            Ok(Ok(Claim::InProgress)) => return (EventOutcome::InProgress, None),
            Ok(Err(error)) => {
                tracing::error!(%error, event = name, "the deduplication store failed");
                return (EventOutcome::Deferred, Some("_OTHER"));
            }
            Err(_) => return TIMED_OUT,
        };
        let handled = self.call_handler(event, &name, deadline).await;
        let recorded = if BatchOutcome::from(handled.0) == BatchOutcome::Handled {
            store.complete(&key, token)
        } else {
            // A rejected event must be rejected in every delivery. If it counted as completed, a
            // batch that is delivered again for another event would succeed without it.
            store.release(&key, token)
        };
        // If this fails, the event is handled twice at worst, or a little later.
        match timeout(STORE_TIMEOUT, recorded).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, event = name, "the deduplication store failed");
            }
            Err(_) => {
                tracing::error!(
                    event = name,
                    "the deduplication store did not respond in time"
                );
            }
        }
        handled
    }

    /// Lets the handler keep an event that cannot be read before it is rejected.
    async fn reject(&self, event: &InvalidEvent, deadline: Instant) -> Handled {
        match timeout_at(deadline, self.inner.handler.handle_invalid(event)).await {
            Ok(Ok(())) => (EventOutcome::Invalid, None),
            Ok(Err(error)) => {
                tracing::warn!(%error, %event, "an event that cannot be read was not kept");
                (EventOutcome::Deferred, Some(error.error_type()))
            }
            Err(_) => TIMED_OUT,
        }
    }

    async fn call_handler(&self, event: Event, name: &str, deadline: Instant) -> Handled {
        let id = event.id.clone();
        let error = match timeout_at(deadline, self.inner.handler.handle(event)).await {
            Ok(Ok(())) => return (EventOutcome::Handled, None),
            Ok(Err(error)) => error,
            Err(_) => {
                tracing::warn!(event = name, "an event was not handled in time");
                return TIMED_OUT;
            }
        };
        let outcome = if error.is_permanent() {
            tracing::warn!(%error, event = name, "an event was rejected");
            EventOutcome::Rejected
        } else if error.disposition() == Disposition::Note {
            let id = id.as_str();
            tracing::warn!(%error, event = name, id, "an event was acknowledged that cannot be handled");
            EventOutcome::Noted
        } else {
            tracing::warn!(%error, event = name, "an event was not handled");
            EventOutcome::Deferred
        };
        (outcome, Some(error.error_type()))
    }
}

/// Counts an event that was received.
fn measure(event_type: &str, (outcome, error_type): Handled, start: Instant) -> EventOutcome {
    let measurement = EventMeasurement {
        operation: "receive",
        event_type,
        outcome,
        error_type,
        elapsed: start.elapsed(),
    };
    measurement.record();
    outcome
}

/// Whether the headers are those of Event Grid.
fn is_event_grid(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("aeg-"))
}

/// Whether the content type is that of a delivery, or missing.
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
    tracing::warn!("a delivery was rejected: it is too large");
    empty(StatusCode::PAYLOAD_TOO_LARGE)
}

/// The response after which Event Grid delivers the events again, after 30 seconds or more.
pub(super) fn retry_later() -> Response<Bytes> {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    let seconds = HeaderValue::from_static("30");
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
