//! Delivery of events to one webhook or queue: batching, duplicates, order and retries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::delivery::event_grid::event::Queued;
use crate::delivery::event_grid::retry::{Outcome, TIME_TO_LIVE, judge};
use crate::delivery::event_grid::storage_queue;
use crate::delivery::event_grid::subscription::{self, Destination, EventSchema, Subscription};
use crate::redact::root_cause;
use crate::service::clock::after;
use crate::service::state::Shared;

/// How long an incomplete batch waits for further events.
const PATIENCE: Duration = Duration::from_secs(1);

/// The maximum number of copies of one event. Higher values are presumably a mistake.
const MOST_COPIES: u32 = 1_000;

/// One request to a webhook or queue.
struct Parcel {
    id: String,
    /// The type of the first event, for the log.
    kind: &'static str,
    body: Bytes,
    batched: bool,
}

/// Delivers incoming events until the emulator stops.
pub(super) fn run(
    shared: &Arc<Shared>,
    subscription: &Arc<Subscription>,
    mut events: mpsc::UnboundedReceiver<Queued>,
) {
    let subscription = Arc::clone(subscription);
    let worker = {
        let shared = Arc::clone(shared);
        async move {
            let wishes = &subscription.wishes;
            let most = if wishes.reordered {
                wishes.batch.max(2)
            } else {
                wishes.batch
            };
            while let Some(first) = events.recv().await {
                let mut batch = collect(&shared, first, most, &mut events).await;
                if wishes.reordered {
                    batch.reverse();
                }
                let parcels = pack(&shared, &subscription, &batch);
                if wishes.reordered {
                    // Sequential delivery, because concurrent requests would arrive in random
                    // order.
                    let (shared, subscription) = (Arc::clone(&shared), Arc::clone(&subscription));
                    spawn(&Arc::clone(&shared), async move {
                        for parcel in parcels {
                            deliver(Arc::clone(&shared), Arc::clone(&subscription), parcel).await;
                        }
                    });
                } else {
                    for parcel in parcels {
                        let task = deliver(Arc::clone(&shared), Arc::clone(&subscription), parcel);
                        spawn(&shared, task);
                    }
                }
            }
        }
    };
    spawn(shared, worker);
}

async fn collect(
    shared: &Shared,
    first: Queued,
    most: usize,
    events: &mut mpsc::UnboundedReceiver<Queued>,
) -> Vec<Queued> {
    let due = after(first.event.time, PATIENCE);
    let mut batch = vec![first];
    while batch.len() < most {
        // Events that are already in the channel join the batch, however late they are.
        let next = tokio::select! {
            biased;
            next = events.recv() => next,
            () = shared.settings.clock.wait_until(due) => None,
        };
        match next {
            Some(next) => batch.push(next),
            None => break,
        }
    }
    batch
}

fn pack(shared: &Shared, subscription: &Subscription, events: &[Queued]) -> Vec<Parcel> {
    let wishes = &subscription.wishes;
    let written = events.iter().flat_map(|queued| {
        let event = &queued.event;
        let value = match wishes.schema {
            EventSchema::EventGrid => event.in_event_grid_schema(shared),
            EventSchema::CloudEvents => event.as_cloud_event(shared),
        };
        let copies = copies(wishes.duplicates, queued.duplicates);
        (0..copies).map(move |_| (event, value.clone()))
    });
    let written: Vec<_> = written.collect();
    written
        .chunks(wishes.batch)
        .filter_map(|chunk| {
            let (event, value) = chunk.first()?;
            let batched = wishes.batch > 1;
            let body = match subscription.destination {
                Destination::Queue(_) => storage_queue::message(&value.to_string()),
                Destination::Webhook(_) if batched || wishes.schema == EventSchema::EventGrid => {
                    let values = chunk.iter().map(|(_, value)| value.clone());
                    Bytes::from(Value::Array(values.collect()).to_string())
                }
                Destination::Webhook(_) => Bytes::from(value.to_string()),
            };
            Some(Parcel {
                id: event.id.clone(),
                kind: event.kind,
                body,
                batched,
            })
        })
        .collect()
}

/// The number of times to send an event, given the duplicates that the subscription and a fault ask
/// for.
fn copies(requested: u32, faulty: u32) -> u32 {
    let duplicates = requested.saturating_add(faulty);
    duplicates.saturating_add(1).min(MOST_COPIES)
}

pub(super) fn headers(
    subscription: &Subscription,
    event_type: &'static str,
    attempts: usize,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("aeg-event-type", HeaderValue::from_static(event_type));
    if let Ok(name) = HeaderValue::from_str(&subscription.name) {
        headers.insert("aeg-subscription-name", name);
    }
    headers.insert("aeg-delivery-count", HeaderValue::from(attempts));
    let (content_type, version) = match subscription.wishes.schema {
        EventSchema::EventGrid => {
            headers.insert("aeg-data-version", HeaderValue::from_static("1.0"));
            ("application/json; charset=utf-8", "1")
        }
        EventSchema::CloudEvents => {
            subscription::mark(&mut headers);
            if subscription.wishes.batch > 1 {
                ("application/cloudevents-batch+json; charset=utf-8", "1.0")
            } else {
                ("application/cloudevents+json; charset=utf-8", "1.0")
            }
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("aeg-metadata-version", HeaderValue::from_static(version));
    headers
}

/// Runs `task` until the emulator stops.
pub(crate) fn spawn(shared: &Arc<Shared>, task: impl Future<Output = ()> + Send + 'static) {
    let stopped = Arc::clone(shared);
    shared.runtime.spawn(async move {
        tokio::select! {
            () = task => {}
            () = stopped.until_stopped() => {}
        }
    });
}

async fn deliver(shared: Arc<Shared>, subscription: Arc<Subscription>, parcel: Parcel) {
    let clock = &shared.settings.clock;
    let (id, kind) = (parcel.id.as_str(), parcel.kind);
    let destination = &subscription.destination;
    let to = &*destination.address();
    let scale = shared.settings.retry_scale;
    // Responses take real time even if `scale` is small, so the time to live is never scaled down.
    let expires_at = after(clock.now(), TIME_TO_LIVE.mul_f64(scale.max(1.0)));
    for attempt in 1.. {
        // The delay counts from here, not from the response. A test that advances the clock can see
        // the request, but not when the response has been processed.
        let sent = clock.now();
        let response = request(&shared, &subscription, &parcel, attempt)
            .send()
            .await;
        let status = response.as_ref().ok().map(reqwest::Response::status);
        let outcome = judge(destination.endpoint(), status, attempt);
        if outcome == Outcome::Delivered {
            return tracing::info!(kind, to, attempt, id, "event delivered");
        }
        let reason = reason(destination, response);
        let status = status.map(|status| status.as_u16());
        let Outcome::Retry(delay) = outcome else {
            return tracing::warn!(kind, to, status, reason, attempt, id, "event dropped");
        };
        tracing::warn!(
            kind,
            to,
            status,
            reason,
            attempt,
            ?delay,
            id,
            "event not accepted"
        );
        clock.wait_until(after(sent, delay.mul_f64(scale))).await;
        if clock.now() > expires_at {
            return tracing::warn!(kind, to, id, "event expired before it was accepted");
        }
    }
}

fn request(
    shared: &Shared,
    subscription: &Subscription,
    parcel: &Parcel,
    attempt: usize,
) -> reqwest::RequestBuilder {
    let body = parcel.body.clone();
    let url = match &subscription.destination {
        Destination::Queue(queue) => return queue.put(&shared.webhooks, body),
        Destination::Webhook(url) => url.clone(),
    };
    let mut headers = headers(subscription, "Notification", attempt - 1);
    if !parcel.batched
        && let Ok(id) = HeaderValue::from_str(&parcel.id)
    {
        headers.insert("aeg-output-event-id", id);
    }
    shared.webhooks.post(url).headers(headers).body(body)
}

/// The reason why an event was not accepted, if more than the status is known.
fn reason(
    destination: &Destination,
    response: reqwest::Result<reqwest::Response>,
) -> Option<String> {
    match (destination, response) {
        (Destination::Queue(_), Ok(response)) => Some(storage_queue::reason(&response)),
        (Destination::Webhook(_), Ok(_)) => None,
        (_, Err(error)) => Some(root_cause(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_bounded() {
        for (requested, faulty, expected) in [
            (0, 0, 1),
            (1, 2, 4),
            (MOST_COPIES, 0, MOST_COPIES),
            (u32::MAX, u32::MAX, MOST_COPIES),
        ] {
            assert_eq!(copies(requested, faulty), expected, "{requested} {faulty}");
        }
    }
}
