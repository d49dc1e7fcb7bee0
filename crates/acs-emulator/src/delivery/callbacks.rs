//! Delivery of callbacks, which notify an application about its calls and recordings.
//!
//! Each callback has its own token. Callbacks to the same address are sent one after the other. A
//! callback that is not accepted is not retried.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::header::CONTENT_TYPE;
use tokio::sync::mpsc;

use super::callback_events::CallbackRequest;
use super::context::DeliveryContext;
use super::delivery_log::{AttemptRecord, DeliveryState};
use crate::activity::{Activity, Channel, DeliveryAttempt, DeliveryOutcome};
use crate::error::Error;
use crate::redact::{root_cause, without_secrets};
use crate::service::event::Callback;

/// Sends callbacks in the background until the emulator is reset or stops.
pub(super) struct CallbackQueue {
    context: Arc<DeliveryContext>,
    sender: Mutex<mpsc::UnboundedSender<QueuedCallback>>,
}

/// A callback that is queued.
struct QueuedCallback {
    request: Arc<CallbackRequest>,
    /// The id of the delivery.
    delivery: u64,
    resend: bool,
}

impl CallbackQueue {
    pub(super) fn new(context: &Arc<DeliveryContext>) -> Self {
        Self {
            context: Arc::clone(context),
            sender: Mutex::new(start(context)),
        }
    }

    pub(super) fn send(&self, callback: &Callback) {
        let request = Arc::new(CallbackRequest::from(callback));
        let delivery = self.context.log.add_callback(&request);
        self.queue(QueuedCallback {
            request,
            delivery,
            resend: false,
        });
    }

    /// Sends a callback again.
    pub(super) fn resend(&self, request: Arc<CallbackRequest>, delivery: u64) {
        self.queue(QueuedCallback {
            request,
            delivery,
            resend: true,
        });
    }

    fn queue(&self, callback: QueuedCallback) {
        // The receiver is dropped when the emulator stops.
        let _ = self.sender().send(callback);
    }

    /// Starts again after a reset, which has stopped the tasks.
    pub(super) fn restart(&self, context: &Arc<DeliveryContext>) {
        *self.sender() = start(context);
    }

    fn sender(&self) -> MutexGuard<'_, mpsc::UnboundedSender<QueuedCallback>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(context: &Arc<DeliveryContext>) -> mpsc::UnboundedSender<QueuedCallback> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sort = sort_by_address(Arc::clone(context), receiver);
    context.tasks.spawn_until_reset(sort);
    sender
}

/// Sends one callback to each address at a time. Nothing is kept of an address to which all callbacks
/// have been sent, because a client may choose another one for each call.
async fn sort_by_address(
    context: Arc<DeliveryContext>,
    mut callbacks: mpsc::UnboundedReceiver<QueuedCallback>,
) {
    // The addresses that a callback is being sent to, with those that follow.
    let mut waiting: HashMap<String, VecDeque<QueuedCallback>> = HashMap::new();
    let (done, mut sent) = mpsc::unbounded_channel();
    loop {
        let next = tokio::select! {
            callback = callbacks.recv() => {
                let Some(callback) = callback else { return };
                match waiting.entry(callback.request.url.clone()) {
                    Entry::Occupied(mut queue) => {
                        queue.get_mut().push_back(callback);
                        continue;
                    }
                    Entry::Vacant(queue) => {
                        queue.insert(VecDeque::new());
                        callback
                    }
                }
            }
            Some(url) = sent.recv() => {
                if let Some(next) = waiting.get_mut(&url).and_then(VecDeque::pop_front) {
                    next
                } else {
                    waiting.remove(&url);
                    continue;
                }
            }
        };
        let (context, done) = (Arc::clone(&context), done.clone());
        context.tasks.clone().spawn_until_reset(async move {
            post(&context, &next).await;
            // The receiver is dropped when the emulator is reset or stops.
            let _ = done.send(next.request.url.clone());
        });
    }
}

async fn post(context: &Arc<DeliveryContext>, queued: &QueuedCallback) {
    let (callback, deliveries) = (&queued.request, [queued.delivery]);
    let token = match token(context).await {
        Ok(token) => token,
        Err(error) => return tracing::error!(%error, "cannot create a token for callbacks"),
    };
    context.log.sending(&deliveries, None);
    let (sent, started) = (context.clock.now(), Instant::now());
    let response = context
        .client
        .post(&callback.url)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .bearer_auth(token)
        .body(callback.body.to_string())
        .send()
        .await;
    let status = response.as_ref().ok().map(reqwest::Response::status);
    let outcome = match status {
        Some(status) if status.is_success() => DeliveryOutcome::Delivered,
        _ => DeliveryOutcome::Dropped,
    };
    let reason = response.err().map(root_cause);
    let state = match outcome {
        DeliveryOutcome::Delivered => DeliveryState::Delivered,
        _ => DeliveryState::Dropped,
    };
    let attempt = AttemptRecord {
        number: 1,
        at: sent,
        status,
        error: reason.clone(),
        duration: started.elapsed(),
        resend: queued.resend,
    };
    context.log.attempted(&deliveries, &attempt, state, None);
    context.activity.record(Activity::Delivery(DeliveryAttempt {
        channel: Channel::Callback,
        kind: callback.kind,
        id: callback.id.clone(),
        to: without_secrets(&callback.url).into_owned(),
        subject: callback.subject.clone(),
        attempt: 1,
        status,
        reason,
        outcome,
    }));
}

async fn token(context: &Arc<DeliveryContext>) -> Result<String, Error> {
    // The first token generates a key, which is expensive.
    let context = Arc::clone(context);
    let made = tokio::task::spawn_blocking(move || {
        let now = context.auth.server_time();
        context.auth.tokens.for_callback(context.resource, now)
    });
    made.await.map_err(|error| Error::Token(error.into()))?
}
