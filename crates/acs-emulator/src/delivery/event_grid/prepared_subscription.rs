//! Subscriptions that are checked but not active yet, and their handshake.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::deliver;
use super::event::QueuedEvent;
use super::handshake::{request_consent, send_validation_event};
use super::subscription::{Destination, EventSchema, Handshake, Subscription, SubscriptionOptions};
use crate::activity::Change;
use crate::delivery::context::DeliveryContext;

/// The delay after the first failed handshake. It doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The number of events that wait for the handshake.
const MAX_WAITING: usize = 10_000;

/// Performs the handshake of a webhook. A queue has none.
pub(super) async fn handshake(
    context: &DeliveryContext,
    subscription: &Subscription,
) -> Result<(), String> {
    let Destination::Webhook(url) = &subscription.destination else {
        return Ok(());
    };
    match subscription.options.schema {
        EventSchema::EventGrid => send_validation_event(context, subscription, url).await,
        EventSchema::CloudEvents => request_consent(context, url).await,
    }
}

/// Delivers events once the webhook has passed the handshake. The delays are real time, because the
/// webhook is another program that is starting.
async fn deliver_after_handshake(
    context: Arc<DeliveryContext>,
    subscription: Arc<Subscription>,
    mut events: mpsc::UnboundedReceiver<QueuedEvent>,
) {
    let to = subscription.destination.address();
    let changed = || {
        context.activity.changed(Change::Subscription {
            id: subscription.name.clone(),
            removed: false,
        });
    };
    let mut delay = FIRST_DELAY;
    while let Err(reason) = handshake(&context, &subscription).await {
        tracing::warn!(to, reason, ?delay, "handshake failed; retrying");
        subscription.set_handshake(Handshake::Pending(Some(reason)));
        changed();
        tokio::time::sleep(delay).await;
        delay = (2 * delay).min(LONGEST_DELAY);
        while events.len() > MAX_WAITING && events.try_recv().is_ok() {
            tracing::warn!(
                to,
                "event dropped, because the webhook is not subscribed yet"
            );
        }
    }
    tracing::info!(to, "subscribed");
    subscription.set_handshake(Handshake::Passed);
    changed();
    deliver::run(&context, &subscription, events);
}

/// A subscription that is not active yet.
pub(crate) struct PreparedSubscription {
    pub(super) subscription: Arc<Subscription>,
    events: mpsc::UnboundedReceiver<QueuedEvent>,
}

impl PreparedSubscription {
    pub(super) fn new(
        name: String,
        destination: Destination,
        options: SubscriptionOptions,
        created_at: Timestamp,
    ) -> Self {
        let (queue, events) = mpsc::unbounded_channel();
        Self {
            subscription: Arc::new(Subscription {
                name,
                created_at,
                destination,
                options,
                queue,
                deleted: CancellationToken::new(),
                handshake: Mutex::new(Handshake::Pending(None)),
            }),
            events,
        }
    }

    /// A subscription like this one, which has nothing to deliver yet.
    pub(crate) fn renewed(subscription: &Subscription) -> Self {
        let Subscription {
            name,
            created_at,
            destination,
            options,
            ..
        } = subscription;
        let renewed = Self::new(
            name.clone(),
            destination.clone(),
            options.clone(),
            *created_at,
        );
        renewed.subscription.set_handshake(subscription.handshake());
        renewed
    }

    /// Starts the delivery of events, after the handshake if it is pending.
    pub(crate) fn start(self, context: &Arc<DeliveryContext>) -> Arc<Subscription> {
        if self.subscription.handshake() == Handshake::Passed {
            deliver::run(context, &self.subscription, self.events);
        } else {
            let subscription = Arc::clone(&self.subscription);
            let task = deliver_after_handshake(Arc::clone(context), subscription, self.events);
            deliver::spawn(context, &self.subscription, task);
        }
        self.subscription
    }
}
