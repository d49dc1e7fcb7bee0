//! Delivery of events to one webhook or queue: batches, duplicates, order and retries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::event::QueuedEvent;
use super::headers::headers;
use super::retry::{TIME_TO_LIVE, Verdict, classify};
use super::storage_queue;
use super::subscription::{Destination, EventSchema, Subscription};
use crate::activity::{Activity, Channel, DeliveryAttempt, DeliveryOutcome};
use crate::delivery::context::DeliveryContext;
use crate::delivery::delivery_log::{AttemptRecord, DeliveryState};
use crate::faults::Fault;
use crate::redact::root_cause;
use crate::service::clock::{Clock, after};

/// How long an incomplete batch waits for further events.
const BATCH_WINDOW: Duration = Duration::from_secs(1);

/// The maximum number of copies of one event. Higher values are presumably a mistake.
const MAX_COPIES: u32 = 1_000;

/// One request to a webhook or queue.
struct DeliveryRequest {
    id: String,
    /// The type of the first event, for the log.
    kind: &'static str,
    /// The subject of the first event, for the log.
    subject: String,
    body: Bytes,
    batched: bool,
    /// The fault of the first event that has one.
    fault: Option<Arc<Fault>>,
    /// The deliveries that this request carries out. Of several copies, only the first is followed.
    deliveries: Vec<u64>,
    /// Whether the request was asked for.
    resend: bool,
}

/// Delivers incoming events until the emulator stops.
pub(super) fn run(
    context: &Arc<DeliveryContext>,
    subscription: &Arc<Subscription>,
    mut events: mpsc::UnboundedReceiver<QueuedEvent>,
) {
    let (context, subscription) = (Arc::clone(context), Arc::clone(subscription));
    spawn(
        &Arc::clone(&context),
        &Arc::clone(&subscription),
        async move {
            let options = &subscription.options;
            let most = if options.reordered {
                options.batch.max(2)
            } else {
                options.batch
            };
            while let Some(first) = events.recv().await {
                let mut batch = collect(&context.clock, first, most, &mut events).await;
                if options.reordered {
                    batch.reverse();
                }
                let requests = pack(context.resource, &subscription, &batch);
                if options.reordered {
                    // Sequential delivery, because concurrent requests would arrive in random order.
                    let (context, subscription) = (Arc::clone(&context), Arc::clone(&subscription));
                    spawn(
                        &Arc::clone(&context),
                        &Arc::clone(&subscription),
                        async move {
                            for request in requests {
                                deliver(Arc::clone(&context), Arc::clone(&subscription), request)
                                    .await;
                            }
                        },
                    );
                } else {
                    for request in requests {
                        let task =
                            deliver(Arc::clone(&context), Arc::clone(&subscription), request);
                        spawn(&context, &subscription, task);
                    }
                }
            }
        },
    );
}

/// Runs `task` until it completes, the subscription is deleted or the emulator stops.
pub(super) fn spawn(
    context: &DeliveryContext,
    subscription: &Subscription,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let deleted = subscription.deleted.clone();
    context.tasks.spawn(async move {
        deleted.run_until_cancelled_owned(task).await;
    });
}

async fn collect(
    clock: &Clock,
    first: QueuedEvent,
    most: usize,
    events: &mut mpsc::UnboundedReceiver<QueuedEvent>,
) -> Vec<QueuedEvent> {
    let due = after(first.event.time, BATCH_WINDOW);
    let mut batch = vec![first];
    while batch.len() < most {
        // Events that are already in the channel join the batch, however late they are.
        let next = tokio::select! {
            biased;
            next = events.recv() => next,
            () = clock.wait_until(due) => None,
        };
        match next {
            Some(next) => batch.push(next),
            None => break,
        }
    }
    batch
}

fn pack(
    resource: Uuid,
    subscription: &Subscription,
    events: &[QueuedEvent],
) -> Vec<DeliveryRequest> {
    let options = &subscription.options;
    let written = events.iter().flat_map(|queued| {
        let event = &queued.event;
        let value = match options.schema {
            EventSchema::EventGrid => event.in_event_grid_schema(resource),
            EventSchema::CloudEvents => event.as_cloud_event(resource),
        };
        let copies = copies(subscription, queued.fault.as_deref());
        (0..copies).map(move |copy| (queued, copy, value.clone()))
    });
    let written: Vec<_> = written.collect();
    written
        .chunks(options.batch)
        .filter_map(|chunk| {
            let (first, _, value) = chunk.first()?;
            let event = &first.event;
            let batched = options.batch > 1;
            let body = match subscription.destination {
                Destination::Queue(_) => storage_queue::message(&value.to_string()),
                Destination::Webhook(_) if batched || options.schema == EventSchema::EventGrid => {
                    let values = chunk.iter().map(|(_, _, value)| value.clone());
                    Bytes::from(Value::Array(values.collect()).to_string())
                }
                Destination::Webhook(_) => Bytes::from(value.to_string()),
            };
            Some(DeliveryRequest {
                id: event.id.clone(),
                kind: event.kind,
                subject: event.subject.clone(),
                body,
                batched,
                fault: chunk.iter().find_map(|(queued, ..)| queued.fault.clone()),
                deliveries: chunk
                    .iter()
                    .filter(|(_, copy, _)| *copy == 0)
                    .map(|(queued, ..)| queued.delivery)
                    .collect(),
                resend: false,
            })
        })
        .collect()
}

/// The number of times to send an event, given the duplicates that the subscription and a fault ask
/// for.
pub(crate) fn copies(subscription: &Subscription, fault: Option<&Fault>) -> u32 {
    let faulty = fault.map_or(0, |fault| fault.duplicates);
    bounded(subscription.options.duplicates, faulty)
}

fn bounded(requested: u32, faulty: u32) -> u32 {
    let duplicates = requested.saturating_add(faulty);
    duplicates.saturating_add(1).min(MAX_COPIES)
}

/// Sends one event again, now.
pub(crate) fn resend(
    context: &Arc<DeliveryContext>,
    subscription: &Arc<Subscription>,
    event: QueuedEvent,
) {
    let mut requests = pack(context.resource, subscription, &[event]).into_iter();
    if let Some(mut request) = requests.next() {
        request.resend = true;
        let task = deliver(Arc::clone(context), Arc::clone(subscription), request);
        spawn(context, subscription, task);
    }
}

async fn deliver(
    context: Arc<DeliveryContext>,
    subscription: Arc<Subscription>,
    request: DeliveryRequest,
) {
    let clock = &context.clock;
    let destination = &subscription.destination;
    let scale = context.retry_scale;
    // Responses take real time even if `scale` is small, so the time to live is never scaled down.
    let expires_at = after(clock.now(), TIME_TO_LIVE.mul_f64(scale.max(1.0)));
    let wake = Arc::new(Notify::new());
    let mut resend = request.resend;
    for attempt in 1.. {
        context.log.sending(&request.deliveries, Some(&wake));
        let started = Instant::now();
        // The delay counts from here, not from the response. A test that advances the clock can see
        // the request, but not when the response has been processed.
        let sent = clock.now();
        let fault = request.fault.as_deref().filter(|_| attempt == 1);
        let (status, response) = match send(&context, &subscription, &request, attempt, fault).await
        {
            Attempt::Sent(response) => {
                let status = response.as_ref().ok().map(reqwest::Response::status);
                (status, Some(response))
            }
            Attempt::Replaced(status) => (status, None),
        };
        let verdict = classify(destination.endpoint(), status, attempt);
        let reason = match verdict {
            Verdict::Delivered => None,
            Verdict::Dropped | Verdict::Retry(_) => reason(destination, response),
        };
        let (state, next) = match verdict {
            Verdict::Delivered => (DeliveryState::Delivered, None),
            Verdict::Dropped => (DeliveryState::Dropped, None),
            Verdict::Retry(delay) => {
                let next = after(sent, delay.mul_f64(scale));
                (DeliveryState::Retrying, Some(next))
            }
        };
        let record = AttemptRecord {
            number: attempt,
            at: sent,
            status,
            error: reason.clone(),
            duration: started.elapsed(),
            resend,
        };
        context
            .log
            .attempted(&request.deliveries, &record, state, next);
        let record = |outcome, reason| {
            context.activity.record(Activity::Delivery(DeliveryAttempt {
                channel: Channel::EventGrid,
                kind: request.kind,
                id: request.id.clone(),
                to: destination.address(),
                subject: request.subject.clone(),
                attempt,
                status,
                reason,
                outcome,
            }));
        };
        let delay = match verdict {
            Verdict::Delivered => return record(DeliveryOutcome::Delivered, None),
            Verdict::Dropped => {
                return record(DeliveryOutcome::Dropped, reason);
            }
            Verdict::Retry(delay) => delay,
        };
        record(DeliveryOutcome::Retry(delay), reason);
        resend = tokio::select! {
            () = clock.wait_until(after(sent, delay.mul_f64(scale))) => false,
            () = wake.notified() => true,
        };
        if clock.now() > expires_at {
            let expired = DeliveryState::Expired;
            context.log.set_state(&request.deliveries, expired);
            return record(DeliveryOutcome::Expired, None);
        }
    }
}

/// The outcome of an attempt.
enum Attempt {
    Sent(reqwest::Result<reqwest::Response>),
    /// A fault replaced the response with this status, or with none.
    Replaced(Option<StatusCode>),
}

async fn send(
    context: &DeliveryContext,
    subscription: &Subscription,
    request: &DeliveryRequest,
    attempt: usize,
    fault: Option<&Fault>,
) -> Attempt {
    if let Some(delay) = fault.and_then(|fault| fault.delay_ms) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let replaced = fault.filter(|fault| fault.status.is_some() || fault.loss.is_some());
    let send = || http_request(context, subscription, request, attempt).send();
    let Some(fault) = replaced else {
        return Attempt::Sent(send().await);
    };
    if fault.performed
        && let Err(error) = send().await
    {
        return Attempt::Sent(Err(error));
    }
    let status = fault.status.filter(|_| fault.loss.is_none());
    Attempt::Replaced(
        status.map(|status| {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }),
    )
}

fn http_request(
    context: &DeliveryContext,
    subscription: &Subscription,
    request: &DeliveryRequest,
    attempt: usize,
) -> reqwest::RequestBuilder {
    let body = request.body.clone();
    let url = match &subscription.destination {
        Destination::Queue(queue) => return queue.put(&context.client, body),
        Destination::Webhook(url) => url.clone(),
    };
    let mut headers = headers(subscription, "Notification", attempt - 1);
    if !request.batched
        && let Ok(id) = HeaderValue::from_str(&request.id)
    {
        headers.insert("aeg-output-event-id", id);
    }
    context.client.post(url).headers(headers).body(body)
}

/// The reason why an event was not accepted, if more than the status is known.
fn reason(
    destination: &Destination,
    response: Option<reqwest::Result<reqwest::Response>>,
) -> Option<String> {
    let Some(response) = response else {
        return Some("an injected fault".to_owned());
    };
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
            (MAX_COPIES, 0, MAX_COPIES),
            (u32::MAX, u32::MAX, MAX_COPIES),
        ] {
            assert_eq!(bounded(requested, faulty), expected, "{requested} {faulty}");
        }
    }
}
